//! TRK-5: OPTIONS tells which targets are there, and calls avoid those that are not.

use std::time::Duration;

use sip_core::message::{HeaderName, Method};
use sip_core::stack::EventKind;
use sip_core::transport::{Host, Transport};
use sip_core::trunk::refer::ReferMode;
use sip_core::trunk::{Hop, Origination, OriginationUri, Probing, TargetUri};

use crate::sim::{
    Agent, CALLEE, CALLER, Phase, SECOND, Wire, World, agent_address, config, target,
};

const INTERVAL: Duration = Duration::from_secs(30);

fn world(seed: u64) -> World {
    world_with(seed, 3)
}

/// Where so many failures take a target out of service.
fn world_with(seed: u64, failures: u32) -> World {
    world_over(Wire::Udp, seed, failures)
}

/// Whose targets are reached so.
fn world_over(wire: Wire, seed: u64, failures: u32) -> World {
    let wires = [Wire::Udp, wire, wire];
    let mut config = config([Wire::Udp, wire]);
    let uris = [CALLEE, SECOND].map(|index| OriginationUri {
        priority: index as u16,
        ..Origination::to(target(index, wire)).uris.remove(0)
    });
    config.trunks[CALLEE].origination = Origination {
        uris: uris.to_vec(),
        probing: Some(Probing {
            interval: INTERVAL,
            failures,
        }),
        ..Origination::default()
    };
    World::with_targets(&wires, seed, config)
}

fn probes(world: &World, index: usize) -> usize {
    world.agents[index].requests(&Method::Options).len()
}

fn states(world: &World) -> Vec<&'static str> {
    let targets = world.stack.targets();
    let of_callee = targets.iter().filter(|target| target.trunk == "pbx");
    of_callee.map(|target| target.state.name()).collect()
}

fn events(world: &World, kind: EventKind) -> Vec<String> {
    let events = world.events.iter().filter(|event| event.kind == kind);
    events.map(|event| event.text.clone()).collect()
}

#[test]
fn trk_5_each_target_is_asked_every_thirty_seconds() {
    let mut world = world(1);
    world.run_for(Duration::from_secs(95));
    for index in [CALLEE, SECOND] {
        assert_eq!(probes(&world, index), 4);
        let options = world.agents[index].request_received(&Method::Options);
        let host = agent_address(index, Transport::Udp).ip();
        assert_eq!(options.uri.as_str(), format!("sip:{host}:5060"));
        assert_eq!(options.headers.max_forwards(), Ok(Some(70)));
        assert!(options.headers.contains(HeaderName::Contact));
    }
    assert_eq!(probes(&world, CALLER), 0, "its trunk is not probed");
    assert_eq!(states(&world), ["in_service", "in_service"]);
    let targets = world.stack.targets();
    assert_eq!(targets[1].latest.as_ref().unwrap().1, "200 OK");
}

#[test]
fn trk_5_three_failures_take_a_target_out_and_one_success_puts_it_back() {
    let mut world = world(2);
    world.agents[CALLEE].manners.invite = Some(200);
    world.agents[SECOND].manners.invite = Some(200);
    world.dead[CALLEE] = true;
    world.run_for(Duration::from_secs(60));
    assert_eq!(states(&world), ["in_service", "in_service"]);
    assert!(events(&world, EventKind::TargetOutOfService).is_empty());
    world.run_for(Duration::from_secs(6));
    assert_eq!(states(&world), ["out_of_service", "in_service"]);
    assert_eq!(
        events(&world, EventKind::TargetOutOfService),
        ["sip:198.51.100.20:5060;transport=udp: no response"]
    );
    // A call is not even tried there.
    world.tell(CALLER, Agent::invite);
    world.run_ms(300);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    world.tell(CALLER, Agent::hang_up);
    world.dead[CALLEE] = false;
    world.run_for(INTERVAL);
    assert_eq!(states(&world), ["in_service", "in_service"]);
    assert_eq!(
        events(&world, EventKind::TargetInService),
        ["sip:198.51.100.20:5060;transport=udp: 200 OK"]
    );
    assert_eq!(world.records.len(), 1);
    assert_eq!(world.records[0].targets.len(), 1);
}

#[test]
fn trk_5_when_all_targets_are_out_of_service_they_are_tried_all_the_same() {
    let mut world = world(3);
    world.dead[CALLEE] = true;
    world.dead[SECOND] = true;
    world.run_for(Duration::from_secs(70));
    assert_eq!(states(&world), ["out_of_service", "out_of_service"]);
    world.dead[CALLEE] = false;
    world.agents[CALLEE].manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(300);
    assert_eq!(world.agents[CALLEE].phase, Phase::Up);
}

#[test]
fn trk_5_a_target_that_refuses_is_asked_again_until_silence_would_have_failed() {
    let mut world = world_with(4, 1);
    world.unreachable[SECOND] = true;
    let refusals = |world: &World| world.stack.counters().transport_failures;
    let ms = Duration::from_millis;
    while refusals(&world) == 0 {
        world.run_ms(10);
    }
    // As OPTIONS would be sent again (timer E) until 4 s are over.
    for (after, asked) in [
        (ms(480), 1),
        (ms(40), 2),
        (ms(960), 2),
        (ms(40), 3),
        (ms(1960), 3),
    ] {
        world.run_for(after);
        assert_eq!(refusals(&world), asked, "{after:?}");
        assert_eq!(states(&world), ["in_service", "in_service"]);
    }
    world.run_ms(40);
    assert_eq!(states(&world), ["in_service", "out_of_service"]);
    assert_eq!(
        events(&world, EventKind::TargetOutOfService),
        ["sip:198.51.100.30:5060;transport=udp: connection refused"]
    );
    let targets = world.stack.targets();
    let refused = targets.iter().find(|target| target.uri.contains("100.30"));
    let refused = refused.expect("the second target");
    assert_eq!(refused.failed_probes, 1);
    assert_eq!(refused.latest.as_ref().unwrap().1, "connection refused");
    // Then not before the next round.
    world.run_for(Duration::from_secs(20));
    assert_eq!(refusals(&world), 4);
    world.unreachable[SECOND] = false;
    world.run_for(Duration::from_secs(10));
    assert_eq!(states(&world), ["in_service", "in_service"]);
}

/// Who shows a certificate has been started: it will show the same one in half a second.
#[test]
fn trk_5_a_target_whose_certificate_is_refused_is_asked_once_a_round() {
    let mut world = world_over(Wire::Tls, 4, 2);
    world.mistrusted[SECOND] = true;
    let refusals = |world: &World| world.stack.counters().transport_failures;
    for round in 1..=3 {
        while refusals(&world) < round {
            world.run_ms(10);
        }
        let (_, latest) = world.stack.targets()[2].latest.clone().expect("at once");
        assert_eq!(latest, "TLS: invalid peer certificate");
        assert_eq!(states(&world)[1] == "out_of_service", round >= 2);
        world.run_for(Duration::from_secs(20));
        assert_eq!(refusals(&world), round, "once");
    }
    assert_eq!(
        events(&world, EventKind::TargetOutOfService),
        ["sip:198.51.100.30:5061;transport=tls: TLS: invalid peer certificate"]
    );
    assert_eq!(states(&world)[0], "in_service");
    world.mistrusted[SECOND] = false;
    world.run_for(INTERVAL);
    assert_eq!(states(&world), ["in_service", "in_service"]);
    // A refused connection is asked again as ever.
    world.unreachable[SECOND] = true;
    let before = refusals(&world);
    world.run_for(INTERVAL);
    assert_eq!(refusals(&world), before + 4);
}

#[test]
fn trk_5_a_target_that_refuses_for_a_moment_is_in_service_and_calls_do_not_wait_for_it() {
    let mut world = world_with(4, 1);
    world.unreachable[CALLEE] = true;
    world.agents[SECOND].manners.invite = Some(200);
    world.run_for(Duration::from_secs(1));
    assert!(world.stack.counters().transport_failures > 0);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    world.unreachable[CALLEE] = false;
    world.run_for(Duration::from_secs(4));
    assert_eq!(probes(&world, CALLEE), 1);
    assert_eq!(states(&world), ["in_service", "in_service"]);
    let targets = world.stack.targets();
    assert_eq!(targets[1].latest.as_ref().unwrap().1, "200 OK");
    assert!(events(&world, EventKind::TargetOutOfService).is_empty());
}

#[test]
fn trk_5_a_configuration_and_a_shutdown_end_what_would_be_asked_again() {
    let mut world = world_with(4, 1);
    world.unreachable[CALLEE] = true;
    world.unreachable[SECOND] = true;
    world.run_for(Duration::from_secs(1));
    let quiet = config([Wire::Udp; 2]);
    world.stack.reconfigure(quiet.trunks, quiet.routes);
    let before = world.stack.counters().transport_failures;
    world.run_for(INTERVAL);
    assert_eq!(world.stack.counters().transport_failures, before);
    world.assert_drained(0);

    let mut world = world_with(4, 1);
    world.unreachable[CALLEE] = true;
    world.unreachable[SECOND] = true;
    world.run_for(Duration::from_secs(1));
    world.shut_down();
    assert!(world.stack.is_idle());
    world.assert_drained(0);
}

#[test]
fn trk_5_a_new_configuration_starts_and_ends_probes() {
    let mut world = world(5);
    world.dead[CALLEE] = true;
    world.run_for(Duration::from_secs(70));
    assert_eq!(states(&world), ["out_of_service", "in_service"]);
    // Nobody probes any more: nothing is known.
    let quiet = config([Wire::Udp; 2]);
    world.stack.reconfigure(quiet.trunks, quiet.routes);
    assert_eq!(states(&world), ["in_service"]);
    let before = probes(&world, SECOND);
    world.run_for(Duration::from_secs(100));
    assert_eq!(probes(&world, SECOND), before);
    world.assert_drained(0);
}

#[test]
fn trk_5_a_shutdown_does_not_wait_for_probes() {
    let mut world = world(6);
    world.dead[CALLEE] = true;
    world.run_for(Duration::from_secs(1));
    assert!(!world.stack.is_idle(), "a probe is out");
    world.shut_down();
    assert!(world.stack.is_idle());
    world.assert_drained(0);
}

#[test]
fn trk_5_a_round_asks_each_address_of_a_name() {
    let wires = [Wire::Udp; 3];
    let mut config = config([Wire::Udp; 2]);
    let name = TargetUri {
        host: Host::Name("pbx.example".to_owned()),
        port: None,
        transport: None,
    };
    config.trunks[CALLEE].origination = Origination {
        probing: Some(Probing {
            interval: INTERVAL,
            failures: 1,
        }),
        ..Origination::to(name)
    };
    let mut world = World::with_targets(&wires, 7, config);
    let hops = [CALLEE, SECOND].map(|index| Hop {
        transport: Transport::Udp,
        address: agent_address(index, Transport::Udp),
    });
    world
        .names
        .insert("pbx.example".to_owned(), Some(hops.to_vec()));
    world.dead[CALLEE] = true;
    world.run_for(Duration::from_secs(10));
    assert_eq!(probes(&world, SECOND), 1);
    assert_eq!(states(&world), ["in_service"]);
    world.dead[SECOND] = true;
    world.run_for(INTERVAL);
    assert_eq!(states(&world), ["out_of_service"]);
}

#[test]
fn trk_5_options_to_us_are_answered_with_what_we_allow() {
    for (mode, is_stranger) in [
        (ReferMode::Off, false),
        (ReferMode::Pass, false),
        (ReferMode::Local, false),
        // Whose REFER would be refused with the rest of it.
        (ReferMode::Local, true),
    ] {
        let mut config = config([Wire::Udp; 2]);
        config.trunks[CALLER].refer = mode;
        if is_stranger {
            config.trunks[CALLER].acl.clear();
        }
        let mut world = World::with_config([Wire::Udp; 2], 8, config);
        let mut options = world.caller().new_invite("", false);
        options.method = Method::Options;
        options.headers.set(HeaderName::CSeq, "1 OPTIONS");
        world.tell(CALLER, |agent, now| agent.send_outside(now, options));
        world.run_ms(100);
        let response = world.caller().response(&Method::Options, 200);
        let allow = response.headers.value(HeaderName::Allow).unwrap();
        let allow = String::from_utf8_lossy(allow).into_owned();
        let allows = |method: &str| allow.split(", ").any(|allowed| allowed == method);
        for method in ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "NOTIFY"] {
            assert!(allows(method), "{method} in {allow}");
        }
        let takes_refer = mode != ReferMode::Off && !is_stranger;
        assert_eq!(allows("REFER"), takes_refer, "{mode:?}: {allow}");
    }
}
