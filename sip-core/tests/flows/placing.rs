//! Calls that an operator places between two parties (OPS-3, RFC 3725). The first party is reached
//! by the callee's trunk, the second one by a trunk of its own.

use std::time::Duration;

use media_core::session::{CallId, Security};
use sip_core::message::{HeaderName, Method};
use sip_core::stack::{CallState, ControlError, EndedBy, Place, StackConfig};
use sip_core::trunk::refer::ReferMode;
use sip_core::trunk::{Origination, OriginationUri, Route, TrunkId};

use crate::ringing::{office, register_with};
use crate::sim::sdp::{direction, line, profile};
use crate::sim::{Agent, CALLEE, CALLER, Phase, SECOND, THIRD, Wire, World, target};
use crate::transfer::{THIRDS_NUMBER, UDP, media, tell_apart, transfers};

pub(crate) const FIRST: usize = CALLEE;

pub(crate) fn setup(wires: [Wire; 4]) -> StackConfig {
    let mut config = transfers(wires, ReferMode::Off);
    config
        .routes
        .push(Route::new(Some(TrunkId(2)), "", TrunkId(1)));
    config
}

pub(crate) fn placed_with(wires: [Wire; 4], config: StackConfig) -> World {
    let mut world = World::with_targets(&wires, 31, config);
    tell_apart(&mut world);
    place(&mut world).expect("placed");
    world.run_ms(100);
    world
}

/// The first party is being called.
fn placed(wires: [Wire; 4]) -> World {
    placed_with(wires, setup(wires))
}

pub(crate) fn place(world: &mut World) -> Result<CallId, ControlError> {
    let place = Place {
        from: "+4930".to_owned(),
        to: THIRDS_NUMBER.to_owned(),
        first: "+200".to_owned(),
        trunk: Some("Carrier".to_owned()),
    };
    world.operate(|stack, now| stack.place(now, &place))
}

/// The first party has answered, and the second one is being called.
fn half(wires: [Wire; 4]) -> World {
    let mut world = placed(wires);
    answer(&mut world, FIRST, 200);
    world
}

pub(crate) fn answer(world: &mut World, agent: usize, status: u16) {
    world.tell(agent, |agent, now| agent.respond(now, status));
    world.run_ms(200);
}

fn phases(world: &World) -> [Phase; 2] {
    [FIRST, THIRD].map(|agent| world.agents[agent].phase)
}

#[test]
fn ops_3_a_placed_call_connects_both_parties_and_looks_like_any_other() {
    for wires in [
        UDP,
        [Wire::Udp, Wire::Srtp, Wire::Udp, Wire::Udp],
        [Wire::Udp, Wire::Udp, Wire::Udp, Wire::Srtp],
        [Wire::Udp, Wire::Srtp, Wire::Udp, Wire::Srtp],
        [Wire::Udp, Wire::Tcp, Wire::Udp, Wire::Tls],
    ] {
        let mut world = placed(wires);
        let call = world.live().call;
        let invite = world.agents[FIRST].request_received(&Method::Invite);
        assert!(invite.body.is_empty(), "it says what it can do");
        let from = invite.headers.from().expect("From");
        assert_eq!(from.uri().user(), Some(THIRDS_NUMBER), "whom it is about");
        assert!(world.agents[THIRD].received.is_empty(), "not yet");
        answer(&mut world, FIRST, 180);
        assert_eq!(world.live().state, CallState::Ringing);
        answer(&mut world, FIRST, 200);
        // Acknowledged at once, with nothing to be heard yet.
        assert_eq!(direction(&world.agents[FIRST].remote_sdp), "inactive");
        let told = world.agents[FIRST].remote_sdp.clone();
        assert_eq!(profile(&told), wires[FIRST].profile());
        let invite = world.agents[THIRD]
            .request_received(&Method::Invite)
            .clone();
        assert_eq!(profile(&invite.body), wires[THIRD].profile());
        assert_eq!(direction(&invite.body), "sendrecv");
        let from = invite.headers.from().expect("From");
        assert_eq!(from.uri().user(), Some("+4930"));
        assert_eq!(world.live().state, CallState::Locating);
        answer(&mut world, THIRD, 180);
        assert_eq!(world.live().state, CallState::Ringing);
        answer(&mut world, THIRD, 200);
        world.run_ms(300);
        assert_eq!(phases(&world), [Phase::Up, Phase::Up]);
        let now = world.agents[FIRST].remote_sdp.clone();
        assert_eq!(direction(&now), "sendrecv");
        for kept in ["m=", "a=crypto:"] {
            assert_eq!(line(&now, kept), line(&told, kept), "ports and keys stay");
        }
        assert_eq!(media(&world), [4002, 4006]);
        for session in &world.applied {
            for (leg, wire) in session.streams[0].legs.iter().zip([FIRST, THIRD]) {
                let is_plain = leg.security == Security::Plain;
                assert_eq!(is_plain, wires[wire] != Wire::Srtp);
            }
        }
        let live = world.live();
        assert_eq!((live.call, live.state), (call, CallState::Answered));
        assert_eq!(
            live.legs.each_ref().map(|leg| leg.trunk.as_deref()),
            [Some("pbx"), Some("third")]
        );
        world.run_ms(60_000);
        assert_eq!(phases(&world), [Phase::Up, Phase::Up]);
        world.tell(THIRD, Agent::hang_up);
        world.run_ms(300);
        assert_eq!(phases(&world), [Phase::Over(200), Phase::Over(200)]);
        world.assert_drained(1);
        let record = world.record();
        assert_eq!((record.status, record.ended_by), (200, EndedBy::Callee));
        assert_eq!((record.call, record.code), (call, None));
        assert_eq!(record.caller.trunk.as_deref(), Some("pbx"));
        let callee = record.callee.as_ref().expect("a callee");
        assert_eq!(callee.trunk.as_deref(), Some("third"));
        assert!(record.from.contains("+200") && record.to.contains(THIRDS_NUMBER));
        assert_eq!(record.targets.len(), 1);
        assert!(record.answer.is_some());
        assert_eq!(
            world.told(),
            [
                "call_started",
                "call_ringing",
                "call_ringing",
                "call_answered",
                "call_ended"
            ]
        );
    }
}

#[test]
fn ops_3_nothing_passes_until_both_parties_have_agreed() {
    let mut world = half(UDP);
    answer(&mut world, THIRD, 183);
    let early = world.sessions.values().next().expect("early media");
    assert!(early.streams[0].legs.iter().all(|leg| leg.remote.is_none()));
    world.callee().manners.reinvite = None;
    answer(&mut world, THIRD, 200);
    let waiting = world.sessions.values().next().expect("a session");
    assert!(
        waiting.streams[0]
            .legs
            .iter()
            .all(|leg| leg.remote.is_none())
    );
    answer(&mut world, FIRST, 200);
    assert_eq!(media(&world), [4002, 4006]);
    world.tell(FIRST, Agent::hang_up);
    world.assert_drained(1);
    assert_eq!(world.record().ended_by, EndedBy::Caller);
}

#[test]
fn ops_3_a_first_party_that_does_not_take_the_call_ends_it() {
    for status in [486, 480, 603, 404] {
        let mut world = placed(UDP);
        answer(&mut world, FIRST, 180);
        answer(&mut world, FIRST, status);
        world.run_ms(300);
        assert!(world.agents[THIRD].received.is_empty(), "it is not called");
        world.assert_drained(1);
        let record = world.record();
        assert_eq!((record.status, record.ended_by), (status, EndedBy::Caller));
        assert_eq!(record.caller.trunk.as_deref(), Some("pbx"));
        assert_eq!(record.callee, None);
        let mut told = world.told();
        // 480 is worth another target, if there were one (TRK-3).
        told.retain(|kind| *kind != "target_failed");
        assert_eq!(told, ["call_started", "call_ringing", "call_ended"]);
    }
    let mut world = placed(UDP);
    answer(&mut world, FIRST, 180);
    world.run_for(Duration::from_secs(200));
    assert_eq!(
        world.agents[FIRST].phase,
        Phase::Over(487),
        "it rang long enough"
    );
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32014));
}

#[test]
fn ops_4_where_the_first_party_was_tried_stays_in_the_record_with_its_call_ids() {
    let mut config = setup(UDP);
    let uris = [SECOND, FIRST].map(|index| OriginationUri {
        priority: u16::from(index == FIRST),
        ..Origination::to(target(index, Wire::Udp)).uris.remove(0)
    });
    config.trunks[1].origination.uris = uris.to_vec();
    let mut world = World::with_targets(&UDP, 31, config);
    tell_apart(&mut world);
    world.agents[SECOND].manners.invite = Some(503);
    place(&mut world).expect("placed");
    world.run_ms(200);
    answer(&mut world, FIRST, 200);
    answer(&mut world, THIRD, 200);
    world.run_ms(300);
    assert_eq!(phases(&world), [Phase::Up, Phase::Up]);
    let call_id = |agent: usize| {
        let invite = world.agents[agent].request_received(&Method::Invite);
        invite.headers.call_id().expect("Call-ID").to_owned()
    };
    let all = [FIRST, SECOND, THIRD].map(call_id);
    assert_eq!(world.live().sip_call_ids(), all);
    world.tell(FIRST, Agent::hang_up);
    world.run_ms(300);
    world.assert_drained(1);
    let record = world.record();
    assert_eq!(record.sip_call_ids(), all);
    let tried = record.first_party.iter();
    let tried: Vec<_> = tried
        .map(|target| (target.status, target.outcome.as_str()))
        .collect();
    assert_eq!(
        tried,
        [
            (Some(503), "503 Service Unavailable"),
            (Some(200), "answered")
        ]
    );
    assert_eq!(record.targets.len(), 1, "of the second party");
}

#[test]
fn ops_3_a_second_party_that_does_not_take_the_call_ends_it_for_the_first() {
    for status in [486, 603, 404] {
        let mut world = half(UDP);
        answer(&mut world, THIRD, status);
        world.run_ms(300);
        assert_eq!(world.agents[FIRST].phase, Phase::Over(200));
        assert_eq!(world.agents[FIRST].requests(&Method::Bye).len(), 1);
        world.assert_drained(1);
        let record = world.record();
        assert_eq!((record.status, record.ended_by), (status, EndedBy::Callee));
        assert!(record.answer.is_none());
    }
    let mut world = half(UDP);
    answer(&mut world, THIRD, 180);
    world.run_for(Duration::from_secs(200));
    assert_eq!(phases(&world), [Phase::Over(200), Phase::Over(487)]);
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32014));
}

#[test]
fn ops_3_either_party_may_hang_up_at_any_time() {
    let mut world = half(UDP);
    answer(&mut world, THIRD, 180);
    world.tell(FIRST, Agent::hang_up);
    world.run_ms(300);
    assert_eq!(phases(&world), [Phase::Over(200), Phase::Over(487)]);
    assert!(world.agents[FIRST].requests(&Method::Bye).is_empty());
    world.assert_drained(1);
    let record = world.record();
    assert_eq!((record.status, record.ended_by), (487, EndedBy::Caller));

    for (leaver, wait) in [FIRST, THIRD]
        .iter()
        .flat_map(|who| [0, 5, 15, 25].map(|ms| (*who, ms)))
    {
        let mut world = half(UDP);
        world.callee().manners.reinvite = None;
        world.tell(THIRD, |agent, now| agent.respond(now, 200));
        world.run_ms(wait);
        world.tell(leaver, Agent::hang_up);
        world.run_ms(1000);
        for phase in phases(&world) {
            assert!(
                matches!(phase, Phase::Over(_)),
                "{leaver} {wait}: {phase:?}"
            );
        }
        world.assert_drained(1);
    }
}

#[test]
fn ops_3_the_operator_may_hang_up_a_placed_call_at_any_time() {
    for stage in 0..5 {
        let mut world = placed(UDP);
        match stage {
            0 => {}
            1 => answer(&mut world, FIRST, 180),
            _ => answer(&mut world, FIRST, 200),
        }
        world.callee().manners.reinvite = if stage == 3 { None } else { Some(200) };
        if stage > 2 {
            answer(&mut world, THIRD, 200);
        }
        let call = world.live().call;
        world
            .operate(|stack, now| stack.hang_up(now, call))
            .expect("a call");
        world.run_for(Duration::from_secs(40));
        let phase = world.agents[FIRST].phase;
        assert!(
            matches!(phase, Phase::Over(_) | Phase::Invited),
            "{stage}: {phase:?}"
        );
        assert_ne!(world.agents[THIRD].phase, Phase::Up);
        world.assert_drained(1);
        assert_eq!(world.record().ended_by, EndedBy::Trunkline);
        assert_eq!(world.record().code, Some(32005));
    }
}

#[test]
fn ops_3_the_second_party_is_found_by_failover_like_any() {
    let mut config = setup(UDP);
    config.trunks[2].origination.uris.insert(
        0,
        sip_core::trunk::OriginationUri {
            uri: crate::sim::target(crate::sim::SECOND, Wire::Udp),
            priority: 0,
            weight: std::num::NonZeroU16::MIN,
            enabled: true,
        },
    );
    config.trunks[2].origination.uris[1].priority = 1;
    let mut world = placed_with(UDP, config);
    answer(&mut world, FIRST, 200);
    answer(&mut world, crate::sim::SECOND, 503);
    answer(&mut world, THIRD, 200);
    world.run_ms(300);
    assert_eq!(phases(&world), [Phase::Up, Phase::Up]);
    assert_eq!(media(&world), [4002, 4006]);
    world.tell(FIRST, Agent::hang_up);
    world.assert_drained(1);
    let tried: Vec<_> = world
        .record()
        .targets
        .iter()
        .map(|target| target.status)
        .collect();
    assert_eq!(tried, [Some(503), Some(200)]);
}

#[test]
fn ops_3_glare_with_the_first_party_is_tried_again() {
    let mut world = half(UDP);
    world.callee().manners.reinvite = Some(491);
    answer(&mut world, THIRD, 200);
    assert_eq!(direction(&world.agents[FIRST].remote_sdp), "inactive");
    world.callee().manners.reinvite = Some(200);
    world.run_ms(5000);
    assert_eq!(phases(&world), [Phase::Up, Phase::Up]);
    assert_eq!(direction(&world.agents[FIRST].remote_sdp), "sendrecv");
    world.tell(FIRST, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn ops_3_a_first_party_that_always_answers_491_ends_the_call_after_32_s() {
    let mut world = half(UDP);
    world.callee().manners.reinvite = Some(491);
    answer(&mut world, THIRD, 200);
    world.run_for(Duration::from_secs(27));
    assert_eq!(world.agents[THIRD].phase, Phase::Up);
    world.run_for(Duration::from_secs(6));
    assert_eq!(world.agents[THIRD].phase, Phase::Over(200));
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32210));
}

#[test]
fn ops_3_a_first_party_that_refuses_what_the_second_answered_ends_the_call() {
    for (status, code) in [(488, 32210), (481, 32017), (500, 32210)] {
        let mut world = half(UDP);
        world.callee().manners.reinvite = Some(status);
        answer(&mut world, THIRD, 200);
        world.run_ms(500);
        assert_eq!(world.agents[THIRD].phase, Phase::Over(200));
        world.assert_drained(1);
        assert_eq!(world.record().code, Some(code));
    }
}

/// An account rings wherever it is registered, and its trunk's routes lead to the second party.
#[test]
fn ops_3_an_account_is_called_at_all_its_telephones() {
    let wires = [Wire::Udp, Wire::Udp, Wire::Udp];
    let mut world = World::with_targets(&wires, 33, office(&wires));
    for phone in [1, 2] {
        let contact = format!("<sip:line@10.0.0.{phone}:5060>");
        register_with(&mut world, phone, &[(HeaderName::Contact, &contact)]);
    }
    let place = Place {
        from: String::new(),
        to: "+100".to_owned(),
        first: "alice@office.example.com".to_owned(),
        trunk: None,
    };
    let call = world
        .operate(|stack, now| stack.place(now, &place))
        .expect("placed");
    world.run_ms(100);
    for phone in [1, 2] {
        assert_eq!(world.agents[phone].phase, Phase::Invited);
        world.tell(phone, |agent, now| agent.respond(now, 180));
    }
    world.run_ms(100);
    // Both pick up; the second one comes too late.
    world.tell(2, |agent, now| agent.respond(now, 200));
    world.run_ms(1);
    world.tell(1, |agent, now| agent.respond(now, 200));
    world.run_ms(300);
    assert_eq!(world.agents[1].phase, Phase::Over(200));
    let invite = world.caller().request_received(&Method::Invite).clone();
    assert_eq!(
        invite.headers.from().expect("From").uri().user(),
        Some("alice")
    );
    world.tell(CALLER, |agent, now| agent.respond(now, 200));
    world.run_ms(500);
    assert_eq!(world.agents[2].phase, Phase::Up);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
    assert_eq!(world.live().call, call);
    // What is done to any call can be done to this one.
    world
        .operate(|stack, now| stack.hold(now, call, true))
        .expect("held");
    world.run_ms(300);
    assert_eq!(direction(&world.agents[2].remote_sdp), "inactive");
    world
        .operate(|stack, now| stack.hold(now, call, false))
        .expect("resumed");
    world.run_ms(300);
    assert_eq!(direction(&world.agents[2].remote_sdp), "sendrecv");
    world.tell(2, Agent::hang_up);
    world.run_ms(300);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(200));
    world.run_for(Duration::from_secs(3600));
    world.assert_drained(1);
}
