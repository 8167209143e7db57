//! TRK-4: targets that are names: each of their addresses is tried, and dead ones are remembered.

use std::time::Duration;

use sip_core::message::{HeaderName, Method};
use sip_core::transport::{Host, Transport};
use sip_core::trunk::{Hop, Origination, TargetUri};

use crate::failover::{config_with, hang_up, invites, outcomes, world_with};
use crate::redirects::fresh;
use crate::sim::{Agent, CALLEE, CALLER, Phase, SECOND, Wire, World, agent_address};

fn named(name: &str) -> TargetUri {
    TargetUri {
        host: Host::Name(name.to_owned()),
        port: None,
        transport: None,
    }
}

pub(crate) fn hop(index: usize) -> Hop {
    Hop {
        transport: Transport::Udp,
        address: agent_address(index, Transport::Udp),
    }
}

#[test]
fn trk_4_each_address_of_a_name_is_tried_and_a_dead_one_is_remembered() {
    let wires = [Wire::Udp; 3];
    let mut config = config_with(&wires, |_| {});
    config.trunks[CALLEE].origination = Origination::to(named("pbx.example"));
    let mut world = World::with_targets(&wires, 21, config);
    let hops = vec![hop(CALLEE), hop(SECOND)];
    world.names.insert("pbx.example".to_owned(), Some(hops));
    world.agents[CALLEE].manners.invite = Some(503);
    world.agents[SECOND].manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(300);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    assert_eq!(world.lookups, ["pbx.example"], "once for both addresses");
    let invite = world.agents[SECOND].request_received(&Method::Invite);
    assert_eq!(invite.uri.as_str(), "sip:+200@pbx.example");
    let mut world = hang_up(world, CALLER);
    // The next call begins with the address that answered.
    let before = invites(&world, CALLEE);
    world.agents[CALLER] = fresh(CALLER, 7);
    world.agents[SECOND] = fresh(SECOND, 7);
    world.agents[SECOND].manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(300);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    assert_eq!(invites(&world, CALLEE), before);
    hang_up(world, CALLER).assert_drained(2);
}

#[test]
fn trk_4_a_name_that_does_not_resolve_is_a_target_that_failed() {
    for (known, outcome) in [
        (None, "nowhere.example does not exist"),
        (Some(None), "no answer from the resolver"),
    ] {
        let wires = [Wire::Udp; 3];
        let mut world = world_with(&wires, 22, |origination| {
            origination.uris[0].uri = named("nowhere.example");
        });
        if let Some(known) = known {
            world.names.insert("nowhere.example".to_owned(), known);
        }
        world.agents[SECOND].manners.invite = Some(200);
        world.tell(CALLER, Agent::invite);
        world.run_for(Duration::from_secs(5));
        assert_eq!(world.agents[SECOND].phase, Phase::Up, "{outcome}");
        let mut world = hang_up(world, CALLER);
        world.assert_drained(1);
        assert_eq!(outcomes(&world)[0], (None, outcome.to_owned()));
    }
}

#[test]
fn trk_4_the_caller_may_cancel_while_a_name_is_asked_for() {
    let wires = [Wire::Udp; 2];
    let mut config = config_with(&wires, |_| {});
    config.trunks[CALLEE].origination = Origination::to(named("pbx.example"));
    let mut world = World::with_targets(&wires, 23, config);
    let hops = vec![hop(CALLEE)];
    world.names.insert("pbx.example".to_owned(), Some(hops));
    world.tell(CALLER, Agent::invite);
    world.run_ms(22);
    assert_eq!(world.lookups.len(), 1);
    world.tell(CALLER, Agent::cancel);
    world.run_ms(300);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(487));
    assert_eq!(invites(&world, CALLEE), 0);
    world.assert_drained(1);
    assert_eq!(world.record().callee, None, "nobody was called");
}

#[test]
fn trk_4_a_name_behind_a_302_may_not_lead_to_a_private_address() {
    let wires = [Wire::Udp; 3];
    let mut world = world_with(&wires, 24, |origination| origination.uris.truncate(1));
    let inside = Hop {
        transport: Transport::Udp,
        address: "10.0.0.9:5060".parse().unwrap(),
    };
    world
        .names
        .insert("inside.example".to_owned(), Some(vec![hop(SECOND), inside]));
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.tell(CALLEE, |callee, now| {
        callee.respond_edited(now, 302, |response| {
            response
                .headers
                .push(HeaderName::Contact, "<sip:1@inside.example>");
        });
    });
    world.run_ms(300);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(503));
    assert_eq!(invites(&world, SECOND), 0);
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32219));
}
