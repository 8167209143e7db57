//! Header names that the edge knows, with their compact forms.

use std::fmt;

/// Names every known header once: canonical spelling, then every lower-case spelling.
macro_rules! header_names {
    ($($name:ident = $canonical:literal, $($lower:literal)|+;)*) => {
        /// A header that Trunkline knows by name. Other headers are known by their spelling alone
        /// ([`super::Headers::named`]).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum HeaderName { $(#[doc = $canonical] $name,)* }

        impl HeaderName {
            pub const ALL: &'static [HeaderName] = &[$(HeaderName::$name,)*];

            /// The long form, spelled as the registry does.
            pub fn as_str(self) -> &'static str {
                match self { $(HeaderName::$name => $canonical,)* }
            }

            fn from_lower(name: &[u8]) -> Option<HeaderName> {
                match name {
                    $($($lower)|+ => Some(HeaderName::$name),)*
                    _ => None,
                }
            }
        }
    };
}

header_names! {
    Accept = "Accept", b"accept";
    AcceptContact = "Accept-Contact", b"accept-contact" | b"a";
    AcceptEncoding = "Accept-Encoding", b"accept-encoding";
    AcceptLanguage = "Accept-Language", b"accept-language";
    AlertInfo = "Alert-Info", b"alert-info";
    Allow = "Allow", b"allow";
    AllowEvents = "Allow-Events", b"allow-events" | b"u";
    AuthenticationInfo = "Authentication-Info", b"authentication-info";
    Authorization = "Authorization", b"authorization";
    CallId = "Call-ID", b"call-id" | b"i";
    CallInfo = "Call-Info", b"call-info";
    Contact = "Contact", b"contact" | b"m";
    ContentDisposition = "Content-Disposition", b"content-disposition";
    ContentEncoding = "Content-Encoding", b"content-encoding" | b"e";
    ContentLanguage = "Content-Language", b"content-language";
    ContentLength = "Content-Length", b"content-length" | b"l";
    ContentType = "Content-Type", b"content-type" | b"c";
    CSeq = "CSeq", b"cseq";
    Date = "Date", b"date";
    Diversion = "Diversion", b"diversion";
    ErrorInfo = "Error-Info", b"error-info";
    Event = "Event", b"event" | b"o";
    Expires = "Expires", b"expires";
    From = "From", b"from" | b"f";
    Geolocation = "Geolocation", b"geolocation";
    HistoryInfo = "History-Info", b"history-info";
    Identity = "Identity", b"identity" | b"y";
    InReplyTo = "In-Reply-To", b"in-reply-to";
    Join = "Join", b"join";
    MaxForwards = "Max-Forwards", b"max-forwards";
    MimeVersion = "MIME-Version", b"mime-version";
    MinExpires = "Min-Expires", b"min-expires";
    MinSe = "Min-SE", b"min-se";
    Organization = "Organization", b"organization";
    PAccessNetworkInfo = "P-Access-Network-Info", b"p-access-network-info";
    PAssertedIdentity = "P-Asserted-Identity", b"p-asserted-identity";
    PChargingVector = "P-Charging-Vector", b"p-charging-vector";
    PEarlyMedia = "P-Early-Media", b"p-early-media";
    PPreferredIdentity = "P-Preferred-Identity", b"p-preferred-identity";
    Path = "Path", b"path";
    Priority = "Priority", b"priority";
    Privacy = "Privacy", b"privacy";
    ProxyAuthenticate = "Proxy-Authenticate", b"proxy-authenticate";
    ProxyAuthorization = "Proxy-Authorization", b"proxy-authorization";
    ProxyRequire = "Proxy-Require", b"proxy-require";
    RAck = "RAck", b"rack";
    RSeq = "RSeq", b"rseq";
    Reason = "Reason", b"reason";
    RecordRoute = "Record-Route", b"record-route";
    ReferSub = "Refer-Sub", b"refer-sub";
    ReferTo = "Refer-To", b"refer-to" | b"r";
    ReferredBy = "Referred-By", b"referred-by" | b"b";
    RejectContact = "Reject-Contact", b"reject-contact" | b"j";
    RemotePartyId = "Remote-Party-ID", b"remote-party-id";
    Replaces = "Replaces", b"replaces";
    ReplyTo = "Reply-To", b"reply-to";
    RequestDisposition = "Request-Disposition", b"request-disposition" | b"d";
    Require = "Require", b"require";
    RetryAfter = "Retry-After", b"retry-after";
    Route = "Route", b"route";
    Server = "Server", b"server";
    ServiceRoute = "Service-Route", b"service-route";
    SessionExpires = "Session-Expires", b"session-expires" | b"x";
    SessionId = "Session-ID", b"session-id";
    SipEtag = "SIP-ETag", b"sip-etag";
    SipIfMatch = "SIP-If-Match", b"sip-if-match";
    Subject = "Subject", b"subject" | b"s";
    SubscriptionState = "Subscription-State", b"subscription-state";
    Supported = "Supported", b"supported" | b"k";
    TargetDialog = "Target-Dialog", b"target-dialog";
    Timestamp = "Timestamp", b"timestamp";
    To = "To", b"to" | b"t";
    Unsupported = "Unsupported", b"unsupported";
    UserAgent = "User-Agent", b"user-agent";
    UserToUser = "User-to-User", b"user-to-user";
    Via = "Via", b"via" | b"v";
    Warning = "Warning", b"warning";
    WwwAuthenticate = "WWW-Authenticate", b"www-authenticate";
}

/// Longer than every known name.
const BUFFER: usize = 32;

/// `parse` notes which names it has seen in the bits of a `u128`.
const _: () = assert!(HeaderName::ALL.len() <= 128);

impl HeaderName {
    /// The header of that name, long or compact, in any case; `None` if it is not a known one.
    pub fn from_bytes(name: &[u8]) -> Option<HeaderName> {
        let mut lower = [0; BUFFER];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        HeaderName::from_lower(lower)
    }

    /// Whether it may stand only once in a message (RFC 3261 section 7.3.1): those where a second
    /// one would leave open which of the two a peer obeys.
    pub(crate) fn is_single(self) -> bool {
        matches!(
            self,
            HeaderName::From
                | HeaderName::To
                | HeaderName::CallId
                | HeaderName::CSeq
                | HeaderName::MaxForwards
                | HeaderName::ContentType
        )
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_canonical_spelling_is_found_in_any_case() {
        for &name in HeaderName::ALL {
            let spelling = name.as_str();
            assert!(spelling.len() < BUFFER);
            for spelled in [
                spelling.to_owned(),
                spelling.to_lowercase(),
                spelling.to_uppercase(),
            ] {
                assert_eq!(HeaderName::from_bytes(spelled.as_bytes()), Some(name));
            }
        }
    }

    #[test]
    fn compact_forms_are_those_of_the_registry() {
        use HeaderName::*;
        for (compact, name) in [
            ("a", AcceptContact),
            ("b", ReferredBy),
            ("c", ContentType),
            ("d", RequestDisposition),
            ("e", ContentEncoding),
            ("f", From),
            ("i", CallId),
            ("j", RejectContact),
            ("k", Supported),
            ("l", ContentLength),
            ("m", Contact),
            ("o", Event),
            ("r", ReferTo),
            ("s", Subject),
            ("t", To),
            ("u", AllowEvents),
            ("v", Via),
            ("x", SessionExpires),
            ("y", Identity),
        ] {
            assert_eq!(HeaderName::from_bytes(compact.as_bytes()), Some(name));
            assert_eq!(
                HeaderName::from_bytes(compact.to_uppercase().as_bytes()),
                Some(name)
            );
        }
    }

    #[test]
    fn other_names_are_nobodys() {
        for name in [
            "",
            "X-Foo",
            "C%6Fntact",
            "Vi",
            "Viaa",
            "z",
            &"x".repeat(400),
        ] {
            assert_eq!(HeaderName::from_bytes(name.as_bytes()), None, "{name}");
        }
    }
}
