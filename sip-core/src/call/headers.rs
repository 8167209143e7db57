//! Which headers and bodies cross from one leg to the other (SIG-6): those below byte for byte,
//! everything else is hidden.

use crate::message::{Field, HeaderName, Headers};

/// The methods that we take (RFC 3261 section 20.5).
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, MESSAGE";
/// The extensions that we have (RFC 3261 section 20.37).
pub(crate) const SUPPORTED: &str = "100rel, timer";
/// The bodies that we take.
pub(crate) const ACCEPT: &str = "application/sdp";

/// Copies what crosses, as spelled. An identity that its owner withholds stays here: the other leg
/// is not within the trust domain (RFC 3325 section 7).
pub(super) fn pass_through(from: &Headers, to: &mut Headers) {
    let withheld = withholds_identity(from);
    let stays = |field: &Field<'_>| withheld && field.name == Some(HeaderName::PAssertedIdentity);
    to.extend(from.iter().filter(|field| crosses(field) && !stays(field)));
}

/// Whether Privacy asks for `id` (RFC 3325 section 9.3). Its values are parted by semicolons
/// (RFC 3323 section 4.2); commas are seen, too.
fn withholds_identity(headers: &Headers) -> bool {
    headers.values(HeaderName::Privacy).any(|value| {
        value
            .split(|byte| matches!(byte, b';' | b','))
            .any(|wish| wish.trim_ascii().eq_ignore_ascii_case(b"id"))
    })
}

/// Copies what INFO and MESSAGE say of their contents besides (RFC 6086 section 10, RFC 3428
/// section 8), as spelled.
pub(super) fn pass_of_method(from: &Headers, to: &mut Headers) {
    to.extend(from.iter().filter(|field| match field.name {
        Some(name) => matches!(
            name,
            HeaderName::Date | HeaderName::Subject | HeaderName::Priority | HeaderName::Expires
        ),
        None => field.is_named("Info-Package"),
    }));
}

/// Copies what describes the body, as spelled.
pub(super) fn pass_body_description(from: &Headers, to: &mut Headers) {
    to.extend(from.iter().filter(describes_body));
}

fn crosses(field: &Field<'_>) -> bool {
    match field.name {
        Some(name) => matches!(
            name,
            HeaderName::UserToUser
                | HeaderName::Diversion
                | HeaderName::HistoryInfo
                | HeaderName::PAssertedIdentity
                | HeaderName::Privacy
                | HeaderName::Reason
                | HeaderName::AlertInfo
        ),
        None => field
            .raw_name
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"X-")),
    }
}

fn describes_body(field: &Field<'_>) -> bool {
    matches!(
        field.name,
        Some(
            HeaderName::ContentType
                | HeaderName::ContentDisposition
                | HeaderName::ContentEncoding
                | HeaderName::ContentLanguage
                | HeaderName::MimeVersion
        )
    )
}

/// Why a body cannot be used (415).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnsupportedBody {
    Type,
    Encoding,
}

/// The SDP in a body, if there is a body at all.
///
/// A body of another type is none if Content-Disposition says that it may be ignored
/// (RFC 3261 section 20.11).
pub(crate) fn session_description<'a>(
    headers: &Headers,
    body: &'a [u8],
) -> Result<Option<&'a [u8]>, UnsupportedBody> {
    if body.is_empty() {
        return Ok(None);
    }
    let encoded = headers
        .list(HeaderName::ContentEncoding)
        .any(|encoding| !encoding.eq_ignore_ascii_case(b"identity"));
    let unsupported = if encoded {
        UnsupportedBody::Encoding
    } else if is_sdp(headers) {
        return Ok(Some(body));
    } else {
        UnsupportedBody::Type
    };
    if may_be_ignored(headers) {
        Ok(None)
    } else {
        Err(unsupported)
    }
}

/// Section 7.4.1 wants a Content-Type with each body; without it nothing but SDP makes sense here.
fn is_sdp(headers: &Headers) -> bool {
    !headers.contains(HeaderName::ContentType)
        || headers
            .content_type()
            .is_some_and(|media_type| media_type.is("application", "sdp"))
}

fn may_be_ignored(headers: &Headers) -> bool {
    headers
        .value(HeaderName::ContentDisposition)
        .is_some_and(|disposition| {
            let disposition = String::from_utf8_lossy(disposition).to_ascii_lowercase();
            disposition.split(';').skip(1).any(|param| {
                param.split_once('=').is_some_and(|(name, value)| {
                    name.trim() == "handling" && value.trim().trim_matches('"') == "optional"
                })
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push_named(name, *value);
        }
        headers
    }

    #[test]
    fn only_the_listed_headers_cross_and_they_cross_as_spelled() {
        let incoming = headers(&[
            ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
            ("x-Trace", "a  b;\tc=\"d\""),
            ("User-to-user", "00ab;encoding=hex"),
            ("History-Info", "<sip:a@b>;index=1"),
            ("Record-Route", "<sip:192.0.2.1;lr>"),
            ("Diversion", "<tel:+1>;reason=unknown"),
            ("P-ASSERTED-IDENTITY", "\"A\" <sip:a@b>"),
            ("Privacy", "user"),
            ("Reason", "Q.850;cause=16"),
            ("Alert-Info", "<http://example.com/ring>"),
            ("Server", "them"),
            ("Xylophone", "1"),
            ("Subject", "hidden"),
        ]);
        let mut outgoing = Headers::new();
        pass_through(&incoming, &mut outgoing);
        let crossed: Vec<String> = outgoing
            .iter()
            .map(|field| {
                format!(
                    "{}: {}",
                    String::from_utf8_lossy(field.raw_name),
                    String::from_utf8_lossy(field.value)
                )
            })
            .collect();
        assert_eq!(
            crossed,
            [
                "x-Trace: a  b;\tc=\"d\"",
                "User-to-user: 00ab;encoding=hex",
                "History-Info: <sip:a@b>;index=1",
                "Diversion: <tel:+1>;reason=unknown",
                "P-ASSERTED-IDENTITY: \"A\" <sip:a@b>",
                "Privacy: user",
                "Reason: Q.850;cause=16",
                "Alert-Info: <http://example.com/ring>",
            ]
        );
    }

    #[test]
    fn an_asserted_identity_does_not_cross_if_privacy_withholds_it() {
        for (privacy, crosses) in [
            ("id", false),
            ("ID ;critical", false),
            ("header; user;id", false),
            ("user, id", false),
            ("none", true),
            ("user;identity", true),
        ] {
            let incoming = headers(&[
                ("P-Asserted-Identity", "<sip:+15550100@carrier.example>"),
                ("Privacy", privacy),
                ("P-Asserted-Identity", "<tel:+15550100>"),
            ]);
            let mut outgoing = Headers::new();
            pass_through(&incoming, &mut outgoing);
            assert_eq!(
                outgoing.contains(HeaderName::PAssertedIdentity),
                crosses,
                "{privacy}"
            );
            assert!(outgoing.contains(HeaderName::Privacy), "the wish itself");
        }
    }

    #[test]
    fn a_body_is_sdp_or_unsupported_or_may_be_ignored() {
        let body: &[u8] = b"v=0\r\n";
        for (lines, expected) in [
            (&[][..], Ok(Some(body))),
            (&[("c", "Application/SDP")], Ok(Some(body))),
            (
                &[("Content-Type", "application/sdp;charset=utf-8")],
                Ok(Some(body)),
            ),
            (
                &[("Content-Type", "text/plain")],
                Err(UnsupportedBody::Type),
            ),
            (&[("Content-Type", "nonsense")], Err(UnsupportedBody::Type)),
            (
                &[
                    ("Content-Type", "application/sdp"),
                    ("Content-Encoding", "identity"),
                ],
                Ok(Some(body)),
            ),
            (
                &[("Content-Type", "application/sdp"), ("e", "gzip")],
                Err(UnsupportedBody::Encoding),
            ),
            (
                &[
                    ("Content-Type", "image/png"),
                    ("Content-Disposition", "icon; Handling = optional"),
                ],
                Ok(None),
            ),
            (
                &[
                    ("Content-Type", "image/png"),
                    ("Content-Disposition", "icon;handling=required"),
                ],
                Err(UnsupportedBody::Type),
            ),
        ] {
            assert_eq!(
                session_description(&headers(lines), body),
                expected,
                "{lines:?}"
            );
        }
        assert_eq!(
            session_description(&headers(&[("Content-Type", "text/plain")]), b""),
            Ok(None)
        );
    }
}
