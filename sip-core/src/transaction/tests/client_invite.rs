use super::bench::{Bench, log, ours};
use crate::message::HeaderName;
use crate::transport::Transport;

#[test]
fn timer_a_doubles_until_timer_b_ends_an_unanswered_invite_over_udp() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("INVITE", 1));
    bench.run(60_000);
    assert_eq!(
        bench.times("INVITE"),
        [0, 500, 1500, 3500, 7500, 15_500, 31_500]
    );
    assert_eq!(
        bench.told(),
        log([(32_000, "timed out"), (32_000, "ended")])
    );
    assert!(bench.table.is_empty());
}

#[test]
fn over_tcp_timer_a_does_not_run_but_timer_b_does() {
    let mut bench = Bench::new(Transport::Tcp);
    bench.request(&ours("INVITE", 1));
    bench.run(60_000);
    assert_eq!(bench.times("INVITE"), [0]);
    assert_eq!(
        bench.told(),
        log([(32_000, "timed out"), (32_000, "ended")])
    );
}

#[test]
fn a_provisional_response_stops_timers_a_and_b() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("INVITE", 1));
    bench.run(600);
    bench.answer("INVITE", 100, "");
    bench.answer("INVITE", 180, "bob");
    assert_eq!(bench.table.poll_timeout(), None);
    bench.run(600_000);
    assert_eq!(bench.times("INVITE"), [0, 500]);
    assert_eq!(
        bench.told(),
        log([(600, "response 100"), (600, "response 180")])
    );
    assert_eq!(bench.table.active(), 1);
}

#[test]
fn a_refusal_is_acknowledged_each_time_until_timer_d() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("INVITE", 1));
    for at in [1000, 1500, 32_900] {
        bench.run(at);
        bench.answer("INVITE", 486, "bob");
    }
    assert_eq!(bench.times("ACK"), [1000, 1500, 32_900]);
    assert_eq!(bench.told(), log([(1000, "response 486")]));
    bench.run(33_000);
    assert_eq!(bench.told(), log([(33_000, "ended")]));
    bench.answer("INVITE", 486, "bob");
    assert_eq!(bench.times("ACK").len(), 3);
    assert_eq!(bench.table.counters().stray_responses, 1);
}

#[test]
fn over_tcp_timer_d_is_zero() {
    let mut bench = Bench::new(Transport::Tcp);
    bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 503, "bob");
    assert_eq!(bench.told(), log([(0, "response 503"), (0, "ended")]));
    assert_eq!(bench.times("ACK"), [0]);
    assert!(bench.table.is_empty());
}

#[test]
fn the_ack_to_a_refusal_has_the_branch_route_and_cseq_of_the_invite_and_the_responses_to() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("INVITE", 7));
    let invite = bench.latest("INVITE");
    bench.answer("INVITE", 404, "bobs-tag");
    let ack = bench.latest("ACK");
    assert_eq!(ack.uri, invite.uri);
    for same in [
        HeaderName::Via,
        HeaderName::Route,
        HeaderName::From,
        HeaderName::CallId,
        HeaderName::MaxForwards,
    ] {
        assert_eq!(
            ack.headers.value(same),
            invite.headers.value(same),
            "{same}"
        );
    }
    assert_eq!(ack.headers.value(HeaderName::CSeq), Some(&b"7 ACK"[..]));
    assert_eq!(ack.headers.to().unwrap().tag(), Some("bobs-tag"));
    assert!(!ack.headers.contains(HeaderName::Subject));
    assert!(!ack.headers.contains(HeaderName::Contact));
}

#[test]
fn the_users_ack_is_repeated_for_each_2xx_until_timer_m() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.request(&ours("INVITE", 1));
    bench.run(100);
    bench.answer("INVITE", 200, "bob");
    bench.send_ack(key, "bob");
    let first = bench.latest_bytes("ACK");
    bench.run(600);
    bench.answer("INVITE", 200, "bob");
    assert_eq!(bench.times("ACK"), [100, 600]);
    assert_eq!(bench.latest_bytes("ACK"), first);
    assert_eq!(bench.told(), log([(100, "response 200")]));
    bench.run(32_099);
    assert_eq!(bench.told(), []);
    bench.run(32_100);
    assert_eq!(bench.told(), log([(32_100, "ended")]));
}

#[test]
fn after_timer_m_a_2xx_is_a_stray_one_and_other_responses_are_nothing() {
    let mut bench = Bench::new(Transport::Tcp);
    let key = bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 200, "bob");
    bench.send_ack(key, "bob");
    bench.run(40_000);
    bench.told();
    bench.answer("INVITE", 200, "bob");
    bench.answer("INVITE", 486, "bob");
    bench.answer("INVITE", 180, "bob");
    assert_eq!(bench.told(), log([(40_000, "stray 200")]));
    assert_eq!(bench.table.counters().stray_responses, 3);
}

#[test]
fn a_2xx_after_timer_b_is_a_stray_one() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("INVITE", 1));
    bench.run(33_000);
    bench.told();
    bench.answer("INVITE", 200, "late");
    assert_eq!(bench.told(), log([(33_000, "stray 200")]));
}

#[test]
fn each_fork_that_answers_is_told_and_has_its_own_ack() {
    let mut bench = Bench::new(Transport::Udp);
    let key = bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 200, "one");
    bench.send_ack(key, "one");
    bench.answer("INVITE", 200, "two");
    bench.send_ack(key, "two");
    assert_eq!(
        bench.told(),
        log([(0, "response 200"), (0, "response 200")])
    );
    bench.run(500);
    bench.answer("INVITE", 200, "one");
    assert_eq!(bench.latest("ACK").headers.to().unwrap().tag(), Some("one"));
    bench.answer("INVITE", 200, "two");
    assert_eq!(bench.latest("ACK").headers.to().unwrap().tag(), Some("two"));
    assert_eq!(bench.told(), []);
}

#[test]
fn a_2xx_that_the_user_did_not_acknowledge_is_told_again() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 200, "bob");
    bench.run(500);
    bench.answer("INVITE", 200, "bob");
    assert_eq!(
        bench.told(),
        log([(0, "response 200"), (500, "response 200")])
    );
}

#[test]
fn a_refusal_or_a_provisional_response_after_a_2xx_is_absorbed() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 200, "bob");
    bench.told();
    bench.answer("INVITE", 180, "carol");
    bench.answer("INVITE", 486, "carol");
    assert_eq!(bench.told(), []);
    assert_eq!(bench.times("ACK"), []);
}

#[test]
fn a_provisional_response_after_a_refusal_is_not_acknowledged() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("INVITE", 1));
    bench.answer("INVITE", 486, "bob");
    bench.answer("INVITE", 180, "bob");
    bench.answer("INVITE", 200, "bob");
    assert_eq!(bench.times("ACK"), [0]);
    assert_eq!(bench.told(), log([(0, "response 486")]));
}
