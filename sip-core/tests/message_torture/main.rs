//! The torture messages of RFC 4475 and RFC 5118, one by one: those that are well-formed must be
//! understood and leave as they came, the others must be refused, with the right answer where one
//! can be sent.

mod answers;
mod ipv6;
mod malformed;
pub mod messages;
mod well_formed;

use sip_core::message::{Message, ParseError, Request, Response, response_to};

/// The bytes of that message.
fn rfc4475(name: &str) -> Vec<u8> {
    let found = messages::all().find(|(present, _)| *present == name);
    found.expect("a message of that name").1
}

/// Messages of our own are written with LF; on the wire it is CRLF.
fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn request(bytes: &[u8]) -> Request {
    match Message::parse(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn response(bytes: &[u8]) -> Response {
    match Message::parse(bytes) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

/// A well-formed request with the right Content-Length leaves byte for byte.
fn untouched_request(name: &str) -> Request {
    let bytes = rfc4475(name);
    let request = request(&bytes);
    assert_eq!(
        String::from_utf8_lossy(&request.to_bytes()),
        String::from_utf8_lossy(&bytes)
    );
    request
}

fn refused(text: &str) -> ParseError {
    refused_bytes(&wire(text))
}

fn refused_bytes(bytes: &[u8]) -> ParseError {
    match Message::parse(bytes) {
        Err(error) => error,
        Ok(message) => panic!("{message:?}"),
    }
}

/// What the sender of a refused request gets.
fn answer(error: &ParseError) -> String {
    let request = error.answerable.as_ref().expect("it can be answered");
    let answer = response_to(request, error.status(), Some("edge"));
    String::from_utf8(answer.to_bytes()).expect("these are in UTF-8")
}

/// A request that has `lines` (among them what is wrong) and everything else that it must have.
fn with_lines(start: &str, cseq: &str, lines: &str) -> String {
    let mut text = format!("{start}\n");
    for (name, line) in [
        ("To: ", "To: sip:j.user@example.com"),
        ("From: ", "From: sip:caller@example.net;tag=134161461246"),
        ("Call-ID: ", "Call-ID: bad.0ha0isndaksdjasdf3234nas"),
        ("CSeq: ", cseq),
        ("Via: ", "Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw"),
        ("Max-Forwards: ", "Max-Forwards: 7"),
    ] {
        if !lines.contains(name) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str(lines);
    text.push_str("\n\n");
    text
}
