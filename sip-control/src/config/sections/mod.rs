//! The sections that change while the daemon runs: trunks, accounts, routes. They stand in
//! `trunkline.toml`, in the store, or in both; the API has the same fields.
//!
//! Serialised, a section has the fields that are set, and no secret: whoever wants those asks for
//! [`HoldsSecrets::dangerous_revealed`].

mod account;
mod route;
mod secrets;
mod trunk;

use serde::{Deserialize, Serialize, Serializer};

pub(crate) use self::account::{AccountSection, CredentialSection};
pub(crate) use self::route::RouteSection;
pub(crate) use self::secrets::HoldsSecrets;
pub(crate) use self::trunk::{HeaderRuleSection, OriginationSection, TrunkSection};

/// Trunks, accounts and routes, wherever they are kept.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sections {
    #[serde(default)]
    pub(crate) trunks: Vec<TrunkSection>,
    #[serde(default)]
    pub(crate) accounts: Vec<AccountSection>,
    #[serde(default)]
    pub(crate) routes: Vec<RouteSection>,
}

/// Of a field that is taken but never told. (`skip_serializing` would take it out of the API's
/// description as well.)
pub(crate) fn is_secret<T>(_: &T) -> bool {
    true
}

/// What it would say, if it were ever asked.
pub(crate) fn untold<T, S: Serializer>(_: &T, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_none()
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
