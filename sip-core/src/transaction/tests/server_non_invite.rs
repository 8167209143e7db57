use super::bench::{Bench, log, theirs};
use crate::transport::Transport;

#[test]
fn retransmissions_are_absorbed_until_the_user_answers_and_then_get_the_answer() {
    let mut bench = Bench::new(Transport::Udp);
    let bye = theirs("BYE", "z9hG4bK1");
    bench.receive(&bye);
    let (key, request) = bench.take_request();
    bench.receive(&bye);
    bench.run(5000);
    assert_eq!(bench.sent(), []);
    bench.respond(key, &request, 100);
    bench.receive(&bye);
    bench.respond(key, &request, 200);
    bench.receive(&bye);
    assert_eq!(
        bench.sent(),
        log([(5000, "100"), (5000, "100"), (5000, "200"), (5000, "200")])
    );
    assert_eq!(bench.told(), []);
}

#[test]
fn timer_j_keeps_the_answer_for_32_s_over_udp() {
    let mut bench = Bench::new(Transport::Udp);
    let bye = theirs("BYE", "z9hG4bK1");
    bench.receive(&bye);
    let (key, request) = bench.take_request();
    bench.run(1000);
    bench.respond(key, &request, 200);
    bench.run(32_999);
    bench.receive(&bye);
    assert_eq!(bench.times("200"), [1000, 32_999]);
    bench.run(33_000);
    assert_eq!(bench.told(), log([(33_000, "ended")]));
    bench.receive(&bye);
    assert_eq!(bench.told(), log([(33_000, "request BYE")]));
}

#[test]
fn over_tcp_timer_j_is_zero() {
    let mut bench = Bench::new(Transport::Tcp);
    bench.receive(&theirs("BYE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 200);
    assert_eq!(bench.told(), log([(0, "ended")]));
    assert!(bench.table.is_empty());
}

#[test]
fn only_the_first_final_response_is_sent() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("OPTIONS", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    assert!(bench.respond(key, &request, 200));
    assert!(!bench.respond(key, &request, 500));
    assert_eq!(bench.sent(), log([(0, "200")]));
}

#[test]
fn no_timer_runs_while_the_user_thinks() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("REFER", "z9hG4bK1"));
    assert_eq!(bench.table.poll_timeout(), None);
    assert_eq!(bench.table.active(), 1);
}
