//! A dialog of each side against handwritten messages, and where its requests go.

use super::*;
use crate::message::{Message, response_to};
use crate::transport::{ConnectionId, Host, ListenerId, Transport};
use crate::trunk::TrunkId;

const SOURCE: &str = "198.51.100.9:40000";

fn origin(transport: Transport, connection: u64) -> Origin {
    Origin {
        transport,
        listener: ListenerId(3),
        local: "192.0.2.1:5061".parse().unwrap(),
        remote: SOURCE.parse().unwrap(),
        connection: transport.is_reliable().then_some(ConnectionId(connection)),
    }
}

fn sent_to(transport: Transport, host: &str, port: u16) -> Target {
    Target {
        transport,
        listener: ListenerId(3),
        connection: None,
        host: Host::Name(host.into()),
        port,
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
    let origin = origin(transport, 7);
    let path = Path::to_sender(&request.headers, &origin, Some(TrunkId(1)), force).unwrap();
    Dialog::from_request(&request, "ours", address("<sip:edge@192.0.2.1>"), path).unwrap()
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
    let path = Path::to_target(&target, &origin(transport, 8), None);
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

mod route_set {
    use super::*;

    #[test]
    fn the_answering_side_keeps_the_order_of_record_route() {
        let lines = format!(
            "Record-Route: <sip:p3;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\n{CONTACT}"
        );
        let mut dialog = answering(&lines, Transport::Udp, None);
        let bye = dialog.request(Method::Bye);
        assert_eq!(
            lines_of(&bye, HeaderName::Route),
            ["<sip:p3;lr>", "<sip:p2;lr>", "<sip:p1;lr>"]
        );
        assert_eq!(bye.uri.as_str(), "sip:alice@10.0.0.1:5071");
        assert_eq!(dialog.target().host, Host::Name("p3".into()));
    }

    #[test]
    fn the_calling_side_reverses_record_route() {
        let lines = [
            (HeaderName::RecordRoute, "<sip:p3;lr>, <sip:p2;lr>"),
            (HeaderName::RecordRoute, "<sip:p1;lr>"),
            (HeaderName::Contact, "<sip:bob@10.1.1.1>"),
        ];
        let mut dialog = calling(200, &lines, Transport::Udp);
        let bye = dialog.request(Method::Bye);
        assert_eq!(
            lines_of(&bye, HeaderName::Route),
            ["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>"]
        );
        assert_eq!(dialog.target().host, Host::Name("p1".into()));
    }

    /// Section 12.2.1.1 and the example of section 16.12.1.2.
    #[test]
    fn a_strict_router_gets_the_request_uri_and_the_target_goes_last() {
        let lines = [
            (HeaderName::RecordRoute, "<sip:p2;lr>"),
            (HeaderName::RecordRoute, "<sip:p1;method=INVITE?Subject=x>"),
            (HeaderName::Contact, "<sip:bob@10.1.1.1;x=y>"),
        ];
        let mut dialog = calling(200, &lines, Transport::Udp);
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.as_str(), "sip:p1");
        assert_eq!(
            lines_of(&bye, HeaderName::Route),
            ["<sip:p2;lr>", "<sip:bob@10.1.1.1;x=y>"]
        );
        assert_eq!(dialog.target().host, Host::Name("p1".into()));
    }

    #[test]
    fn the_2xx_replaces_the_route_set_of_the_early_dialog() {
        let early = [
            (HeaderName::RecordRoute, "<sip:early;lr>"),
            (HeaderName::Contact, "<sip:bob@10.1.1.1>"),
        ];
        let mut dialog = calling(180, &early, Transport::Udp);
        assert_eq!(dialog.state(), DialogState::Early);
        let confirmed = [
            (HeaderName::RecordRoute, "<sip:late;lr>"),
            (HeaderName::Contact, "<sip:bob@10.2.2.2>"),
        ];
        dialog
            .confirm_by(&answer(200, "theirs", &confirmed))
            .unwrap();
        assert_eq!(dialog.state(), DialogState::Confirmed);
        let ack = dialog.ack(20);
        assert_eq!(lines_of(&ack, HeaderName::Route), ["<sip:late;lr>"]);
        assert_eq!(ack.uri.as_str(), "sip:bob@10.2.2.2");
    }

    #[test]
    fn a_target_refresh_changes_the_target_but_not_the_routes() {
        let lines = format!("Record-Route: <sip:p1;lr>\r\n{CONTACT}");
        let mut dialog = answering(&lines, Transport::Udp, None);
        let moved = "Record-Route: <sip:p9;lr>\r\nContact: <sip:alice@10.9.9.9>\r\n";
        dialog
            .refresh(&received("INVITE", 6, moved).headers)
            .unwrap();
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.as_str(), "sip:alice@10.9.9.9");
        assert_eq!(lines_of(&bye, HeaderName::Route), ["<sip:p1;lr>"]);
        dialog.refresh(&received("UPDATE", 7, "").headers).unwrap();
        assert_eq!(dialog.remote_target().as_str(), "sip:alice@10.9.9.9");
    }
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

mod next_hop {
    use super::*;

    fn named(host: &str) -> Host {
        Host::Name(host.into())
    }

    /// Contact, the transport that the INVITE came by, forced transport; transport, host and port
    /// that our requests go to.
    type Case = (
        &'static str,
        Transport,
        Option<Transport>,
        Transport,
        &'static str,
        u16,
    );

    #[test]
    fn the_contact_says_where_to_and_a_secure_trunk_says_how() {
        use Transport::{Tcp, Tls, Udp};
        let cases: &[Case] = &[
            ("sip:a@h.example", Udp, None, Udp, "h.example", 5060),
            ("sip:a@h.example:5099", Udp, None, Udp, "h.example", 5099),
            (
                "sip:a@h.example;transport=tcp",
                Udp,
                None,
                Tcp,
                "h.example",
                5060,
            ),
            (
                "sip:a@h.example;transport=TLS",
                Udp,
                None,
                Tls,
                "h.example",
                5061,
            ),
            (
                "sip:a@h.example;transport=udp",
                Tls,
                Some(Tls),
                Tls,
                "h.example",
                5061,
            ),
            (
                "sip:a@h.example:5060;transport=udp",
                Tls,
                Some(Tls),
                Tls,
                "h.example",
                5060,
            ),
            ("sips:a@h.example", Udp, None, Tls, "h.example", 5061),
            (
                "sips:a@h.example;transport=tcp",
                Tcp,
                None,
                Tls,
                "h.example",
                5061,
            ),
            ("sip:a@h.example", Tls, None, Tls, "h.example", 5061),
            ("sip:a@h.example", Tcp, None, Tcp, "h.example", 5060),
            (
                "sip:a@h.example;transport=sctp",
                Udp,
                None,
                Udp,
                "h.example",
                5060,
            ),
        ];
        for &(contact, by, force, transport, host, port) in cases {
            let dialog = answering(&format!("Contact: <{contact}>\r\n"), by, force);
            let target = dialog.target();
            assert_eq!(
                (target.transport, target.host, target.port),
                (transport, named(host), port),
                "{contact} {by:?} {force:?}"
            );
            assert_eq!(target.listener, ListenerId(3));
            assert_eq!(target.trunk, Some(TrunkId(1)));
        }
    }

    #[test]
    fn a_tel_contact_leaves_the_peer_itself() {
        let target = answering("Contact: <tel:+15551234>\r\n", Transport::Udp, None).target();
        assert_eq!(target.host, Host::Address("198.51.100.9".parse().unwrap()));
        assert_eq!(target.port, 40000);
    }

    fn connection(lines: &str) -> Option<ConnectionId> {
        answering(lines, Transport::Tls, Some(Transport::Tls))
            .target()
            .connection
    }

    #[test]
    fn requests_go_on_the_accepted_connection_though_contact_is_a_private_address() {
        assert_eq!(connection(CONTACT), Some(ConnectionId(7)));
    }

    #[test]
    fn requests_go_on_the_connection_of_the_proxy_that_recorded_its_route() {
        let lines = format!(
            "Via: SIP/2.0/UDP alice.example;branch=z9hG4bK0\r\n\
             Record-Route: <sip:proxy.example;lr>\r\n{CONTACT}"
        );
        assert_eq!(connection(&lines), Some(ConnectionId(7)));
    }

    #[test]
    fn requests_leave_the_connection_of_a_proxy_that_did_not_record_its_route() {
        let lines = format!("Via: SIP/2.0/UDP alice.example;branch=z9hG4bK0\r\n{CONTACT}");
        assert_eq!(connection(&lines), None);
    }

    #[test]
    fn requests_stay_on_the_connection_if_contact_is_the_address_at_its_other_end() {
        let lines = "Via: SIP/2.0/UDP alice.example;branch=z9hG4bK0\r\n\
                     Contact: <sip:alice@198.51.100.9:5061>\r\n";
        assert_eq!(connection(lines), Some(ConnectionId(7)));
        let lines = "Via: SIP/2.0/UDP alice.example;branch=z9hG4bK0\r\n\
                     Contact: <sip:alice@Peer.Example>\r\n";
        assert_eq!(connection(lines), Some(ConnectionId(7)));
    }

    #[test]
    fn a_contact_with_another_transport_leaves_the_connection() {
        let contact = "Contact: <sip:alice@198.51.100.9;transport=udp>\r\n";
        let target = answering(contact, Transport::Tcp, None).target();
        assert_eq!(
            (target.transport, target.connection),
            (Transport::Udp, None)
        );
    }

    #[test]
    fn a_call_that_we_made_stays_on_its_connection_only_towards_the_same_host() {
        for (contact, expected) in [
            ("<sip:bob@pbx.example>", Some(ConnectionId(8))),
            ("<sip:bob@198.51.100.9:5070>", Some(ConnectionId(8))),
            ("<sip:bob@10.1.1.1>", None),
        ] {
            let dialog = calling(200, &[(HeaderName::Contact, contact)], Transport::Tcp);
            assert_eq!(dialog.target().connection, expected, "{contact}");
        }
    }

    #[test]
    fn a_new_connection_of_the_peer_takes_the_place_of_the_old_one() {
        let mut dialog = answering(CONTACT, Transport::Tls, None);
        let update = received("UPDATE", 6, CONTACT);
        dialog
            .handle_request(&origin(Transport::Tls, 9), &update)
            .unwrap();
        assert_eq!(dialog.target().connection, Some(ConnectionId(9)));
        dialog.path_mut().forget_connection(ConnectionId(7));
        assert_eq!(dialog.target().connection, Some(ConnectionId(9)));
        dialog.path_mut().forget_connection(ConnectionId(9));
        assert_eq!(dialog.target().connection, None);
    }
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
