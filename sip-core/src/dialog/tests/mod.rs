//! A dialog of each side against handwritten messages, and where its requests go.

mod next_hop;
mod route_set;

use super::*;
use crate::message::{Message, response_to};
use crate::transport::{ConnectionId, Host, Listener, ListenerId, Transport};
use crate::trunk::TrunkId;
use media_core::ports::RealmId;

const SOURCE: &str = "198.51.100.9:40000";

/// Two realms: 0 has UDP, TCP and TLS, in this order; 1 after that has the same, and TCP twice.
fn listeners() -> Vec<Listener> {
    use Transport::{Tcp, Tls, Udp};
    let listener = |(realm, transport)| Listener {
        transport,
        address: "192.0.2.1:5060".parse().unwrap(),
        advertised_host: Host::Name("edge.example".into()),
        advertised_port: 5060,
        realm: RealmId(realm),
    };
    [
        (0, Udp),
        (0, Tcp),
        (0, Tls),
        (1, Udp),
        (1, Tcp),
        (1, Tls),
        (1, Tcp),
    ]
    .map(listener)
    .into()
}

/// The one of realm 1.
fn listener_of(transport: Transport) -> ListenerId {
    ListenerId(match transport {
        Transport::Udp => 3,
        Transport::Tcp => 4,
        Transport::Tls => 5,
    })
}

fn origin(transport: Transport, connection: u64) -> Origin {
    Origin {
        transport,
        listener: listener_of(transport),
        local: "192.0.2.1:5061".parse().unwrap(),
        remote: SOURCE.parse().unwrap(),
        connection: transport.is_reliable().then_some(ConnectionId(connection)),
        tls: None,
    }
}

fn sent_to(transport: Transport, host: &str, port: u16) -> Target {
    Target {
        transport,
        listener: listener_of(transport),
        connection: None,
        host: Host::Name(host.into()),
        address: None,
        port,
        by_service: false,
        trunk: Some(TrunkId(1)),
    }
}

fn address(text: &str) -> NameAddr {
    NameAddr::parse(text.as_bytes()).unwrap()
}

fn uri(text: &str) -> Uri {
    Uri::parse(text.as_bytes()).unwrap()
}

/// A request of the peer's with these additional header lines.
fn received(method: &str, sequence: u32, lines: &str) -> Request {
    let text = format!(
        "{method} sip:edge@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/TLS peer.example;branch=z9hG4bK1\r\n\
         {lines}\
         Max-Forwards: 70\r\n\
         From: \"Alice\" <sip:alice@a.example>;tag=theirs\r\n\
         To: <sip:bob@b.example>\r\n\
         Call-ID: call\r\n\
         CSeq: {sequence} {method}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    match Message::parse(text.as_bytes()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("not a request"),
    }
}

const CONTACT: &str = "Contact: <sip:alice@10.0.0.1:5071>\r\n";

/// The dialog of an INVITE that came with these lines, and its path.
fn answering(lines: &str, transport: Transport, force: Option<Transport>) -> Dialog {
    let request = received("INVITE", 5, lines);
    let path = path_to_sender(&request, transport, force).with_listeners(&listeners());
    Dialog::from_request(&request, "ours", address("<sip:edge@192.0.2.1>"), path).unwrap()
}

fn path_to_sender(request: &Request, transport: Transport, force: Option<Transport>) -> Path {
    let origin = origin(transport, 7);
    Path::to_sender(&request.headers, &origin, Some(TrunkId(1)), force).unwrap()
}

fn invite() -> Request {
    NewRequest {
        method: Method::Invite,
        uri: uri("sip:bob@pbx.example"),
        from: address("<sip:alice@192.0.2.1>;tag=ours"),
        to: address("<sip:bob@pbx.example>"),
        call_id: "call".into(),
        sequence: 20,
        contact: Some(address("<sip:edge@192.0.2.1>")),
    }
    .build()
}

fn answer(status: u16, to_tag: &str, lines: &[(HeaderName, &str)]) -> Response {
    let status = StatusCode::new(status).unwrap();
    let mut response = response_to(&invite(), status, Some(to_tag));
    for (name, value) in lines {
        response.headers.push(*name, *value);
    }
    response
}

/// The dialog that such an answer to our INVITE makes.
fn calling(status: u16, lines: &[(HeaderName, &str)], transport: Transport) -> Dialog {
    let target = sent_to(transport, "pbx.example", 5060);
    let path = Path::to_target(&target, &origin(transport, 8), None).with_listeners(&listeners());
    Dialog::from_response(&invite(), &answer(status, "theirs", lines), path).unwrap()
}

fn lines_of(request: &Request, name: HeaderName) -> Vec<String> {
    let values = request.headers.values(name);
    values
        .map(|value| String::from_utf8(value.to_vec()).unwrap())
        .collect()
}

#[test]
fn a_request_within_a_dialog_that_we_answered_swaps_from_and_to() {
    let mut dialog = answering(CONTACT, Transport::Udp, None);
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri.as_str(), "sip:alice@10.0.0.1:5071");
    assert_eq!(
        lines_of(&bye, HeaderName::From),
        ["<sip:bob@b.example>;tag=ours"]
    );
    assert_eq!(
        lines_of(&bye, HeaderName::To),
        ["\"Alice\" <sip:alice@a.example>;tag=theirs"]
    );
    assert_eq!(lines_of(&bye, HeaderName::CallId), ["call"]);
    assert_eq!(lines_of(&bye, HeaderName::CSeq), ["1 BYE"]);
    assert_eq!(lines_of(&bye, HeaderName::MaxForwards), ["70"]);
    assert!(!bye.headers.contains(HeaderName::Contact));
    assert!(!bye.headers.contains(HeaderName::Via));
    assert!(!bye.headers.contains(HeaderName::Route));
}

#[test]
fn a_request_within_a_dialog_that_we_made_keeps_from_and_counts_on() {
    let mut dialog = calling(
        200,
        &[(HeaderName::Contact, "<sip:bob@10.1.1.1>")],
        Transport::Udp,
    );
    let reinvite = dialog.request(Method::Invite);
    assert_eq!(reinvite.uri.as_str(), "sip:bob@10.1.1.1");
    assert_eq!(
        lines_of(&reinvite, HeaderName::From),
        ["<sip:alice@192.0.2.1>;tag=ours"]
    );
    assert_eq!(
        lines_of(&reinvite, HeaderName::To),
        ["<sip:bob@pbx.example>;tag=theirs"]
    );
    assert_eq!(lines_of(&reinvite, HeaderName::CSeq), ["21 INVITE"]);
    assert_eq!(
        lines_of(&reinvite, HeaderName::Contact),
        ["<sip:edge@192.0.2.1>"]
    );
    assert_eq!(
        lines_of(&dialog.request(Method::Bye), HeaderName::CSeq),
        ["22 BYE"]
    );
}

#[test]
fn the_ack_has_the_cseq_number_of_its_invite_whatever_came_since() {
    let routes = [
        (HeaderName::RecordRoute, "<sip:near.example;lr>"),
        (HeaderName::Contact, "<sip:bob@10.1.1.1>"),
    ];
    let mut dialog = calling(200, &routes, Transport::Udp);
    dialog.request(Method::Update);
    let ack = dialog.ack(20);
    assert_eq!(lines_of(&ack, HeaderName::CSeq), ["20 ACK"]);
    assert_eq!(ack.uri.as_str(), "sip:bob@10.1.1.1");
    assert_eq!(lines_of(&ack, HeaderName::Route), ["<sip:near.example;lr>"]);
    assert_eq!(dialog.local_sequence(), 21);
}

#[test]
fn both_sides_name_the_dialog_by_the_tags_as_they_see_them() {
    let dialog = answering(CONTACT, Transport::Udp, None);
    let mut bye = received("BYE", 6, "");
    assert_eq!(DialogId::of_request(&bye.headers).unwrap(), None);
    bye.headers.set_to_tag("ours");
    assert_eq!(
        DialogId::of_request(&bye.headers).unwrap().as_ref(),
        Some(dialog.id())
    );
    let dialog = calling(180, &[], Transport::Udp);
    let response = answer(200, "theirs", &[]);
    assert_eq!(
        &DialogId::of_response(&response.headers).unwrap(),
        dialog.id()
    );
    let fork = answer(200, "another", &[]);
    assert_ne!(&DialogId::of_response(&fork.headers).unwrap(), dialog.id());
}

#[test]
fn a_request_without_contact_makes_no_dialog() {
    let request = received("INVITE", 1, "");
    let path = Path::to_sender(&request.headers, &origin(Transport::Udp, 0), None, None).unwrap();
    let error = Dialog::from_request(&request, "ours", address("<sip:a@b>"), path).unwrap_err();
    assert_eq!(error, DialogError::NoContact);
    assert_eq!(error.status(), StatusCode::BAD_REQUEST);
}

#[test]
fn a_2xx_without_contact_keeps_the_target_of_the_request() {
    let dialog = calling(200, &[], Transport::Udp);
    assert_eq!(dialog.remote_target().as_str(), "sip:bob@pbx.example");
    assert_eq!(dialog.state(), DialogState::Confirmed);
}

#[test]
fn a_request_with_a_lower_cseq_is_answered_500_and_a_gap_is_fine() {
    let mut dialog = answering(CONTACT, Transport::Udp, None);
    let origin = origin(Transport::Udp, 0);
    let mut check = |number| dialog.handle_request(&origin, &received("INFO", number, ""));
    assert_eq!(check(4), Err(DialogError::SequenceTooLow));
    assert_eq!(check(6), Ok(()));
    assert_eq!(check(900), Ok(()));
    let error = check(899).unwrap_err();
    assert_eq!(error.status(), StatusCode::SERVER_INTERNAL_ERROR);
}

#[test]
fn the_first_request_of_a_peer_that_we_called_may_have_any_cseq() {
    let mut dialog = calling(200, &[], Transport::Udp);
    let origin = origin(Transport::Udp, 0);
    assert_eq!(
        dialog.handle_request(&origin, &received("BYE", 0, "")),
        Ok(())
    );
}

#[test]
fn the_other_legs_address_keeps_its_name_and_user_at_our_host() {
    let host = Host::Name("edge.example".into());
    for (theirs, ours) in [
        (
            "\"A \\\"B\\\" C\" <sip:+1555@secret.example:5070;user=phone>;tag=1;x=2",
            "\"A \\\"B\\\" C\" <sip:+1555@edge.example>",
        ),
        (
            "<sip:anonymous@anonymous.invalid>;tag=1",
            "<sip:anonymous@edge.example>",
        ),
        ("sip:a%20b@10.0.0.1;tag=1", "<sip:a%20b@edge.example>"),
        ("<tel:+15551234>;tag=1", "<sip:+15551234@edge.example>"),
        ("<sip:10.0.0.1>", "<sip:edge.example>"),
    ] {
        assert_eq!(at_host(&address(theirs), &host, None).to_string(), ours);
    }
    let with_port = at_host(&address("<sip:a@b>"), &host, Some(5070));
    assert_eq!(with_port.to_string(), "<sip:a@edge.example:5070>");
}
