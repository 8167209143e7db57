//! What goes on of a body to the other leg: the SDP as negotiation has made it, and what stands beside
//! it as it came (RFC 5621 section 3.1, RFC 2046 section 5.1).

use super::headers::{ACCEPT, DESCRIBING, is_sdp, multipart_boundary, pass_body_description};
use crate::message::multipart::{Part, parts};
use crate::message::{HeaderName, Headers};

/// A body to send on: the SDP that negotiation made of the one in it, and the body as it came with
/// the headers that described it.
pub(super) struct Description<'a> {
    pub(super) sdp: Vec<u8>,
    pub(super) described_by: &'a Headers,
    pub(super) came: &'a [u8],
}

impl Description<'_> {
    /// In the place of a body that is there.
    pub(super) fn replace(self, headers: &mut Headers, body: &mut Vec<u8>) {
        for name in DESCRIBING {
            headers.remove(*name);
        }
        self.attach(headers, body);
    }

    pub(super) fn attach(self, headers: &mut Headers, body: &mut Vec<u8>) {
        let described_by = self.described_by;
        if described_by.contains(HeaderName::ContentType) && is_sdp(described_by) {
            pass_body_description(described_by, headers);
            *body = self.sdp;
        } else if let Some(parts) = with_sdp(described_by, self.came, &self.sdp) {
            pass_body_description(described_by, headers);
            *body = parts;
        } else {
            headers.push(HeaderName::ContentType, ACCEPT);
            *body = self.sdp;
        }
    }
}

/// Copies a body that has nothing for us to rewrite, with what describes it. A description of media
/// that is nobody's any more stays here, and so does what might hold one.
pub(super) fn pass_other_body(
    (from, came): (&Headers, &[u8]),
    headers: &mut Headers,
    body: &mut Vec<u8>,
) {
    if !came.is_empty() && may_cross(from) {
        pass_body_description(from, headers);
        *body = came.to_vec();
    }
}

/// The body that came with `sdp` in the place of its SDP, if there are other parts that go on. Not of
/// `multipart/alternative`, whose other parts say the same of the session in another way, nor of
/// what is signed as a whole.
fn with_sdp(headers: &Headers, came: &[u8], sdp: &[u8]) -> Option<Vec<u8>> {
    let media_type = headers.content_type()?;
    let is_set = ["mixed", "related"]
        .iter()
        .any(|subtype| media_type.is("multipart", subtype));
    let boundary = multipart_boundary(headers).filter(|_| is_set)?;
    let parts = parts(came, &boundary)?;
    let described = parts.iter().position(Part::is_sdp)?;
    let mut body = Vec::with_capacity(came.len() + sdp.len());
    let mut others = 0;
    for (place, part) in parts.iter().enumerate() {
        if place != described && !may_cross(&part.headers) && !part.is_plain_text() {
            continue;
        }
        body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        if place == described {
            write_part(&part.headers, sdp, &mut body);
        } else {
            others += 1;
            body.extend_from_slice(part.raw);
        }
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (others > 0).then_some(body)
}

/// Without a length, which some give and nobody needs.
fn write_part(headers: &Headers, content: &[u8], body: &mut Vec<u8>) {
    let lines = headers.iter();
    for field in lines.filter(|field| field.name != Some(HeaderName::ContentLength)) {
        for piece in [field.raw_name, b": ", field.value, b"\r\n"] {
            body.extend_from_slice(piece);
        }
    }
    body.extend_from_slice(b"\r\n");
    body.extend_from_slice(content);
}

/// Whether a body or part with these headers holds no description of media, as far as its type tells:
/// that is neither SDP nor a message or parts in which SDP may be.
fn may_cross(headers: &Headers) -> bool {
    headers.content_type().is_some_and(|media_type| {
        let holds_others = ["multipart", "message"]
            .iter()
            .any(|kind| media_type.kind.eq_ignore_ascii_case(kind));
        !holds_others && !media_type.is("application", "sdp")
    })
}

impl Part<'_> {
    pub(super) fn is_sdp(&self) -> bool {
        self.headers.contains(HeaderName::ContentType) && is_sdp(&self.headers)
    }

    /// RFC 2046 section 5.1: so is a part without Content-Type.
    fn is_plain_text(&self) -> bool {
        !self.headers.contains(HeaderName::ContentType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHERS: &str = "--b\r\nContent-Type: application/isup;version=itu-t92+\r\n\
        Content-Disposition: signal;handling=optional\r\n\r\n\u{1}\u{0}\r\n--x\r\n\
        --b\r\nc:Application/SDP\r\nContent-Length: 5\r\nContent-Disposition :  session\r\n\r\nv=0\r\n\r\n\
        --b\r\n\r\nplain\r\n";
    const HIDDEN: &str = "--b\r\nContent-Type: application/sdp\r\n\r\nsecond\r\n\
        --b\r\nContent-Type: message/sipfrag\r\n\r\nfragment\r\n\
        --b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\nContent-Type: application/sdp\r\n\r\ninner\r\n--c--\r\n\
        --b\r\nContent-Type: nonsense\r\n\r\nnonsense\r\n";

    fn attached(kind: &str, came: &str) -> (String, String) {
        let mut from = Headers::new();
        from.push(HeaderName::ContentType, kind);
        from.push(HeaderName::MimeVersion, "1.0");
        let (mut headers, mut body) = (Headers::new(), Vec::new());
        let description = Description {
            sdp: b"ours\r\n".to_vec(),
            described_by: &from,
            came: came.as_bytes(),
        };
        description.attach(&mut headers, &mut body);
        let kind = headers.value(HeaderName::ContentType).unwrap().to_vec();
        (
            String::from_utf8(kind).unwrap(),
            String::from_utf8(body).unwrap(),
        )
    }

    #[test]
    fn sig_8_the_parts_beside_the_sdp_leave_byte_for_byte() {
        let expected = OTHERS
            .replace("v=0\r\n", "ours\r\n")
            .replace("Content-Length: 5\r\n", "")
            .replace("c:App", "c: App")
            .replace("Disposition :  s", "Disposition: s");
        for kind in [
            "multipart/mixed;boundary=b",
            "Multipart/Related ; boundary=\"b\"",
        ] {
            let came = format!("preamble\r\n{OTHERS}{HIDDEN}--b--\r\nepilogue");
            let (as_kind, body) = attached(kind, &came);
            assert_eq!(as_kind, kind);
            assert_eq!(body, format!("{expected}--b--\r\n"));
        }
    }

    #[test]
    fn sig_8_the_sdp_goes_on_alone_where_nothing_may_stand_beside_it() {
        let came = format!("{OTHERS}--b--\r\n");
        let sdp = OTHERS.split("--b\r\n").nth(2).unwrap();
        let alone = format!("--b\r\n{sdp}{HIDDEN}--b--");
        for (kind, came) in [
            ("multipart/alternative;boundary=b", &came),
            ("multipart/signed;boundary=b", &came),
            ("multipart/mixed;boundary=b", &alone),
        ] {
            let sdp = ("application/sdp".to_owned(), "ours\r\n".to_owned());
            assert_eq!(attached(kind, came), sdp, "{kind}");
        }
    }

    #[test]
    fn sig_8_a_body_without_sdp_crosses_unless_it_may_hold_one() {
        for (kind, crosses) in [
            (Some("application/isup"), true),
            (Some("text/plain"), true),
            (Some("application/sdp"), false),
            (Some("multipart/mixed;boundary=b"), false),
            (Some("message/sipfrag"), false),
            (Some("nonsense"), false),
            (None, false),
        ] {
            let mut from = Headers::new();
            if let Some(kind) = kind {
                from.push(HeaderName::ContentType, kind);
            }
            let (mut headers, mut body) = (Headers::new(), Vec::new());
            pass_other_body((&from, b"body"), &mut headers, &mut body);
            assert_eq!(!body.is_empty(), crosses, "{kind:?}");
            assert_eq!(!headers.is_empty(), crosses, "{kind:?}");
        }
    }
}
