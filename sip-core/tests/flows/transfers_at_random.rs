//! Transfers (SIG-7) in any order over links that lose: nothing is left of them.

use std::time::Duration;

use sip_core::message::Method;
use sip_core::stack::{Event, EventKind};
use sip_core::trunk::refer::ReferMode;

use crate::attended::replaces;
use crate::sim::{Agent, CALLEE, CALLER, Link, Phase, SECOND, SeededRng, THIRD, Wire, World};
use crate::transfer::{THIRDS_NUMBER, refer, transfers};

/// One thing that an agent might do now, if it can.
fn act(world: &mut World, rng: &mut SeededRng) {
    let index = rng.below(4) as usize;
    let (phase, may_invite) = (world.agents[index].phase, world.agents[index].may_invite());
    let dialog = replaces_if_any(world, SECOND);
    match (phase, rng.below(10)) {
        (Phase::Invited, 0) => world.tell(index, |agent, now| agent.respond(now, 183)),
        (Phase::Invited, 1..=4) => world.tell(index, |agent, now| agent.respond(now, 200)),
        (Phase::Invited, 5) => world.tell(index, |agent, now| agent.respond(now, 486)),
        (Phase::Inviting, 0) => world.tell(index, Agent::cancel),
        (Phase::Up, 0) => world.tell(index, Agent::hang_up),
        (Phase::Up, 1) if may_invite => {
            world.tell(index, |agent, now| agent.reinvite(now, "sendonly"));
        }
        (Phase::Up, 2) if may_invite => world.tell(index, Agent::reinvite_without_offer),
        (Phase::Up, 3) => world.tell(index, |agent, now| {
            agent.request_with_offer(now, Method::Update, "sendrecv");
        }),
        (Phase::Up, 4) => world.tell(index, |agent, now| {
            agent.request(now, Method::Info, |_| {});
        }),
        (Phase::Up, 5 | 6) => refer(world, index, &format!("<sip:{THIRDS_NUMBER}@h>")),
        (Phase::Up, 7) => {
            let escaped = dialog.replace(';', "%3B").replace('=', "%3D");
            refer(world, index, &format!("<sip:+300@h?Replaces={escaped}>"));
        }
        (Phase::Up, 8) if world.agents[index].is_invited() => {
            world.tell(index, |agent, now| agent.respond(now, 200));
        }
        (Phase::Idle, _) if index == SECOND => world.tell(SECOND, |agent, now| {
            let invite = agent.new_invite(THIRDS_NUMBER, true);
            agent.send_invite(now, invite);
        }),
        _ => {}
    }
}

fn replaces_if_any(world: &World, agent: usize) -> String {
    match world.agents[agent].dialog {
        Some(_) => replaces(world, agent),
        None => "none;to-tag=1;from-tag=2".to_owned(),
    }
}

/// How many transfers came about.
fn run(seed: u64) -> usize {
    let mut rng = SeededRng(seed);
    let wires = [(); 4].map(|()| match rng.below(3) {
        0 => Wire::Srtp,
        _ => Wire::Udp,
    });
    // Both lines of trunk 1 are connected alike.
    let wires = [wires[0], wires[1], wires[1], wires[3]];
    let mut world = World::with_targets(&wires, seed, transfers(wires, ReferMode::Local));
    for index in [CALLER, THIRD] {
        if rng.chance(50) {
            let allow = ("Allow", "INVITE, ACK, BYE, UPDATE".to_owned());
            world.agents[index].manners.extra.push(allow);
        }
    }
    world.link = Link {
        loss_percent: rng.below(4) as u32 * 8,
        duplicate_percent: rng.below(3) as u32 * 10,
        jitter: Duration::from_millis(rng.below(3) * 150),
    };
    if rng.chance(20) {
        world.caller().manners.reinvite = None;
    }
    for index in [CALLEE, THIRD] {
        if rng.chance(70) {
            world.agents[index].manners.invite = Some(200);
        }
    }
    world.tell(CALLER, Agent::invite);
    for _ in 0..rng.below(25) {
        world.run_ms(rng.below(900));
        act(&mut world, &mut rng);
    }
    world.link = Link::default();
    for _ in 0..4 {
        world.run_for(Duration::from_secs(40));
        for index in 0..4 {
            if world.agents[index].is_invited() {
                world.tell(index, |agent, now| agent.respond(now, 200));
            }
        }
    }
    for index in 0..4 {
        if world.agents[index].phase == Phase::Up {
            world.tell(index, Agent::hang_up);
        }
        world.run_for(Duration::from_secs(40));
    }
    let counters = world.stack.counters();
    let calls = counters.calls_started + counters.calls_refused;
    world.assert_drained(calls as usize);
    let done = |event: &&Event| event.kind == EventKind::TransferDone;
    world.events.iter().filter(done).count()
}

#[test]
fn sig_7_nothing_is_left_of_transfers_whatever_the_network_does() {
    let mut transfers = 0;
    for seed in 0..1000 {
        let result = std::panic::catch_unwind(|| run(seed));
        transfers += result.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(transfers > 50, "{transfers}");
}
