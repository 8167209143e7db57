//! Sections 3.1.2, 3.2 and 3.3 of RFC 4475, line by line: what is refused says why, and is answered
//! where it can be. What whole messages are answered is in [`crate::answers`].

use sip_core::message::{HeaderError, HeaderName, Message, ParseErrorKind};

use crate::{answer, refused, wire, with_lines};

const INVITE: &str = "INVITE sip:user@example.com SIP/2.0";
const OPTIONS: &str = "OPTIONS sip:user@example.com SIP/2.0";

/// Section 3.1.2, 3.3: everything that is refused with an answer.
#[test]
fn malformed_requests_are_answered() {
    use ParseErrorKind as Kind;
    let malformed = |name| Kind::Header(HeaderError::Malformed(name));
    for (name, start, cseq, lines, kind) in [
        (
            "badinv01: extraneous separators",
            INVITE,
            "CSeq: 8 INVITE",
            "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\nContact: \"Joe\" <sip:joe@example.org>;;;;",
            malformed(HeaderName::Via),
        ),
        (
            "clerr: Content-Length longer than the datagram",
            INVITE,
            "CSeq: 8 INVITE",
            "Content-Length: 9999",
            Kind::BodyTooShort,
        ),
        (
            "ncl: negative Content-Length",
            INVITE,
            "CSeq: 8 INVITE",
            "Content-Length: -999",
            malformed(HeaderName::ContentLength),
        ),
        (
            "scalar02: CSeq out of range",
            "REGISTER sip:example.com SIP/2.0",
            "CSeq: 36893488147419103232 REGISTER",
            "Expires: 10000000000000000000000000000000000000000000000000",
            malformed(HeaderName::CSeq),
        ),
        (
            "scalar02: Max-Forwards out of range",
            "REGISTER sip:example.com SIP/2.0",
            "CSeq: 1 REGISTER",
            "Max-Forwards: 300",
            malformed(HeaderName::MaxForwards),
        ),
        (
            "quotbal: unterminated quoted string",
            INVITE,
            "CSeq: 8 INVITE",
            "To: \"Mr. J. User <sip:j.user@example.com>",
            malformed(HeaderName::To),
        ),
        (
            "ltgtruri: brackets around the Request-URI",
            "INVITE <sip:user@example.com> SIP/2.0",
            "CSeq: 8 INVITE",
            "",
            Kind::RequestUri,
        ),
        (
            "lwsruri: white space in the Request-URI",
            "INVITE sip:user@example.com; lr SIP/2.0",
            "CSeq: 8 INVITE",
            "",
            Kind::RequestUri,
        ),
        (
            "lwsstart: several spaces in the request line",
            "INVITE  sip:user@example.com  SIP/2.0",
            "CSeq: 8 INVITE",
            "",
            Kind::RequestUri,
        ),
        (
            "trws: trailing spaces in the request line",
            "OPTIONS sip:user@example.com SIP/2.0  ",
            "CSeq: 8 OPTIONS",
            "",
            Kind::StartLine,
        ),
        (
            "escruri: headers in the Request-URI",
            "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0",
            "CSeq: 8 INVITE",
            "",
            Kind::RequestUri,
        ),
        (
            "badaspec: spaces within addr-spec",
            OPTIONS,
            "CSeq: 8 OPTIONS",
            "To: \"Watson, Thomas\" < sip:t.watson@example.org >",
            malformed(HeaderName::To),
        ),
        (
            "baddn: comma in an unquoted display name",
            OPTIONS,
            "CSeq: 8 OPTIONS",
            "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
            malformed(HeaderName::From),
        ),
        (
            "badvers: unknown protocol version",
            "OPTIONS sip:t.watson@example.org SIP/7.0",
            "CSeq: 8 OPTIONS",
            "Via: SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw",
            Kind::Version,
        ),
        (
            "mismatch01: CSeq of another method",
            OPTIONS,
            "CSeq: 8 INVITE",
            "",
            Kind::CSeqMethod,
        ),
        (
            "mismatch02: an unknown method, CSeq of another",
            "NEWMETHOD sip:user@example.com SIP/2.0",
            "CSeq: 8 INVITE",
            "",
            Kind::CSeqMethod,
        ),
        (
            "multi01: two of what must be one",
            INVITE,
            "CSeq: 8 INVITE",
            "CSeq: 59 INVITE\nCSeq: 5 INVITE",
            Kind::Duplicate(HeaderName::CSeq),
        ),
        (
            "multi01: two From",
            INVITE,
            "CSeq: 8 INVITE",
            "From: sip:caller@example.com;tag=34\nf: sip:other.caller@example.net;tag=66",
            Kind::Duplicate(HeaderName::From),
        ),
        (
            "mcl01: two Content-Length that differ",
            OPTIONS,
            "CSeq: 8 OPTIONS",
            "Content-Length: 0\nl: 5",
            Kind::Duplicate(HeaderName::ContentLength),
        ),
        (
            "a header without colon",
            INVITE,
            "CSeq: 8 INVITE",
            "This is not a header",
            Kind::HeaderLine,
        ),
    ] {
        let error = refused(&with_lines(start, cseq, lines));
        assert_eq!(error.kind, kind, "{name}");
        let answer = answer(&error);
        let status = if kind == Kind::Version { 505 } else { 400 };
        assert!(
            answer.starts_with(&format!("SIP/2.0 {status} ")),
            "{name}: {answer}"
        );
        for copied in ["\r\nVia: SIP/", "\r\nTo: ", "\r\nFrom: ", "\r\nCSeq: "] {
            assert!(answer.contains(copied), "{name}: {answer}");
        }
    }
}

/// An ACK is never answered, nor is a response, nor what lacks the headers of an answer
/// (insuf, section 3.3.1; bigcode; scalarlg).
#[test]
fn what_cannot_be_answered_is_not() {
    let ack = "ACK <sip:a@b> SIP/2.0";
    let answerless = [
        with_lines(ack, "CSeq: 8 ACK", ""),
        with_lines(
            "SIP/2.0 4294967301 better not break the receiver",
            "CSeq: 8 OPTIONS",
            "",
        ),
        with_lines(
            "SIP/2.0 503 Service Unavailable",
            "CSeq: 9292394834772304023312 OPTIONS",
            "Retry-After: 949302838503028349304023988",
        ),
        with_lines("SIP/3.0 200 OK", "CSeq: 8 OPTIONS", ""),
        with_lines("SIP/2.0 99 Low", "CSeq: 8 OPTIONS", ""),
        with_lines("SIP/2.0 700 High", "CSeq: 8 OPTIONS", ""),
        with_lines("SIP/2.0 0200 OK", "CSeq: 8 OPTIONS", ""),
        with_lines(INVITE, "CSeq: 8 INVITE", "Via: nonsense"),
        format!(
            "{INVITE}\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\nCSeq: 193942 INVITE\n\n"
        ),
        with_lines("(bad) sip:a@b SIP/2.0", "CSeq: 8 (bad)", ""),
        "GET / HTTP/1.1\nHost: a\n\n".to_owned(),
        "INVITE\n\n".to_owned(),
        "INVITE sip:a@b\n\n".to_owned(),
        "\n\n".to_owned(),
        String::new(),
    ];
    for text in answerless {
        assert!(refused(&text).answerable.is_none(), "{text}");
    }
}

/// Section 3.1.2.12, 3.3: odd, but not for the parser to refuse.
#[test]
fn what_is_odd_but_no_hindrance_is_accepted() {
    for (name, start, cseq, lines) in [
        (
            "baddate: a Date outside GMT",
            INVITE,
            "CSeq: 8 INVITE",
            "Date: Fri, 01 Jan 2010 16:00:00 EST",
        ),
        (
            "unkscm: an unknown URI scheme",
            "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0",
            "CSeq: 8 OPTIONS",
            "",
        ),
        (
            "novelsc: a known scheme that is not SIP's",
            "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0",
            "CSeq: 8 OPTIONS",
            "",
        ),
        (
            "unksm2: unknown schemes in headers",
            OPTIONS,
            "CSeq: 8 OPTIONS",
            "To: isbn:2983792873\nFrom: <http://www.example.com>;tag=3234233\nContact: <name:John_Smith>",
        ),
        (
            "zeromf: Max-Forwards 0",
            OPTIONS,
            "CSeq: 8 OPTIONS",
            "Max-Forwards: 0",
        ),
        (
            "inv2543: no branch, no tag, no Max-Forwards",
            INVITE,
            "CSeq: 1 INVITE",
            "Via: SIP/2.0/UDP iftgw.example.com\nFrom: <sip:+13035551111@ift.client.example.net;user=phone>",
        ),
        (
            "invut: an unknown content type",
            INVITE,
            "CSeq: 8 INVITE",
            "Content-Type: application/unknownformat",
        ),
        (
            "the same Content-Length twice",
            INVITE,
            "CSeq: 8 INVITE",
            "Content-Length: 0\nl: 0",
        ),
    ] {
        let parsed = Message::parse(&wire(&with_lines(start, cseq, lines)));
        assert!(parsed.is_ok(), "{name}: {parsed:?}");
    }
}
