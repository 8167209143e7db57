//! `[[routes]]`: what becomes of a call (TRK-7).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::is_default;

/// A route: in order, the first that matches decides.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = Route)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteSection {
    /// The name of the trunk that calls come from; default: any.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) from: Option<String>,
    /// What the called number begins with.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) prefix: String,
    /// A regular expression that is found in the called number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) pattern: Option<String>,
    /// What the caller's number begins with.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) caller_prefix: String,
    /// A regular expression that is found in the caller's number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) caller_pattern: Option<String>,
    /// The name of a trunk, or the aor of an account.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) to: Option<String>,
    /// Instead of `to`: the call is refused with that SIP status, 400-699.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) reject: Option<u16>,
    /// Characters taken from the front of the called number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) strip: usize,
    /// What is then put in front of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) prepend: String,
    /// The same of the caller's number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) caller_strip: usize,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) caller_prepend: String,
}
