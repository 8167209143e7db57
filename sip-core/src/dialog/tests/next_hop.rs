//! Transport, host and connection of requests within dialogs.

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
        assert_eq!(target.listener, listener_of(transport), "{contact}");
        assert_eq!(target.trunk, Some(TrunkId(1)));
    }
}

/// Of a dialog where we speak only the transport that it was made by.
fn target_without_other_listeners(contact: &str, transport: Transport) -> Target {
    let request = received("INVITE", 5, &format!("Contact: <{contact}>\r\n"));
    let path = path_to_sender(&request, transport, None);
    let contact = address("<sip:edge@192.0.2.1>");
    let dialog = Dialog::from_request(&request, "ours", contact, path).unwrap();
    dialog.target()
}

/// RFC 3263 section 4.2: SRV records are asked for where no port is named.
#[test]
fn trk_4_a_name_without_a_port_is_found_by_srv_records() {
    for (contact, port, by_service) in [
        ("sip:a@h.example", 5060, true),
        ("sip:a@h.example:5060", 5060, false),
        ("sips:a@h.example", 5061, true),
        ("sip:a@198.51.100.9", 5060, false),
        ("tel:+49", 40000, false),
    ] {
        let lines = format!("Contact: <{contact}>\r\n");
        let target = answering(&lines, Transport::Udp, None).target();
        assert_eq!(
            (target.port, target.by_service),
            (port, by_service),
            "{contact}"
        );
    }
    let lines = "Contact: <sip:a@10.0.0.9>\r\nRecord-Route: <sip:p.example;lr>\r\n";
    let target = answering(lines, Transport::Udp, None).target();
    assert_eq!((target.host, target.by_service), (named("p.example"), true));
}

/// Of the machines of a name, the dialog lives at the one that the INVITE was led to.
#[test]
fn trk_4_the_name_that_we_called_stays_the_machine_that_we_found() {
    let found = Target {
        address: Some("198.51.100.7".parse().unwrap()),
        ..sent_to(Transport::Udp, "pbx.example", 5070)
    };
    let path = Path::to_target(&found, &origin(Transport::Udp, 1), None);
    let path = path.with_listeners(&listeners());
    for (hop, expected) in [
        ("sip:a@pbx.example", Some(("198.51.100.7", 5070))),
        ("sip:a@pbx.example:5070", Some(("198.51.100.7", 5070))),
        ("tel:+49", Some(("198.51.100.7", 5070))),
        ("sip:a@pbx.example:5060", None),
        ("sip:a@pbx.example;transport=tcp", None),
        ("sip:a@other.example", None),
    ] {
        let target = path.target(&uri(hop), true);
        let address = target
            .address
            .map(|address| (address.to_string(), target.port));
        let expected = expected.map(|(address, port)| (address.to_owned(), port));
        assert_eq!(address, expected, "{hop}");
    }
}

#[test]
fn a_contact_by_a_transport_that_we_do_not_speak_leaves_the_peer_and_its_transport() {
    use Transport::{Tcp, Tls, Udp};
    for (contact, by, connection) in [
        ("sip:a@h.example;transport=tcp", Udp, None),
        ("sips:a@h.example", Udp, None),
        ("sip:a@h.example;transport=udp", Tcp, Some(ConnectionId(7))),
        ("sip:a@h.example;transport=udp", Tls, Some(ConnectionId(7))),
    ] {
        let target = target_without_other_listeners(contact, by);
        assert_eq!(
            (target.transport, target.listener, target.connection),
            (by, listener_of(by), connection),
            "{contact}"
        );
        assert_eq!(target.host, Host::Address("198.51.100.9".parse().unwrap()));
        assert_eq!(target.port, 40000);
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
        ("<sip:bob@203.0.113.7>", None),
        ("<sip:bob@other.example>", None),
    ] {
        let dialog = calling(200, &[(HeaderName::Contact, contact)], Transport::Tcp);
        assert_eq!(dialog.target().connection, expected, "{contact}");
    }
}

#[test]
fn a_call_that_we_made_stays_on_its_connection_if_contact_is_behind_nat() {
    for contact in [
        "<sip:bob@10.1.1.1>",
        "<sip:bob@172.16.0.1:5070>",
        "<sip:bob@192.168.1.2>",
        "<sip:bob@127.0.0.1>",
        "<sip:bob@169.254.1.1>",
        "<sip:bob@[fd00::1]>",
        "<sip:bob@[fe80::1]>",
        "<sip:bob@[::1]>",
    ] {
        for transport in [Transport::Tcp, Transport::Tls] {
            let dialog = calling(200, &[(HeaderName::Contact, contact)], transport);
            let connection = dialog.target().connection;
            assert_eq!(connection, Some(ConnectionId(8)), "{contact}");
        }
    }
}

/// The Via of [`received`] says where the request was sent from; `origin` where it came from.
fn target_behind_nat(lines: &str) -> Target {
    let request = received("INVITE", 5, lines);
    let by = origin(Transport::Udp, 0);
    let path = path_to_sender(&request, Transport::Udp, None);
    let path = path.behind_nat(Some(&request.headers), &by);
    let contact = address("<sip:edge@192.0.2.1>");
    let mut dialog = Dialog::from_request(&request, "ours", contact, path).unwrap();
    let mut later = by.clone();
    later.remote.set_port(41_000);
    let bye = received("UPDATE", 6, lines);
    dialog.handle_request(&later, &bye).unwrap();
    dialog.target()
}

#[test]
fn sig_3_a_peer_behind_nat_is_asked_where_its_datagrams_come_from_now() {
    let source = || Host::Address("198.51.100.9".parse().unwrap());
    for (contact, host, port) in [
        ("sip:alice@10.1.1.1:5062", source(), 41_000),
        ("sip:alice@[fd00::1]", source(), 41_000),
        // What its Via calls it.
        ("sip:alice@peer.example", source(), 41_000),
        // An address that everybody can reach, and the source itself: as Contact says.
        (
            "sip:alice@203.0.113.4:5062",
            Host::Address("203.0.113.4".parse().unwrap()),
            5062,
        ),
        ("sip:alice@198.51.100.9:5062", source(), 5062),
    ] {
        let target = target_behind_nat(&format!("Contact: <{contact}>\r\n"));
        assert_eq!((target.host, target.port), (host, port), "{contact}");
    }
    // A proxy that recorded its route is where it says.
    let lines = "Record-Route: <sip:10.9.9.9;lr>\r\nContact: <sip:alice@10.1.1.1>\r\n";
    let target = target_behind_nat(lines);
    assert_eq!(target.host, Host::Address("10.9.9.9".parse().unwrap()));
}

#[test]
fn a_recorded_route_decides_though_it_is_a_private_address() {
    let lines = [
        (HeaderName::RecordRoute, "<sip:10.9.9.9;lr>"),
        (HeaderName::Contact, "<sip:bob@10.1.1.1>"),
    ];
    let dialog = calling(200, &lines, Transport::Tls);
    assert_eq!(dialog.target().connection, None);
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

#[test]
fn a_proxy_that_reconnects_need_not_record_its_route_again() {
    let lines = format!(
        "Via: SIP/2.0/UDP alice.example;branch=z9hG4bK0\r\n\
         Record-Route: <sip:proxy.example;lr>\r\n{CONTACT}"
    );
    let mut dialog = answering(&lines, Transport::Tls, None);
    let lines = format!("Via: SIP/2.0/UDP alice.example;branch=z9hG4bK1\r\n{CONTACT}");
    let update = received("UPDATE", 6, &lines);
    dialog
        .handle_request(&origin(Transport::Tls, 9), &update)
        .unwrap();
    assert_eq!(dialog.target().connection, Some(ConnectionId(9)));
}
