//! URIs as peers write them.

use sip_core::message::{Scheme, Uri};
use sip_core::transport::{Host, Transport};

fn uri(text: &str) -> Uri {
    Uri::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
}

fn name(text: &str) -> Option<Host> {
    Some(Host::Name(text.to_owned()))
}

fn address(text: &str) -> Option<Host> {
    Some(Host::Address(text.parse().expect("an address")))
}

#[test]
fn every_part_is_found_and_the_text_is_kept() {
    for (text, scheme, user, host, port) in [
        ("sip:h", Scheme::Sip, None, name("h"), None),
        (
            "SIP:john.doe@H.Example",
            Scheme::Sip,
            Some("john.doe"),
            name("h.example"),
            None,
        ),
        (
            "sips:a@192.0.2.1:5061",
            Scheme::Sips,
            Some("a"),
            address("192.0.2.1"),
            Some(5061),
        ),
        (
            "sip:a@[2001:db8::1]:5060;lr",
            Scheme::Sip,
            Some("a"),
            address("2001:db8::1"),
            Some(5060),
        ),
        ("sip:[::1]", Scheme::Sip, None, address("::1"), None),
        (
            "sip:+1;ext=2@h;user=phone",
            Scheme::Sip,
            Some("+1;ext=2"),
            name("h"),
            None,
        ),
        ("sip:*21#@h", Scheme::Sip, Some("*21#"), name("h"), None),
        ("sip:a:pw@h?x=y", Scheme::Sip, Some("a"), name("h"), None),
        (
            "sip:under_score.example",
            Scheme::Sip,
            None,
            name("under_score.example"),
            None,
        ),
        ("sip:1.2.3.4.5", Scheme::Sip, None, name("1.2.3.4.5"), None),
        (
            "tel:+1-201-555-0123;phone-context=x",
            Scheme::Tel,
            Some("+1-201-555-0123"),
            None,
            None,
        ),
        ("urn:service:sos", Scheme::Other, None, None, None),
        ("http://h/?q", Scheme::Other, None, None, None),
    ] {
        let uri = uri(text);
        assert_eq!(uri.scheme(), scheme, "{text}");
        assert_eq!(uri.user(), user, "{text}");
        assert_eq!(uri.host().cloned(), host, "{text}");
        assert_eq!(uri.port(), port, "{text}");
        assert_eq!(uri.to_string(), text);
    }
}

#[test]
fn what_is_not_a_uri_is_refused() {
    for text in [
        "",
        "h",
        "sip:",
        "sip",
        ":h",
        "1sip:h",
        "s ip:h",
        "sip:@h",
        "sip::pw@h",
        "sip:a@",
        "sip:a@b@c",
        "sip:a b@h",
        "sip:a@h:",
        "sip:a@h:65536",
        "sip:a@h:x",
        "sip:[::1",
        "sip:[::1]x",
        "sip:[h]",
        "sip:::1",
        "sip:h/path",
        "sip:h\u{e9}",
        "sip:h;a=\"b\"",
        "<sip:h>",
        "sip:a\r\n@h",
        "sip:a\0@h",
        "tel:",
        "tel:;x",
    ] {
        assert_eq!(Uri::parse(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(Uri::parse(b"sip:\xff@h"), None);
}

#[test]
fn parameters_are_found_in_any_case() {
    let uri = uri("sip:a@h;Transport=TLS;LR;maddr=[::1];x=?to=b");
    assert_eq!(uri.param("transport"), Some("TLS"));
    assert_eq!(uri.transport(), Some(Transport::Tls));
    assert!(uri.has_param("lr"));
    assert_eq!(uri.param("x"), Some(""));
    assert_eq!(uri.headers(), Some("to=b"));
    assert!(!uri.has_param("to"));
}

#[test]
fn an_edit_leaves_the_rest_as_it_came() {
    let original = uri("sip:A%41@H:5070;lr;Transport=udp;x=1?Subject=y");
    for (edited, text) in [
        (
            original.with_param("transport", Some("tls")),
            "sip:A%41@H:5070;lr;transport=tls;x=1?Subject=y",
        ),
        (
            original.with_param("ob", None),
            "sip:A%41@H:5070;lr;Transport=udp;x=1;ob?Subject=y",
        ),
        (
            original.without_param("LR"),
            "sip:A%41@H:5070;Transport=udp;x=1?Subject=y",
        ),
        (
            original.as_request_uri(),
            "sip:A%41@H:5070;lr;Transport=udp;x=1",
        ),
        (
            original.with_sips(true),
            "sips:A%41@H:5070;lr;Transport=udp;x=1?Subject=y",
        ),
        (original.with_sips(false), original.as_str()),
    ] {
        assert_eq!(edited.as_str(), text);
        let reparsed = uri(text);
        assert_eq!(edited.user(), reparsed.user(), "{text}");
        assert_eq!(edited.host(), reparsed.host(), "{text}");
        assert_eq!(edited.host_port(), "H:5070");
        assert_eq!(edited.params().as_str(), reparsed.params().as_str());
        assert_eq!(edited.headers(), reparsed.headers(), "{text}");
    }
    assert_eq!(
        uri("tel:+1;ext=2").with_param("x", None).as_str(),
        "tel:+1;ext=2;x"
    );
    assert_eq!(uri("urn:a:b").with_param("x", None).as_str(), "urn:a:b");
    assert_eq!(
        uri("sip:h;method=INVITE;lr").as_request_uri().as_str(),
        "sip:h;lr"
    );
}

#[test]
fn one_that_we_build_reads_back() {
    for (user, host, port, text) in [
        (None, name("Edge.example.com"), None, "sip:Edge.example.com"),
        (
            Some("+1201"),
            address("2001:db8::1"),
            Some(5061),
            "sip:+1201@[2001:db8::1]:5061",
        ),
        (Some("a b@c:d"), name("h"), None, "sip:a%20b%40c%3Ad@h"),
        (Some("50%25 %zz"), name("h"), None, "sip:50%25%20%25zz@h"),
        (
            Some("x\r\nVia: y"),
            name("h"),
            None,
            "sip:x%0D%0AVia%3A%20y@h",
        ),
        (Some(""), name("h"), None, "sip:h"),
    ] {
        let built = Uri::sip(user, &host.unwrap(), port);
        let reparsed = uri(text);
        assert_eq!(built, reparsed);
        assert_eq!(built.user(), reparsed.user(), "{text}");
        assert_eq!(built.host(), reparsed.host(), "{text}");
        assert_eq!(built.port(), reparsed.port(), "{text}");
        assert_eq!(built.host_port(), reparsed.host_port(), "{text}");
    }
}

#[test]
fn escapes_are_decoded_once_and_only_where_that_gives_text() {
    for (text, user) in [
        ("sip:%41lice@h", "Alice"),
        ("sip:a%2541@h", "a%41"),
        ("sip:a%4@h", "a%4"),
        ("sip:a%@h", "a%"),
        ("sip:%C3%A9@h", "\u{e9}"),
        ("sip:%E9@h", "%E9"),
    ] {
        assert_eq!(uri(text).user_unescaped().as_deref(), Some(user), "{text}");
    }
}
