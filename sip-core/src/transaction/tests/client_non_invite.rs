use super::bench::{Bench, log, ours};
use crate::transport::Transport;

#[test]
fn timer_e_doubles_to_t2_until_timer_f_ends_an_unanswered_request_over_udp() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("BYE", 2));
    bench.run(60_000);
    assert_eq!(
        bench.times("BYE"),
        [
            0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
        ]
    );
    assert_eq!(
        bench.told(),
        log([(32_000, "timed out"), (32_000, "ended")])
    );
    assert_eq!(bench.table.counters().client_timeouts, 1);
}

#[test]
fn over_tls_timer_e_does_not_run_but_timer_f_does() {
    let mut bench = Bench::new(Transport::Tls);
    bench.request(&ours("OPTIONS", 2));
    bench.run(60_000);
    assert_eq!(bench.times("OPTIONS"), [0]);
    assert_eq!(
        bench.told(),
        log([(32_000, "timed out"), (32_000, "ended")])
    );
}

#[test]
fn after_a_provisional_response_timer_e_is_t2_and_timer_f_still_runs() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("REFER", 2));
    bench.run(600);
    bench.answer("REFER", 100, "bob");
    bench.run(60_000);
    assert_eq!(
        bench.times("REFER"),
        [
            0, 500, 1500, 5500, 9500, 13_500, 17_500, 21_500, 25_500, 29_500
        ]
    );
    assert_eq!(
        bench.told(),
        log([
            (600, "response 100"),
            (32_000, "timed out"),
            (32_000, "ended")
        ])
    );
}

#[test]
fn the_final_response_is_told_once_and_timer_k_absorbs_the_others() {
    let mut bench = Bench::new(Transport::Udp);
    bench.request(&ours("BYE", 2));
    bench.run(1000);
    bench.answer("BYE", 200, "bob");
    bench.run(2000);
    bench.answer("BYE", 200, "bob");
    bench.answer("BYE", 481, "bob");
    assert_eq!(bench.told(), log([(1000, "response 200")]));
    bench.run(5999);
    assert_eq!(bench.table.len(), 1);
    bench.run(6000);
    assert_eq!(bench.told(), log([(6000, "ended")]));
    assert!(bench.table.is_empty());
}

#[test]
fn over_tcp_timer_k_is_zero() {
    let mut bench = Bench::new(Transport::Tcp);
    bench.request(&ours("BYE", 2));
    bench.answer("BYE", 200, "bob");
    assert_eq!(bench.told(), log([(0, "response 200"), (0, "ended")]));
    assert_eq!(bench.table.poll_timeout(), None);
}

#[test]
fn a_late_2xx_to_another_request_than_invite_is_not_told() {
    let mut bench = Bench::new(Transport::Tcp);
    bench.request(&ours("BYE", 2));
    bench.answer("BYE", 200, "bob");
    bench.told();
    bench.answer("BYE", 200, "bob");
    assert_eq!(bench.told(), []);
    assert_eq!(bench.table.counters().stray_responses, 1);
}
