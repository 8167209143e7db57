//! What we say of ourselves in headers, and bodies: which we take, and what describes them.

use crate::message::multipart::{Part, parts};
use crate::message::{Field, HeaderName, Headers, MediaType};
use crate::trunk::refer::ReferMode;

/// The methods that we take of the peers of a trunk with that setting (RFC 3261 section 20.5). Where
/// REFER is refused, NOTIFY is taken all the same: of a REFER that came from the other side.
pub(crate) fn allow(refer: ReferMode) -> &'static str {
    match refer {
        ReferMode::Off => "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, NOTIFY",
        ReferMode::Pass | ReferMode::Local => {
            "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REFER, NOTIFY"
        }
    }
}

/// The extensions that we have (RFC 3261 section 20.37).
pub(crate) const SUPPORTED: &str = "100rel, timer, replaces";
/// The bodies that we take.
pub(crate) const ACCEPT: &str = "application/sdp";

/// Copies what INFO, MESSAGE, REFER and NOTIFY say of their contents besides (RFC 6086 section 10,
/// RFC 3428 section 8, RFC 3515 section 2), as spelled.
pub(super) fn pass_of_method(from: &Headers, to: &mut Headers) {
    to.extend(from.iter().filter(|field| match field.name {
        Some(name) => matches!(
            name,
            HeaderName::Date
                | HeaderName::Subject
                | HeaderName::Priority
                | HeaderName::Expires
                | HeaderName::ReferTo
                | HeaderName::ReferredBy
                | HeaderName::ReferSub
                | HeaderName::Event
                | HeaderName::SubscriptionState
        ),
        None => field.is_named("Info-Package"),
    }));
}

/// Copies who asked for the call (RFC 3892 section 2), as spelled, if it has not crossed already.
pub(super) fn pass_referrer(from: &Headers, to: &mut Headers) {
    if !to.contains(HeaderName::ReferredBy) {
        let lines = from.iter();
        to.extend(lines.filter(|field| field.name == Some(HeaderName::ReferredBy)));
    }
}

/// Copies what describes the body, as spelled.
pub(super) fn pass_body_description(from: &Headers, to: &mut Headers) {
    to.extend(from.iter().filter(describes_body));
}

/// What describes a body.
pub(super) const DESCRIBING: &[HeaderName] = &[
    HeaderName::ContentType,
    HeaderName::ContentDisposition,
    HeaderName::ContentEncoding,
    HeaderName::ContentLanguage,
    HeaderName::MimeVersion,
];

fn describes_body(field: &Field<'_>) -> bool {
    field.name.is_some_and(|name| DESCRIBING.contains(&name))
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
    } else if let Some(boundary) = multipart_boundary(headers) {
        return sdp_part(headers, body, &boundary);
    } else {
        UnsupportedBody::Type
    };
    if may_be_ignored(headers) {
        Ok(None)
    } else {
        Err(unsupported)
    }
}

/// Whether the sender of an INVITE takes SDP in the answer: without Accept it does, with an empty
/// one it takes nothing (RFC 3261 section 20.1).
pub(crate) fn accepts_sdp(headers: &Headers) -> bool {
    let is_sdp = |range: &MediaType<'_>| {
        [("application", "sdp"), ("application", "*"), ("*", "*")]
            .iter()
            .any(|(kind, subtype)| range.is(kind, subtype))
    };
    !headers.contains(HeaderName::Accept)
        || headers
            .list(HeaderName::Accept)
            .filter_map(MediaType::parse)
            .any(|range| is_sdp(&range))
}

/// Section 7.4.1 wants a Content-Type with each body; without it nothing but SDP makes sense here.
pub(super) fn is_sdp(headers: &Headers) -> bool {
    !headers.contains(HeaderName::ContentType)
        || headers
            .content_type()
            .is_some_and(|media_type| media_type.is("application", "sdp"))
}

pub(super) fn multipart_boundary(headers: &Headers) -> Option<String> {
    let media_type = headers.content_type()?;
    let is_multipart = media_type.kind.eq_ignore_ascii_case("multipart");
    media_type.boundary().filter(|_| is_multipart)
}

/// The SDP among the parts of a body (RFC 5621 section 3.1); of `multipart/alternative` the last
/// one, which its author likes best (RFC 2046 section 5.1.4).
///
/// A part that says that it must be understood makes the body unsupported, although it would be passed
/// on: who understands it is not known. One that says nothing does not, although RFC 3261 section
/// 20.11 would have it so: whoever adds a part to an offer wants the call rather than the part.
fn sdp_part<'a>(
    headers: &Headers,
    body: &'a [u8],
    boundary: &str,
) -> Result<Option<&'a [u8]>, UnsupportedBody> {
    let parts = parts(body, boundary).ok_or(UnsupportedBody::Type)?;
    let is_alternative = headers
        .content_type()
        .is_some_and(|media_type| media_type.is("multipart", "alternative"));
    let of_sdp = |part: &&Part<'_>| part.is_sdp();
    let sdp = match is_alternative {
        true => parts.iter().rfind(of_sdp),
        false => parts.iter().find(of_sdp),
    };
    let others = parts.iter().filter(|part| !of_sdp(part));
    if !is_alternative && others.clone().any(|part| must_be_understood(&part.headers)) {
        return Err(UnsupportedBody::Type);
    }
    match sdp {
        Some(part) if is_encoded(&part.headers) => Err(UnsupportedBody::Encoding),
        Some(part) => Ok(Some(part.content)),
        None if may_be_ignored(headers) => Ok(None),
        None => Err(UnsupportedBody::Type),
    }
}

/// Of a part (RFC 2045 section 6.1): SDP as text is none of these.
fn is_encoded(part: &Headers) -> bool {
    part.named("Content-Transfer-Encoding").any(|encoding| {
        ![&b"binary"[..], b"8bit", b"7bit"]
            .iter()
            .any(|plain| encoding.eq_ignore_ascii_case(plain))
    })
}

fn must_be_understood(headers: &Headers) -> bool {
    handling(headers).is_some_and(|handling| handling == "required")
}

fn may_be_ignored(headers: &Headers) -> bool {
    handling(headers).is_some_and(|handling| handling == "optional")
}

/// The handling parameter of Content-Disposition, in lower case.
fn handling(headers: &Headers) -> Option<String> {
    let disposition = headers.value(HeaderName::ContentDisposition)?;
    let disposition = String::from_utf8_lossy(disposition).to_ascii_lowercase();
    disposition.split(';').skip(1).find_map(|param| {
        let (name, value) = param.split_once('=')?;
        (name.trim() == "handling").then(|| value.trim().trim_matches('"').to_owned())
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

    const MIXED: &str = "multipart/mixed;boundary=\"b 1\"";

    fn mixed(sdp_headers: &str, other_headers: &str) -> String {
        format!(
            "--b 1\r\nContent-Type: application/pidf+xml\r\n{other_headers}\r\n<x/>\r\n--b 1\r\n\
             Content-Type: application/sdp\r\n{sdp_headers}\r\nv=0\r\n\r\n--b 1--\r\n"
        )
    }

    #[test]
    fn the_sdp_is_found_in_a_multipart_body() {
        for (kind, body, expected) in [
            (MIXED, mixed("", ""), Ok("v=0\r\n")),
            (
                MIXED,
                mixed("Content-Transfer-Encoding: binary\r\n", "Content-Disposition: render;handling=optional\r\n"),
                Ok("v=0\r\n"),
            ),
            (
                MIXED,
                mixed("", "Content-Disposition: render; Handling=\"required\"\r\n"),
                Err(UnsupportedBody::Type),
            ),
            (
                MIXED,
                mixed("Content-Transfer-Encoding: base64\r\n", ""),
                Err(UnsupportedBody::Encoding),
            ),
            (MIXED, mixed("", "").replace("sdp", "xml"), Err(UnsupportedBody::Type)),
            (MIXED, mixed("", "").replace("b 1--", "b 1"), Err(UnsupportedBody::Type)),
            ("multipart/mixed", mixed("", ""), Err(UnsupportedBody::Type)),
            (
                "Multipart/Alternative;boundary=c",
                "--c\r\nContent-Type: application/sdp\r\n\r\n1\r\n--c\r\nContent-Type: application/sdp\r\n\r\n2\r\n--c--".to_owned(),
                Ok("2"),
            ),
        ] {
            let found = session_description(&headers(&[("Content-Type", kind)]), body.as_bytes());
            let expected = expected.map(|sdp| Some(sdp.as_bytes()));
            assert_eq!(found, expected, "{kind} {body}");
        }
    }
}
