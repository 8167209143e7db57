//! What a trunk says of the headers that cross (SIG-6): which pass besides `X-*` and User-to-User,
//! whether its peers' word for an identity counts, and rules that add, remove and replace.
//!
//! A header crosses if the trunk that it comes from and the one that it goes to both let it. What
//! makes a message a message of its leg is ours on each leg and no rule's business.

use regex::bytes::Regex;

use crate::message::lexer::is_token;
use crate::message::{Field, HeaderName};

/// The headers of one trunk.
#[derive(Clone, Debug)]
pub struct HeaderPolicy {
    /// What passes besides `X-*` and User-to-User, both ways.
    pub pass: Vec<HeaderKey>,
    /// Its peers are within our trust domain (RFC 3325 section 2): an identity that they assert
    /// crosses, and one that its owner withholds goes to them all the same.
    pub trusted: bool,
    /// In order.
    pub rules: Vec<HeaderRule>,
}

/// A header's name, compared as SIP does: in any case, the compact form with the long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderKey {
    Known(HeaderName),
    /// As it is to be spelled.
    Other(String),
}

/// One rule.
#[derive(Clone, Debug)]
pub struct HeaderRule {
    pub direction: RuleDirection,
    pub messages: RuleMessages,
    pub header: HeaderKey,
    pub action: RuleAction,
}

/// Which way the messages go that a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleDirection {
    /// From the trunk's peers.
    In,
    /// To them.
    Out,
}

/// Which messages a rule is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleMessages {
    #[default]
    All,
    Requests,
    Responses,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub enum RuleAction {
    /// Adds a line with that value.
    Add(String),
    /// Removes every line of that name.
    Remove,
    /// Writes the value anew where the pattern is found in it, each time; `with` may name groups of
    /// the pattern, `$1`.
    Replace { pattern: Regex, with: String },
}

/// Why a header cannot be in a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHeaderKey {
    #[error("{0:?} is not the name of a header")]
    NoName(String),
    #[error("{0} is each leg's own and never crosses")]
    Structural(HeaderName),
}

impl Default for HeaderPolicy {
    fn default() -> HeaderPolicy {
        let pass = HeaderPolicy::DEFAULT_PASS
            .iter()
            .map(|name| HeaderKey::Known(*name));
        HeaderPolicy {
            pass: pass.collect(),
            trusted: false,
            rules: Vec::new(),
        }
    }
}

impl HeaderPolicy {
    /// What passes unless a trunk says otherwise; P-Asserted-Identity only when trusted.
    pub const DEFAULT_PASS: &'static [HeaderName] = &[
        HeaderName::Diversion,
        HeaderName::HistoryInfo,
        HeaderName::PAssertedIdentity,
        HeaderName::Privacy,
        HeaderName::Reason,
        HeaderName::AlertInfo,
    ];

    pub(crate) fn passes(&self, field: &Field<'_>) -> bool {
        always_passes(field) || self.pass.iter().any(|key| key.names(field))
    }
}

/// `X-*` and User-to-User (RFC 7433).
fn always_passes(field: &Field<'_>) -> bool {
    match field.name {
        Some(name) => name == HeaderName::UserToUser,
        None => field
            .raw_name
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"X-")),
    }
}

impl HeaderKey {
    /// The key of a header that may cross.
    pub fn parse(name: &str) -> Result<HeaderKey, BadHeaderKey> {
        match HeaderName::from_bytes(name.as_bytes()) {
            Some(known) if STRUCTURAL.contains(&known) => Err(BadHeaderKey::Structural(known)),
            Some(known) => Ok(HeaderKey::Known(known)),
            None if is_token(name.as_bytes()) => Ok(HeaderKey::Other(name.to_owned())),
            None => Err(BadHeaderKey::NoName(name.to_owned())),
        }
    }

    pub(crate) fn names(&self, field: &Field<'_>) -> bool {
        match self {
            HeaderKey::Known(name) => field.name == Some(*name),
            HeaderKey::Other(name) => field.name.is_none() && field.is_named(name),
        }
    }

    /// As it is to be spelled.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            HeaderKey::Known(name) => name.as_str(),
            HeaderKey::Other(name) => name,
        }
    }
}

impl RuleMessages {
    pub(crate) fn include(self, is_request: bool) -> bool {
        match self {
            RuleMessages::All => true,
            RuleMessages::Requests => is_request,
            RuleMessages::Responses => !is_request,
        }
    }
}

/// What each leg has of its own: routing, dialog, transaction, body, extensions in use, and what
/// we say of ourselves.
const STRUCTURAL: &[HeaderName] = &[
    HeaderName::Accept,
    HeaderName::AcceptEncoding,
    HeaderName::AcceptLanguage,
    HeaderName::Allow,
    HeaderName::AllowEvents,
    HeaderName::AuthenticationInfo,
    HeaderName::Authorization,
    HeaderName::CallId,
    HeaderName::Contact,
    HeaderName::ContentDisposition,
    HeaderName::ContentEncoding,
    HeaderName::ContentLanguage,
    HeaderName::ContentLength,
    HeaderName::ContentType,
    HeaderName::CSeq,
    HeaderName::Event,
    HeaderName::Expires,
    HeaderName::From,
    HeaderName::Join,
    HeaderName::MaxForwards,
    HeaderName::MimeVersion,
    HeaderName::MinExpires,
    HeaderName::MinSe,
    HeaderName::Path,
    HeaderName::ProxyAuthenticate,
    HeaderName::ProxyAuthorization,
    HeaderName::ProxyRequire,
    HeaderName::RAck,
    HeaderName::RSeq,
    HeaderName::RecordRoute,
    HeaderName::ReferSub,
    HeaderName::ReferTo,
    HeaderName::Replaces,
    HeaderName::Require,
    HeaderName::RetryAfter,
    HeaderName::Route,
    HeaderName::Server,
    HeaderName::ServiceRoute,
    HeaderName::SessionExpires,
    HeaderName::SipEtag,
    HeaderName::SipIfMatch,
    HeaderName::SubscriptionState,
    HeaderName::Supported,
    HeaderName::TargetDialog,
    HeaderName::Timestamp,
    HeaderName::To,
    HeaderName::Unsupported,
    HeaderName::UserAgent,
    HeaderName::Via,
    HeaderName::WwwAuthenticate,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sig_6_structural_headers_are_refused_by_name_in_any_form() {
        for (name, expected) in [
            ("Via", Some("Via is each leg's own and never crosses")),
            ("v", Some("Via is each leg's own and never crosses")),
            (
                "CONTENT-LENGTH",
                Some("Content-Length is each leg's own and never crosses"),
            ),
            (
                "Record-Route",
                Some("Record-Route is each leg's own and never crosses"),
            ),
            ("X Y", Some("\"X Y\" is not the name of a header")),
            ("X-Y:", Some("\"X-Y:\" is not the name of a header")),
            ("", Some("\"\" is not the name of a header")),
            ("X-Account", None),
            ("s", None),
            ("P-Charging-Vector", None),
        ] {
            let problem = HeaderKey::parse(name).err().map(|bad| bad.to_string());
            assert_eq!(problem.as_deref(), expected, "{name}");
        }
        assert_eq!(
            HeaderKey::parse("diversion"),
            Ok(HeaderKey::Known(HeaderName::Diversion))
        );
    }
}
