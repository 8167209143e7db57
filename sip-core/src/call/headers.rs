//! What we say of ourselves in headers, and bodies: which we take, and what describes them.

use crate::message::{Field, HeaderName, Headers};

/// The methods that we take (RFC 3261 section 20.5).
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, MESSAGE";
/// The extensions that we have (RFC 3261 section 20.37).
pub(crate) const SUPPORTED: &str = "100rel, timer";
/// The bodies that we take.
pub(crate) const ACCEPT: &str = "application/sdp";

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
