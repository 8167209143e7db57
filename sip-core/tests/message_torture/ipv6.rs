//! RFC 5118: IPv6 addresses wherever they may stand.

use sip_core::message::{Message, ParseErrorKind, Scheme};
use sip_core::transport::Host;

use crate::{refused_bytes, request, rfc4475 as rfc5118, untouched_request};

fn address(text: &str) -> Host {
    Host::Address(text.parse().expect("an address"))
}

/// 4.1
#[test]
fn ipv6_good_references_stand_in_brackets() {
    let register = untouched_request("ipv6-good");
    assert_eq!(register.uri.host(), Some(&address("2001:db8::10")));
    assert_eq!(register.uri.scheme(), Scheme::Sip);
    let via = register.headers.top_via().unwrap();
    assert_eq!(*via.host(), address("2001:db8::9:1"));
    let contact = register.headers.contact().unwrap().unwrap();
    assert_eq!(contact.uri().host(), Some(&address("2001:db8::1")));
}

/// 4.2
#[test]
fn ipv6_bad_a_reference_without_brackets_is_refused() {
    let error = refused_bytes(&rfc5118("ipv6-bad"));
    assert_eq!(error.kind, ParseErrorKind::RequestUri);
    assert_eq!(error.status().code(), 400);
    assert!(error.answerable.is_some());
}

/// 4.3 and 4.4: what is in the brackets is the address.
#[test]
fn a_port_stands_after_the_bracket() {
    let ambiguous = untouched_request("port-ambiguous");
    assert_eq!(ambiguous.uri.host(), Some(&address("2001:db8::10:5070")));
    assert_eq!(ambiguous.uri.port(), None);
    let unambiguous = untouched_request("port-unambiguous");
    assert_eq!(unambiguous.uri.host(), Some(&address("2001:db8::10")));
    assert_eq!(unambiguous.uri.port(), Some(5070));
}

/// 4.5: `received` with brackets, as some write it, and without.
#[test]
fn received_is_an_address_with_brackets_or_without() {
    for name in [
        "via-received-param-with-delim",
        "via-received-param-no-delim",
    ] {
        let via = untouched_request(name).headers.top_via().unwrap();
        assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
    }
}

/// 4.6, 4.8 and 4.9: what the SDP says is no business of the parser.
#[test]
fn addresses_in_sdp_leave_as_they_came() {
    for name in ["ipv6-in-sdp", "mult-ip-in-sdp", "ipv4-mapped-ipv6"] {
        let invite = untouched_request(name);
        assert!(invite.body.starts_with(b"v=0\r\n"), "{name}");
    }
    let mapped = untouched_request("ipv4-mapped-ipv6");
    let vias = mapped.headers.vias().unwrap();
    assert_eq!(*vias[0].host(), address("::ffff:192.0.2.10"));
    assert_eq!(vias[0].port(), Some(19823));
}

/// 4.7
#[test]
fn addresses_of_both_versions_stand_side_by_side() {
    let bye = untouched_request("mult-ip-in-header");
    let vias = bye.headers.vias().unwrap();
    let hosts: Vec<_> = vias.iter().map(|via| via.host().clone()).collect();
    let expected = ["2001:db8::9:1", "192.0.2.1", "2001:db8::9:255"].map(address);
    assert_eq!(hosts, expected);
    assert_eq!(vias[0].port(), Some(6050));
    assert_eq!(vias[2].received(), Some("192.0.2.200".parse().unwrap()));
}

/// 4.10: the third colon that the grammar of RFC 3261 asks for means nothing, and stays.
#[test]
fn a_third_colon_before_a_dotted_quad_is_passed_over() {
    let right = untouched_request("ipv6-correct-abnf-2-colons");
    let odd = untouched_request("ipv6-bug-abnf-3-colons");
    let expected = address("2001:db8::192.0.2.1");
    assert_eq!(right.uri.host(), Some(&expected));
    assert_eq!(odd.uri.host(), Some(&expected));
    assert_eq!(odd.uri.host_port(), "[2001:db8:::192.0.2.1]");
    let line = |reference: &str| format!("OPTIONS sip:user@{reference} SIP/2.0");
    let bytes = rfc5118("ipv6-correct-abnf-2-colons");
    let text = String::from_utf8(bytes).unwrap();
    for reference in [
        "[2001:db8:::1]",
        "[2001::db8:::192.0.2.1]",
        "[2001:db8::::192.0.2.1]",
        "[2001:db8::192.0.2.1",
        "[]",
        "[::1]x",
    ] {
        let odd = text.replacen(&line("[2001:db8::192.0.2.1]"), &line(reference), 1);
        assert!(Message::parse(odd.as_bytes()).is_err(), "{reference}");
    }
    assert_eq!(request(text.as_bytes()).uri.host(), Some(&expected));
}
