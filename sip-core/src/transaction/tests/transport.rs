//! Via, where responses go, and what happens when nothing can be sent: RFC 3261 sections 18.1.1,
//! 18.2, 8.1.3.1, 17.2.4; RFC 3581; RFC 6026.

use super::bench::{Bench, log, ours, request_text, theirs, theirs_in_dialog};
use super::{PEER, address};
use crate::transaction::TransactionKey;
use crate::transport::{ConnectionId, Host, Transport};
use crate::trunk::TrunkId;

#[test]
fn our_via_has_the_advertised_address_a_new_branch_and_rport_over_udp() {
    for (transport, start, rport) in [
        (
            Transport::Udp,
            "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK",
            Some(None),
        ),
        (
            Transport::Tcp,
            "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK",
            None,
        ),
        (
            Transport::Tls,
            "SIP/2.0/TLS 192.0.2.1:5060;branch=z9hG4bK",
            None,
        ),
    ] {
        let mut bench = Bench::new(transport);
        bench.request(&ours("OPTIONS", 1));
        let first = bench.latest("OPTIONS").headers.top_via().unwrap();
        assert!(first.as_str().starts_with(start), "{first}");
        assert_eq!(first.rport(), rport);
        bench.request(&ours("OPTIONS", 2));
        let second = bench.latest("OPTIONS").headers.top_via().unwrap();
        assert_ne!(first.branch(), second.branch());
    }
}

#[test]
fn sig_3_our_via_asks_for_an_alias_over_tls_of_trunks_that_we_prove_ourselves_to() {
    for (transport, ours_is_proven, asks) in [
        (Transport::Tls, true, true),
        (Transport::Tls, false, false),
        (Transport::Tcp, true, false),
        (Transport::Udp, true, false),
    ] {
        let mut bench = Bench::new(transport);
        let trunk = TrunkId(if ours_is_proven { 3 } else { 4 });
        bench.table.ask_for_aliases([TrunkId(3)]);
        bench.request_of(trunk, &ours("OPTIONS", 1));
        let via = bench.latest("OPTIONS").headers.top_via().unwrap();
        assert_eq!(via.asks_for_alias(), asks, "{transport:?}: {via}");
        assert_eq!(via.param("alias"), asks.then_some(""));
    }
}

#[test]
fn the_ack_to_a_2xx_has_a_branch_of_its_own() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 200, "bob");
    bench.send_ack(key, "bob");
    let branch = |method| {
        bench
            .latest(method)
            .headers
            .top_via()
            .unwrap()
            .branch()
            .map(str::to_owned)
    };
    assert_ne!(branch("ACK"), branch("INVITE"));
    assert!(branch("ACK").is_some());
}

/// Description, Via as sent, source, Via as passed on, and where the response goes.
const SOURCES: &[(&str, &str, &str, &str, &str)] = &[
    (
        "sent-by is the source",
        "SIP/2.0/UDP 198.51.100.9:5070;branch=z9hG4bK1",
        "198.51.100.9:1234",
        "SIP/2.0/UDP 198.51.100.9:5070;branch=z9hG4bK1",
        "198.51.100.9:5070",
    ),
    (
        "sent-by has no port",
        "SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK1",
        "198.51.100.9:1234",
        "SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK1",
        "198.51.100.9:5060",
    ),
    (
        "sent-by is a name",
        "SIP/2.0/UDP a.example:5070;branch=z9hG4bK1",
        "198.51.100.9:1234",
        "SIP/2.0/UDP a.example:5070;branch=z9hG4bK1;received=198.51.100.9",
        "198.51.100.9:5070",
    ),
    (
        "behind NAT with rport",
        "SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK1",
        "198.51.100.9:40000",
        "SIP/2.0/UDP 10.0.0.1:5060;rport=40000;branch=z9hG4bK1;received=198.51.100.9",
        "198.51.100.9:40000",
    ),
    (
        "maddr would aim our responses at others",
        "SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bK1;maddr=203.0.113.5",
        "198.51.100.9:5060",
        "SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bK1;maddr=203.0.113.5",
        "198.51.100.9:5060",
    ),
    (
        "a forged received is overwritten",
        "SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bK1;received=203.0.113.5",
        "198.51.100.9:5060",
        "SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bK1;received=198.51.100.9",
        "198.51.100.9:5060",
    ),
    (
        "IPv6",
        "SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bK1;rport",
        "[2001:db8::9]:5071",
        "SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bK1;rport=5071;received=2001:db8::9",
        "[2001:db8::9]:5071",
    ),
];

#[test]
fn the_source_of_a_request_is_noted_and_the_response_goes_there() {
    for (description, via, source, passed, goes_to) in SOURCES {
        let mut bench = Bench::new(Transport::Udp);
        bench.receive_from(source, &request_text("OPTIONS", 1, via, ""));
        let (key, request) = bench.take_request();
        assert_eq!(
            request.headers.top_via().unwrap().as_str(),
            *passed,
            "{description}"
        );
        bench.respond(key, &request, 200);
        assert_eq!(
            bench
                .latest_response("200")
                .headers
                .top_via()
                .unwrap()
                .as_str(),
            *passed,
            "{description}"
        );
        let target = &bench.transmits()[0].1.target;
        let goes_to = address(goes_to);
        assert_eq!(target.host, Host::Address(goes_to.ip()), "{description}");
        assert_eq!(target.port, goes_to.port(), "{description}");
        assert_eq!(target.connection, None);
    }
}

#[test]
fn over_a_connection_the_response_goes_back_on_it_and_else_to_the_port_in_via() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut bench = Bench::new(transport);
        let via = "SIP/2.0/TCP 198.51.100.9;rport;branch=z9hG4bK1";
        bench.receive_from("198.51.100.9:51000", &request_text("OPTIONS", 1, via, ""));
        let (key, request) = bench.take_request();
        bench.respond(key, &request, 200);
        let target = &bench.transmits()[0].1.target;
        assert_eq!(target.connection, Some(ConnectionId(7)));
        assert_eq!(target.host, Host::Address(address(PEER).ip()));
        assert_eq!(target.port, transport.default_port());
    }
}

#[test]
fn a_request_that_cannot_be_sent_is_reported_at_once() {
    for method in ["INVITE", "OPTIONS"] {
        let mut bench = Bench::new(Transport::Udp);
        let key = bench.request(&ours(method, 1));
        assert_eq!(
            bench.transmits()[0].1.transaction,
            Some(TransactionKey::Client(key))
        );
        bench.run(100);
        bench.fail(key);
        assert_eq!(
            bench.told(),
            log([
                (100, "transport failed: connection refused"),
                (100, "ended")
            ])
        );
        assert!(bench.table.is_empty());
        assert_eq!(bench.table.poll_timeout(), None);
        bench.fail(key);
        assert_eq!(bench.told(), []);
    }
}

#[test]
fn an_answered_request_does_not_mind_a_late_transport_error() {
    for (method, status) in [("INVITE", 180), ("INVITE", 200), ("BYE", 200)] {
        let mut bench = Bench::new(Transport::Udp);
        let key = bench.request(&ours(method, 1));
        bench.answer(method, status, "bob");
        bench.told();
        bench.fail(key);
        assert_eq!(bench.told(), [], "{method} {status}");
        assert_eq!(bench.table.len(), 1);
    }
}

#[test]
fn an_ack_to_a_refusal_that_cannot_be_sent_just_ends_it() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 486, "bob");
    bench.told();
    bench.fail(key);
    assert_eq!(bench.told(), log([(0, "ended")]));
}

#[test]
fn a_response_that_cannot_be_sent_is_reported_and_repeated_for_a_retransmitted_request() {
    for (method, status) in [("INVITE", 180), ("INVITE", 486), ("OPTIONS", 200)] {
        let mut bench = Bench::new(Transport::Udp);
        let text = theirs(method, "z9hG4bK1");
        bench.receive(&text);
        let (key, request) = bench.take_request();
        bench.respond(key, &request, status);
        bench.fail(key);
        assert_eq!(bench.told(), log([(0, "server transport failed")]));
        bench.receive(&text);
        assert_eq!(bench.told(), [], "{method} is not done twice");
        assert_eq!(bench.times(&status.to_string()), [0, 0]);
    }
}

#[test]
fn timer_h_or_l_reports_a_caller_that_cannot_be_reached() {
    for (transport, status) in [(Transport::Tcp, 486), (Transport::Tls, 200)] {
        let mut bench = Bench::new(transport);
        bench.receive(&theirs("INVITE", "z9hG4bK1"));
        let (key, request) = bench.take_request();
        bench.respond(key, &request, 180);
        bench.fail(key);
        assert!(bench.respond(key, &request, status));
        bench.told();
        bench.run(32_000);
        let missing = format!("no ack to {status}");
        assert_eq!(bench.told(), log([(32_000, &missing), (32_000, "ended")]));
    }
}

#[test]
fn a_2xx_that_cannot_be_sent_once_is_tried_again_and_may_still_be_acknowledged() {
    let mut bench = Bench::new(Transport::Tls);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 200);
    bench.fail(key);
    bench.run(500);
    assert_eq!(bench.times("200"), [0, 500]);
    bench.receive(&theirs_in_dialog("ACK", "z9hG4bK2"));
    assert_eq!(
        bench.told(),
        log([(0, "server transport failed"), (500, "ack")])
    );
}

#[test]
fn an_acknowledged_invite_does_not_mind_a_late_transport_error() {
    for status in [200, 486] {
        let mut bench = Bench::new(Transport::Udp);
        bench.receive(&theirs("INVITE", "z9hG4bK1"));
        let (key, request) = bench.take_request();
        bench.respond(key, &request, status);
        bench.receive(&theirs_in_dialog("ACK", "z9hG4bK1"));
        bench.told();
        bench.fail(key);
        assert_eq!(bench.told(), []);
    }
}
