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
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut random = vec![0; bytes];
    rng.fill_bytes(&mut random);
    let digits = random.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// A branch with the magic cookie (RFC 3261 section 8.1.1.7), 96 random bits.
pub fn branch(rng: &mut (impl RngCore + ?Sized)) -> String {
    format!("{MAGIC_COOKIE}{}", token(rng, 12))
}

/// A tag, 64 random bits (RFC 3261 section 19.3 asks for 32).
pub fn tag(rng: &mut (impl RngCore + ?Sized)) -> String {
    token(rng, 8)
}

/// A Call-ID without a host, which would tell where we are; 128 random bits.
pub fn call_id(rng: &mut (impl RngCore + ?Sized)) -> String {
    token(rng, 16)
}
