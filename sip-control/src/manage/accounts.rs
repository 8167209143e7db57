//! Accounts: telephones that register with us.

use std::sync::Arc;

use serde_json::Value;

use super::Manager;
use super::kept::Item;
use super::model::{Actor, IfMatch, ManageError, Managed};
use super::parts::patched;
use super::trunks::users_of_account;
use crate::config::aor_of;
use crate::config::sections::{AccountSection, HoldsSecrets};
use crate::store::StoreError;

impl Manager {
    pub(crate) fn accounts(&self) -> Vec<Managed<AccountSection>> {
        self.list()
    }

    /// By its aor, with the scheme or without.
    pub(crate) fn account(&self, aor: &str) -> Result<Managed<AccountSection>, ManageError> {
        self.find(aor)
    }

    /// Creates or replaces an account. One that comes without a secret keeps the one that it has.
    pub(crate) async fn put_account(
        self: &Arc<Self>,
        who: &Actor,
        aor: &str,
        body: AccountSection,
        condition: IfMatch,
    ) -> Result<Managed<AccountSection>, ManageError> {
        let name = AccountSection::key(aor);
        let key = name.clone();
        let change = move |old: Option<&AccountSection>| {
            let mut new = body.kept();
            check_aor(&key, &new.aor, old.is_some())?;
            if let Some(old) = old {
                new.keep_secrets(old);
            }
            Ok(new)
        };
        self.put(who, &name, condition, change, None).await?;
        self.find(&name)
    }

    /// Merges a patch (RFC 7396) into an account.
    pub(crate) async fn patch_account(
        self: &Arc<Self>,
        who: &Actor,
        aor: &str,
        patch: Value,
        condition: IfMatch,
    ) -> Result<Managed<AccountSection>, ManageError> {
        let name = AccountSection::key(aor);
        let key = name.clone();
        let change = move |old: Option<&AccountSection>| {
            let old = old.ok_or(StoreError::Missing)?;
            let mut new = patched(&old.shown(), patch)?.kept();
            check_aor(&key, &new.aor, true)?;
            new.keep_secrets(old);
            Ok(new)
        };
        self.put(who, &name, condition, change, None).await?;
        self.find(&name)
    }

    /// Refused as long as a route leads to it.
    pub(crate) async fn delete_account(
        self: &Arc<Self>,
        who: &Actor,
        aor: &str,
        condition: IfMatch,
    ) -> Result<(), ManageError> {
        let name = AccountSection::key(aor);
        self.delete::<AccountSection>(who, &name, condition, users_of_account)
            .await
    }
}

/// That it is an address-of-record, and the one that is known already.
fn check_aor(known: &str, given: &str, exists: bool) -> Result<(), ManageError> {
    let refuse = |problem: String| Err(ManageError::field("aor", problem));
    match aor_of(given) {
        None => refuse(format!(
            "{given:?} is not an address-of-record; expected sip:USER@DOMAIN"
        )),
        Some(aor) if !aor.eq_ignore_ascii_case(known) => refuse(match exists {
            true => format!(
                "an account keeps its address; expected {known:?}, or another account beside it"
            ),
            false => format!("is not the account that is asked for; expected {known:?}"),
        }),
        Some(_) => Ok(()),
    }
}
