//! Responses from their requests (RFC 3261 section 8.2.6), and identifiers from the injected
//! generator.

use rand_core::RngCore;

use super::header_name::HeaderName;
use super::headers::Headers;
use super::method::Method;
use super::status::StatusCode;
use super::via::MAGIC_COOKIE;
use super::{Request, Response};

/// A response to `request` with what RFC 3261 section 8.2.6.2 copies: Via, From, To, Call-ID and
/// CSeq as they came; Timestamp in a 100 (section 8.2.6.1); Record-Route in a 101 to 299 to an
/// INVITE, SUBSCRIBE, REFER or NOTIFY (section 12.1.1). The usual reason phrase
/// ([`Response::with_reason`] for another), no body.
///
/// `to_tag` is added to To unless the request's has a tag (section 8.2.6.2).
pub fn response_to(request: &Request, status: StatusCode, to_tag: Option<&str>) -> Response {
    let forms_dialog = matches!(
        request.method,
        Method::Invite | Method::Subscribe | Method::Refer | Method::Notify
    );
    let is_trying = status == StatusCode::TRYING;
    let with_route = forms_dialog && !is_trying && status.code() < 300;
    let mut headers = Headers::new();
    for field in request.headers.iter() {
        let is_copied = match field.name {
            Some(
                HeaderName::Via
                | HeaderName::From
                | HeaderName::To
                | HeaderName::CallId
                | HeaderName::CSeq,
            ) => true,
            Some(HeaderName::Timestamp) => is_trying,
            Some(HeaderName::RecordRoute) => with_route,
            _ => false,
        };
        if is_copied {
            headers.push_raw(field);
        }
    }
    if let Some(tag) = to_tag {
        headers.set_to_tag(tag);
    }
    Response {
        status,
        reason: status.reason().into_owned().into_bytes(),
        headers,
        body: Vec::new(),
    }
}

/// `bytes` random bytes in lower-case hexadecimal: a token that needs no escaping anywhere.
pub fn token(rng: &mut (impl RngCore + ?Sized), bytes: usize) -> String {
    let mut text = String::with_capacity(2 * bytes);
    push_token(rng, bytes, &mut text);
    text
}

const BRANCH_BYTES: usize = 12;

/// A branch with the magic cookie (RFC 3261 section 8.1.1.7), 96 random bits.
pub fn branch(rng: &mut (impl RngCore + ?Sized)) -> String {
    let mut text = String::with_capacity(MAGIC_COOKIE.len() + 2 * BRANCH_BYTES);
    text.push_str(MAGIC_COOKIE);
    push_token(rng, BRANCH_BYTES, &mut text);
    text
}

fn push_token(rng: &mut (impl RngCore + ?Sized), bytes: usize, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut random = [0; 16];
    let mut left = bytes;
    while left > 0 {
        let random = &mut random[..left.min(16)];
        left -= random.len();
        rng.fill_bytes(random);
        for byte in random {
            for digit in [*byte >> 4, *byte & 15] {
                text.push(char::from(DIGITS[usize::from(digit)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    const INVITE: &str = "INVITE sip:a@b SIP/2.0\r\n\
        v: SIP/2.0/UDP h1;branch=z9hG4bK1\r\n\
        Max-Forwards: 70\r\n\
        Record-Route: <sip:p1;lr>,\r\n <sip:p2;lr>\r\n\
        VIA : SIP/2.0/UDP h2;branch=z9hG4bK2\r\n\
        f: \"A\" <sip:a@b>;tag=1\r\n\
        t: <sip:a@b>\r\n\
        i: 7\r\n\
        Timestamp: 54\r\n\
        CSeq: 1 INVITE\r\n\
        X-Other: 1\r\n\
        l: 3\r\n\r\nabc";

    fn request(text: &str) -> Request {
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn text(response: &Response) -> String {
        String::from_utf8(response.to_bytes()).unwrap()
    }

    #[test]
    fn a_response_copies_what_it_must_as_it_came() {
        let invite = request(INVITE);
        let ringing = response_to(&invite, StatusCode::RINGING, Some("9"));
        assert_eq!(
            text(&ringing),
            "SIP/2.0 180 Ringing\r\n\
             v: SIP/2.0/UDP h1;branch=z9hG4bK1\r\n\
             Record-Route: <sip:p1;lr>,\r\n <sip:p2;lr>\r\n\
             VIA : SIP/2.0/UDP h2;branch=z9hG4bK2\r\n\
             f: \"A\" <sip:a@b>;tag=1\r\n\
             To: <sip:a@b>;tag=9\r\n\
             i: 7\r\n\
             CSeq: 1 INVITE\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_100_has_the_timestamp_and_no_tag_or_route() {
        let trying = text(&response_to(&request(INVITE), StatusCode::TRYING, None));
        assert!(trying.contains("\r\nTimestamp: 54\r\n"));
        assert!(trying.contains("\r\nt: <sip:a@b>\r\n"));
        assert!(!trying.contains("Record-Route"));
    }

    #[test]
    fn a_refusal_has_no_route_and_a_tag_that_was_there_stays() {
        let invite = request(&INVITE.replace("t: <sip:a@b>", "t: <sip:a@b>;tag=old"));
        let busy = response_to(&invite, StatusCode::BUSY_HERE, Some("new"));
        let busy = text(&busy.with_reason("Not\r\nnow"));
        assert!(busy.starts_with("SIP/2.0 486 Not  now\r\n"));
        assert!(busy.contains("\r\nt: <sip:a@b>;tag=old\r\n"));
        assert!(!busy.contains("Record-Route"));
        let moved = text(&response_to(&invite, StatusCode::MOVED_TEMPORARILY, None));
        assert!(!moved.contains("Record-Route"));
    }

    #[test]
    fn identifiers_are_tokens_of_the_length_asked_for() {
        struct Counting(u8);
        impl RngCore for Counting {
            fn next_u32(&mut self) -> u32 {
                0
            }
            fn next_u64(&mut self) -> u64 {
                0
            }
            fn fill_bytes(&mut self, bytes: &mut [u8]) {
                for byte in bytes {
                    *byte = self.0;
                    self.0 = self.0.wrapping_add(0x11);
                }
            }
        }
        assert_eq!(token(&mut Counting(0xef), 3), "ef0011");
        assert_eq!(branch(&mut Counting(0)).len(), MAGIC_COOKIE.len() + 24);
    }
}
