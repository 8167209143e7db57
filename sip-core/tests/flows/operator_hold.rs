//! An operator holds a call (OPS-3): no packet passes, both sides are told, and afterwards all is as
//! before.

use std::collections::HashSet;

use media_core::session::{Security, Session};
use sip_core::message::Method;
use sip_core::stack::{CallState, EventKind};

use crate::sim::sdp::{direction, line};
use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World};

pub(crate) const UDP: [Wire; 2] = [Wire::Udp, Wire::Udp];
const PAIRS: [[Wire; 2]; 5] = [
    UDP,
    [Wire::Srtp, Wire::Srtp],
    [Wire::Srtp, Wire::Udp],
    [Wire::Tcp, Wire::Srtp],
    [Wire::Tls, Wire::Tls],
];

pub(crate) fn hold(world: &mut World, on: bool) {
    let call = world.live().call;
    let done = world.operate(|stack, now| stack.hold(now, call, on));
    assert_eq!(done, Ok(()));
}

/// A call that is held: both sides know.
fn held(wires: [Wire; 2], seed: u64) -> World {
    let mut world = World::up(wires, seed);
    hold(&mut world, true);
    world.run_ms(300);
    world
}

fn session(world: &World) -> &Session {
    assert_eq!(world.sessions.len(), 1);
    world.sessions.values().next().expect("a session")
}

/// Where packets could go.
pub(crate) fn destinations(world: &World) -> usize {
    let legs = session(world)
        .streams
        .iter()
        .flat_map(|stream| &stream.legs);
    legs.filter(|leg| leg.remote.is_some()).count()
}

pub(crate) fn directions(world: &World) -> [&str; 2] {
    [CALLER, CALLEE].map(|agent| direction(&world.agents[agent].remote_sdp))
}

fn version(sdp: &[u8]) -> u64 {
    let origin = line(sdp, "o=").expect("o=");
    origin
        .split(' ')
        .nth(2)
        .expect("a version")
        .parse()
        .expect("a number")
}

/// The hold is lifted, and all is as before it.
pub(crate) fn resume(world: &mut World) {
    hold(world, false);
    world.run_ms(300);
    assert_eq!(directions(world), ["sendrecv", "sendrecv"]);
    assert_eq!(destinations(world), 2);
    assert_eq!(world.live().state, CallState::Answered);
}

#[test]
fn ops_3_a_hold_stops_the_packets_at_once_tells_both_sides_and_ends_as_it_was() {
    for wires in PAIRS {
        let mut world = World::up(wires, 1);
        let before = session(&world).clone();
        let said = [CALLER, CALLEE].map(|agent| world.agents[agent].remote_sdp.clone());
        hold(&mut world, true);
        assert_eq!(destinations(&world), 0, "at once");
        assert!(session(&world).streams[0].on_hold, "no media timeout");
        assert_eq!(world.live().state, CallState::Held);
        assert_eq!(world.live().held, [true, true]);
        world.run_ms(300);
        assert_eq!(directions(&world), ["inactive", "inactive"]);
        assert_eq!(destinations(&world), 0);
        hold(&mut world, true);
        world.run_ms(300);
        for agent in [CALLER, CALLEE] {
            let told = world.agents[agent].requests(&Method::Invite).len();
            assert_eq!(told, 1 + agent, "once");
            let sdp = &world.agents[agent].remote_sdp;
            assert_eq!(version(sdp), version(&said[agent]) + 1);
            for kept in ["m=", "c=", "a=crypto:"] {
                assert_eq!(line(sdp, kept), line(&said[agent], kept));
            }
        }

        hold(&mut world, false);
        assert_eq!(destinations(&world), 0, "not before both know");
        assert_eq!(world.live().state, CallState::Held);
        world.run_ms(300);
        assert_eq!(directions(&world), ["sendrecv", "sendrecv"]);
        assert_eq!(world.live().state, CallState::Answered);
        let after = session(&world);
        assert!(!after.streams[0].on_hold);
        for (was, is) in before.streams[0].legs.iter().zip(&after.streams[0].legs) {
            assert_eq!(was.remote, is.remote);
            assert_eq!(was.local, is.local);
            assert_eq!(was.security, is.security, "no key is made for a hold");
        }
        let held: Vec<&str> = world.told().split_off(2);
        assert_eq!(held, ["call_held", "call_resumed"]);
        let event = world
            .events
            .iter()
            .find(|event| event.kind == EventKind::CallHeld);
        assert_eq!(event.expect("told").text, "held by an operator");
        world.end();
    }
}

/// SEC-8, SEC-10: in every session that the media plane was ever given.
#[test]
fn ops_3_a_hold_of_a_secure_call_uses_the_same_keys_throughout() {
    let mut world = held([Wire::Srtp, Wire::Srtp], 2);
    // A session timer, or a telephone that moves, says its keys again.
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendrecv"));
    world.run_ms(300);
    hold(&mut world, false);
    world.run_ms(300);
    let mut keys = HashSet::new();
    for session in &world.applied {
        for leg in &session.streams[0].legs {
            let Security::Srtp { send, .. } = &leg.security else {
                panic!("a leg without SRTP");
            };
            keys.insert(send.key().to_vec());
        }
    }
    assert_eq!(keys.len(), 2, "one for each leg");
    world.end();
}

#[test]
fn ops_3_a_reinvite_of_a_side_goes_on_during_a_hold_and_lifts_nothing() {
    for from in [CALLER, CALLEE] {
        for late in [false, true] {
            let mut world = held([Wire::Srtp, Wire::Udp], 3);
            world.agents[from].media.set_port(5000);
            world.tell(from, |agent, now| match late {
                true => agent.reinvite_without_offer(now),
                false => agent.reinvite(now, "sendrecv"),
            });
            world.run_ms(300);
            assert_eq!(
                world.agents[from].statuses(&Method::Invite).last(),
                Some(&200)
            );
            assert_eq!(directions(&world), ["inactive", "inactive"]);
            assert_eq!(destinations(&world), 0);
            assert_eq!(world.live().held, [true, true]);
            resume(&mut world);
            let leg = &session(&world).streams[0].legs[from];
            assert_eq!(leg.remote.expect("an address").rtp.port(), 5000);
            world.end();
        }
    }
}

#[test]
fn ops_3_what_a_side_held_itself_stays_held_after_ours() {
    for holder in [CALLER, CALLEE] {
        let mut world = World::up(UDP, 4);
        world.tell(holder, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(300);
        let mut expected = ["recvonly", "sendonly"];
        if holder == CALLEE {
            expected.reverse();
        }
        assert_eq!(directions(&world), expected);
        hold(&mut world, true);
        world.run_ms(300);
        assert_eq!(directions(&world), ["inactive", "inactive"]);
        hold(&mut world, false);
        world.run_ms(300);
        assert_eq!(directions(&world), expected);
        let mut held = [false, false];
        held[1 - holder] = true;
        assert_eq!(world.live().held, held);
        world.tell(holder, |agent, now| agent.reinvite(now, "sendrecv"));
        world.run_ms(300);
        assert_eq!(world.live().state, CallState::Answered);
        world.end();
    }
}

#[test]
fn ops_3_a_hold_waits_for_a_reinvite_that_is_on_its_way() {
    let mut world = World::up(UDP, 6);
    world.callee().manners.reinvite = None;
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendrecv"));
    world.run_ms(100);
    hold(&mut world, true);
    assert_eq!(destinations(&world), 0);
    world.run_ms(100);
    world.callee().manners.reinvite = Some(200);
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_ms(500);
    assert_eq!(directions(&world), ["inactive", "inactive"]);
    assert_eq!(destinations(&world), 0);
    resume(&mut world);
    world.end();
}

#[test]
fn ops_3_a_side_that_refuses_a_hold_stays_in_the_call_and_hears_nothing() {
    for refuser in [CALLER, CALLEE] {
        let mut world = World::up(UDP, 7);
        world.agents[refuser].manners.reinvite = Some(488);
        hold(&mut world, true);
        world.run_ms(300);
        assert_eq!(destinations(&world), 0);
        assert_eq!(direction(&world.agents[1 - refuser].remote_sdp), "inactive");
        let refused = world
            .events
            .iter()
            .find(|event| event.kind == EventKind::ReinviteRefused);
        assert_eq!(refused.expect("told").text, "hold: 488 Not Acceptable Here");
        world.agents[refuser].manners.reinvite = Some(200);
        resume(&mut world);
        world.end();
    }
}

/// Like that of a telephone that takes no re-INVITE at all.
#[test]
fn ops_3_a_side_that_refused_the_hold_need_not_agree_to_its_end() {
    for refuser in [CALLER, CALLEE] {
        let mut world = World::up(UDP, 7);
        world.agents[refuser].manners.reinvite = Some(488);
        let invites = |world: &World| world.agents[refuser].requests(&Method::Invite).len();
        let before = invites(&world);
        hold(&mut world, true);
        world.run_ms(300);
        hold(&mut world, false);
        world.run_ms(300);
        assert_eq!(invites(&world), before + 1, "asked once");
        assert_eq!(directions(&world), ["sendrecv", "sendrecv"]);
        assert_eq!(destinations(&world), 2);
        assert_eq!(world.live().state, CallState::Answered);
        // It is asked again when there is another hold.
        world.agents[refuser].manners.reinvite = Some(200);
        hold(&mut world, true);
        world.run_ms(300);
        assert_eq!(directions(&world), ["inactive", "inactive"]);
        world.end();
    }
}

#[test]
fn ops_3_where_a_side_refuses_the_end_of_a_hold_both_stay_held_and_the_operator_may_try_again() {
    for refuser in [CALLER, CALLEE] {
        let mut world = held(UDP, 7);
        world.agents[refuser].manners.reinvite = Some(488);
        hold(&mut world, false);
        world.run_ms(500);
        assert_eq!(directions(&world)[1 - refuser], "inactive");
        assert_eq!(destinations(&world), 0);
        assert_eq!(world.live().state, CallState::Held);
        assert_eq!(world.live().held, [true, true]);
        let refused: Vec<&str> = world
            .events
            .iter()
            .filter(|event| event.kind == EventKind::ReinviteRefused)
            .map(|event| event.text.as_str())
            .collect();
        assert_eq!(
            refused,
            ["end of the hold: 488 Not Acceptable Here; the call stays on hold"]
        );
        assert!(!world.has_event(EventKind::CallResumed));
        world.agents[refuser].manners.reinvite = Some(200);
        resume(&mut world);
        world.end();
    }
}

/// Each of them, and the one that has agreed already will not be held again either.
#[test]
fn ops_3_a_call_whose_sides_refuse_all_after_a_hold_is_not_told_without_end() {
    for refuser in [CALLER, CALLEE] {
        let mut world = held(UDP, 7);
        world.agents[refuser].manners.reinvite = Some(488);
        hold(&mut world, false);
        world.run_ms(25);
        world.agents[1 - refuser].manners.reinvite = Some(488);
        world.run_ms(5000);
        let invites =
            [CALLER, CALLEE].map(|agent| world.agents[agent].requests(&Method::Invite).len());
        assert!(invites.iter().sum::<usize>() <= 1 + 2 + 3, "{invites:?}");
        assert_eq!(destinations(&world), 0);
        assert_eq!(world.live().state, CallState::Held);
        world.end();
    }
}

#[test]
fn ops_3_a_hold_that_is_taken_back_before_anybody_knows_leaves_all_as_it_is() {
    for wait in [0, 5, 15, 25, 35, 45] {
        let mut world = World::up([Wire::Udp, Wire::Srtp], 8);
        hold(&mut world, true);
        world.run_ms(wait);
        hold(&mut world, false);
        world.run_ms(500);
        assert_eq!(directions(&world), ["sendrecv", "sendrecv"], "{wait}");
        assert_eq!(destinations(&world), 2, "{wait}");
        assert_eq!(world.live().state, CallState::Answered);
        hold(&mut world, true);
        world.run_ms(wait);
        hold(&mut world, false);
        world.run_ms(wait);
        hold(&mut world, true);
        world.run_ms(500);
        assert_eq!(directions(&world), ["inactive", "inactive"], "{wait}");
        assert_eq!(destinations(&world), 0, "{wait}");
        world.end();
    }
}

#[test]
fn ops_3_a_call_that_is_held_can_end_in_every_way() {
    for ender in [CALLER, CALLEE] {
        for wait in [0, 5, 15, 25, 200] {
            let mut world = World::up(UDP, 9);
            hold(&mut world, true);
            world.run_ms(wait);
            world.tell(ender, Agent::hang_up);
            world.run_ms(500);
            assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
            world.assert_drained(1);
        }
    }
    let mut world = World::up(UDP, 9);
    hold(&mut world, true);
    let call = world.live().call;
    world
        .operate(|stack, now| stack.hang_up(now, call))
        .expect("a call");
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    world.assert_drained(1);
}

/// RFC 4028: a refresh says what the side has last agreed to, and that is the hold.
#[test]
fn ops_3_a_refresh_of_the_session_lifts_no_hold() {
    let mut world = World::new(UDP, 10);
    world.callee().manners.invite = Some(200);
    world.callee().manners.extra = vec![
        ("Session-Expires", "90;refresher=uac".to_owned()),
        ("Require", "timer".to_owned()),
    ];
    world.tell(CALLER, Agent::invite);
    world.run_ms(500);
    hold(&mut world, true);
    world.run_ms(300);
    let told = world.callee().requests(&Method::Invite).len();
    world.run_ms(60_000);
    assert!(
        world.callee().requests(&Method::Invite).len() > told,
        "refreshed"
    );
    assert_eq!(directions(&world), ["inactive", "inactive"]);
    resume(&mut world);
    world.end();
}
