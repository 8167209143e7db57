//! The one table of refusals: SIP status, own code, text.
//!
//! Responses, call records and events take their code from here, and `docs/codes.md` is written
//! from it: the comment of each entry is what an operator reads there.

/// Why a request was refused or a call failed; goes into the response (`Reason`/`Warning`),
/// the call record and the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// SIP status code; 0 for what no SIP message can be answered with.
    pub status: u16,
    /// Trunkline's own stable code.
    pub code: u32,
    /// What a voice engineer reads.
    pub text: &'static str,
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:literal, $code:literal, $text:literal;)*) => {
        impl Refusal {
            $($(#[doc = $doc])+ pub const $name: Refusal = Refusal { status: $status, code: $code, text: $text };)*

            /// The whole table.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$name,)*];

            /// When each entry of [`Refusal::ALL`] is given.
            #[cfg(test)]
            const WHEN: &'static [&'static str] = &[$(concat!($($doc),+),)*];
        }
    };
}

refusals! {
    /// Too many calls per second or at once of a trunk, or too many calls of the process. With
    /// Retry-After.
    LIMIT = 503, 32001, "call limit reached";
    /// The call lasted as long as a call of its trunk may.
    CALL_TOO_LONG = 480, 32002, "call length limit reached";
    /// More new calls than the process takes, or it is late with what has come. With Retry-After.
    /// Refused before anything is looked at; of a flood, most leave neither record nor event but
    /// are counted.
    OVERLOADED = 503, 32003, "overloaded";
    /// An operator has told the daemon to take no new calls. With Retry-After.
    DRAINING = 503, 32004, "draining";
    /// An operator has ended the call.
    OPERATOR = 603, 32005, "ended by an operator";
    /// An operator has moved a side to another call: this one is over. Of an answered call only.
    TRANSFERRED = 480, 32006, "transferred by an operator";
    /// Every target of a route failed, or none of them is enabled. The status is the last target's
    /// where there is one.
    ALL_TARGETS_FAILED = 503, 32011, "all targets failed";
    /// No route matches the call, or its route leads to a trunk without a destination.
    NO_ROUTE = 404, 32012, "no route";
    /// No media port is free in a realm. With Retry-After.
    NO_MEDIA_PORT = 503, 32013, "no media port free";
    /// The far side rang, or did not even do that, until our patience ended.
    NO_ANSWER = 480, 32014, "no answer";
    /// Our 2xx was never acknowledged (RFC 3261 section 13.3.1.4).
    ACK_MISSING = 408, 32015, "answer not acknowledged";
    /// The daemon is stopping: it takes no calls, and ends those that are up.
    SHUTTING_DOWN = 503, 32016, "shutting down";
    /// The dialog is gone at one side: 481 or no answer to a request within it
    /// (RFC 3261 section 12.2.1.2).
    DIALOG_LOST = 481, 32017, "the peer lost the call";
    /// A provisional response that the caller must acknowledge never was (RFC 3262 section 3).
    PRACK_MISSING = 504, 32031, "provisional response not acknowledged";
    /// Nobody refreshed the session in time (RFC 4028 section 10).
    SESSION_EXPIRED = 408, 32032, "session not refreshed";
    /// Session-Expires asks for less than the trunk's `min_se` (RFC 4028 section 9).
    INTERVAL_TOO_SMALL = 422, 32033, "session interval too small";
    /// The media plane could not set up what was negotiated.
    MEDIA_FAILED = 503, 32018, "media cannot be carried";
    /// A route says so, and with which status.
    ROUTE_REJECTED = 603, 32020, "rejected by a route";
    /// No trunk lets the caller's address send to us, or its trunk does not.
    ACL = 403, 32201, "source address not allowed";
    /// Wrong credentials; or the far side asks for some that we do not have.
    CREDENTIALS = 403, 32202, "credentials required";
    /// The host of the Request-URI is no trunk's domain, or is an address where a domain is wanted.
    UNKNOWN_DOMAIN = 403, 32203, "unknown domain";
    /// So many authentications of that source have failed just now that it must wait.
    AUTH_THROTTLED = 503, 32204, "too many failed authentications";
    /// No crypto line that the trunk allows, or SRTP where the trunk has none.
    SRTP_UNUSABLE = 488, 32207, "no usable SRTP offer";
    /// Plain RTP on a trunk with `secure = "srtp"`.
    SRTP_REQUIRED = 488, 32208, "SRTP required";
    /// UDP or TCP on a trunk with `secure = "tls"` or `"srtp"`.
    TLS_REQUIRED = 403, 32209, "TLS required";
    /// No codec that both sides and both trunks allow.
    NO_COMMON_CODEC = 488, 32210, "no common codec";
    /// The SDP names a host name, a multicast address, or an address family that the realm
    /// does not have.
    UNUSABLE_ADDRESS = 488, 32211, "unusable media address";
    /// A transfer (REFER) that the trunk does not allow or that cannot be made.
    TRANSFER = 603, 32218, "transfer not possible";
    /// Replaces names no dialog that the peer may take the place of (RFC 3891 section 3).
    NO_DIALOG = 481, 32034, "no such dialog to replace";
    /// A target named another one that the call must not go to (3xx): a private address, less
    /// security, or a second time; or a registered telephone did.
    REDIRECT = 503, 32219, "redirect not followed";
    /// A TLS handshake with a version that the listener does not take; told by an event alone.
    TLS_VERSION = 0, 32222, "TLS version not allowed";
    /// The peer's certificate, if it showed one, is not one of the trunk's (SEC-4).
    CERTIFICATE = 403, 32223, "certificate not of the trunk";
    /// The peer connected to the name of one trunk and calls another one (TRK-2).
    SERVER_NAME = 403, 32224, "connected to the name of another trunk";
    /// A REGISTER for less than we take; Min-Expires says what (RFC 3261 section 10.3).
    REGISTRATION_TOO_BRIEF = 423, 32225, "registration too brief";
    /// An account would be registered in more than ten places, or a REGISTER has more than twenty
    /// contacts.
    TOO_MANY_BINDINGS = 403, 32226, "too many bindings";
    /// A REGISTER that is older than what made the binding (RFC 3261 section 10.3).
    REGISTER_OUT_OF_ORDER = 500, 32227, "an older registration";
    /// The call is for an account that is registered nowhere, or nowhere that can be reached.
    NOT_REGISTERED = 480, 32228, "not registered";
    /// A REGISTER to a trunk that has no accounts.
    NO_ACCOUNTS = 405, 32229, "nobody registers here";
    /// No media for the set time while the call was not on hold.
    MEDIA_TIMEOUT = 408, 32230, "no media";
    /// A message or a description that cannot be read; a contact of a REGISTER that is longer than 1 KiB.
    MALFORMED = 400, 32240, "malformed message";
    /// No SDP where offer or answer is due.
    NO_SDP = 488, 32241, "no session description";
    /// Max-Forwards is used up: most likely a loop.
    TOO_MANY_HOPS = 483, 32242, "too many hops";
    /// The same request came by two ways (RFC 3261 section 8.2.2.2).
    MERGED = 482, 32243, "merged request";
    /// Require names an extension that we do not have.
    BAD_EXTENSION = 420, 32244, "extension not supported";
    /// The body is not SDP, or is encoded.
    MEDIA_TYPE = 415, 32245, "media type not supported";
    /// The Request-URI is neither `sip:` nor `sips:` nor `tel:`.
    URI_SCHEME = 416, 32246, "URI scheme not supported";
    /// Accept leaves out SDP, so that no answer to the offer could be read
    /// (RFC 3261 section 20.1).
    SDP_NOT_ACCEPTED = 406, 32247, "the peer accepts no session description";
}

impl Refusal {
    /// The same reason under another status.
    pub const fn with_status(self, status: u16) -> Refusal {
        Refusal { status, ..self }
    }

    /// It is we who are short of something, and may not be in a moment: Retry-After is due.
    pub(crate) fn is_for_now(&self) -> bool {
        [
            Refusal::LIMIT,
            Refusal::OVERLOADED,
            Refusal::DRAINING,
            Refusal::NO_MEDIA_PORT,
            Refusal::SHUTTING_DOWN,
            Refusal::AUTH_THROTTLED,
        ]
        .contains(self)
    }

    /// The value of a Reason header (RFC 3326). The protocol is ours: its causes are our codes.
    pub fn reason_header(&self) -> String {
        format!("X-Trunkline;cause={};text=\"{}\"", self.code, self.text)
    }

    /// The value of a Warning header (RFC 3261 section 20.43), due with 488; `agent` is our host.
    pub fn warning_header(&self, agent: &str) -> String {
        let code = match *self {
            refusal if refusal.code == Refusal::SRTP_REQUIRED.code => WARN_INCOMPATIBLE_TRANSPORT,
            refusal if refusal.code == Refusal::NO_COMMON_CODEC.code => WARN_INCOMPATIBLE_FORMAT,
            _ => WARN_MISCELLANEOUS,
        };
        format!("{code} {agent} \"{} {}\"", self.code, self.text)
    }
}

/// "Incompatible transport protocol": RTP/AVP where RTP/SAVP is due.
const WARN_INCOMPATIBLE_TRANSPORT: u16 = 302;
/// "Incompatible media format".
const WARN_INCOMPATIBLE_FORMAT: u16 = 305;
/// Free text.
const WARN_MISCELLANEOUS: u16 = 399;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_there_once_and_can_be_answered_with() {
        let codes: HashSet<u32> = Refusal::ALL.iter().map(|refusal| refusal.code).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            assert!(
                refusal.status == 0 || (400..700).contains(&refusal.status),
                "{refusal:?}"
            );
            let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
            assert!(
                refusal.text.bytes().all(|byte| plain(byte) && byte != b'"'),
                "{refusal:?} stands in a quoted string"
            );
        }
    }

    /// The codes that were promised to those who read call records.
    #[test]
    fn the_promised_codes_keep_their_meaning() {
        for (code, text) in [
            (32001, "call limit reached"),
            (32011, "all targets failed"),
            (32012, "no route"),
            (32201, "source address not allowed"),
            (32202, "credentials required"),
            (32203, "unknown domain"),
            (32207, "no usable SRTP offer"),
            (32208, "SRTP required"),
            (32209, "TLS required"),
            (32210, "no common codec"),
            (32218, "transfer not possible"),
            (32219, "redirect not followed"),
            (32222, "TLS version not allowed"),
            (32230, "no media"),
            (32240, "malformed message"),
        ] {
            let found = Refusal::ALL.iter().find(|refusal| refusal.code == code);
            assert_eq!(found.map(|refusal| refusal.text), Some(text), "{code}");
        }
    }

    const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/codes.md");

    #[test]
    fn the_document_is_the_table() {
        if std::env::var_os("TRUNKLINE_WRITE_DOCS").is_some() {
            std::fs::write(DOCUMENT, document()).unwrap();
        }
        let written = std::fs::read_to_string(DOCUMENT).unwrap();
        assert!(
            written == document(),
            "docs/codes.md differs from the table; \
             TRUNKLINE_WRITE_DOCS=1 cargo test -p sip-core --lib refusal writes it anew"
        );
    }

    fn document() -> String {
        let mut text = INTRODUCTION.to_owned();
        let mut entries: Vec<_> = Refusal::ALL.iter().zip(Refusal::WHEN).collect();
        entries.sort_by_key(|(refusal, _)| refusal.code);
        for (refusal, when) in entries {
            let status = match refusal.status {
                0 => "–".to_owned(),
                status => status.to_string(),
            };
            let Refusal {
                code, text: words, ..
            } = refusal;
            text += &format!("| {code} | {status} | {words} | {} |\n", when.trim());
        }
        text
    }

    const INTRODUCTION: &str = "\
# Codes

Whatever Trunkline refuses or ends has a code that stays the same from version to version:

- in the response or BYE, `Reason: X-Trunkline;cause=32012;text=\"no route\"` (RFC 3326), and with 488 also
  `Warning: 399 edge.example.com \"32211 unusable media address\"` (RFC 3261 section 20.43);
- in the call record, `code` beside `status` (of the caller's INVITE) and `reason`;
- in the event, `code`.

What the far side refuses passes with its own status and without a code. The status below is the usual
one; a call that was up has 200 in its record.

This page is written from the table in `sip-core/src/refusal.rs`, and a test compares them:
`TRUNKLINE_WRITE_DOCS=1 cargo test -p sip-core --lib refusal` writes it anew.

| code | SIP status | text | when |
|---|---|---|---|
";

    #[test]
    fn headers_carry_code_and_words() {
        assert_eq!(
            Refusal::ACL.reason_header(),
            "X-Trunkline;cause=32201;text=\"source address not allowed\""
        );
        assert_eq!(
            Refusal::SRTP_REQUIRED.warning_header("edge.example.com"),
            "302 edge.example.com \"32208 SRTP required\""
        );
        assert_eq!(
            Refusal::NO_COMMON_CODEC.warning_header("192.0.2.1"),
            "305 192.0.2.1 \"32210 no common codec\""
        );
    }
}
