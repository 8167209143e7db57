//! The INVITE that message costs are measured with: 950 bytes, from a carrier with SRTP.

use std::hint::black_box;

use sip_core::message::{HeaderName, Message, Request};

const HEADERS: &str = "INVITE sip:+12015550123@edge.example.com:5061;transport=tls SIP/2.0\r\n\
    Via: SIP/2.0/TLS 192.0.2.10:5061;branch=z9hG4bK-524287-1---a1b2c3d4e5f6;rport\r\n\
    Max-Forwards: 70\r\n\
    Record-Route: <sip:192.0.2.10:5061;transport=tls;lr>\r\n\
    From: \"Alice Carrier\" <sip:+14085550100@carrier.example.net>;tag=9fxced76sl\r\n\
    To: <sip:+12015550123@edge.example.com>\r\n\
    Call-ID: 3848276298220188511@carrier.example.net\r\n\
    CSeq: 314159 INVITE\r\n\
    Contact: <sip:+14085550100@192.0.2.10:5061;transport=tls>\r\n\
    Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE, INFO\r\n\
    Require: 100rel\r\n\
    Supported: timer, replaces\r\n\
    Session-Expires: 1800;refresher=uac\r\n\
    User-Agent: Carrier Session Border 1.0 (build 7)\r\n\
    Content-Type: application/sdp\r\n";

const SDP: &str = "v=0\r\n\
    o=- 20518 0 IN IP4 192.0.2.20\r\n\
    s=-\r\n\
    c=IN IP4 192.0.2.20\r\n\
    t=0 0\r\n\
    m=audio 49170 RTP/SAVP 0 101\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";

/// Its bytes.
pub fn invite() -> Vec<u8> {
    format!("{HEADERS}Content-Length: {}\r\n\r\n{SDP}", SDP.len()).into_bytes()
}

/// # Panics
/// If it is not a request.
pub fn parse(bytes: &[u8]) -> Request {
    match Message::parse(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Reads everything that transaction, dialog and call look at in an INVITE.
///
/// # Panics
/// If one of the headers is not there.
pub fn read(request: &Request) -> usize {
    let headers = &request.headers;
    black_box(headers.top_via().expect("Via"));
    black_box(headers.from().expect("From"));
    black_box(headers.to().expect("To"));
    black_box(headers.call_id().expect("Call-ID"));
    black_box(headers.cseq().expect("CSeq"));
    black_box(headers.contact().expect("Contact"));
    black_box(headers.record_routes().expect("Record-Route"));
    black_box(headers.max_forwards().expect("Max-Forwards"));
    black_box(headers.content_type().expect("Content-Type"));
    let required = headers.option_tags(HeaderName::Require).count();
    let supported = headers.option_tags(HeaderName::Supported).count();
    required + supported + request.body.len()
}
