//! Before the answer: ringing, early media, refusals, CANCEL and the answer that crosses it.

use std::time::Duration;

use sip_core::message::{HeaderName, Method};
use sip_core::stack::EndedBy;

use crate::sim::{Agent, CALLEE, CALLER, LATENCY, Phase, Wire, World};

/// The callee has the INVITE and says nothing yet.
fn invited(wires: [Wire; 2], seed: u64) -> World {
    let mut world = World::new(wires, seed);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    assert_eq!(world.phases(), [Phase::Inviting, Phase::Invited]);
    world
}

#[test]
fn the_caller_gets_100_at_once_and_the_callees_own_100_goes_no_further() {
    let mut world = invited([Wire::Udp, Wire::Udp], 1);
    world.tell(CALLEE, |callee, now| callee.respond(now, 100));
    world.run_ms(100);
    assert_eq!(world.caller().statuses(&Method::Invite), [100]);
}

#[test]
fn provisional_responses_reach_the_caller_with_their_phrases() {
    let mut world = invited([Wire::Tls, Wire::Udp], 2);
    for (status, phrase) in [
        (180, "Ringing"),
        (181, "Wandering on"),
        (182, "Third in line"),
        (199, "Gone"),
    ] {
        world.tell(CALLEE, |callee, now| {
            callee.respond_edited(now, status, |response| {
                response.reason = phrase.as_bytes().to_vec();
            });
        });
        world.run_ms(50);
        let response = world.caller().response(&Method::Invite, status);
        assert_eq!(response.reason, phrase.as_bytes());
        assert!(response.headers.to().unwrap().tag().is_some(), "{status}");
    }
    assert!(world.sessions.is_empty(), "no media without SDP");
}

#[test]
fn early_media_flows_before_the_answer() {
    let mut world = invited([Wire::Srtp, Wire::Udp], 3);
    world.tell(CALLEE, |callee, now| callee.respond(now, 183));
    world.run_ms(50);
    assert!(
        !world
            .caller()
            .response(&Method::Invite, 183)
            .body
            .is_empty()
    );
    assert_eq!(world.sessions.len(), 1);
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(50);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn a_200_without_sdp_after_early_media_is_answered_with_the_early_answer() {
    let mut world = invited([Wire::Udp, Wire::Udp], 4);
    world.tell(CALLEE, |callee, now| callee.respond(now, 183));
    world.tell(CALLEE, |callee, now| {
        callee.respond_edited(now, 200, |response| {
            response.headers.remove(HeaderName::ContentType);
            response.body.clear();
        });
    });
    world.run_ms(50);
    let early = world.caller().response(&Method::Invite, 183).body.clone();
    assert_eq!(world.caller().response(&Method::Invite, 200).body, early);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLEE, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn a_refusal_reaches_the_caller_with_status_and_phrase() {
    for status in [404, 480, 486, 488, 491, 500, 503, 600, 603] {
        let mut world = invited([Wire::Udp, Wire::Tls], 5);
        world.tell(CALLEE, |callee, now| {
            callee.respond_edited(now, status, |response| {
                response.reason = b"Because".to_vec();
                response.headers.push(HeaderName::RetryAfter, "7");
                response.headers.push_named("X-Why", "  not now ");
            });
        });
        world.run_ms(100);
        let response = world.caller().response(&Method::Invite, status);
        assert_eq!(response.reason, b"Because");
        assert_eq!(
            response.headers.value(HeaderName::RetryAfter),
            Some(&b"7"[..])
        );
        assert_eq!(
            response.headers.named("X-Why").next(),
            Some(&b"not now"[..])
        );
        assert_eq!(world.phases(), [Phase::Over(status), Phase::Over(status)]);
        world.assert_drained(1);
        let record = world.record();
        assert_eq!(
            (record.status, record.code, record.ended_by),
            (status, None, EndedBy::Callee)
        );
    }
}

#[test]
fn a_refusal_that_speaks_of_our_hop_is_translated() {
    for (far, told, code) in [
        (302, 503, 32219),
        (401, 403, 32202),
        (407, 403, 32202),
        (422, 500, 32011),
    ] {
        let mut world = invited([Wire::Udp, Wire::Udp], 6);
        world.tell(CALLEE, |callee, now| callee.respond(now, far));
        world.run_ms(100);
        assert_eq!(world.caller().phase, Phase::Over(told), "{far}");
        world.assert_drained(1);
        assert_eq!(
            (world.record().status, world.record().code),
            (told, Some(code))
        );
    }
}

#[test]
fn cancel_before_any_provisional_response_waits_for_one() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 7);
    world.tell(CALLER, Agent::invite);
    world.run_ms(15);
    assert_eq!(world.caller().statuses(&Method::Invite), [0u16; 0]);
    world.tell(CALLER, Agent::cancel);
    world.run_ms(1_000);
    assert_eq!(world.phases(), [Phase::Over(487), Phase::Over(487)]);
    assert_eq!(world.callee().requests(&Method::Cancel).len(), 1);
    world.assert_drained(1);
    assert_eq!(
        (world.record().status, world.record().ended_by),
        (487, EndedBy::Caller)
    );
}

#[test]
fn cancel_while_ringing_ends_both_legs() {
    for wires in [
        [Wire::Udp, Wire::Udp],
        [Wire::Srtp, Wire::Tcp],
        [Wire::Udp, Wire::Srtp],
    ] {
        let mut world = invited(wires, 8);
        world.tell(CALLEE, |callee, now| callee.respond(now, 180));
        world.run_ms(50);
        world.tell(CALLER, Agent::cancel);
        world.run_ms(100);
        assert_eq!(world.phases(), [Phase::Over(487), Phase::Over(487)]);
        assert_eq!(world.caller().statuses(&Method::Cancel), [200]);
        world.assert_drained(1);
    }
}

#[test]
fn cancel_of_early_media_removes_it() {
    let mut world = invited([Wire::Udp, Wire::Udp], 9);
    world.tell(CALLEE, |callee, now| callee.respond(now, 183));
    world.run_ms(50);
    assert_eq!(world.sessions.len(), 1);
    world.tell(CALLER, Agent::cancel);
    world.run_ms(100);
    assert!(world.sessions.is_empty());
    world.assert_drained(1);
}

#[test]
fn cancel_crossing_200_is_acknowledged_and_ended_with_bye() {
    let mut world = invited([Wire::Udp, Wire::Udp], 10);
    world.tell(CALLEE, |callee, now| callee.respond(now, 180));
    world.run_ms(50);
    world.tell(CALLER, Agent::cancel);
    // The edge has the CANCEL and sends its own; the 200 leaves before that arrives.
    world.run_for(LATENCY + Duration::from_millis(2));
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Over(487), Phase::Over(200)]);
    let methods: Vec<String> = world
        .callee()
        .received
        .iter()
        .filter_map(|message| match message {
            sip_core::message::Message::Request(request) => Some(request.method.to_string()),
            sip_core::message::Message::Response(_) => None,
        })
        .collect();
    assert_eq!(methods, ["INVITE", "CANCEL", "ACK", "BYE"]);
    world.assert_drained(1);
    assert_eq!(world.record().status, 487);
}

#[test]
fn cancel_that_comes_after_the_200_left_changes_nothing() {
    let mut world = invited([Wire::Udp, Wire::Udp], 11);
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_for(LATENCY + Duration::from_millis(1));
    // The 200 is on its way to the caller, who has had 100 by now.
    world.run_ms(0);
    world.tell(CALLER, Agent::cancel);
    world.run_ms(1_000);
    // It cancelled, so it hangs up when the 200 arrives.
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    world.assert_drained(1);
}

#[test]
fn a_callee_that_ignores_cancel_is_given_up_after_64_t1() {
    let mut world = invited([Wire::Udp, Wire::Udp], 12);
    world.callee().manners.obeys_cancel = false;
    world.tell(CALLEE, |callee, now| callee.respond(now, 180));
    world.run_ms(50);
    world.tell(CALLER, Agent::cancel);
    world.run_ms(1_000);
    assert_eq!(world.caller().phase, Phase::Over(487));
    assert_eq!(world.stack.calls(), 1, "the far leg is still open");
    world.run_for(Duration::from_secs(35));
    assert_eq!(world.stack.calls(), 0);
    world.tell(CALLEE, |callee, now| callee.respond(now, 487));
    world.assert_drained(1);
}

#[test]
fn a_very_late_200_after_cancel_is_acknowledged_and_ended() {
    let mut world = invited([Wire::Udp, Wire::Udp], 13);
    world.callee().manners.obeys_cancel = false;
    world.tell(CALLEE, |callee, now| callee.respond(now, 180));
    world.run_ms(50);
    world.tell(CALLER, Agent::cancel);
    world.run_for(Duration::from_secs(40));
    assert_eq!(
        world.stack.calls(),
        0,
        "the call is over, only its remains are left"
    );
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(500);
    assert_eq!(world.callee().phase, Phase::Over(200));
    assert_eq!(world.callee().requests(&Method::Ack).len(), 1);
    assert_eq!(world.callee().requests(&Method::Bye).len(), 1);
    world.assert_drained(1);
}

#[test]
fn bye_in_the_early_dialog_ends_the_call_like_cancel() {
    let mut world = invited([Wire::Udp, Wire::Udp], 14);
    world.tell(CALLEE, |callee, now| callee.respond(now, 180));
    world.run_ms(50);
    world.tell(CALLER, |agent, now| agent.request_early(now, Method::Bye));
    world.run_ms(200);
    assert_eq!(world.caller().statuses(&Method::Bye), [200]);
    assert!(world.caller().statuses(&Method::Invite).contains(&487));
    assert_eq!(world.callee().phase, Phase::Over(487));
    world.assert_drained(1);
}

#[test]
fn nobody_answers_and_the_ring_timeout_cancels() {
    let mut world = invited([Wire::Udp, Wire::Tls], 15);
    world.tell(CALLEE, |callee, now| callee.respond(now, 180));
    world.run_for(Duration::from_secs(179));
    assert_eq!(world.phases(), [Phase::Inviting, Phase::Invited]);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.phases(), [Phase::Over(480), Phase::Over(487)]);
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32014));
}

#[test]
fn forks_first_answer_wins_and_the_second_gets_ack_and_bye() {
    let mut world = invited([Wire::Udp, Wire::Udp], 16);
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(100);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    // Another branch of the far side's proxy answers the same INVITE.
    let second = world.callee().forked_answer("other-fork");
    let origin = world.origin_of(CALLEE);
    world.inject(origin, &second);
    world.run_ms(100);
    let acks = world.callee().requests(&Method::Ack);
    let tag = |request: &sip_core::message::Request| {
        request.headers.to().unwrap().tag().unwrap().to_owned()
    };
    assert_eq!(
        acks.iter().filter(|ack| tag(ack) == "other-fork").count(),
        1
    );
    let byes = world.callee().requests(&Method::Bye);
    assert_eq!(
        byes.iter().map(|bye| tag(bye)).collect::<Vec<_>>(),
        ["other-fork"]
    );
    assert_eq!(
        world.phases(),
        [Phase::Up, Phase::Up],
        "the first call goes on"
    );
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn a_callee_that_hangs_up_while_its_200_is_lost_is_not_called_any_longer() {
    let mut world = invited([Wire::Udp, Wire::Udp], 17);
    let mut lost = false;
    world.drop = Some(Box::new(move |bytes| {
        !std::mem::replace(&mut lost, true) && bytes.starts_with(b"SIP/2.0 200")
    }));
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(100);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(100);
    assert_eq!(world.callee().statuses(&Method::Bye), [200]);
    assert_eq!(world.caller().phase, Phase::Over(480));
    // The 200 comes again, and is acknowledged and ended.
    world.run_ms(1_000);
    assert_eq!(world.callee().requests(&Method::Ack).len(), 1);
    world.assert_drained(1);
    assert_eq!(
        (world.record().status, world.record().ended_by),
        (480, EndedBy::Callee)
    );
}
