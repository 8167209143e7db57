//! What an operator sees of calls and does to them (OPS-3): live calls and their events, hanging up,
//! draining, and limits that are reached.

use media_core::session::{CallId, Side};
use sip_core::message::{HeaderName, Method};
use sip_core::stack::{CallState, ControlError, EndedBy, EventKind, TransferHow};
use sip_core::trunk::CallLimits;

use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World, config};

const UDP: [Wire; 2] = [Wire::Udp, Wire::Udp];

fn hang_up(world: &mut World) {
    let call = world.live().call;
    let done = world.operate(|stack, now| stack.hang_up(now, call));
    assert_eq!(done, Ok(()));
}

fn reason(world: &World, agent: usize, method: &Method) -> String {
    let request = world.agents[agent].request_received(method);
    let reason = request.headers.value(HeaderName::Reason);
    String::from_utf8_lossy(reason.unwrap_or_default()).into_owned()
}

#[test]
fn ops_3_a_call_is_told_from_its_start_to_its_end_and_seen_in_each_state() {
    for wires in [UDP, [Wire::Tls, Wire::Srtp]] {
        let mut world = World::new(wires, 1);
        world.tell(CALLER, Agent::invite);
        world.run_ms(50);
        let live = world.live();
        assert_eq!(live.state, CallState::Locating);
        assert_eq!((live.codec.as_deref(), live.answer), (None, None));
        world.tell(CALLEE, |agent, now| agent.respond(now, 180));
        world.run_ms(50);
        assert_eq!(world.live().state, CallState::Ringing);
        world.tell(CALLEE, |agent, now| agent.respond(now, 200));
        world.run_ms(100);
        let live = world.live();
        assert_eq!(live.state, CallState::Answered);
        assert_eq!(live.held, [false, false]);
        assert_eq!(live.codec.as_deref(), Some("PCMU"));
        assert_eq!(world.stack.live_call(live.call), Some(live.clone()));
        assert_eq!(world.stack.live_call(CallId(99)), None);

        world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(100);
        let held = world.live();
        assert_eq!((held.state, held.held), (CallState::Held, [false, true]));
        world.tell(CALLER, |agent, now| agent.reinvite(now, "sendrecv"));
        world.run_ms(100);
        world.tell(CALLEE, |agent, now| agent.reinvite(now, "inactive"));
        world.run_ms(100);
        assert_eq!(world.live().held, [true, true]);
        world.tell(CALLEE, |agent, now| agent.reinvite(now, "sendrecv"));
        world.run_ms(100);
        assert_eq!(world.live().state, CallState::Answered);
        world.tell(CALLER, Agent::hang_up);
        world.run_ms(1);
        world.run_ms(11);
        assert_eq!(world.live().state, CallState::Ending);
        world.assert_drained(1);
        assert_eq!(
            world.told(),
            [
                "call_started",
                "call_ringing",
                "call_answered",
                "call_held",
                "call_resumed",
                "call_held",
                "call_resumed",
                "call_ended",
            ]
        );
        for event in &world.events {
            assert_eq!(event.call, Some(live.call));
            assert!(event.trunk.is_some(), "{event:?}");
            assert!(
                event.peer.is_some() || event.kind == EventKind::CallStarted,
                "{event:?}"
            );
        }
        let held = world
            .events
            .iter()
            .find(|event| event.kind == EventKind::CallHeld);
        assert_eq!(held.expect("told").text, "held by the caller");
    }
}

/// RFC 3264 section 8.4: as telephones of RFC 2543 do it.
#[test]
fn ops_3_a_hold_by_address_is_a_hold() {
    let mut world = World::new(UDP, 2);
    world.establish();
    world.tell(CALLER, |agent, now| {
        agent.request(now, Method::Invite, |request| {
            request
                .headers
                .push(HeaderName::ContentType, "application/sdp");
            let offer = "v=0\r\no=- 1 9 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
                         m=audio 4000 RTP/AVP 0\r\n";
            request.body = offer.as_bytes().to_vec();
        });
    });
    world.run_ms(200);
    assert_eq!(world.live().held, [false, true]);
    assert!(world.has_event(EventKind::CallHeld));
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendrecv"));
    world.run_ms(200);
    assert!(world.has_event(EventKind::CallResumed));
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn ops_3_hanging_up_a_call_that_is_up_ends_both_sides_and_leaves_one_record() {
    for wires in [UDP, [Wire::Srtp, Wire::Tcp]] {
        let mut world = World::new(wires, 3);
        world.establish();
        hang_up(&mut world);
        // Twice is as good as once.
        hang_up(&mut world);
        world.run_ms(200);
        assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
        for agent in [CALLER, CALLEE] {
            assert_eq!(world.agents[agent].requests(&Method::Bye).len(), 1);
            assert_eq!(
                reason(&world, agent, &Method::Bye),
                "X-Trunkline;cause=32005;text=\"ended by an operator\""
            );
        }
        let call = world.record().call;
        let again = world.operate(|stack, now| stack.hang_up(now, call));
        assert_eq!(again, Err(ControlError::NoSuchCall));
        world.assert_drained(1);
        let record = world.record();
        assert_eq!((record.ended_by, record.status), (EndedBy::Trunkline, 200));
        assert_eq!(record.code, Some(32005));
        let ended = world
            .events
            .iter()
            .find(|event| event.kind == EventKind::CallEnded);
        assert_eq!(ended.expect("told").code, Some(32005));
    }
}

#[test]
fn ops_3_hanging_up_a_call_that_rings_cancels_it_and_refuses_the_caller() {
    for rings in [false, true] {
        let mut world = World::new(UDP, 4);
        world.tell(CALLER, Agent::invite);
        world.run_ms(50);
        if rings {
            world.tell(CALLEE, |agent, now| agent.respond(now, 180));
            world.run_ms(50);
        }
        hang_up(&mut world);
        world.run_ms(1000);
        // 6xx: whoever sent us the call is not to try it elsewhere (TRK-3).
        assert_eq!(world.agents[CALLER].phase, Phase::Over(603));
        world.run_for(std::time::Duration::from_secs(40));
        if rings {
            assert_eq!(world.agents[CALLEE].phase, Phase::Over(487));
        }
        world.assert_drained(1);
        let record = world.record();
        assert_eq!((record.ended_by, record.status), (EndedBy::Trunkline, 603));
        assert_eq!(record.code, Some(32005));
    }
}

/// The answer is on its way when the operator hangs up.
#[test]
fn ops_3_hanging_up_while_the_answer_comes_leaves_nobody_up() {
    for wait in [0, 5, 11, 15, 21, 25, 31] {
        let mut world = World::new(UDP, 5);
        world.tell(CALLER, Agent::invite);
        world.run_ms(50);
        world.tell(CALLEE, |agent, now| agent.respond(now, 200));
        world.run_ms(wait);
        hang_up(&mut world);
        world.run_ms(1000);
        for phase in world.phases() {
            assert!(matches!(phase, Phase::Over(_)), "{wait}: {phase:?}");
        }
        world.assert_drained(1);
    }
}

#[test]
fn ops_3_a_call_that_is_not_there_or_not_answered_is_left_alone() {
    let mut world = World::new(UDP, 6);
    let nobody = CallId(7);
    let refer = TransferHow::Refer;
    for done in [
        world.operate(|stack, now| stack.hang_up(now, nobody)),
        world.operate(|stack, now| stack.hold(now, nobody, true)),
        world.operate(|stack, now| stack.transfer(now, nobody, Side::Caller, "1", refer)),
    ] {
        assert_eq!(done, Err(ControlError::NoSuchCall));
    }
    world.tell(CALLER, Agent::invite);
    world.run_ms(50);
    let call = world.live().call;
    for done in [
        world.operate(|stack, now| stack.hold(now, call, true)),
        world.operate(|stack, now| stack.transfer(now, call, Side::Caller, "1", refer)),
    ] {
        assert_eq!(
            done,
            Err(ControlError::WrongState("the call is not answered yet"))
        );
    }
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_ms(100);
    for target in [
        "",
        "sip:",
        "http://x",
        "a b",
        "sip:nobody.example.com",
        "sip:a@b?x=y",
    ] {
        let done =
            world.operate(|stack, now| stack.transfer(now, call, Side::Caller, target, refer));
        assert!(matches!(done, Err(ControlError::BadTarget(_))), "{target}");
    }
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn ops_3_while_draining_new_calls_are_refused_and_those_that_are_up_go_on() {
    let mut world = World::new(UDP, 7);
    world.establish();
    world.stack.set_draining(true);
    assert!(world.stack.is_draining());
    let invite = world.caller().new_invite("+200", true);
    world.tell(CALLER, |agent, now| agent.send_outside(now, invite));
    let mut options = world.caller().new_invite("+200", false);
    options.method = Method::Options;
    options.headers.set(HeaderName::CSeq, "1 OPTIONS");
    let probe = options.clone();
    world.tell(CALLER, |agent, now| agent.send_outside(now, probe));
    world.run_ms(100);
    for method in [Method::Invite, Method::Options] {
        let refusal = world.agents[CALLER].response(&method, 503);
        assert!(refusal.headers.contains(HeaderName::RetryAfter), "{method}");
        let reason = refusal.headers.value(HeaderName::Reason);
        assert_eq!(
            reason.expect("Reason"),
            b"X-Trunkline;cause=32004;text=\"draining\""
        );
    }
    assert_eq!(world.record().code, Some(32004));
    // Within the call all is as ever.
    world.tell(CALLER, |agent, now| {
        agent.request(now, Method::Options, |_| {});
    });
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(300);
    assert_eq!(world.caller().statuses(&Method::Options), [503, 200]);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(300);
    assert_eq!(world.stack.calls(), 0);

    world.stack.set_draining(false);
    options.headers.set(HeaderName::CallId, "another");
    world.tell(CALLER, |agent, now| agent.send_outside(now, options));
    world.run_ms(100);
    assert_eq!(world.caller().statuses(&Method::Options), [503, 200, 200]);
    world.assert_drained(2);
}

#[test]
fn ops_3_a_limit_that_is_reached_is_told_once_per_burst() {
    let mut config = config(UDP);
    config.trunks[CALLEE].limits = CallLimits {
        concurrent: Some(1),
        ..CallLimits::default()
    };
    let mut world = World::with_config(UDP, 8, config);
    world.establish();
    for burst in 1..=2 {
        for _ in 0..5 {
            let invite = world.caller().new_invite("+200", true);
            world.tell(CALLER, |agent, now| agent.send_outside(now, invite));
            world.run_ms(3000);
        }
        let told = world
            .events
            .iter()
            .filter(|event| event.kind == EventKind::LimitReached);
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), burst, "{told:?}");
        for event in told {
            assert_eq!(event.trunk.as_deref(), Some("pbx"));
            assert_eq!(event.code, Some(32001));
            assert_eq!(event.text, "1 calls at once of pbx");
        }
        world.run_ms(10_000);
    }
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(11);
}

/// A process after a restart goes on where the one before it ended.
#[test]
fn ops_3_calls_are_numbered_from_where_the_store_says() {
    let mut config = config(UDP);
    config.first_call = 1000;
    let mut world = World::with_config(UDP, 9, config);
    world.establish();
    assert_eq!(world.live().call, CallId(1000));
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn ops_3_the_call_ids_of_a_call_name_all_its_dialogs() {
    let mut world = World::new(UDP, 10);
    world.establish();
    let live = world.live();
    let call_id = |agent: usize| {
        let dialog = world.agents[agent].dialog.as_ref().expect("a dialog");
        dialog.id().call_id.to_string()
    };
    assert_eq!(live.sip_call_ids(), [call_id(CALLER), call_id(CALLEE)]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
    assert_eq!(world.record().sip_call_ids(), live.sip_call_ids());
}
