//! What callers of the service layer say and are told: who they are, what an object is like, what
//! went wrong.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::{Expected, StoreError};

/// What a token allows; each includes the ones before it.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Everything may be looked at.
    Read,
    /// Calls may be acted on.
    Operate,
    /// The configuration may be changed.
    Admin,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Operate => "operate",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who asks, for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actor {
    /// The name of the token, or `root` at the socket.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The address, or `socket`.
    pub(crate) from: String,
}

/// Where an object stands.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// In `trunkline.toml`: changed there, and with SIGHUP.
    File,
    /// In the store: changed through the API.
    Store,
}

/// An object of the configuration, as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Managed<T> {
    /// What it is found by: a trunk's name, an account's aor, a route's id.
    pub(crate) name: String,
    /// Without secrets.
    pub(crate) body: T,
    pub(crate) origin: Origin,
    /// For `ETag: "v<version>"`: another one after each change.
    pub(crate) version: i64,
    /// Its place among those of its kind, those of the file first.
    pub(crate) position: usize,
    /// When it was last changed, in milliseconds since 1970; `None` in the file.
    pub(crate) updated_ms: Option<i64>,
    /// Why it is not in effect: it does not fit what `trunkline.toml` says since the last start.
    pub(crate) problem: Option<String>,
}

/// What must be so for a change to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// The object is new.
    New,
    /// It is as the editor has seen it.
    Version(i64),
    /// Whatever it is like, and whether it is there or not.
    Any,
}

impl From<IfMatch> for Expected {
    fn from(condition: IfMatch) -> Expected {
        match condition {
            IfMatch::New => Expected::Absent,
            IfMatch::Version(version) => Expected::Version(version),
            IfMatch::Any => Expected::Any,
        }
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManageError {
    /// A value does not make sense.
    #[error("{field}: {problem}")]
    Field { field: String, problem: String },
    /// There is no such field.
    #[error("{field}: {problem}")]
    UnknownField { field: String, problem: String },
    /// It makes sense by itself, but not beside another object, which is named.
    #[error("{0}")]
    Conflict(String),
    #[error("{0} is defined in trunkline.toml; change it there and reload")]
    DefinedInFile(String),
    /// What uses it.
    #[error("in use by {0}")]
    InUse(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ManageError {
    pub(crate) fn field(field: impl Into<String>, problem: impl Into<String>) -> ManageError {
        ManageError::Field {
            field: field.into(),
            problem: problem.into(),
        }
    }
}
