//! Which message belongs to which transaction: RFC 3261 sections 17.1.3, 17.2.3, 8.2.2.2.

use super::bench::{Bench, log, ours, request_text, text, theirs, theirs_in_dialog};
use crate::message::HeaderName;
use crate::refusal::Refusal;
use crate::transaction::Timers;
use crate::transport::Transport;

#[test]
fn the_same_branch_of_another_client_is_another_transaction() {
    let mut bench = Bench::new(Transport::Udp);
    let options = theirs_in_dialog("OPTIONS", "z9hG4bK1");
    bench.receive(&options);
    bench.receive(&options.replace("198.51.100.9:5060;branch", "198.51.100.9:5080;branch"));
    bench.receive(&options.replace("198.51.100.9:5060;branch", "host.example;branch"));
    assert_eq!(bench.told(), log([(0, "request OPTIONS"); 3]));
}

#[test]
fn the_same_branch_with_another_method_is_another_transaction() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs_in_dialog("OPTIONS", "z9hG4bK1"));
    bench.receive(&theirs_in_dialog("BYE", "z9hG4bK1"));
    assert_eq!(
        bench.told(),
        log([(0, "request OPTIONS"), (0, "request BYE")])
    );
}

#[test]
fn the_default_port_and_letter_case_make_no_difference() {
    let mut bench = Bench::new(Transport::Udp);
    let via = |via: &str| request_text("OPTIONS", 1, via, ";tag=ours");
    bench.receive(&via("SIP/2.0/UDP Host.example;branch=z9hG4bKabc"));
    bench.receive(&via("SIP / 2.0 / udp host.example:5060 ;branch=Z9hG4bKABC"));
    assert_eq!(bench.told(), log([(0, "request OPTIONS")]));
    assert_eq!(bench.table.counters().request_retransmissions, 1);
}

#[test]
fn a_response_needs_our_branch_and_the_method() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("OPTIONS", 1));
    bench.answer("OPTIONS", 100, "");
    let request = text(&bench.latest_bytes("OPTIONS"));
    let (_, headers) = request.split_once("\r\n").unwrap();
    let response = format!("SIP/2.0 200 OK\r\n{headers}");
    bench.told();
    bench.receive(&response.replace("branch=z9hG4bK", "branch=z9hG4bK0"));
    bench.receive(&response.replace("branch=z9hG4bK", "branch=0"));
    bench.receive(&response.replace("1 OPTIONS", "1 BYE"));
    assert_eq!(bench.told(), []);
    assert_eq!(bench.table.counters().stray_responses, 3);
    bench.receive(&response);
    assert_eq!(bench.told(), log([(0, "response 200")]));
}

#[test]
fn a_response_with_two_vias_went_astray() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("OPTIONS", 1));
    let request = text(&bench.latest_bytes("OPTIONS"));
    let (_, headers) = request.split_once("\r\n").unwrap();
    bench.receive(&format!(
        "SIP/2.0 200 OK\r\n{}",
        headers.replace(
            "\r\nMax-Forwards",
            ", SIP/2.0/UDP other.example\r\nMax-Forwards"
        )
    ));
    assert_eq!(bench.told(), []);
}

#[test]
fn a_request_that_came_two_ways_is_reported_as_merged() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    bench.receive(&theirs("INVITE", "z9hG4bK2"));
    assert_eq!(
        bench.told(),
        log([(0, "request INVITE"), (0, "merged INVITE")])
    );
}

#[test]
fn requests_that_only_look_merged_are_not() {
    let mut bench = Bench::new(Transport::Udp);
    let invite = theirs("INVITE", "z9hG4bK1");
    bench.receive(&invite);
    let other = theirs("INVITE", "z9hG4bK2");
    bench.receive(&other.replace("tag=alice", "tag=al"));
    bench.receive(
        &other
            .replace("K2", "K3")
            .replace("1@a.example", "2@a.example"),
    );
    bench.receive(&other.replace("K2", "K4").replace("CSeq: 1", "CSeq: 2"));
    bench.receive(&theirs("OPTIONS", "z9hG4bK5"));
    bench.receive(&theirs_in_dialog("INVITE", "z9hG4bK6"));
    let told: Vec<_> = bench.told().into_iter().map(|(_, what)| what).collect();
    assert!(
        told.iter().all(|what| what.starts_with("request")),
        "{told:?}"
    );
    assert_eq!(told.len(), 6);
}

#[test]
fn a_request_is_not_merged_with_one_that_is_over() {
    let mut bench = Bench::new(Transport::Tcp);
    bench.receive(&theirs("OPTIONS", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 401);
    bench.told();
    bench.receive(&theirs("OPTIONS", "z9hG4bK2"));
    assert_eq!(bench.told(), log([(0, "request OPTIONS")]));
}

/// Section 17.2.3, without the magic cookie.
mod rfc_2543 {
    use super::*;

    fn old(method: &str, to_params: &str) -> String {
        request_text(method, 1, "SIP/2.0/UDP old.example;branch=1", to_params)
    }

    #[test]
    fn a_retransmission_is_found_without_a_cookie() {
        let mut bench = Bench::new(Transport::Udp);
        for method in ["INVITE", "OPTIONS"] {
            bench.receive(&old(method, ""));
            bench.receive(&old(method, ""));
        }
        assert_eq!(
            bench.told(),
            log([(0, "request INVITE"), (0, "request OPTIONS")])
        );
    }

    #[test]
    fn what_differs_in_one_part_is_another_transaction() {
        let mut bench = Bench::new(Transport::Udp);
        let options = old("OPTIONS", ";tag=ours");
        bench.receive(&options);
        for (from, to) in [
            ("OPTIONS sip:bob@", "OPTIONS sip:carol@"),
            ("tag=ours", "tag=theirs"),
            ("tag=alice", "tag=al"),
            ("1@a.example", "2@a.example"),
            ("CSeq: 1", "CSeq: 2"),
            ("branch=1", "branch=2"),
        ] {
            let other = options.replace(from, to);
            assert_ne!(other, options);
            bench.receive(&other);
        }
        assert_eq!(bench.told(), log([(0, "request OPTIONS"); 7]));
    }

    #[test]
    fn the_ack_to_a_refusal_is_absorbed_with_the_to_tag_of_the_response() {
        let mut bench = Bench::new(Transport::Udp);
        bench.receive(&old("INVITE", ""));
        let (key, request) = bench.take_request();
        bench.respond(key, &request, 486);
        bench.receive(&old("ACK", ";tag=ours"));
        bench.run(5000);
        assert_eq!(bench.told(), log([(5000, "ended")]));
    }

    #[test]
    fn the_ack_to_a_2xx_is_told() {
        let mut bench = Bench::new(Transport::Udp);
        bench.receive(&old("INVITE", ""));
        let (key, request) = bench.take_request();
        bench.respond(key, &request, 200);
        bench.receive(&old("ACK", ";tag=ours"));
        assert_eq!(bench.told(), log([(0, "ack")]));
    }

    #[test]
    fn a_cancel_finds_its_invite() {
        let mut bench = Bench::new(Transport::Udp);
        bench.receive(&old("INVITE", ""));
        bench.take_request();
        bench.receive(&old("CANCEL", ""));
        assert_eq!(bench.told(), log([(0, "cancel")]));
    }
}

#[test]
fn a_full_table_answers_503_and_keeps_nothing() {
    let mut bench = Bench::with(Transport::Udp, Timers::default(), 1);
    bench.receive(&theirs("OPTIONS", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.receive(&theirs("INVITE", "z9hG4bK2"));
    bench.receive(&theirs("ACK", "z9hG4bK2"));
    assert_eq!(bench.told(), log([(0, "overflowed")]));
    let refusal = bench.latest_response("503");
    assert_eq!(
        refusal.headers.value(HeaderName::Reason).unwrap(),
        Refusal::OVERLOADED.reason_header().as_bytes()
    );
    assert_eq!(bench.sent(), log([(0, "503")]));
    assert_eq!(bench.table.len(), 1);
    assert_eq!(bench.table.counters().overflowed, 1);
    bench.respond(key, &request, 200);
    bench.run(32_000);
    bench.told();
    bench.receive(&theirs("OPTIONS", "z9hG4bK3"));
    assert_eq!(bench.told(), log([(32_000, "request OPTIONS")]));
}

#[test]
fn an_overflow_is_told_once_in_a_while_not_for_each_request() {
    let mut bench = Bench::with(Transport::Udp, Timers::default(), 0);
    for at in [0, 1, 31_999, 32_000, 40_000, 64_000] {
        bench.run(at);
        bench.receive(&theirs("INVITE", &format!("z9hG4bK{at}")));
    }
    assert_eq!(
        bench.told(),
        log([
            (0, "overflowed"),
            (32_000, "overflowed"),
            (64_000, "overflowed")
        ])
    );
    assert_eq!(bench.table.counters().overflowed, 6);
}

#[test]
fn a_nearly_full_table_is_kept_for_requests_within_dialogs_and_cancel() {
    let mut bench = Bench::with(Transport::Udp, Timers::default(), 8);
    bench.receive(&theirs("INVITE", "z9hG4bK0"));
    for nth in 1..10 {
        let call = format!("{nth}@a.example");
        let options = theirs("OPTIONS", &format!("z9hG4bK{nth}"));
        bench.receive(&options.replace("1@a.example", &call));
    }
    assert_eq!(bench.table.len(), 7);
    assert_eq!(bench.table.counters().overflowed, 3);
    bench.told();
    bench.receive(&theirs("CANCEL", "z9hG4bK0"));
    assert_eq!(bench.told(), log([(0, "cancel")]));
    bench.receive(&theirs_in_dialog("BYE", "z9hG4bKbye"));
    assert_eq!(bench.told(), []);
    assert_eq!(bench.table.counters().overflowed, 4);
}
