//! SEC-2: what was said over TLS is not answered, acknowledged or cancelled by anything weaker.

use super::bench::{Bench, log, ours, text, theirs, theirs_in_dialog};
use super::{PEER, listener_of};
use crate::message::{StatusCode, response_to};
use crate::transport::Transport;

const WEAK: [Transport; 2] = [Transport::Udp, Transport::Tcp];

#[test]
fn a_response_over_udp_or_tcp_does_not_answer_a_request_over_tls() {
    for weak in WEAK {
        for method in ["INVITE", "OPTIONS"] {
            let mut bench = Bench::new(Transport::Tls);
            bench.request(&ours(method, 1));
            let request = bench.latest(method);
            for status in [180, 200, 486] {
                let status = StatusCode::new(status).unwrap();
                let forged = text(&response_to(&request, status, Some("bob")).to_bytes());
                bench.receive_by(weak, PEER, &forged);
            }
            assert_eq!(bench.told(), [], "{method} {weak:?}");
            assert_eq!(bench.times("ACK"), [], "{method} {weak:?}");
            assert_eq!(bench.table.counters().insecure, 3);
            bench.answer(method, 200, "bob");
            assert_eq!(bench.told()[0], (0, "response 200".to_owned()));
        }
    }
}

#[test]
fn a_cancel_over_udp_or_tcp_neither_cancels_an_invite_over_tls_nor_is_answered() {
    for weak in WEAK {
        let mut bench = Bench::new(Transport::Tls);
        bench.receive(&theirs("INVITE", "z9hG4bK1"));
        bench.take_request();
        bench.receive_by(weak, PEER, &theirs("CANCEL", "z9hG4bK1"));
        assert_eq!(bench.told(), [], "{weak:?}");
        assert_eq!(bench.sent(), [], "{weak:?}");
        assert_eq!(bench.table.counters().insecure, 1);
        bench.receive(&theirs("CANCEL", "z9hG4bK1"));
        assert_eq!(bench.told(), log([(0, "cancel")]));
    }
}

#[test]
fn an_ack_over_udp_or_tcp_does_not_acknowledge_an_answer_over_tls() {
    for weak in WEAK {
        let mut bench = Bench::new(Transport::Tls);
        bench.receive(&theirs("INVITE", "z9hG4bK1"));
        let (key, request) = bench.take_request();
        bench.respond(key, &request, 200);
        bench.receive_by(weak, PEER, &theirs_in_dialog("ACK", "z9hG4bK2"));
        assert_eq!(bench.told(), [], "{weak:?}");
        assert_eq!(bench.table.counters().insecure, 1);
        bench.receive(&theirs_in_dialog("ACK", "z9hG4bK2"));
        assert_eq!(bench.told(), log([(0, "ack")]));
    }
}

#[test]
fn a_repeated_request_over_udp_is_not_one_over_tls() {
    let mut bench = Bench::new(Transport::Tls);
    let invite = theirs("INVITE", "z9hG4bK1");
    bench.receive(&invite);
    bench.take_request();
    bench.receive_by(Transport::Udp, PEER, &invite);
    assert_eq!(bench.sent(), []);
    assert_eq!(bench.table.counters().insecure, 1);
}

#[test]
fn a_weak_transaction_may_be_answered_over_tls() {
    let mut bench = Bench::new(Transport::Tcp);
    bench.request(&ours("OPTIONS", 1));
    let target = &bench.transmits()[0].1.target;
    assert_eq!(target.listener, listener_of(Transport::Tcp));
    let response = response_to(&bench.latest("OPTIONS"), StatusCode::OK, Some("bob"));
    bench.receive_by(Transport::Tls, PEER, &text(&response.to_bytes()));
    assert_eq!(bench.told()[0], (0, "response 200".to_owned()));
}
