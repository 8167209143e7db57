//! Headers as a back-to-back user agent reads and writes them, and the limits on messages.

use sip_core::message::{
    CSeq, Contacts, HeaderError, HeaderName, Headers, Limits, Message, Method, NameAddr,
    ParseErrorKind, Request, Uri, Via,
};

const INVITE: &str = "INVITE sip:a@b SIP/2.0\r\n\
    Via: SIP/2.0/UDP h1;branch=z9hG4bK1, SIP/2.0/UDP h2;branch=z9hG4bK2\r\n\
    v: SIP/2.0/UDP h3;branch=z9hG4bK3\r\n\
    From: \"A\" <sip:a@b>;tag=1\r\n\
    t: <sip:c@d>\r\n\
    i: 7@h\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:a@h1;x=1,2>, \"B, C\" <sip:b@h1>\r\n\
    m: <sip:c@h1>\r\n\
    Require: 100rel,timer\r\n\
    k: Replaces , \r\n norefersub,\r\n\
    X-Thing: \u{a0} one\r\n\
    x-thing:two\r\n\
    \r\n";

fn request(text: &str) -> Request {
    match Message::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn invite() -> Headers {
    request(INVITE).headers
}

fn written(headers: &Headers) -> String {
    let mut request = Request::new(Method::Invite, Uri::parse(b"sip:a@b").expect("a URI"));
    request.headers = headers.clone();
    String::from_utf8(request.to_bytes()).expect("these are in UTF-8")
}

#[test]
fn lists_run_over_lines_and_commas() {
    let headers = invite();
    let hosts: Vec<_> = headers
        .vias()
        .unwrap()
        .iter()
        .map(|via| via.host().to_string())
        .collect();
    assert_eq!(hosts, ["h1", "h2", "h3"]);
    let Ok(Contacts::List(contacts)) = headers.contacts() else {
        panic!("three contacts");
    };
    let users: Vec<_> = contacts
        .iter()
        .map(|contact| contact.uri().user().unwrap())
        .collect();
    assert_eq!(users, ["a", "b", "c"]);
    let tags: Vec<_> = headers.option_tags(HeaderName::Supported).collect();
    assert_eq!(tags, ["Replaces", "norefersub"]);
    assert!(headers.has_option_tag(HeaderName::Require, "TIMER"));
    assert!(!headers.has_option_tag(HeaderName::Require, "replaces"));
    assert_eq!(headers.named("X-THING").count(), 2);
}

#[test]
fn what_is_absent_is_none_and_what_is_broken_is_an_error() {
    let headers = Headers::new();
    let missing = |name| HeaderError::Missing(name);
    assert_eq!(headers.top_via(), Err(missing(HeaderName::Via)));
    assert_eq!(headers.from(), Err(missing(HeaderName::From)));
    assert_eq!(headers.call_id(), Err(missing(HeaderName::CallId)));
    assert_eq!(headers.contact(), Ok(None));
    assert_eq!(headers.contacts(), Ok(Contacts::List(Vec::new())));
    assert_eq!(headers.max_forwards(), Ok(None));
    assert_eq!(headers.record_routes(), Ok(Vec::new()));
    assert!(headers.content_type().is_none());
    let mut headers = Headers::new();
    headers.push(HeaderName::Contact, "*");
    headers.push(HeaderName::CallId, "a b");
    headers.push(HeaderName::RecordRoute, "<sip:p1;lr>, <sip:p2");
    headers.push(HeaderName::Expires, "600;x=1");
    headers.push(HeaderName::MinSe, "-90");
    headers.push(HeaderName::Require, b"100rel, \xff".to_vec());
    let malformed = |name| HeaderError::Malformed(name);
    assert_eq!(headers.contacts(), Ok(Contacts::Any));
    assert_eq!(headers.contact(), Err(malformed(HeaderName::Contact)));
    assert_eq!(headers.call_id(), Err(malformed(HeaderName::CallId)));
    assert_eq!(
        headers.record_routes(),
        Err(malformed(HeaderName::RecordRoute))
    );
    assert_eq!(headers.number(HeaderName::Expires), Ok(Some(600)));
    assert_eq!(
        headers.number(HeaderName::MinSe),
        Err(malformed(HeaderName::MinSe))
    );
    // Unreadable, but still there to be refused with 420.
    assert_eq!(headers.option_tags(HeaderName::Require).count(), 2);
}

#[test]
fn edits_touch_one_header_and_leave_the_others_as_they_came() {
    let mut headers = invite();
    headers.set(
        HeaderName::Contact,
        NameAddr::new(Uri::parse(b"sip:e@f").unwrap()),
    );
    headers.push_front(HeaderName::Via, "SIP/2.0/TLS us;branch=z9hG4bK0");
    headers.push(HeaderName::MaxForwards, "70");
    headers.remove(HeaderName::Require);
    headers.set(HeaderName::CSeq, CSeq::new(2, Method::Invite));
    headers.remove_named("X-THING");
    headers.push_named("X-Other", "3");
    headers.set(HeaderName::UserAgent, "Trunkline");
    assert_eq!(
        written(&headers),
        "INVITE sip:a@b SIP/2.0\r\n\
         Via: SIP/2.0/TLS us;branch=z9hG4bK0\r\n\
         Via: SIP/2.0/UDP h1;branch=z9hG4bK1, SIP/2.0/UDP h2;branch=z9hG4bK2\r\n\
         v: SIP/2.0/UDP h3;branch=z9hG4bK3\r\n\
         From: \"A\" <sip:a@b>;tag=1\r\n\
         t: <sip:c@d>\r\n\
         i: 7@h\r\n\
         CSeq: 2 INVITE\r\n\
         Contact: <sip:e@f>\r\n\
         k: Replaces , \r\n norefersub,\r\n\
         Max-Forwards: 70\r\n\
         X-Other: 3\r\n\
         User-Agent: Trunkline\r\n\
         Content-Length: 0\r\n\r\n"
    );
    headers.remove_first(HeaderName::Via);
    assert_eq!(headers.top_via().unwrap().branch(), Some("z9hG4bK1"));
}

#[test]
fn the_top_via_is_replaced_alone() {
    let mut headers = invite();
    let mut via = headers.top_via().unwrap();
    via.note_source("192.0.2.1:5060".parse().unwrap());
    headers.replace_top_via(&via);
    let vias: Vec<_> = headers.list(HeaderName::Via).collect();
    assert_eq!(
        vias[0],
        b"SIP/2.0/UDP h1;branch=z9hG4bK1;received=192.0.2.1"
    );
    assert_eq!(vias[1], b"SIP/2.0/UDP h2;branch=z9hG4bK2");
    assert_eq!(vias.len(), 3);
    for (lines, expected) in [
        (vec!["", "SIP/2.0/UDP old"], "|SIP/2.0/UDP h"),
        (
            vec![" , ,SIP/2.0/UDP old , SIP/2.0/UDP b", "SIP/2.0/UDP c"],
            "SIP/2.0/UDP h, SIP/2.0/UDP b|SIP/2.0/UDP c",
        ),
        (vec!["", ","], "SIP/2.0/UDP h||,"),
    ] {
        let mut headers = Headers::new();
        for line in &lines {
            headers.push(HeaderName::Via, *line);
        }
        headers.replace_top_via(&Via::parse(b"SIP/2.0/UDP h").unwrap());
        let left: Vec<_> = headers.values(HeaderName::Via).collect();
        assert_eq!(String::from_utf8_lossy(&left.join(&b'|')), expected);
    }
    let mut empty = Headers::new();
    empty.push(HeaderName::To, "<sip:a@b>");
    empty.replace_top_via(&Via::parse(b"SIP/2.0/UDP h").unwrap());
    assert_eq!(empty.iter().next().unwrap().name, Some(HeaderName::Via));
}

#[test]
fn lines_of_another_message_are_copied_byte_for_byte() {
    let mut headers = Headers::new();
    headers.extend(invite().iter().filter(|field| field.is_named("x-thing")));
    let supported = invite();
    let supported = supported
        .iter()
        .find(|field| field.name == Some(HeaderName::Supported));
    headers.push_raw(supported.unwrap());
    assert!(
        written(&headers).contains(
            "\r\nX-Thing: \u{a0} one\r\nx-thing:two\r\nk: Replaces , \r\n norefersub,\r\n"
        )
    );
}

#[test]
fn a_value_cannot_end_its_line() {
    for value in [
        "a\r\nVia: b",
        "a\nVia: b",
        "a\rVia: b",
        "a\r\n",
        "\r\nVia: b",
        "a\r\n\r\nb",
    ] {
        let mut headers = Headers::new();
        headers.push(HeaderName::Subject, value);
        headers.push_named("X-Y", value);
        headers.push_named("X Y\r\nVia", value);
        let text = written(&headers);
        assert_eq!(text.matches("\r\n").count(), 5, "{text:?}");
        assert!(!text.contains("\r\nVia"), "{text:?}");
    }
    let mut headers = Headers::new();
    headers.push(HeaderName::Subject, "folded\r\n value");
    assert!(written(&headers).contains("Subject: folded\r\n value\r\n"));
}

#[test]
fn content_length_is_always_right() {
    let mut request = request(&INVITE.replace("i: 7@h", "i: 7@h\r\nL  :  0\r\nX: 1"));
    request.body = b"v=0\r\n".to_vec();
    let text = String::from_utf8(request.to_bytes()).unwrap();
    assert!(text.contains("\r\ni: 7@h\r\nL  :  5\r\nX: 1\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\nv=0\r\n"));
    request.body.clear();
    assert!(
        String::from_utf8(request.to_bytes())
            .unwrap()
            .contains("\r\nL  :  0\r\n")
    );
}

#[test]
fn empty_lines_before_a_message_are_passed_over() {
    assert_eq!(
        request(&format!("\r\n\r\n\r\n{INVITE}")).headers.len(),
        invite().len()
    );
}

#[test]
fn a_body_without_content_length_is_the_rest_of_the_datagram() {
    assert_eq!(request(&format!("{INVITE}v=0\r\n")).body, b"v=0\r\n");
}

#[test]
fn line_breaks_of_other_systems_are_refused() {
    for bad in ["X: a\nVia: b", "X: a\rVia: b", "X: a\r"] {
        let text = INVITE.replace("i: 7@h", &format!("{bad}\r\ni: 7@h"));
        let error = Message::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.kind, ParseErrorKind::BareLineBreak, "{bad:?}");
        assert!(error.answerable.is_some());
    }
    let error = Message::parse(INVITE.replace("\r\n", "\n").as_bytes()).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::StartLine);
}

#[test]
fn a_datagram_that_ends_in_its_headers_is_refused() {
    let cut = INVITE.strip_suffix("\r\n").unwrap();
    let error = Message::parse(cut.as_bytes()).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::NoEmptyLine);
    assert!(error.answerable.is_some());
}

#[test]
fn every_limit_has_its_error_and_what_just_fits_is_accepted() {
    let with = |lines: &str| INVITE.replace("i: 7@h\r\n", &format!("i: 7@h\r\n{lines}"));
    let limits = Limits::DEFAULT;
    let lines = |count: usize| "X: 1\r\n".repeat(count);
    let spare = limits.headers - invite().len();
    let long = |bytes: usize| format!("X: {}\r\n", "y".repeat(bytes - 3));
    let vias = |count: usize| format!("v: SIP/2.0/UDP h{}\r\n", ",SIP/2.0/UDP h".repeat(count - 1));
    let body = |text: String, total: usize| {
        let missing = total - text.len();
        text + &"x".repeat(missing)
    };
    for (fits, exceeds, kind) in [
        (
            with(&lines(spare)),
            with(&lines(spare + 1)),
            ParseErrorKind::TooManyHeaders {
                limit: limits.headers,
            },
        ),
        (
            with(&long(limits.header_bytes)),
            with(&long(limits.header_bytes + 1)),
            ParseErrorKind::HeaderTooLong {
                limit: limits.header_bytes,
            },
        ),
        (
            with(&vias(limits.vias - 3)),
            with(&vias(limits.vias - 2)),
            ParseErrorKind::TooManyVias { limit: limits.vias },
        ),
        (
            body(INVITE.to_owned(), limits.message_bytes),
            body(INVITE.to_owned(), limits.message_bytes + 1),
            ParseErrorKind::MessageTooLong {
                limit: limits.message_bytes,
            },
        ),
    ] {
        assert!(Message::parse(fits.as_bytes()).is_ok(), "{kind}");
        let error = Message::parse(exceeds.as_bytes()).unwrap_err();
        assert_eq!(error.kind, kind);
    }
    let small = Limits {
        headers: 3,
        ..limits
    };
    assert!(Message::parse_within(INVITE.as_bytes(), &small).is_err());
}

#[test]
fn nothing_secret_is_in_debug() {
    let text = INVITE.replace("i: 7@h", "i: 7@h\r\nProxy-Authorization: Digest hush");
    let request = request(&format!("{text}a=crypto:1 S inline:hush"));
    let shown = format!("{:?} {request:?}", Message::Request(request.clone()));
    assert!(!shown.contains("hush"), "{shown}");
    assert!(shown.contains("z9hG4bK1"), "{shown}");
}
