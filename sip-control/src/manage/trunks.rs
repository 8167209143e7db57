//! Trunks, as a whole, in parts and target by target.

use std::sync::Arc;

use serde_json::Value;

use super::kept::Kept;
use super::model::{Actor, IfMatch, ManageError, Managed};
use super::parts::{TrunkPart, patched};
use super::{Manager, read};
use crate::config::aor_of;
use crate::config::sections::{HoldsSecrets, OriginationSection, TrunkSection};
use crate::store::StoreError;

const LONGEST_NAME: usize = 128;

impl Manager {
    pub(crate) fn trunks(&self) -> Vec<Managed<TrunkSection>> {
        self.list()
    }

    pub(crate) fn trunk(&self, name: &str) -> Result<Managed<TrunkSection>, ManageError> {
        self.find(name)
    }

    /// Creates or replaces a trunk. Credentials that come without a secret keep the one of their user.
    pub(crate) async fn put_trunk(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        body: TrunkSection,
        condition: IfMatch,
    ) -> Result<Managed<TrunkSection>, ManageError> {
        let key = name.to_owned();
        let change = move |old: Option<&TrunkSection>| {
            let mut new = body.kept();
            let known = old.map_or(key.as_str(), |old| old.name.as_str());
            check_name("trunk", known, &new.name, old.is_some())?;
            if let Some(old) = old {
                new.keep_secrets(old);
            }
            Ok(new)
        };
        self.put(who, name, condition, change, None).await?;
        self.find(name)
    }

    /// Merges a patch (RFC 7396) into a trunk, or into a part of it, which alone may be named then.
    pub(crate) async fn patch_trunk(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        part: TrunkPart,
        patch: Value,
        condition: IfMatch,
    ) -> Result<Managed<TrunkSection>, ManageError> {
        part.check(&patch)?;
        self.edit_trunk(who, name, condition, move |trunk| {
            let mut new: TrunkSection = patched(&trunk.shown(), patch)?;
            check_name("trunk", &trunk.name, &new.name, true)?;
            new = new.kept();
            new.keep_secrets(trunk);
            *trunk = new;
            Ok(())
        })
        .await
    }

    /// Refused as long as a route or an account names it.
    pub(crate) async fn delete_trunk(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        condition: IfMatch,
    ) -> Result<(), ManageError> {
        self.delete::<TrunkSection>(who, name, condition, users)
            .await
    }

    /// Adds a target at the end; returns its place.
    pub(crate) async fn add_origination(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        target: OriginationSection,
        condition: IfMatch,
    ) -> Result<(usize, Managed<TrunkSection>), ManageError> {
        // Whatever its place is: the last.
        let edited = self.edit_targets(who, name, condition, move |targets| {
            targets.push(target);
            Ok(())
        });
        let trunk = edited.await?;
        Ok((trunk.body.origination.len().saturating_sub(1), trunk))
    }

    pub(crate) async fn put_origination(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        index: usize,
        target: OriginationSection,
        condition: IfMatch,
    ) -> Result<Managed<TrunkSection>, ManageError> {
        self.edit_targets(who, name, condition, move |targets| {
            *at(targets, index)? = target;
            Ok(())
        })
        .await
    }

    pub(crate) async fn patch_origination(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        index: usize,
        patch: Value,
        condition: IfMatch,
    ) -> Result<Managed<TrunkSection>, ManageError> {
        self.edit_targets(who, name, condition, move |targets| {
            let target = at(targets, index)?;
            let mut value = serde_json::to_value(&*target).unwrap_or_default();
            read::merge(&mut value, patch);
            *target = read::section(value)?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn delete_origination(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        index: usize,
        condition: IfMatch,
    ) -> Result<Managed<TrunkSection>, ManageError> {
        self.edit_targets(who, name, condition, move |targets| {
            at(targets, index)?;
            targets.remove(index);
            Ok(())
        })
        .await
    }

    /// Edits the targets of a trunk as a list, also where it has one destination. What is wrong with
    /// one of them is told by the target's own field.
    async fn edit_targets(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        condition: IfMatch,
        edit: impl FnOnce(&mut Vec<OriginationSection>) -> Result<(), ManageError> + Send + 'static,
    ) -> Result<Managed<TrunkSection>, ManageError> {
        let edited = self.edit_trunk(who, name, condition, move |trunk| {
            let mut targets = targets(trunk);
            edit(&mut targets)?;
            trunk.destination = None;
            trunk.origination = targets;
            Ok(())
        });
        edited.await.map_err(|error| match error {
            ManageError::Field { field, problem } => ManageError::Field {
                field: of_target(&field).to_owned(),
                problem,
            },
            error => error,
        })
    }

    async fn edit_trunk(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        condition: IfMatch,
        edit: impl FnOnce(&mut TrunkSection) -> Result<(), ManageError> + Send + 'static,
    ) -> Result<Managed<TrunkSection>, ManageError> {
        let change = move |old: Option<&TrunkSection>| {
            let mut trunk = old.ok_or(StoreError::Missing)?.clone();
            edit(&mut trunk)?;
            Ok(trunk)
        };
        self.put(who, name, condition, change, None).await?;
        self.find(name)
    }
}

/// The targets of a trunk as a list: one `destination` is a list of one.
pub(crate) fn targets(trunk: &TrunkSection) -> Vec<OriginationSection> {
    match &trunk.destination {
        Some(uri) if trunk.origination.is_empty() => vec![OriginationSection {
            uri: uri.clone(),
            priority: None,
            weight: None,
            enabled: None,
        }],
        _ => trunk.origination.clone(),
    }
}

fn at(
    targets: &mut [OriginationSection],
    index: usize,
) -> Result<&mut OriginationSection, StoreError> {
    targets.get_mut(index).ok_or(StoreError::Missing)
}

/// `origination[3].uri` is the field `uri` of a target.
fn of_target(field: &str) -> &str {
    let inner = field.strip_prefix("origination[");
    let inner = inner.and_then(|rest| rest.split_once("]."));
    inner.map_or(field, |(_, field)| field)
}

/// That a name can be one, and is the one that is known already.
pub(super) fn check_name(
    word: &str,
    known: &str,
    given: &str,
    exists: bool,
) -> Result<(), ManageError> {
    let refuse = |problem: String| Err(ManageError::field("name", problem));
    if given != known {
        return refuse(match exists {
            true => {
                format!("a {word} keeps its name; expected {known:?}, or another {word} beside it")
            }
            false => format!("is not the name that is asked for; expected {known:?}"),
        });
    }
    let is_plain = given.trim() == given && !given.contains(char::is_control);
    if given.is_empty() || given.len() > LONGEST_NAME || !is_plain {
        return refuse(format!(
            "{given:?} is no name; expected 1 to {LONGEST_NAME} bytes on one line"
        ));
    }
    Ok(())
}

/// What of the store names a trunk. What is in the file can only name those of the file.
fn users(kept: &Kept, name: &str) -> Vec<String> {
    let is_it = |other: &String| other.eq_ignore_ascii_case(name);
    let routes = kept.routes.iter().filter(|route| {
        let ends = [&route.body.from, &route.body.to];
        ends.into_iter().flatten().any(is_it)
    });
    let routes = routes.map(|route| format!("route {}", route.name));
    let accounts = kept.accounts.iter();
    let accounts = accounts.filter(|account| is_it(&account.body.trunk));
    let accounts = accounts.map(|account| format!("account {}", account.name));
    routes.chain(accounts).collect()
}

/// What of the store names an account.
pub(super) fn users_of_account(kept: &Kept, name: &str) -> Vec<String> {
    let routes = kept.routes.iter().filter(|route| {
        let to = route.body.to.as_deref().and_then(aor_of);
        to.is_some_and(|to| to.eq_ignore_ascii_case(name))
    });
    routes
        .map(|route| format!("route {}", route.name))
        .collect()
}
