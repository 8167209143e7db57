//! TRK-3: a call goes from target to target until one takes it.

use std::time::Duration;

use sip_core::message::{HeaderName, Method};
use sip_core::stack::{EndedBy, EventKind, StackConfig};
use sip_core::transport::Transport;
use sip_core::trunk::{Origination, OriginationUri, Passthrough};

use crate::redirects::fresh;
use crate::sim::sdp::line;
use crate::sim::{
    Agent, CALLEE, CALLER, Phase, SECOND, THIRD, Wire, World, agent_address, config, target,
};

/// That many agents on the callee's side, one priority after the other.
fn targets(wires: &[Wire]) -> Origination {
    let uris = (CALLEE..wires.len()).map(|index| OriginationUri {
        priority: index as u16,
        ..Origination::to(target(index, wires[index])).uris.remove(0)
    });
    Origination {
        uris: uris.collect(),
        ..Origination::default()
    }
}

pub(crate) fn config_with(wires: &[Wire], edit: impl FnOnce(&mut Origination)) -> StackConfig {
    let mut config = config([wires[CALLER], wires[CALLEE]]);
    let mut origination = targets(wires);
    edit(&mut origination);
    config.trunks[CALLEE].origination = origination;
    config
}

/// All by UDP.
pub(crate) fn world(agents: usize, seed: u64) -> World {
    world_with(&vec![Wire::Udp; agents], seed, |_| {})
}

pub(crate) fn world_with(wires: &[Wire], seed: u64, edit: impl FnOnce(&mut Origination)) -> World {
    World::with_targets(wires, seed, config_with(wires, edit))
}

pub(crate) fn invites(world: &World, index: usize) -> usize {
    world.agents[index].requests(&Method::Invite).len()
}

/// What the record says came of each target.
pub(crate) fn outcomes(world: &World) -> Vec<(Option<u16>, String)> {
    let targets = world.record().targets.iter();
    targets
        .map(|target| (target.status, target.outcome.clone()))
        .collect()
}

pub(crate) fn hang_up(mut world: World, index: usize) -> World {
    world.tell(index, Agent::hang_up);
    world.run_ms(200);
    world
}

#[test]
fn trk_3_a_503_goes_to_the_next_target() {
    for status in [408, 480, 500, 502, 503, 504, 580, 599] {
        let mut world = world(3, 1);
        world.agents[CALLEE].manners.invite = Some(status);
        world.agents[SECOND].manners.invite = Some(200);
        world.tell(CALLER, Agent::invite);
        world.run_ms(300);
        assert_eq!(world.agents[CALLER].phase, Phase::Up, "{status}");
        assert_eq!(world.agents[SECOND].phase, Phase::Up, "{status}");
        // The caller never heard of it.
        assert_eq!(world.caller().statuses(&Method::Invite), [100, 200]);
        assert!(world.has_event(EventKind::TargetFailed));
        let mut world = hang_up(world, CALLER);
        world.assert_drained(1);
        let outcomes = outcomes(&world);
        assert_eq!(outcomes.len(), 2);
        assert_eq!(outcomes[0].0, Some(status));
        assert_eq!(outcomes[1], (Some(200), "answered".to_owned()));
        let targets = &world.record().targets;
        assert_eq!(targets[0].uri, "sip:198.51.100.20:5060;transport=udp");
        assert_eq!(
            targets[1].hop.unwrap().address,
            agent_address(SECOND, Transport::Udp)
        );
        let callee = world.record().callee.as_ref().unwrap();
        assert_eq!(targets[1].sip_call_id.as_ref(), Some(&callee.sip_call_id));
    }
}

#[test]
fn trk_3_what_speaks_of_the_call_and_not_of_the_target_ends_it() {
    for status in [
        400, 403, 404, 405, 410, 416, 482, 484, 486, 488, 600, 603, 606,
    ] {
        let mut world = world(3, 2);
        world.agents[CALLEE].manners.invite = Some(status);
        world.tell(CALLER, Agent::invite);
        world.run_ms(300);
        assert_eq!(world.agents[CALLER].phase, Phase::Over(status));
        assert_eq!(invites(&world, SECOND), 0, "{status}");
        world.assert_drained(1);
        assert_eq!(world.record().ended_by, EndedBy::Callee);
        assert_eq!(outcomes(&world)[0].0, Some(status));
    }
}

#[test]
fn trk_3_no_answer_at_all_goes_to_the_next_target_after_four_seconds() {
    let mut world = world(3, 3);
    world.dead[CALLEE] = true;
    world.agents[SECOND].manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(3_990);
    assert_eq!(invites(&world, SECOND), 0);
    world.run_ms(100);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    assert!(world.has_event(EventKind::PeerUnreachable));
    let mut world = hang_up(world, SECOND);
    world.assert_drained(1);
    assert_eq!(outcomes(&world)[0], (None, "no response".to_owned()));
}

#[test]
fn trk_3_the_time_without_an_answer_is_a_setting() {
    let wires = [Wire::Udp; 3];
    let mut world = world_with(&wires, 4, |origination| {
        origination.no_response = Duration::from_secs(2);
    });
    world.dead[CALLEE] = true;
    world.tell(CALLER, Agent::invite);
    world.run_ms(2_100);
    assert_eq!(invites(&world, SECOND), 1);
    world.tell(CALLER, Agent::cancel);
    world.assert_drained(1);
}

#[test]
fn trk_3_a_target_that_says_100_may_take_its_time() {
    let mut world = world(3, 5);
    // The agent's transaction says 100 by itself.
    world.tell(CALLER, Agent::invite);
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.agents[CALLEE].phase, Phase::Invited);
    assert_eq!(invites(&world, SECOND), 0);
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(100);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
    hang_up(world, CALLER).assert_drained(1);
}

#[test]
fn trk_3_a_target_that_cannot_be_reached_is_passed_over_at_once() {
    let wires = [Wire::Udp, Wire::Tls, Wire::Tls];
    let mut world = world_with(&wires, 6, |_| {});
    world.unreachable[CALLEE] = true;
    world.agents[SECOND].manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(200);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    let mut world = hang_up(world, CALLER);
    world.assert_drained(1);
    assert_eq!(outcomes(&world)[0], (None, "connection refused".to_owned()));
}

#[test]
fn trk_3_when_all_fail_it_is_503_with_the_last_cause() {
    let mut world = world(4, 7);
    world.agents[CALLEE].manners.invite = Some(500);
    world.dead[SECOND] = true;
    world.agents[THIRD].manners.invite = Some(480);
    world.tell(CALLER, Agent::invite);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.agents[CALLER].phase, Phase::Over(503));
    let response = world.caller().response(&Method::Invite, 503);
    let reasons: Vec<_> = response
        .headers
        .values(HeaderName::Reason)
        .map(String::from_utf8_lossy)
        .collect();
    assert_eq!(
        reasons,
        [
            "X-Trunkline;cause=32011;text=\"all targets failed\"",
            "SIP;cause=480"
        ]
    );
    world.assert_drained(1);
    let record = world.record();
    assert_eq!((record.status, record.code), (503, Some(32011)));
    assert!(record.reason.starts_with("all targets failed: 480"));
    assert_eq!(record.targets.len(), 3);
}

#[test]
fn trk_3_the_fallback_uri_is_the_last_resort() {
    let wires = [Wire::Udp; 4];
    let mut world = world_with(&wires, 8, |origination| {
        origination.fallback = origination.uris.pop().map(|uri| uri.uri);
    });
    world.agents[CALLEE].manners.invite = Some(503);
    world.agents[SECOND].manners.invite = Some(503);
    world.agents[THIRD].manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(500);
    assert_eq!(world.agents[THIRD].phase, Phase::Up);
    hang_up(world, CALLER).assert_drained(1);
}

#[test]
fn trk_3_the_only_targets_own_word_is_passed_on() {
    let mut world = world(2, 9);
    world.agents[CALLEE].manners.invite = Some(480);
    world.tell(CALLER, Agent::invite);
    world.run_ms(300);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(480));
    world.assert_drained(1);
}

#[test]
fn trk_3_each_try_is_a_call_of_its_own_with_keys_and_ports_of_its_own() {
    let wires = [Wire::Udp, Wire::Srtp, Wire::Srtp];
    let mut world = world_with(&wires, 10, |_| {});
    world.agents[CALLEE].manners.invite = Some(503);
    world.agents[SECOND].manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(300);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    let invites =
        [CALLEE, SECOND].map(|index| world.agents[index].request_received(&Method::Invite));
    let [first, second] = invites;
    assert_ne!(first.headers.call_id(), second.headers.call_id());
    let tag = |index: usize| {
        invites[index]
            .headers
            .from()
            .unwrap()
            .tag()
            .unwrap()
            .to_owned()
    };
    assert_ne!(tag(0), tag(1));
    let branch = |index: usize| {
        invites[index]
            .headers
            .value(HeaderName::Via)
            .unwrap()
            .to_vec()
    };
    assert_ne!(branch(0), branch(1));
    for what in ["a=crypto:", "m=audio "] {
        let lines = invites.map(|invite| line(&invite.body, what).unwrap().to_owned());
        assert_ne!(lines[0], lines[1], "{what}");
    }
    // The first target's ports are given back at once: no flow was there.
    assert_eq!(world.ports.given_out(), 2);
    hang_up(world, CALLER).assert_drained(1);
}

#[test]
fn trk_3_the_callers_own_key_is_passed_to_one_target_only() {
    let wires = [Wire::Srtp, Wire::Srtp, Wire::Srtp];
    let mut config = config_with(&wires, |_| {});
    for trunk in &mut config.trunks {
        trunk.passthrough = Passthrough::Prefer;
    }
    let mut world = World::with_targets(&wires, 11, config);
    world.agents[CALLEE].manners.invite = Some(503);
    world.agents[SECOND].manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(300);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    let own = line(world.agents[CALLER].sent[0].body(), "a=crypto:")
        .unwrap()
        .to_owned();
    let told = [CALLEE, SECOND].map(|index| {
        let invite = world.agents[index].request_received(&Method::Invite);
        line(&invite.body, "a=crypto:").unwrap().to_owned()
    });
    let key = |line: &str| line.split("inline:").nth(1).unwrap().to_owned();
    assert_eq!(key(&told[0]), key(&own), "the first may have it");
    assert_ne!(key(&told[1]), key(&own));
    hang_up(world, CALLER).assert_drained(1);
}

#[test]
fn trk_3_early_media_of_a_target_that_fails_gives_way_to_the_next_ones() {
    for wires in [[Wire::Udp; 3], [Wire::Srtp; 3]] {
        let mut world = world_with(&wires, 12, |_| {});
        world.tell(CALLER, Agent::invite);
        world.run_ms(100);
        world.tell(CALLEE, |callee, now| callee.respond(now, 183));
        world.run_ms(100);
        assert_eq!(world.sessions.len(), 1);
        world.agents[SECOND].manners.invite = Some(200);
        world.tell(CALLEE, |callee, now| callee.respond(now, 503));
        world.run_ms(200);
        assert_eq!(world.agents[CALLER].phase, Phase::Up);
        assert_eq!(world.agents[SECOND].phase, Phase::Up);
        let session = world.sessions.values().next().unwrap();
        let legs = &session.streams[0].legs;
        assert_eq!(legs[1].remote.unwrap().rtp, world.agents[SECOND].media);
        // Under the key that the caller's packets are sent with the index must go on: so they
        // come from the same flow as before.
        let locals: Vec<_> = world
            .applied
            .iter()
            .map(|session| session.streams[0].legs[1].local)
            .collect();
        assert!(
            locals.windows(2).all(|pair| pair[0] == pair[1]),
            "{locals:?}"
        );
        let offered = [CALLEE, SECOND].map(|index| {
            let invite = world.agents[index].request_received(&Method::Invite);
            line(&invite.body, "a=crypto:").map(str::to_owned)
        });
        assert!(offered[0] != offered[1] || offered[0].is_none());
        hang_up(world, CALLER).assert_drained(1);
    }
}

#[test]
fn trk_3_a_target_that_failed_is_tried_last_for_a_while() {
    let mut world = world(3, 18);
    world.agents[CALLEE].manners.invite = Some(503);
    world.agents[SECOND].manners.invite = Some(486);
    let call = |world: &mut World| {
        world.agents[CALLER] = fresh(CALLER, world.records.len() as u64);
        for index in [CALLEE, SECOND] {
            let manners = world.agents[index].manners.clone();
            world.agents[index] = fresh(index, world.records.len() as u64);
            world.agents[index].manners = manners;
        }
        world.tell(CALLER, Agent::invite);
        world.run_ms(300);
        [CALLEE, SECOND].map(|index| invites(world, index))
    };
    assert_eq!(call(&mut world), [1, 1]);
    assert_eq!(call(&mut world), [0, 1], "the first one is avoided");
    world.run_for(Duration::from_secs(30));
    assert_eq!(call(&mut world), [1, 1], "and then forgiven");
    // Where nothing else takes the call, it is asked all the same.
    world.agents[SECOND].manners.invite = Some(503);
    assert_eq!(call(&mut world), [1, 1]);
    world.assert_drained(4);
}

#[test]
fn trk_3_no_media_port_for_the_next_target_ends_the_call() {
    let mut world = world(3, 25);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.ports.exhaust();
    world.tell(CALLEE, |callee, now| callee.respond(now, 503));
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(503));
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32013));
}

#[test]
fn trk_3_a_call_without_an_offer_fails_over_too() {
    let mut world = world(3, 26);
    world.agents[CALLEE].manners.invite = Some(503);
    world.agents[SECOND].manners.invite = Some(200);
    world.tell(CALLER, Agent::invite_without_offer);
    world.run_ms(300);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    assert_eq!(world.sessions.len(), 1);
    hang_up(world, SECOND).assert_drained(1);
}

#[test]
fn trk_3_equal_targets_share_the_calls() {
    let wires = [Wire::Udp; 3];
    let mut firsts = [0; 2];
    for seed in 0..100 {
        let mut world = world_with(&wires, seed, |origination| {
            for uri in &mut origination.uris {
                uri.priority = 1;
            }
        });
        world.tell(CALLER, Agent::invite);
        world.run_ms(100);
        for (place, index) in [CALLEE, SECOND].into_iter().enumerate() {
            firsts[place] += invites(&world, index);
        }
    }
    assert_eq!(firsts[0] + firsts[1], 100);
    assert!(
        firsts.iter().all(|count| (30..=70).contains(count)),
        "{firsts:?}"
    );
}
