//! One change: looked at under the lock, checked as part of the whole, stored, applied.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

use super::diff::{self, FieldDiff};
use super::kept::{Item, Kept, Section};
use super::model::{Actor, IfMatch, ManageError};
use super::resolve::{self, Changed, LeaveOut};
use super::restore::Trust;
use super::{Current, Manager, find_in_file};
use crate::clock::unix_ms;
use crate::config::{Config, SectionKind};
use crate::events::{Event, kind};
use crate::operation::Operation;
use crate::store::{AuditEntry, Change, Expected, StoreError};

/// What is to become of the configuration.
pub(super) struct Plan {
    /// Everything as it is to be.
    pub(super) kept: Kept,
    /// What of it the store does not have; if empty, there is nothing to do.
    pub(super) changes: Vec<Change>,
    pub(super) record: Record,
    pub(super) changed: Scope,
    /// It is checked as a whole, and not carried out.
    pub(super) only_looks: bool,
}

/// What a change concerns.
pub(super) enum Scope {
    /// Tokens, webhooks: no call minds.
    Aside,
    One(SectionKind, String),
    /// The order of routes.
    Order,
    /// What does not make sense is told with the object that it is of.
    Several(Vec<(SectionKind, String)>),
}

/// What the audit says of it.
pub(super) struct Record {
    /// `trunk.update`
    pub(super) action: String,
    pub(super) object: String,
    pub(super) detail: Value,
}

impl Record {
    pub(super) fn of<T: Item>(verb: &str, name: &str, fields: &[FieldDiff]) -> Record {
        Record {
            action: format!("{}.{verb}", T::WORD),
            object: name.to_owned(),
            detail: diff::detail(fields),
        }
    }

    /// Says nothing of that field.
    pub(super) fn without(mut self, field: &str) -> Record {
        if let Value::Object(fields) = &mut self.detail {
            fields.shift_remove(field);
        }
        self
    }
}

impl Manager {
    /// Does what `plan` makes of what is in effect. It goes on to its end even if whoever asked leaves.
    pub(super) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        who: &Actor,
        plan: impl FnOnce(&Kept, &Config) -> Result<(Plan, T), ManageError> + Send + 'static,
    ) -> Result<T, ManageError> {
        let (manager, who) = (Arc::clone(self), who.clone());
        let change = tokio::spawn(async move { manager.carry_out(&who, plan).await });
        change.await.unwrap_or_else(|error| {
            let problem = format!("the change was not carried out: {error}");
            Err(StoreError::Unavailable(problem).into())
        })
    }

    async fn carry_out<T>(
        &self,
        who: &Actor,
        plan: impl FnOnce(&Kept, &Config) -> Result<(Plan, T), ManageError>,
    ) -> Result<T, ManageError> {
        let mut trust = self.changing.lock().await;
        self.restore(&mut trust).await?;
        let current = self.current();
        let (plan, outcome) = plan(&current.kept, &current.config)?;
        if plan.changes.is_empty() {
            return Ok(outcome);
        }
        let (mut kept, config) = check(&current, plan.kept, plan.changed).await?;
        if plan.only_looks {
            return Ok(outcome);
        }
        let changed = changed(&plan.record);
        let audit = audit(who, plan.record);
        let entries = match self.store.change(plan.changes, audit).await {
            Ok(entries) => entries,
            Err(error) => {
                // Everything was looked at before: the store has something else than the memory, or
                // nobody knows what it has.
                *trust = Trust::Doubtful;
                return Err(error.into());
            }
        };
        kept.settle(&entries);
        let before = &current.config;
        match config {
            Some(config) => {
                config.log_new_warnings(before);
                self.put_into_effect(config, kept).await;
            }
            None => {
                self.install(Current {
                    config: before.clone(),
                    kept,
                });
                if let Some(hub) = self.hub.get() {
                    hub.publish(changed);
                }
            }
        }
        Ok(outcome)
    }

    /// From now on that is what is in effect. Returns when signalling follows it.
    pub(super) async fn put_into_effect(&self, config: Config, kept: Kept) {
        let (done, applied) = oneshot::channel();
        let operation = Operation::Configure(Box::new(config.clone()), done);
        self.install(Current { config, kept });
        // Without a driver the daemon is ending.
        if self.operations.send(operation).await.is_ok() {
            let _ = applied.await;
        }
    }

    /// Creates or replaces an object of the store.
    pub(super) async fn put<T: Section>(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        condition: IfMatch,
        body: impl FnOnce(Option<&T>) -> Result<T, ManageError> + Send + 'static,
        position: Option<usize>,
    ) -> Result<(), ManageError> {
        let name = name.to_owned();
        self.change(who, move |kept, config| {
            not_in_file::<T>(config, &name)?;
            let old = look_up::<T>(kept, &name, condition)?;
            let new = body(old)?.kept();
            let plan = plan_put(kept, &name, new, condition, position)?;
            Ok((plan, ()))
        })
        .await
    }

    /// Removes an object of the store, unless `users` names what needs it.
    pub(super) async fn delete<T: Section>(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        condition: IfMatch,
        users: fn(&Kept, &str) -> Vec<String>,
    ) -> Result<(), ManageError> {
        let name = name.to_owned();
        self.change(who, move |kept, config| {
            not_in_file::<T>(config, &name)?;
            let Some(old) = kept.find::<T>(&name) else {
                return Err(StoreError::Missing.into());
            };
            look_up::<T>(kept, &name, condition)?;
            let users = users(kept, &old.name);
            if !users.is_empty() {
                return Err(ManageError::InUse(users.join(", ")));
            }
            Ok((plan_delete(kept, &old.name, &old.body, condition), ()))
        })
        .await
    }
}

/// That nothing of that name stands in the file.
pub(super) fn not_in_file<T: Section>(config: &Config, name: &str) -> Result<(), ManageError> {
    match find_in_file::<T>(config, name) {
        Some((place, section)) => Err(ManageError::DefinedInFile(format!(
            "{} {}",
            T::WORD,
            section.file_name(place)
        ))),
        None => Ok(()),
    }
}

/// The object as it is, if that is what the editor expects.
pub(super) fn look_up<'a, T: Item>(
    kept: &'a Kept,
    name: &str,
    condition: IfMatch,
) -> Result<Option<&'a T>, StoreError> {
    match (kept.find::<T>(name), condition) {
        (Some(_), IfMatch::New) => Err(StoreError::Exists),
        (None, IfMatch::Version(_)) => Err(StoreError::Missing),
        (Some(item), IfMatch::Version(version)) if item.version != version => {
            Err(StoreError::Stale {
                found: item.version,
            })
        }
        (item, _) => Ok(item.map(|item| &item.body)),
    }
}

/// `position` is its place among those of the store.
pub(super) fn plan_put<T: Item>(
    kept: &Kept,
    name: &str,
    body: T,
    condition: IfMatch,
    position: Option<usize>,
) -> Result<Plan, ManageError> {
    let old = kept.find::<T>(name);
    // As it was first written.
    let name = old.map_or(name, |old| old.name.as_str());
    let fields = diff::fields(old.map(|old| &old.body), Some(&body));
    let verb = if old.is_some() { "update" } else { "create" };
    let mut wanted = kept.clone();
    let mut changes = Vec::new();
    if old.is_none_or(|old| old.body != body) {
        changes.push(Change::Put {
            kind: T::KIND,
            name: name.to_owned(),
            position: None,
            body: body.dangerous_revealed(),
            expected: expected(condition, old.is_some()),
        });
        wanted.put(name, body);
    }
    if let Some(position) = position
        && wanted.move_to::<T>(name, position)
    {
        changes.push(Change::Reorder {
            kind: T::KIND,
            names: wanted.names::<T>(),
        });
    }
    Ok(Plan {
        kept: wanted,
        changes,
        record: Record::of::<T>(verb, name, &fields),
        changed: T::scope(name),
        only_looks: false,
    })
}

pub(super) fn plan_delete<T: Item>(kept: &Kept, name: &str, old: &T, condition: IfMatch) -> Plan {
    let mut wanted = kept.clone();
    wanted.remove::<T>(name);
    Plan {
        kept: wanted,
        changes: vec![Change::Delete {
            kind: T::KIND,
            name: name.to_owned(),
            expected: expected(condition, true),
        }],
        record: Record::of::<T>("delete", name, &diff::fields(Some(old), None)),
        changed: T::scope(name),
        only_looks: false,
    }
}

/// What was found in memory must be what the store finds.
fn expected(condition: IfMatch, is_there: bool) -> Expected {
    match (condition, is_there) {
        (IfMatch::Version(version), _) => Expected::Version(version),
        (IfMatch::New, _) | (IfMatch::Any, false) => Expected::Absent,
        (IfMatch::Any, true) => Expected::Any,
    }
}

/// Resolves the whole, away from those who answer: certificates are read from a disk.
async fn check(
    current: &Arc<Current>,
    mut kept: Kept,
    scope: Scope,
) -> Result<(Kept, Option<Config>), ManageError> {
    if matches!(scope, Scope::Aside) {
        return Ok((kept, None));
    }
    let current = Arc::clone(current);
    let resolved = tokio::task::spawn_blocking(move || {
        let changed = match &scope {
            Scope::One(kind, name) => Changed::One(*kind, name),
            Scope::Several(changed) => Changed::Several(changed),
            Scope::Aside | Scope::Order => Changed::Nothing,
        };
        let leave_out = LeaveOut::KnownProblems;
        let config = resolve::resolve(&current.config, &mut kept, leave_out, changed)?;
        Ok((kept, Some(config)))
    });
    resolved.await.unwrap_or_else(|error| {
        let problem = format!("it could not be checked: {error}");
        Err(ManageError::Conflict(problem))
    })
}

/// Tells of what no call minds; the driver tells of the others.
fn changed(record: &Record) -> Event {
    let text = match record.action.split_once('.') {
        Some((kind, verb)) => format!("{verb} {kind} {}", record.object),
        None => record.action.clone(),
    };
    Event::new(kind::CONFIG_CHANGED, text)
        .with("action", record.action.as_str())
        .with("object", record.object.as_str())
}

pub(super) fn audit(who: &Actor, record: Record) -> AuditEntry {
    AuditEntry {
        time_ms: unix_ms(),
        who: who.name.clone(),
        role: who.role.name().to_owned(),
        from: who.from.clone(),
        action: record.action,
        object: record.object,
        detail: record.detail,
        outcome: "ok".to_owned(),
    }
}
