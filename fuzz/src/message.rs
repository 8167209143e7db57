//! A datagram: refused, or understood and sent on as it came.

use sip_core::auth::client::Challenge;
use sip_core::message::{Contacts, HeaderName, Limits, Message, Request, StatusCode, response_to};

/// Small enough that an input of a few hundred bytes meets every limit.
const SMALL: Limits = Limits {
    message_bytes: 900,
    headers: 12,
    header_bytes: 120,
    vias: 3,
};

pub(crate) fn parse_and_write(bytes: &[u8]) {
    let within_small = Message::parse_within(bytes, &SMALL);
    match Message::parse(bytes) {
        Ok(message) => {
            leaves_as_it_came(bytes, &message);
            read_all(&message);
            if let Message::Request(request) = &message {
                let answer = answered(request);
                Message::parse(&answer).expect("the answer to a request that was understood");
            }
            if let Ok(small) = within_small {
                assert_eq!(small.to_bytes(), message.to_bytes());
            }
        }
        Err(error) => {
            assert!(within_small.is_err(), "narrower limits admit no more");
            if let Some(request) = &error.answerable {
                let status = error.status();
                assert!((400..600).contains(&status.code()));
                // Its headers may be malformed, and so may those that are copied.
                answered(request);
            }
        }
    }
}

/// Header lines and body are the very bytes that came; what left is understood the same way.
fn leaves_as_it_came(came: &[u8], message: &Message) {
    let left = message.to_bytes();
    let again = Message::parse(&left).expect("what we send is well-formed");
    assert_eq!(again.to_bytes(), left);
    assert_eq!(again.body(), message.body());
    assert_eq!(lines(&again), lines(message));
    assert!(
        came.ends_with(message.body()) || message.headers().contains(HeaderName::ContentLength)
    );
    if message.headers().contains(HeaderName::ContentLength) {
        let (came, left) = (after_start_line(came), after_start_line(&left));
        assert!(came.starts_with(left), "re-serialised");
    }
}

/// What follows the start line, whose version alone is put right.
fn after_start_line(bytes: &[u8]) -> &[u8] {
    let empty = bytes.iter().take_while(|byte| b"\r\n".contains(byte));
    let start = &bytes[empty.count()..];
    let end = start.iter().position(|&byte| byte == b'\n');
    &start[end.expect("a start line") + 1..]
}

/// Name and value of every line but Content-Length, which may have been added.
fn lines(message: &Message) -> Vec<(&[u8], &[u8])> {
    message
        .headers()
        .iter()
        .filter(|field| field.name != Some(HeaderName::ContentLength))
        .map(|field| (field.raw_name, field.value))
        .collect()
}

fn answered(request: &Request) -> Vec<u8> {
    let answer = response_to(request, StatusCode::BAD_REQUEST, Some("t"));
    let bytes = answer.with_reason("Bad\r\nRequest").to_bytes();
    assert!(bytes.starts_with(b"SIP/2.0 400 Bad  Request\r\n"));
    bytes
}

/// Every view that anybody asks for.
fn read_all(message: &Message) {
    let headers = message.headers();
    let vias = headers.vias().expect("every Via was checked");
    assert!(!vias.is_empty() && vias.len() <= Limits::DEFAULT.vias);
    headers.from().expect("From was checked");
    headers.to().expect("To was checked");
    headers.call_id().expect("Call-ID was checked");
    headers.cseq().expect("CSeq was checked");
    let _ = (headers.max_forwards(), headers.record_routes());
    let _ = (headers.routes(), headers.contact());
    for &name in HeaderName::ALL {
        let _ = (headers.number(name), headers.address(name));
        let _ = headers.option_tags(name).count();
        let _ = headers.addresses(name);
    }
    for name in [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate] {
        let _ = headers.values(name).map(Challenge::parse).count();
    }
    let _ = headers.content_type().map(|kind| kind.boundary());
    if let Ok(Contacts::List(contacts)) = headers.contacts() {
        for contact in contacts {
            let _ = (contact.q(), contact.expires(), contact.display_name());
        }
    }
    let mut edited = headers.clone();
    edited.set_to_tag("edge");
    assert!(edited.to().expect("still an address").tag().is_some());
    edited.replace_top_via(&vias[0]);
    assert_eq!(edited.vias().expect("still Vias").len(), vias.len());
}
