use super::bench::{Bench, log, text, theirs, theirs_in_dialog};
use crate::message::HeaderName;
use crate::transport::Transport;

#[test]
fn a_silent_user_makes_the_table_say_trying_after_200_ms() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    bench.run(199);
    assert_eq!(bench.sent(), []);
    bench.run(200);
    let trying = bench.latest_response("100");
    assert_eq!(trying.headers.to().unwrap().tag(), None);
    assert_eq!(bench.sent(), log([(200, "100")]));
}

#[test]
fn a_user_who_answers_in_time_needs_no_trying() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.run(199);
    assert!(bench.respond(key, &request, 180));
    bench.run(10_000);
    assert_eq!(bench.sent(), log([(199, "180")]));
}

#[test]
fn a_retransmitted_invite_gets_the_latest_provisional_response() {
    let mut bench = Bench::new(Transport::Udp);
    let invite = theirs("INVITE", "z9hG4bK1");
    bench.receive(&invite);
    let (key, request) = bench.take_request();
    bench.receive(&invite);
    assert_eq!(bench.sent(), log([(0, "100")]));
    bench.respond(key, &request, 180);
    bench.respond(key, &request, 183);
    bench.receive(&invite);
    assert_eq!(bench.sent(), log([(0, "180"), (0, "183"), (0, "183")]));
    assert_eq!(bench.told(), []);
    assert_eq!(bench.table.counters().request_retransmissions, 2);
}

#[test]
fn timer_g_repeats_a_refusal_doubling_to_t2_until_timer_h_gives_up() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 486);
    bench.run(60_000);
    assert_eq!(
        bench.times("486"),
        [
            0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
        ]
    );
    assert_eq!(
        bench.told(),
        log([(32_000, "no ack to 486"), (32_000, "ended")])
    );
    assert_eq!(bench.table.counters().ack_timeouts, 1);
}

#[test]
fn over_tcp_timer_g_does_not_run_for_a_refusal_but_timer_h_does() {
    let mut bench = Bench::new(Transport::Tcp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 486);
    bench.run(60_000);
    assert_eq!(bench.times("486"), [0]);
    assert_eq!(
        bench.told(),
        log([(32_000, "no ack to 486"), (32_000, "ended")])
    );
}

#[test]
fn a_retransmitted_invite_gets_the_refusal_again() {
    let mut bench = Bench::new(Transport::Udp);
    let invite = theirs("INVITE", "z9hG4bK1");
    bench.receive(&invite);
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 404);
    bench.receive(&invite);
    assert_eq!(bench.sent(), log([(0, "404"), (0, "404")]));
}

#[test]
fn the_ack_to_a_refusal_stops_timers_g_and_h_and_timer_i_absorbs_the_others() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 486);
    bench.run(700);
    for at in [700, 800] {
        bench.run(at);
        bench.receive(&theirs_in_dialog("ACK", "z9hG4bK1"));
    }
    bench.run(5699);
    assert_eq!(bench.told(), []);
    assert_eq!(bench.times("486"), [0, 500]);
    bench.run(5700);
    assert_eq!(bench.told(), log([(5700, "ended")]));
    assert_eq!(bench.table.counters().stray_acks, 0);
}

#[test]
fn over_tls_timer_i_is_zero() {
    let mut bench = Bench::new(Transport::Tls);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 486);
    bench.receive(&theirs_in_dialog("ACK", "z9hG4bK1"));
    assert_eq!(bench.told(), log([(0, "ended")]));
    assert!(bench.table.is_empty());
}

#[test]
fn a_2xx_is_repeated_over_every_transport_until_timer_l_reports_the_missing_ack() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let mut bench = Bench::new(transport);
        bench.receive(&theirs("INVITE", "z9hG4bK1"));
        let (key, request) = bench.take_request();
        bench.respond(key, &request, 200);
        bench.run(60_000);
        assert_eq!(
            bench.times("200"),
            [
                0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
            ]
        );
        assert_eq!(
            bench.told(),
            log([(32_000, "no ack to 200"), (32_000, "ended")])
        );
    }
}

#[test]
fn the_ack_to_a_2xx_is_found_by_its_dialog_told_once_and_ends_the_repeating() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 200);
    bench.run(600);
    bench.receive(&theirs_in_dialog("ACK", "z9hG4bK2"));
    bench.run(700);
    bench.receive(&theirs_in_dialog("ACK", "z9hG4bK2"));
    bench.run(31_999);
    assert_eq!(bench.told(), log([(600, "ack")]));
    assert_eq!(bench.times("200"), [0, 500]);
    bench.run(32_000);
    assert_eq!(bench.told(), log([(32_000, "ended")]));
    bench.receive(&theirs_in_dialog("ACK", "z9hG4bK2"));
    assert_eq!(bench.table.counters().stray_acks, 1);
}

#[test]
fn the_ack_to_a_2xx_may_even_have_the_branch_of_the_invite() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 200);
    bench.receive(&theirs_in_dialog("ACK", "z9hG4bK1"));
    assert_eq!(bench.told(), log([(0, "ack")]));
}

#[test]
fn an_ack_of_another_dialog_or_cseq_does_not_count() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 200);
    let ack = theirs_in_dialog("ACK", "z9hG4bK2");
    bench.receive(&ack.replace("tag=ours", "tag=others"));
    bench.receive(&ack.replace("tag=alice", "tag=mallory"));
    bench.receive(&ack.replace("1@a.example", "2@a.example"));
    bench.receive(&ack.replace("CSeq: 1", "CSeq: 2"));
    assert_eq!(bench.told(), []);
    assert_eq!(bench.table.counters().stray_acks, 4);
    bench.receive(&ack);
    assert_eq!(bench.told(), log([(0, "ack")]));
}

#[test]
fn an_invite_repeated_after_its_2xx_is_absorbed_until_timer_l() {
    let mut bench = Bench::new(Transport::Udp);
    let invite = theirs("INVITE", "z9hG4bK1");
    bench.receive(&invite);
    let (key, request) = bench.take_request();
    bench.respond(key, &request, 200);
    bench.receive(&theirs_in_dialog("ACK", "z9hG4bK2"));
    bench.told();
    bench.run(31_000);
    bench.receive(&invite);
    assert_eq!(bench.told(), []);
    assert_eq!(bench.times("200"), [0]);
}

#[test]
fn an_ack_before_the_final_response_is_nothing() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    bench.receive(&theirs("ACK", "z9hG4bK1"));
    assert!(bench.respond(key, &request, 200));
    assert_eq!(bench.told(), []);
}

#[test]
fn only_the_first_final_response_is_sent() {
    let mut bench = Bench::new(Transport::Udp);
    bench.receive(&theirs("INVITE", "z9hG4bK1"));
    let (key, request) = bench.take_request();
    assert!(bench.respond(key, &request, 200));
    assert!(!bench.respond(key, &request, 486));
    assert!(!bench.respond(key, &request, 180));
    bench.run(40_000);
    assert!(!bench.respond(key, &request, 200));
    assert_eq!(bench.times("486"), []);
}

#[test]
fn trying_says_what_the_invite_said() {
    let mut bench = Bench::new(Transport::Udp);
    let invite = theirs("INVITE", "z9hG4bK1").replace("Subject", "Timestamp: 54.2\r\nSubject");
    bench.receive(&invite);
    bench.run(200);
    let trying = bench.latest_response("100");
    assert_eq!(
        trying.headers.value(HeaderName::Timestamp),
        Some(&b"54.2"[..])
    );
    assert_eq!(trying.headers.call_id().unwrap(), "1@a.example");
    assert!(text(&bench.latest_bytes("100")).starts_with("SIP/2.0 100 Trying\r\n"));
}
