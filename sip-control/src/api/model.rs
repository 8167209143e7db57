//! What requests and answers have, where no other part of the daemon says it already.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// For `after` of the next page; `null`: there is none.
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// Everything at once.
    pub(super) fn whole(items: Vec<T>) -> Page<T> {
        Page { items, next: None }
    }
}

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// How many at most; default 100.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<usize>,
    /// `next` of the page before.
    pub(super) after: Option<String>,
}

/// `GET /live`, `GET /ready`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    pub(super) ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) reason: Option<&'static str>,
}

/// New calls are refused while it is on.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Drain {
    pub(super) on: bool,
}

/// `POST /session`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    #[schema(format = Password, max_length = 256)]
    pub(super) token: String,
}

/// Who one is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// The name of the token.
    pub(super) name: String,
    pub(super) role: crate::manage::Role,
}

/// The order of routes: all those of the store, in the order in which they are to be tried.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) ids: Vec<String>,
}

/// A call that is to be placed (click-to-dial).
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCall {
    /// Who is rung first: the aor of an account, or a number.
    #[schema(example = "sip:alice@example.com", min_length = 1, max_length = 256)]
    pub(super) first: String,
    /// Who is called once the first one has answered.
    #[schema(example = "+43123456", min_length = 1, max_length = 256)]
    pub(super) to: String,
    /// The number that the second one sees; default: that of the first.
    #[serde(default)]
    #[schema(nullable = true, max_length = 256)]
    pub(super) from: Option<String>,
    /// By whose routes a number is found; default: the account's.
    #[serde(default)]
    #[schema(nullable = true)]
    pub(super) trunk: Option<String>,
}

/// A call that was placed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub(super) struct CallNumber {
    pub(super) call: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Who {
    Caller,
    Callee,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum How {
    /// The telephone that is moved is asked to call by itself (RFC 3515).
    Refer,
    /// The call is placed here.
    Local,
}

/// A side of a call goes to somebody else.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Transfer {
    /// Who is moved.
    pub(super) who: Who,
    /// A number, or a SIP URI.
    #[schema(example = "+43123456", min_length = 1, max_length = 256)]
    pub(super) target: String,
    /// Default: `local`.
    #[serde(default = "Transfer::local")]
    pub(super) how: How,
}

impl Transfer {
    fn local() -> How {
        How::Local
    }
}

/// Both sides of a call are put on hold, or taken off it.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Hold {
    pub(super) on: bool,
}

/// Where a backup goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Backup {
    /// A file in `[store] backup_dir`; by the socket, any absolute path.
    #[schema(example = "trunkline-2026-11-30.db", min_length = 1)]
    pub(super) path: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackupDone {
    pub(super) path: String,
    pub(super) bytes: u64,
}

/// What is read into the store.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    /// `[[trunks]]`, `[[routes]]` and `[[accounts]]`, as in `trunkline.toml`.
    pub(super) toml: String,
    /// `merge` leaves what the text does not name; `replace` removes it from the store.
    pub(super) mode: ImportMode,
    /// Without it the difference is told, and nothing done.
    #[serde(default)]
    pub(super) apply: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ImportMode {
    Merge,
    Replace,
}

/// One entry of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Audited {
    pub(super) id: i64,
    /// RFC 3339, UTC.
    pub(super) time: String,
    pub(super) who: String,
    pub(super) role: String,
    /// Where it came from.
    pub(super) from: String,
    #[schema(example = "trunk.update")]
    pub(super) action: String,
    pub(super) object: String,
    /// What has changed; no secrets.
    #[schema(value_type = Object)]
    pub(super) detail: Value,
    pub(super) outcome: String,
}
