//! Tokens of the API: made here, shown once, kept as a hash.
//!
//! `tk_<id>_<secret>`: the id is looked up, the secret is 256 random bits, of which the store has the
//! SHA-256. With so many bits nothing can be tried out, so that a slow hash would protect nothing.

use std::sync::Arc;

use rand_core::{OsRng, RngCore, TryRngCore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::Manager;
use super::change::{plan_delete, plan_put};
use super::kept::{Item, Kept, KeptItem};
use super::model::{Actor, IfMatch, ManageError, Role};
use crate::clock::unix_ms;
use crate::config::secret::Secret;
use crate::config::sections::HoldsSecrets;
use crate::store::{Kind, StoreError};

const PREFIX: &str = "tk_";
const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 5;
const LONGEST_LABEL: usize = 64;

/// A token as the store has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenBody {
    /// What people call it.
    label: String,
    role: Role,
    /// SHA-256 of the secret, in hexadecimal.
    hash: String,
    created_ms: i64,
}

/// A token as it is shown: without anything to log in with.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenView {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) role: Role,
    /// Milliseconds since 1970.
    pub(crate) created_ms: i64,
    /// The last time that it was used; if the daemon was killed since, up to a minute before that.
    pub(crate) last_used_ms: Option<i64>,
}

/// A token that has just been made.
#[derive(Clone, Debug)]
pub(crate) struct NewToken {
    pub(crate) view: TokenView,
    /// The whole of it, which nobody can be told again.
    pub(crate) token: Secret,
}

impl Item for TokenBody {
    const KIND: Kind = Kind::Token;
    const WORD: &'static str = "token";

    fn of(kept: &Kept) -> &Vec<KeptItem<Self>> {
        &kept.tokens
    }

    fn of_mut(kept: &mut Kept) -> &mut Vec<KeptItem<Self>> {
        &mut kept.tokens
    }
}

/// The hash is worth nothing to whoever reads it.
impl HoldsSecrets for TokenBody {
    fn secrets(&mut self) -> Vec<(String, &mut Option<Secret>)> {
        Vec::new()
    }

    fn tell_secrets(&mut self, _: fn(bool) -> Option<bool>) {}

    fn keep_secrets(&mut self, _: &TokenBody) {}
}

impl Manager {
    /// Whose token that is. Takes the same time however much of it is right.
    pub(crate) fn authenticate(&self, token: &str) -> Option<TokenView> {
        let current = self.current();
        let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
        let known = current.kept.find::<TokenBody>(id);
        let expected = known.map_or("", |item| item.body.hash.as_str());
        // Of an unknown id, too, a hash is computed and compared.
        let expected = format!("{expected:0>width$}", width = 2 * SECRET_BYTES);
        let is_right = hash(secret).as_bytes().ct_eq(expected.as_bytes());
        let item = known.filter(|_| bool::from(is_right))?;
        self.note_use(&item.name);
        Some(self.view(item))
    }

    pub(crate) fn tokens(&self) -> Vec<TokenView> {
        let current = self.current();
        let tokens = current.kept.tokens.iter();
        tokens.map(|item| self.view(item)).collect()
    }

    fn view(&self, item: &KeptItem<TokenBody>) -> TokenView {
        TokenView {
            id: item.name.clone(),
            label: item.body.label.clone(),
            role: item.body.role,
            created_ms: item.body.created_ms,
            last_used_ms: self.uses.last(&item.name),
        }
    }

    /// Makes a token; nobody but whoever asked is ever told it.
    pub(crate) async fn create_token(
        self: &Arc<Self>,
        who: &Actor,
        label: &str,
        role: Role,
    ) -> Result<NewToken, ManageError> {
        check_label(label)?;
        let (id, secret) = (random_hex::<ID_BYTES>(), random_hex::<SECRET_BYTES>());
        let body = TokenBody {
            label: label.to_owned(),
            role,
            hash: hash(&secret),
            created_ms: unix_ms(),
        };
        let view = TokenView {
            id: id.to_string(),
            label: body.label.clone(),
            role,
            created_ms: body.created_ms,
            last_used_ms: None,
        };
        let name = view.id.clone();
        let planned = self.change(who, move |kept, _| {
            let mut plan = plan_put(kept, &name, body, IfMatch::New, None)?;
            plan.record = plan.record.without("hash");
            Ok((plan, ()))
        });
        planned.await?;
        let token = Secret::new(format!("{PREFIX}{}_{}", *id, *secret));
        Ok(NewToken { view, token })
    }

    /// From now on it opens nothing.
    pub(crate) async fn revoke_token(
        self: &Arc<Self>,
        who: &Actor,
        id: &str,
    ) -> Result<(), ManageError> {
        let id = id.to_owned();
        let revoked = self.change(who, move |kept, _| {
            let item = kept.find::<TokenBody>(&id).ok_or(StoreError::Missing)?;
            let mut plan = plan_delete(kept, &item.name, &item.body, IfMatch::Any);
            plan.record = plan.record.without("hash");
            Ok((plan, item.name.clone()))
        });
        self.forget_use(&revoked.await?);
        Ok(())
    }
}

fn check_label(label: &str) -> Result<(), ManageError> {
    let is_fine = !label.trim().is_empty()
        && label.len() <= LONGEST_LABEL
        && !label.contains(char::is_control);
    match is_fine {
        true => Ok(()),
        false => Err(ManageError::field(
            "label",
            format!("expected a text of 1 to {LONGEST_LABEL} bytes on one line"),
        )),
    }
}

fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// That many bytes of the operating system's generator.
fn random_hex<const BYTES: usize>() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    OsRng.unwrap_err().fill_bytes(&mut *bytes);
    Zeroizing::new(hex(&*bytes))
}

/// An id that nobody can foresee, nor has to.
pub(super) fn random_id() -> String {
    random_hex::<3>().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
