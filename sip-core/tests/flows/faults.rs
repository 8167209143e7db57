//! What goes wrong: lost answers and ACKs, peers that die, media that stops, limits, shutdown.

use std::time::Duration;

use sip_core::message::{Message, Method, StatusCode};
use sip_core::stack::{EndedBy, EventKind, StackConfig};

use crate::sim::{Agent, CALLEE, CALLER, Link, Phase, Wire, World, config};

fn is_request(bytes: &[u8], method: &str) -> bool {
    bytes.starts_with(format!("{method} ").as_bytes())
}

fn is_answer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SIP/2.0 200") && bytes.windows(8).any(|text| text == b"1 INVITE")
}

/// Loses the first `count` messages that `wanted` picks.
fn lose(world: &mut World, count: usize, wanted: impl Fn(&[u8]) -> bool + 'static) {
    let mut left = count;
    world.drop = Some(Box::new(move |bytes| {
        let lost = left > 0 && wanted(bytes);
        left -= usize::from(lost);
        lost
    }));
}

#[test]
fn a_lost_200_is_sent_again_on_both_legs() {
    for lost in 1..5 {
        let mut config = config([Wire::Udp, Wire::Udp]);
        // To lose four takes longer than a silent target usually may.
        config.trunks[CALLEE].origination.no_response = Duration::from_secs(32);
        let mut world = World::with_config([Wire::Udp, Wire::Udp], 1, config);
        world.callee().manners.invite = Some(200);
        lose(&mut world, lost, is_answer);
        world.tell(CALLER, Agent::invite);
        world.run_for(Duration::from_secs(20));
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn a_lost_ack_is_sent_again_on_both_legs() {
    for lost in 1..5 {
        let mut world = World::new([Wire::Udp, Wire::Udp], 2);
        world.callee().manners.invite = Some(200);
        lose(&mut world, lost, |bytes| is_request(bytes, "ACK"));
        world.tell(CALLER, Agent::invite);
        world.run_for(Duration::from_secs(60));
        assert_eq!(world.phases(), [Phase::Up, Phase::Up], "no drop after 32 s");
        assert_eq!(world.stack.transaction_counters().ack_timeouts, 0);
        world.tell(CALLEE, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn an_answer_that_is_never_acknowledged_ends_both_legs_with_bye() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 3);
    world.callee().manners.invite = Some(200);
    world.caller().manners.acknowledges = false;
    world.tell(CALLER, Agent::invite);
    world.run_for(Duration::from_secs(31));
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32015));
    assert_eq!(world.stack.counters().acks_missing, 1);
}

#[test]
fn both_sides_hang_up_at_once() {
    for wires in [[Wire::Udp, Wire::Udp], [Wire::Srtp, Wire::Tls]] {
        let mut world = World::new(wires, 4);
        world.establish();
        world.tell(CALLER, Agent::hang_up);
        world.tell(CALLEE, Agent::hang_up);
        world.run_ms(500);
        for agent in &world.agents {
            assert_eq!(agent.statuses(&Method::Bye), [200]);
        }
        world.assert_drained(1);
    }
}

#[test]
fn a_callee_that_hangs_up_before_the_callers_ack_is_followed_by_bye_after_it() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 5);
    world.callee().manners.invite = Some(200);
    world.caller().manners.acknowledges = false;
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(100);
    // RFC 3261 section 15: no BYE before the ACK.
    assert!(world.caller().requests(&Method::Bye).is_empty());
    world.tell(CALLER, Agent::acknowledge_late);
    world.run_ms(100);
    assert_eq!(world.caller().requests(&Method::Bye).len(), 1);
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    world.assert_drained(1);
}

#[test]
fn a_dead_callee_is_503_with_code_and_event() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 6);
    world.dead[CALLEE] = true;
    world.tell(CALLER, Agent::invite);
    world.run_ms(3_900);
    assert_eq!(world.caller().phase, Phase::Inviting);
    world.run_ms(200);
    assert_eq!(world.caller().phase, Phase::Over(503));
    assert!(world.has_event(EventKind::PeerUnreachable));
    world.assert_drained(1);
    assert_eq!(
        (world.record().status, world.record().code),
        (503, Some(32011))
    );
    assert_eq!(world.record().reason, "all targets failed: no response");
}

#[test]
fn a_callee_that_cannot_be_reached_is_503_at_once() {
    let mut world = World::new([Wire::Udp, Wire::Tls], 7);
    world.unreachable[CALLEE] = true;
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    assert_eq!(world.caller().phase, Phase::Over(503));
    let refusal = world.caller().response(&Method::Invite, 503);
    let reason = refusal
        .headers
        .value(sip_core::message::HeaderName::Reason)
        .unwrap();
    assert_eq!(
        reason,
        b"X-Trunkline;cause=32011;text=\"all targets failed\""
    );
    world.assert_drained(1);
    let cause = "connection refused";
    assert_eq!(
        world.record().reason,
        format!("all targets failed: {cause}")
    );
    let event = |kind| world.events.iter().find(|event| event.kind == kind);
    assert_eq!(event(EventKind::PeerUnreachable).unwrap().text, cause);
    let ended = &event(EventKind::CallEnded).unwrap().text;
    assert_eq!(ended, &format!("503 all targets failed: {cause}"));
}

#[test]
fn a_caller_that_cannot_be_told_anything_loses_the_call() {
    for status in [183, 200] {
        let mut world = World::new([Wire::Tls, Wire::Udp], 20);
        world.tell(CALLER, Agent::invite);
        world.run_ms(100);
        world.unreachable[CALLER] = true;
        world.tell(CALLEE, |agent, now| agent.respond(now, status));
        world.run_for(Duration::from_secs(70));
        assert!(matches!(world.callee().phase, Phase::Over(_)), "{status}");
        world.assert_drained(1);
    }
}

#[test]
fn a_reinvite_whose_sender_cannot_be_told_ends_the_call() {
    let mut world = World::new([Wire::Tls, Wire::Udp], 21);
    world.establish();
    world.callee().manners.reinvite = None;
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(100);
    world.unreachable[CALLER] = true;
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_for(Duration::from_secs(40));
    assert!(matches!(world.callee().phase, Phase::Over(_)));
    world.assert_drained(1);
}

#[test]
fn a_peer_that_dies_in_the_call_does_not_keep_it() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 8);
    world.establish();
    world.dead[CALLEE] = true;
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(500);
    assert_eq!(world.stack.calls(), 1, "its BYE is still being sent");
    assert_eq!(world.records.len(), 1, "the record does not wait for that");
    world.assert_drained(1);
}

#[test]
fn no_media_ends_the_call_on_both_legs() {
    let mut world = World::new([Wire::Srtp, Wire::Udp], 9);
    world.establish();
    world.media_timeout();
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    let bye = world.caller().request_received(&Method::Bye);
    let reason = bye
        .headers
        .value(sip_core::message::HeaderName::Reason)
        .unwrap();
    assert_eq!(reason, b"X-Trunkline;cause=32230;text=\"no media\"");
    assert!(world.has_event(EventKind::MediaTimeout));
    world.assert_drained(1);
    let record = world.record();
    assert_eq!(
        (record.code, record.ended_by),
        (Some(32230), EndedBy::Trunkline)
    );
}

#[test]
fn media_that_cannot_be_carried_ends_the_call() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 10);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.tell(CALLEE, |agent, now| agent.respond(now, 183));
    world.run_ms(100);
    world.media_failure();
    world.run_ms(200);
    assert_eq!(world.phases(), [Phase::Over(503), Phase::Over(487)]);
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32018));
}

#[test]
fn silence_before_the_answer_ends_nothing() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 11);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.tell(CALLEE, |agent, now| agent.respond(now, 183));
    world.run_ms(100);
    world.media_timeout();
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_ms(100);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn without_a_media_port_the_call_is_refused_with_503() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 12);
    world.ports.exhaust();
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    assert_eq!(world.caller().phase, Phase::Over(503));
    assert_eq!(world.stack.counters().media_ports_exhausted, 1);
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32013));
}

#[test]
fn above_the_limit_calls_get_503_with_retry_after() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut world = World::with_config(
        wires,
        13,
        StackConfig {
            max_calls: 0,
            ..config(wires)
        },
    );
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    let refusal = world.caller().response(&Method::Invite, 503);
    assert!(
        refusal
            .headers
            .contains(sip_core::message::HeaderName::RetryAfter)
    );
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32001));
}

#[test]
fn shutting_down_ends_calls_in_every_state() {
    type Set = fn(&mut World);
    let states: [(Set, [Phase; 2]); 4] = [
        (|_| {}, [Phase::Over(503), Phase::Over(487)]),
        (
            |world| world.tell(CALLEE, |agent, now| agent.respond(now, 183)),
            [Phase::Over(503), Phase::Over(487)],
        ),
        (
            |world| world.tell(CALLEE, |agent, now| agent.respond(now, 200)),
            [Phase::Over(200), Phase::Over(200)],
        ),
        (
            |world| {
                world.tell(CALLEE, |agent, now| agent.respond(now, 200));
                world.run_ms(100);
                world.callee().manners.reinvite = None;
                world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
            },
            [Phase::Over(200), Phase::Over(200)],
        ),
    ];
    for (index, (set, expected)) in states.into_iter().enumerate() {
        let mut world = World::new([Wire::Udp, Wire::Udp], 14);
        world.tell(CALLER, Agent::invite);
        world.run_ms(100);
        set(&mut world);
        world.run_ms(100);
        assert!(!world.stack.is_idle());
        world.shut_down();
        world.run_ms(500);
        assert_eq!(world.phases(), expected, "state {index}");
        assert!(world.stack.is_idle(), "state {index}");
        world.assert_drained(1);
    }
}

#[test]
fn after_shutting_down_new_calls_get_503() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 15);
    world.shut_down();
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    assert_eq!(world.caller().phase, Phase::Over(503));
    world.assert_drained(1);
}

#[test]
fn a_closed_connection_is_replaced_and_the_call_goes_on() {
    let mut world = World::new([Wire::Srtp, Wire::Srtp], 16);
    world.establish();
    world.close_connections();
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(500);
    assert_eq!(world.callee().requests(&Method::Invite).len(), 2);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    world.assert_drained(1);
}

#[test]
fn retransmitted_requests_are_answered_once_more_and_acted_on_once() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 17);
    world.link = Link {
        duplicate_percent: 100,
        ..Link::default()
    };
    world.establish();
    assert_eq!(world.stack.counters().calls_started, 1);
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(500);
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    world.assert_drained(1);
}

#[test]
fn a_bye_outside_any_dialog_is_481() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 18);
    world.establish();
    let mut bye = world.caller().new_invite("+200", false);
    bye.method = Method::Bye;
    bye.headers
        .set(sip_core::message::HeaderName::CSeq, "1 BYE");
    let with_tag = bye.headers.to().unwrap().with_tag("nobodys");
    let mut tagged = bye.clone();
    tagged
        .headers
        .set(sip_core::message::HeaderName::To, with_tag);
    for request in [bye, tagged] {
        world.tell(CALLER, |agent, now| agent.send_outside(now, request));
        world.run_ms(100);
    }
    assert_eq!(world.caller().statuses(&Method::Bye), [481, 481]);
    // A third party that knows Call-ID and our tag, but not the peer's.
    let forged = |world: &mut World| {
        let mut bye = world.agents[CALLER]
            .dialog
            .clone()
            .unwrap()
            .request(Method::Bye);
        let from = bye.headers.from().unwrap().with_tag("guess");
        bye.headers.set(sip_core::message::HeaderName::From, from);
        bye.headers.push_front(
            sip_core::message::HeaderName::Via,
            "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKforged;rport",
        );
        Message::Request(bye).to_bytes()
    };
    let bytes = forged(&mut world);
    let origin = world.origin_of(CALLER);
    world.inject(origin, &bytes);
    world.run_ms(100);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    assert_eq!(world.stack.counters().unknown_dialog, 2);
    assert_eq!(world.stack.calls(), 1);
    world.tell(CALLEE, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn a_cseq_that_goes_back_is_500() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 19);
    world.establish();
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(500);
    world.tell(CALLER, |agent, now| {
        agent.request(now, Method::Info, |request| {
            request
                .headers
                .set(sip_core::message::HeaderName::CSeq, "1 INFO");
        });
    });
    world.run_ms(200);
    assert_eq!(
        world.caller().statuses(&Method::Info),
        [StatusCode::SERVER_INTERNAL_ERROR.code()]
    );
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}
