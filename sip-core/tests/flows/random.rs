//! Calls with everything at random over links that lose, duplicate and reorder: whatever happens,
//! both sides agree in the end and nothing is left of it.

use std::time::Duration;

use media_core::session::Side;
use sip_core::stack::{EventKind, TransferHow};

use crate::sim::sdp::direction;
use crate::sim::{Agent, CALLEE, CALLER, Link, Phase, SeededRng, Wire, World};

const SEEDS: u64 = 1_500;
const OPERATED_SEEDS: u64 = 600;

/// One thing that an agent might do now, if it can.
fn act(world: &mut World, rng: &mut SeededRng) {
    let index = rng.below(2) as usize;
    let agent = &world.agents[index];
    match (agent.phase, rng.below(6)) {
        (Phase::Invited, 0) => world.tell(index, |agent, now| agent.respond(now, 180)),
        (Phase::Invited, 1) => world.tell(index, |agent, now| agent.respond(now, 183)),
        (Phase::Invited, 2 | 3) => world.tell(index, |agent, now| agent.respond(now, 200)),
        (Phase::Invited, 4) => world.tell(index, |agent, now| agent.respond(now, 486)),
        (Phase::Inviting, 0) => world.tell(index, Agent::cancel),
        (Phase::Up, 0) => world.tell(index, Agent::hang_up),
        (Phase::Up, 1) if agent.may_invite() => {
            world.tell(index, |agent, now| agent.reinvite(now, "sendonly"));
        }
        (Phase::Up, 2) if agent.may_invite() => {
            world.tell(index, |agent, now| agent.reinvite(now, "sendrecv"));
        }
        (Phase::Up, 3) if agent.may_invite() => world.tell(index, Agent::reinvite_without_offer),
        (Phase::Up, 4) if agent.is_inviting() => world.tell(index, Agent::cancel_reinvite),
        (Phase::Up, 5) if agent.is_invited() => {
            world.tell(index, |agent, now| agent.respond(now, 200));
        }
        _ => {}
    }
}

/// One thing that an operator might do now; that it cannot be done is as good.
fn operate(world: &mut World, rng: &mut SeededRng) {
    let Some(call) = world.stack.live_calls().first().map(|live| live.call) else {
        return;
    };
    let side = [Side::Caller, Side::Callee][rng.below(2) as usize];
    let how = [TransferHow::Refer, TransferHow::Local][rng.below(2) as usize];
    let what = rng.below(16);
    let _ = world.operate(|stack, now| match what {
        0..=5 => stack.hold(now, call, true),
        6..=12 => stack.hold(now, call, false),
        13..=14 => stack.transfer(now, call, side, "+300", how),
        _ => stack.hang_up(now, call),
    });
}

/// Whether the directions that the two sides were told last fit together (RFC 3264 section 6.1).
fn are_one_session(told: [&str; 2]) -> bool {
    matches!(
        told,
        ["sendrecv", "sendrecv"]
            | ["sendonly", "recvonly"]
            | ["recvonly", "sendonly"]
            | ["inactive", "inactive"]
    )
}

fn run(seed: u64, is_operated: bool) {
    let mut rng = SeededRng(seed);
    let wires = [CALLER, CALLEE].map(|_| match rng.below(3) {
        0 => Wire::Srtp,
        _ => Wire::Udp,
    });
    let mut world = World::new(wires, seed);
    world.link = Link {
        loss_percent: rng.below(5) as u32 * 8,
        duplicate_percent: rng.below(3) as u32 * 10,
        jitter: Duration::from_millis(rng.below(3) * 150),
    };
    if rng.chance(30) {
        world.callee().manners.reinvite = None;
    }
    match rng.chance(75) {
        true => world.tell(CALLER, Agent::invite),
        false => world.tell(CALLER, Agent::invite_without_offer),
    }
    for _ in 0..rng.below(12) {
        world.run_ms(rng.below(900));
        act(&mut world, &mut rng);
        if is_operated {
            world.run_ms(rng.below(300));
            operate(&mut world, &mut rng);
        }
    }
    // A side that was asked answers in the end; and after that both agree.
    for _ in 0..3 {
        world.run_for(Duration::from_secs(40));
        for index in [CALLER, CALLEE] {
            if world.agents[index].is_invited() {
                world.tell(index, |agent, now| agent.respond(now, 200));
            }
        }
    }
    world.run_for(Duration::from_secs(70));
    let phases = world.phases();
    let is_up = phases.map(|phase| phase == Phase::Up);
    assert_eq!(is_up[0], is_up[1], "{phases:?}");
    assert_eq!(world.sessions.len(), usize::from(is_up[0]), "{phases:?}");
    if is_up[0] {
        assert_eq!(world.stack.calls(), 1);
        let told = [CALLER, CALLEE].map(|index| direction(&world.agents[index].remote_sdp));
        // Who would not hear of a hold was not told again.
        let refused = world.has_event(EventKind::ReinviteRefused);
        assert!(are_one_session(told) || is_operated && refused, "{told:?}");
        world.tell(CALLER, Agent::hang_up);
        world.run_for(Duration::from_secs(40));
        assert!(
            world
                .phases()
                .iter()
                .all(|phase| matches!(phase, Phase::Over(_))),
            "{:?}",
            world.phases()
        );
    }
    // Not even one, if the INVITE was lost each time.
    let calls = world.stack.counters().calls_started;
    world.assert_drained(calls as usize);
}

#[test]
fn both_sides_agree_and_nothing_is_left_whatever_the_network_does() {
    for seed in 0..SEEDS {
        let result = std::panic::catch_unwind(|| run(seed, false));
        assert!(result.is_ok(), "seed {seed}");
    }
}

#[test]
fn ops_3_both_sides_agree_and_nothing_is_left_whatever_an_operator_does() {
    for seed in 0..OPERATED_SEEDS {
        let result = std::panic::catch_unwind(|| run(seed, true));
        assert!(result.is_ok(), "seed {seed}");
    }
}
