//! CANCEL: RFC 3261 section 9.

use super::bench::{Bench, log, ours, theirs};
use crate::message::HeaderName;
use crate::transport::Transport;

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.request(&ours("INVITE", 1));
    bench.cancel(key);
    bench.run(700);
    assert_eq!(bench.times("CANCEL"), []);
    bench.answer("INVITE", 100, "");
    assert_eq!(bench.times("CANCEL"), [700]);
}

#[test]
fn cancel_goes_at_once_after_a_provisional_response_and_only_once() {
    let mut bench = Bench::new(Transport::Tcp);
    let key = bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 180, "bob");
    bench.cancel(key);
    bench.cancel(key);
    bench.answer("INVITE", 183, "bob");
    assert_eq!(bench.times("CANCEL"), [0]);
}

#[test]
fn cancel_is_never_sent_if_the_final_response_is_there_first() {
    for status in [200, 486] {
        let mut bench = Bench::new(Transport::Udp);
        let key = bench.request(&ours("INVITE", 1));
        bench.cancel(key);
        bench.answer("INVITE", status, "bob");
        bench.cancel(key);
        bench.run(1000);
        assert_eq!(bench.times("CANCEL"), []);
        assert_eq!(bench.told(), log([(0, &format!("response {status}"))]));
    }
}

#[test]
fn cancel_repeats_what_names_its_invite() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.request(&ours("INVITE", 9));
    let invite = bench.latest("INVITE");
    bench.answer("INVITE", 180, "bob");
    bench.cancel(key);
    let cancel = bench.latest("CANCEL");
    assert_eq!(cancel.uri, invite.uri);
    for same in [
        HeaderName::Via,
        HeaderName::Route,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
    ] {
        assert_eq!(
            cancel.headers.value(same),
            invite.headers.value(same),
            "{same}"
        );
    }
    assert_eq!(
        cancel.headers.value(HeaderName::CSeq),
        Some(&b"9 CANCEL"[..])
    );
    assert!(!cancel.headers.contains(HeaderName::Contact));
}

#[test]
fn the_users_answer_to_a_cancelled_invite_is_the_invites_not_the_cancels() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 180, "bob");
    bench.cancel(key);
    bench.answer("CANCEL", 200, "bob");
    bench.answer("INVITE", 487, "bob");
    assert_eq!(
        bench.told(),
        log([(0, "response 180"), (0, "response 487")])
    );
    assert_eq!(bench.times("ACK"), [0]);
    bench.run(32_000);
    assert_eq!(bench.told(), log([(32_000, "ended")]));
    assert!(bench.table.is_empty());
}

#[test]
fn a_cancel_that_crosses_a_200_leaves_an_answered_call() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 180, "bob");
    bench.cancel(key);
    bench.answer("INVITE", 200, "bob");
    bench.answer("CANCEL", 200, "bob");
    bench.send_ack(key, "bob");
    assert_eq!(
        bench.told(),
        log([(0, "response 180"), (0, "response 200")])
    );
    bench.run(100_000);
    assert_eq!(bench.told(), log([(32_000, "ended")]));
}

#[test]
fn a_cancelled_invite_without_a_final_response_times_out_64_t1_after_the_cancel() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 180, "bob");
    bench.run(10_000);
    bench.cancel(key);
    bench.told();
    bench.run(100_000);
    assert_eq!(
        bench.told(),
        log([(42_000, "timed out"), (42_000, "ended")])
    );
    assert_eq!(bench.times("CANCEL").len(), 11);
}

#[test]
fn a_cancel_is_answered_200_before_its_invite_is_answered() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 180);
    bench.receive(&theirs("CANCEL", "z9hG4bK1"));
    assert_eq!(bench.told(), log([(0, "cancel")]));
    bench.respond(key, &request, 487);
    assert_eq!(bench.sent(), log([(0, "180"), (0, "200"), (0, "487")]));
}

#[test]
fn the_answer_to_a_cancel_has_the_to_tag_of_its_invites_responses() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 180);
    bench.receive(&theirs("CANCEL", "z9hG4bK1"));
    let answer = bench.latest_response("200");
    assert_eq!(answer.headers.to().unwrap().tag(), Some("ours"));
    assert_eq!(
        answer.headers.value(HeaderName::CSeq),
        Some(&b"1 CANCEL"[..])
    );
}

#[test]
fn a_cancel_of_a_silent_invite_is_answered_with_a_tag() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    bench.take_request();
    bench.receive(&theirs("CANCEL", "z9hG4bK1"));
    assert!(
        bench
            .latest_response("200")
            .headers
            .to()
            .unwrap()
            .tag()
            .is_some()
    );
}

#[test]
fn a_cancel_that_comes_again_is_answered_again_and_told_once() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    bench.take_request();
    bench.receive(&theirs("CANCEL", "z9hG4bK1"));
    bench.receive(&theirs("CANCEL", "z9hG4bK1"));
    assert_eq!(bench.told(), log([(0, "cancel")]));
    assert_eq!(bench.times("200"), [0, 0]);
}

#[test]
fn a_cancel_after_the_final_response_is_answered_200_and_changes_nothing() {
    for status in [200, 486] {
        let mut bench = Bench::new(Transport::Udp);
        bench.receive(&theirs("INVITE", "z9hG4bK1"));
        let (key, request) = bench.take_request();
        bench.respond(key, &request, status);
        bench.sent();
        bench.receive(&theirs("CANCEL", "z9hG4bK1"));
        assert_eq!(bench.told(), []);
        assert_eq!(bench.sent(), log([(0, "200")]));
    }
}

#[test]
fn a_cancel_of_nothing_is_answered_481() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    bench.take_request();
    bench.receive(&theirs("CANCEL", "z9hG4bK2"));
    assert_eq!(bench.told(), []);
    assert_eq!(bench.sent(), log([(0, "481")]));
    assert_eq!(bench.table.counters().stray_cancels, 1);
}

#[test]
fn timer_j_ends_the_cancels_own_transaction_without_a_word() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("CANCEL", "z9hG4bK2"));
    assert_eq!(bench.table.len(), 1);
    bench.run(32_000);
    assert!(bench.table.is_empty());
    assert_eq!(bench.told(), []);
}
