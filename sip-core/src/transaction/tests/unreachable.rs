//! Requests that ICMP gives back: RFC 3261 sections 17.1.4 and 18.4, RFC 8085 section 5.2.

use std::net::SocketAddr;

use super::bench::{Bench, log, ours};
use super::{PEER, address, listener_of};
use crate::transport::Transport;

/// What the network says of a datagram that began so; whether it was believed.
fn give_back(bench: &mut Bench, to: SocketAddr, quoted: &[u8]) -> bool {
    let (now, to) = (bench.now(), (listener_of(Transport::Udp), to));
    let believed = bench
        .table
        .handle_unreachable(now, to, quoted, "port unreachable");
    bench.collect();
    believed
}

#[test]
fn trk_3_a_request_that_the_network_gives_back_fails_at_once() {
    for method in ["INVITE", "OPTIONS"] {
        let mut bench = Bench::new(Transport::Udp);
        bench.request(&ours(method, 1));
        bench.run(20);
        let request = bench.latest_bytes(method);
        // As much as the two lines that name the transaction.
        let shown = request.windows(2).enumerate();
        let mut ends = shown
            .filter(|(_, pair)| pair == b"\r\n")
            .map(|(at, _)| at + 2);
        let end = ends.nth(1).unwrap();
        assert!(!give_back(&mut bench, address(PEER), &request[..end - 1]));
        assert!(give_back(&mut bench, address(PEER), &request[..end]));
        let failed = "transport failed: port unreachable";
        assert_eq!(bench.told(), log([(20, failed), (20, "ended")]));
        assert!(bench.table.is_empty());
        assert!(!give_back(&mut bench, address(PEER), &request), "twice");
    }
}

#[test]
fn trk_3_icmp_that_shows_no_request_on_its_way_there_means_nothing() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("INVITE", 1));
    let request = String::from_utf8(bench.latest_bytes("INVITE")).unwrap();
    let branch = request.find("z9hG4bK").unwrap();
    let guessed = request.replacen(&request[branch..branch + 12], "z9hG4bKguess", 1);
    let other_port = address("198.51.100.9:5062");
    let other_host = address("198.51.100.10:5060");
    let (bye, response) = (
        request.replacen("INVITE", "BYE", 1),
        request.replacen("INVITE", "SIP/2.0", 1),
    );
    let cases: [(&str, SocketAddr, &str); 9] = [
        ("a guessed branch", address(PEER), &guessed),
        ("another port", other_port, &request),
        ("another host", other_host, &request),
        ("another method", address(PEER), &bye),
        ("a response", address(PEER), &response),
        ("nothing", address(PEER), ""),
        ("half a line", address(PEER), "INVITE sip:"),
        ("no Via", address(PEER), "INVITE sip:a@b SIP/2.0\r\n\r\n"),
        ("binary", address(PEER), "\u{0}\u{1}\n\n\n"),
    ];
    for (description, to, quoted) in cases {
        let believed = give_back(&mut bench, to, quoted.as_bytes());
        assert!(!believed, "{description}");
    }
    assert_eq!(bench.told(), log([]));
    assert_eq!(bench.table.active(), 1);
}

#[test]
fn trk_3_icmp_after_the_peers_first_word_means_nothing() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("INVITE", 1));
    let request = bench.latest_bytes("INVITE");
    bench.answer("INVITE", 100, "");
    assert!(!give_back(&mut bench, address(PEER), &request));
    assert_eq!(bench.told(), log([(0, "response 100")]));
    assert_eq!(bench.table.active(), 1);
}

#[test]
fn sec_2_icmp_means_nothing_for_what_went_by_a_connection() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut bench = Bench::new(transport);
        bench.request(&ours("INVITE", 1));
        let request = bench.latest_bytes("INVITE");
        assert!(!give_back(&mut bench, address(PEER), &request));
    }
}
