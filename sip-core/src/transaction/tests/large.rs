//! Requests above 1300 bytes (RFC 3261 section 18.1.1, SIG-9).

use super::bench::{Bench, log, ours};
use crate::message::{Message, Method};
use crate::transport::{ListenerId, Target, Transport};

fn large(method: &str) -> String {
    let padding = format!("Subject: {}\r\n", "x".repeat(1200));
    ours(method, 1).replace("Subject: not for ACK or CANCEL\r\n", &padding)
}

fn sent_to(bench: &Bench) -> Vec<(Transport, Option<Transport>)> {
    let via = |bytes: &[u8]| match Message::parse(bytes).unwrap() {
        Message::Request(request) => request.headers.top_via().unwrap().transport(),
        Message::Response(_) => panic!("a response"),
    };
    let transmits = bench.transmits().iter();
    transmits
        .map(|(_, sent)| (sent.target.transport, via(&sent.bytes)))
        .collect()
}

fn last_target(bench: &Bench) -> &Target {
    &bench.transmits().last().unwrap().1.target
}

#[test]
fn sig_9_a_request_above_1300_bytes_goes_by_tcp_and_a_small_one_does_not() {
    for method in ["INVITE", "MESSAGE"] {
        let mut bench = Bench::new(Transport::Udp);
        bench.request(&ours(method, 1));
        assert_eq!(last_target(&bench).transport, Transport::Udp);
        bench.request(&large(method));
        let target = last_target(&bench);
        assert_eq!((target.transport, target.port), (Transport::Tcp, 5060));
        assert_eq!(target.listener, ListenerId(1));
        assert_eq!(
            sent_to(&bench).last().unwrap(),
            &(Transport::Tcp, Some(Transport::Tcp))
        );
        // Reliable: it is not sent again, as the small one is.
        bench.run(600);
        assert_eq!(bench.times(method), [0, 0, 500]);
    }
}

#[test]
fn sig_9_a_peer_without_tcp_gets_it_by_udp_and_is_not_asked_again_for_a_while() {
    for method in ["INVITE", "MESSAGE"] {
        let mut bench = Bench::new(Transport::Udp);
        let key = bench.request(&large(method));
        let first = bench.latest(method).headers.top_via().unwrap();
        bench.fail(key);
        let second = bench.latest(method).headers.top_via().unwrap();
        let udp = (Transport::Udp, Some(Transport::Udp));
        assert_eq!(sent_to(&bench).last().unwrap(), &udp);
        assert_eq!(first.branch(), second.branch());
        assert_eq!(second.rport(), Some(None));
        assert_eq!(bench.told(), log([]), "{method}");
        // By UDP it is sent again until it is answered.
        bench.run(500);
        assert_eq!(bench.times(method), [0, 0, 500]);
        bench.answer(method, 200, "bob");
        assert_eq!(bench.told()[0].1, "response 200", "{method}");

        bench.request(&large(method));
        assert_eq!(last_target(&bench).transport, Transport::Udp);
        bench.run(601_000);
        bench.request(&large(method));
        assert_eq!(last_target(&bench).transport, Transport::Tcp);
    }
}

#[test]
fn sig_9_what_can_be_sent_neither_way_has_failed() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.request(&large("INVITE"));
    bench.fail(key);
    bench.fail(key);
    assert_eq!(
        bench.told(),
        log([(0, "transport failed: connection refused"), (0, "ended")])
    );
}

#[test]
fn sig_9_an_invite_that_was_cancelled_meanwhile_is_not_sent_again() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.request(&large("INVITE"));
    bench.cancel(key);
    bench.fail(key);
    assert_eq!(bench.times("INVITE").len(), 1);
    assert_eq!(bench.told()[0].1, "transport failed: connection refused");
}

#[test]
fn sig_9_cancel_and_ack_go_the_way_that_the_invite_went() {
    for fails in [false, true] {
        let mut bench = Bench::new(Transport::Udp);
        let key = bench.request(&large("INVITE"));
        if fails {
            bench.fail(key);
        }
        let way = last_target(&bench).clone();
        bench.answer("INVITE", 180, "bob");
        bench.cancel(key);
        assert_eq!(bench.latest("CANCEL").method, Method::Cancel);
        assert_eq!(last_target(&bench), &way);
        bench.answer("INVITE", 487, "bob");
        assert_eq!(bench.latest("ACK").method, Method::Ack);
        assert_eq!(last_target(&bench), &way);
    }
}

/// The answer to a late offer may be as long as an offer is.
#[test]
fn sig_9_the_ack_to_a_2xx_goes_by_tcp_too_and_by_udp_if_there_is_none() {
    for fails in [false, true] {
        let mut bench = Bench::new(Transport::Udp);
        let key = bench.request(&ours("INVITE", 1));
        bench.answer("INVITE", 200, "bob");
        bench.send_ack_text(key, "bob", &large("ACK"));
        let tcp = (Transport::Tcp, Some(Transport::Tcp));
        let udp = (Transport::Udp, Some(Transport::Udp));
        assert_eq!(sent_to(&bench), [udp, tcp]);
        let first = bench.latest("ACK").headers.top_via().unwrap();
        if fails {
            bench.fail(key);
            assert_eq!(sent_to(&bench).last().unwrap(), &udp);
            let second = bench.latest("ACK").headers.top_via().unwrap();
            assert_eq!(first.branch(), second.branch());
            // A second failure has no further way, and changes nothing.
            bench.fail(key);
            assert_eq!(bench.times("ACK").len(), 2);
        }
        // The 2xx comes again: so does the ACK, the way that it goes.
        bench.answer("INVITE", 200, "bob");
        let expected = if fails { udp } else { tcp };
        assert_eq!(sent_to(&bench).last().unwrap(), &expected);
        assert_eq!(
            bench
                .told()
                .iter()
                .filter(|(_, what)| what == "response 200")
                .count(),
            1
        );
        bench.request(&large("MESSAGE"));
        assert_eq!(sent_to(&bench).last().unwrap(), &expected);
    }
}

#[test]
fn sig_9_over_streams_size_does_not_matter() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut bench = Bench::new(transport);
        bench.request(&large("INVITE"));
        assert_eq!(last_target(&bench).transport, transport);
    }
}
