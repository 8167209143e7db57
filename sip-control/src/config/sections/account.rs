//! `[[accounts]]`, and who authenticates as whom: the parts of a configuration that hold secrets.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{is_default, is_secret, untold};
use crate::config::secret::Secret;

/// A phone that registers with us (SIG-4).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = Account)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountSection {
    /// `sip:USER@DOMAIN`, of a domain of its trunk; never changed.
    pub(crate) aor: String,
    /// The name of the trunk whose rules it follows.
    pub(crate) trunk: String,
    /// Its login; default: the user of `aor`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) user: Option<String>,
    #[serde(default, skip_serializing_if = "is_secret", serialize_with = "untold")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(crate) password: Option<Secret>,
    /// MD5 of `user:realm:password`, in hexadecimal, instead of the password.
    #[serde(default, skip_serializing_if = "is_secret", serialize_with = "untold")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(crate) ha1_md5: Option<Secret>,
    /// SHA-256 of `user:realm:password`, in hexadecimal, instead of the password.
    #[serde(default, skip_serializing_if = "is_secret", serialize_with = "untold")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(crate) ha1_sha256: Option<Secret>,
    /// Whether there is a secret, of whatever form. Only told.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(read_only)]
    pub(crate) has_password: Option<bool>,
}

/// Whom calls to us may authenticate as (TRK-1).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = Credential)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialSection {
    pub(crate) user: String,
    #[serde(default, skip_serializing_if = "is_secret", serialize_with = "untold")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(crate) password: Option<Secret>,
    /// MD5 of `user:realm:password`, in hexadecimal, instead of the password.
    #[serde(default, skip_serializing_if = "is_secret", serialize_with = "untold")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(crate) ha1_md5: Option<Secret>,
    /// SHA-256 of `user:realm:password`, in hexadecimal, instead of the password.
    #[serde(default, skip_serializing_if = "is_secret", serialize_with = "untold")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(crate) ha1_sha256: Option<Secret>,
    /// Whether there is a secret, of whatever form. Only told.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(read_only)]
    pub(crate) has_password: Option<bool>,
}

/// Whom we authenticate as (SIG-5).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = Authentication)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthSection {
    pub(crate) user: String,
    #[serde(default, skip_serializing_if = "is_secret", serialize_with = "untold")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(crate) password: Option<Secret>,
    /// Whether there is a password. Only told.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(read_only)]
    pub(crate) has_password: Option<bool>,
}

/// What we register with a provider.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = Register)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterSection {
    /// `sip:USER@HOST`
    pub(crate) aor: String,
    /// `60s` to `24h`; default `3600s`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) expires: Option<String>,
}
