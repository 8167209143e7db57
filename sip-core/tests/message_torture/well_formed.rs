//! Section 3.1.1 of RFC 4475: what is valid, however odd, is understood and leaves as it came.

use sip_core::framing::{FramingError, StreamFramer, StreamItem};
use sip_core::message::{Contacts, HeaderError, HeaderName, Method, StatusCode};
use sip_core::transport::{Host, Transport};

use crate::{request, response, rfc4475, untouched_request, wire, with_lines};

/// 3.1.1.1
#[test]
fn wsinv_a_short_tortuous_invite() {
    let invite = untouched_request("wsinv");
    let headers = &invite.headers;
    assert_eq!(invite.method, Method::Invite);
    assert!(invite.uri.has_param("unknownparam"));
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    let from = headers.from().unwrap();
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(from.display_name().unwrap(), "J Rosenberg \\\"");
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    assert_eq!(headers.call_id(), Ok("wsinv.ndaksdj@192.0.2.1"));
    assert_eq!(headers.cseq().unwrap().number, 9);
    let branches: Vec<_> = headers
        .vias()
        .unwrap()
        .iter()
        .map(|via| via.branch().unwrap().to_owned())
        .collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    assert_eq!(headers.value(HeaderName::Subject), Some(&b""[..]));
    let unusual: Vec<_> = headers.named("unknownheaderwithunusualvalue").collect();
    assert_eq!(unusual, [b";;,,;;,;"]);
    let routes = headers.routes().unwrap();
    assert!(routes[0].uri().has_param("lr"));
    let contact = headers.contact().unwrap().unwrap();
    assert_eq!(contact.display_name().unwrap(), "Quoted string \"\"");
    assert_eq!(contact.param("newparam"), Some("newvalue"));
    assert_eq!(contact.param("secondparam"), Some(""));
    assert_eq!(contact.q(), Some(330));
    assert!(headers.content_type().unwrap().is("application", "sdp"));
}

/// 3.1.1.2
#[test]
fn intmeth_a_wide_range_of_valid_characters() {
    let odd = untouched_request("intmeth");
    let name = "!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(odd.method, Method::Other(name.into()));
    assert_eq!(
        odd.uri.user(),
        Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
    );
    assert_eq!(
        odd.uri.password(),
        Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
    );
    assert_eq!(odd.uri.host_port(), "example.com");
    let headers = &odd.headers;
    assert_eq!(
        headers.top_via().unwrap().branch(),
        Some("z9hG4bK-.!%66*_+`'~")
    );
    assert_eq!(
        headers.to().unwrap().display_name().unwrap(),
        "BEL:\x07 NUL:\0 DEL:\x7f"
    );
    let from = headers.from().unwrap();
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(from.param("fromParam''~+*_!.-%"), Some("\"работающий\""));
    assert_eq!(
        headers.call_id(),
        Ok("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")
    );
}

/// 3.1.1.3
#[test]
fn esc01_valid_use_of_the_percent_escape() {
    let invite = untouched_request("esc01");
    assert_eq!(
        invite.uri.user_unescaped().as_deref(),
        Some("sips:user@example.com")
    );
    assert_eq!(
        *invite.uri.host().unwrap(),
        Host::Name("example.net".to_owned())
    );
    let from = invite.headers.from().unwrap();
    assert_eq!(
        from.uri().user_unescaped().as_deref(),
        Some("I have spaces")
    );
    let contact = invite.headers.contact().unwrap().unwrap();
    assert!(contact.uri().has_param("lr"));
    assert_eq!(contact.uri().param("name"), Some("v%61lue%25%34%31"));
}

/// 3.1.1.4
#[test]
fn escnull_escaped_nulls_shorten_nothing() {
    let register = untouched_request("escnull");
    let to = register.headers.to().unwrap();
    assert_eq!(to.uri().user_unescaped().as_deref(), Some("null-\0-null"));
    let Ok(Contacts::List(contacts)) = register.headers.contacts() else {
        panic!("two contacts");
    };
    assert_eq!(contacts.len(), 2);
    assert!(!contacts[0].uri().equivalent(contacts[1].uri()));
}

/// 3.1.1.5
#[test]
fn esc02_percent_where_it_is_not_an_escape() {
    let odd = untouched_request("esc02");
    assert_eq!(odd.method, Method::Other("RE%47IST%45R".into()));
    assert_eq!(
        odd.headers.to().unwrap().display_name().as_deref(),
        Some("%Z%45")
    );
    assert_eq!(odd.headers.list(HeaderName::Contact).count(), 2);
}

/// 3.1.1.6
#[test]
fn lwsdisp_no_white_space_before_the_bracket() {
    let options = untouched_request("lwsdisp");
    let from = options.headers.from().unwrap();
    assert_eq!(from.display_name().as_deref(), Some("caller"));
    assert_eq!(from.tag(), Some("323"));
}

/// 3.1.1.7: long values, and 34 Vias in every spelling.
#[test]
fn longreq_long_values() {
    let invite = untouched_request("longreq");
    assert_eq!(invite.headers.vias().unwrap().len(), 34);
    let to = invite.headers.to().unwrap();
    assert_eq!(to.uri().port(), Some(6000));
    assert_eq!(invite.headers.from().unwrap().tag().unwrap().len(), 155);
}

/// 3.1.1.8: a datagram ends where Content-Length says.
#[test]
fn dblreq_what_follows_in_the_datagram_is_discarded() {
    let both = rfc4475("dblreq");
    let first = request(&both);
    assert_eq!(first.method, Method::Register);
    assert!(both.starts_with(&first.to_bytes()));
    assert!(first.body.is_empty());
}

/// On a stream the second message is one, too.
#[test]
fn dblreq_on_a_stream_is_two_messages() {
    let mut framer = StreamFramer::default();
    framer.push(&rfc4475("dblreq"));
    for method in [Method::Register, Method::Invite] {
        let Ok(Some(StreamItem::Message(bytes))) = framer.next() else {
            panic!("no {method}");
        };
        assert_eq!(request(&bytes).method, method);
    }
    // Its body is a byte longer than its Content-Length says.
    assert_eq!(framer.next(), Err(FramingError::NotSip));
}

/// 3.1.1.9
#[test]
fn semiuri_semicolons_in_the_user() {
    let options = untouched_request("semiuri");
    assert_eq!(options.uri.user(), Some("user;par=u%40example.net"));
    assert!(!options.uri.has_param("par"));
    assert_eq!(options.headers.list(HeaderName::Accept).count(), 6);
}

/// 3.1.1.10
#[test]
fn transports_known_and_unknown_ones() {
    let options = untouched_request("transports");
    let vias = options.headers.vias().unwrap();
    let transports: Vec<_> = vias.iter().map(|via| via.transport()).collect();
    assert_eq!(
        transports,
        [
            Some(Transport::Udp),
            None,
            Some(Transport::Tls),
            None,
            Some(Transport::Tcp)
        ]
    );
    assert_eq!(vias[3].transport_token(), "UNKNOWN");
}

/// 3.1.1.11: a multipart body with binary parts.
#[test]
fn mpart01_a_binary_body_is_not_touched() {
    let message = untouched_request("mpart01");
    assert_eq!(message.body.len(), 727);
    for byte in 0..=255 {
        assert!(message.body.contains(&byte));
    }
    let boundary = message.headers.content_type().unwrap().boundary();
    assert_eq!(boundary.as_deref(), Some("7a9cbec02ceef655"));
}

/// 3.1.1.12 and 3.1.1.13
#[test]
fn unreason_and_noreason_any_reason_phrase() {
    for (name, status, reason) in [
        (
            "unreason",
            200,
            "= 2**3 * 5**2 но сто девяносто девять - простое",
        ),
        ("noreason", 100, ""),
    ] {
        let bytes = rfc4475(name);
        let answer = response(&bytes);
        assert_eq!(answer.status, status);
        assert_eq!(answer.reason, reason.as_bytes());
        assert_eq!(answer.to_bytes(), bytes);
    }
}

/// A status line without even the space before the reason, which some peers send.
#[test]
fn a_status_line_may_end_after_the_code() {
    let answer = response(&wire(
        "SIP/2.0 100
Via: SIP/2.0/UDP h;branch=z9hG4bK1
Call-ID: 1
CSeq: 35 INVITE
From: <sip:a@b>;tag=1
To: <sip:c@d>

",
    ));
    assert_eq!(answer.status, StatusCode::TRYING);
    assert!(answer.reason.is_empty());
}

/// regbadct (3.1.2.13), regescrt (3.3.13), cparam01 (3.3.10): a Contact is judged by who reads it.
#[test]
fn a_contact_needs_brackets_where_its_uri_has_headers() {
    let contact = |value: &str| {
        let lines = format!("Contact: {value}");
        let register = "REGISTER sip:example.com SIP/2.0";
        let text = with_lines(register, "CSeq: 8 REGISTER", &lines);
        request(&wire(&text)).headers.contact()
    };
    assert_eq!(
        contact("sip:user@example.com?Route=%3Csip:sip.example.com%3E"),
        Err(HeaderError::Malformed(HeaderName::Contact))
    );
    let escaped = contact("<sip:user@example.com?Route=%3Csip:sip.example.com%3E>");
    let uri = escaped.unwrap().unwrap().into_uri();
    assert_eq!(uri.headers(), Some("Route=%3Csip:sip.example.com%3E"));
    assert_eq!(uri.as_request_uri().as_str(), "sip:user@example.com");
    let unbracketed = contact("sip:+19725552222@gw1.example.net;unknownparam");
    let unbracketed = unbracketed.unwrap().unwrap();
    assert!(unbracketed.params().contains("unknownparam"));
    assert!(!unbracketed.uri().has_param("unknownparam"));
    assert!(contact("*").is_err());
}
