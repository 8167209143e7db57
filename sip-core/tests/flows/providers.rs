//! Our own registrations with providers (SIG-5).

use std::time::Duration;

use sip_core::auth::client::Password;
use sip_core::message::{HeaderName, Method, Request, Uri};
use sip_core::registration::RegistrationSettings;
use sip_core::stack::{EventKind, StackConfig};
use sip_core::transport::Host;
use sip_core::trunk::Hop;

use crate::sim::{CALLEE, Guard, Wire, World, config};

fn registering(wires: [Wire; 2]) -> StackConfig {
    let mut config = config(wires);
    config.trunks[CALLEE].auth = Some(Password::new("trunkline", "secret"));
    config.trunks[CALLEE].register = Some(RegistrationSettings {
        aor: Uri::parse(b"sip:+4930@provider.example").expect("a URI"),
        expires: Duration::from_secs(600),
    });
    config
}

fn world(wire: Wire) -> World {
    let wires = [Wire::Udp, wire];
    World::with_config(wires, 1, registering(wires))
}

fn registers(world: &World) -> Vec<&Request> {
    world.agents[CALLEE].requests(&Method::Register)
}

fn text(request: &Request, name: HeaderName) -> String {
    let value = request.headers.value(name).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

#[test]
fn sig_5_we_register_answer_the_challenge_refresh_and_leave() {
    for wire in [Wire::Udp, Wire::Tcp, Wire::Srtp] {
        let mut world = world(wire);
        world.callee().manners.guard = Some(Guard {
            status: 401,
            challenges: vec![
                "Digest realm=\"p\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256".to_owned(),
            ],
            accepts: "username=\"trunkline\", realm=\"p\"".to_owned(),
        });
        world.run_for(Duration::from_secs(2));
        assert_eq!(registers(&world).len(), 2, "{wire:?}");
        let last = registers(&world)[1];
        assert_eq!(last.uri.as_str(), "sip:provider.example");
        assert_eq!(text(last, HeaderName::Expires), "600");
        assert_eq!(text(last, HeaderName::CSeq), "2 REGISTER");
        assert!(text(last, HeaderName::Contact).starts_with("<sip:+4930@203.0.113.1:"));
        let status = world.stack.registrations().remove(0);
        assert_eq!(
            (status.aor.as_str(), status.failures),
            ("sip:+4930@provider.example", 0)
        );
        assert!(status.until.is_some() && world.has_event(EventKind::OurRegistration));
        // Refreshed at 70 to 80 percent, with the credentials that worked, and not told of again.
        world.run_for(Duration::from_secs(415));
        assert_eq!(registers(&world).len(), 2);
        world.run_for(Duration::from_secs(70));
        assert_eq!(registers(&world).len(), 3);
        assert!(text(registers(&world)[2], HeaderName::Authorization).contains("nc=00000002"));
        assert_eq!(text(registers(&world)[2], HeaderName::CSeq), "3 REGISTER");
        let same = |name| text(registers(&world)[0], name) == text(registers(&world)[2], name);
        assert!(same(HeaderName::CallId));
        let told = world
            .events
            .iter()
            .filter(|event| event.kind == EventKind::OurRegistration);
        assert_eq!(told.count(), 1);
        world.shut_down();
        world.run_for(Duration::from_secs(1));
        let last = registers(&world).pop().unwrap();
        assert_eq!(text(last, HeaderName::Expires), "0");
        assert_eq!(registers(&world).len(), 4);
        assert!(world.stack.registrations().is_empty());
        world.assert_drained(0);
    }
}

#[test]
fn sig_5_a_provider_that_wants_longer_is_asked_for_longer() {
    let mut world = world(Wire::Udp);
    world.callee().manners.register = Some((423, vec![(HeaderName::MinExpires, "900".to_owned())]));
    for _ in 0..1100 {
        if registers(&world).is_empty() {
            world.run_ms(1);
        }
    }
    assert_eq!(text(registers(&world)[0], HeaderName::Expires), "600");
    world.callee().manners.register = Some((200, vec![(HeaderName::Expires, "900".to_owned())]));
    world.run_for(Duration::from_secs(2));
    assert_eq!(
        text(registers(&world).pop().unwrap(), HeaderName::Expires),
        "900"
    );
    let until = world.stack.registrations()[0].until.unwrap();
    assert!(until > world.now + Duration::from_secs(890));
}

#[test]
fn sig_5_a_423_that_makes_no_sense_is_a_failure_and_no_loop() {
    let mut world = world(Wire::Udp);
    world.callee().manners.register = Some((423, vec![(HeaderName::MinExpires, "60".to_owned())]));
    world.run_for(Duration::from_secs(10));
    assert_eq!(registers(&world).len(), 1);
    assert!(world.has_event(EventKind::OurRegistrationFailed));
}

#[test]
fn sig_5_failures_are_tried_again_ever_later() {
    let mut world = world(Wire::Udp);
    world.callee().manners.register = Some((503, Vec::new()));
    let mut times = Vec::new();
    for _ in 0..(4 * 3600) {
        world.run_for(Duration::from_secs(1));
        if registers(&world).len() > times.len() {
            times.push(world.now);
        }
    }
    let gaps: Vec<u64> = times
        .windows(2)
        .map(|pair| pair[1].duration_since(pair[0]).as_secs())
        .collect();
    for (failures, gap) in gaps.iter().enumerate() {
        let ceiling = (30 << failures.min(8)).min(1800);
        assert!(
            (ceiling / 2 - 1..=ceiling + 1).contains(gap),
            "{failures}: {gap}"
        );
    }
    assert!(gaps.len() > 8, "{gaps:?}");
    let status = world.stack.registrations().remove(0);
    assert_eq!(status.until, None);
    assert_eq!(status.problem.as_deref(), Some("503 Service Unavailable"));
    // And when it works again, that is told.
    world.callee().manners.register = None;
    world.run_for(Duration::from_secs(1801));
    assert!(world.has_event(EventKind::OurRegistration));
    assert_eq!(world.stack.registrations()[0].failures, 0);
}

#[test]
fn sig_5_a_wait_that_the_provider_asks_for_is_kept() {
    let mut world = world(Wire::Udp);
    let wait = vec![(HeaderName::RetryAfter, "300 (maintenance)".to_owned())];
    world.callee().manners.register = Some((503, wait));
    world.run_for(Duration::from_secs(299));
    assert_eq!(registers(&world).len(), 1);
    world.run_for(Duration::from_secs(5));
    assert_eq!(registers(&world).len(), 2);
}

#[test]
fn sig_5_a_wrong_password_does_not_hammer_the_provider() {
    let mut world = world(Wire::Udp);
    world.callee().manners.guard = Some(Guard {
        status: 401,
        challenges: vec!["Digest realm=\"p\", nonce=\"n\", qop=\"auth\"".to_owned()],
        accepts: "nothing".to_owned(),
    });
    world.run_for(Duration::from_secs(10));
    assert_eq!(registers(&world).len(), 2);
    let status = world.stack.registrations().remove(0);
    assert_eq!(status.problem.as_deref(), Some("401 Unauthorized"));
}

#[test]
fn sig_5_a_lost_connection_is_replaced_soon() {
    let mut world = world(Wire::Srtp);
    world.run_for(Duration::from_secs(10));
    assert_eq!(registers(&world).len(), 1);
    world.close_connections();
    world.run_for(Duration::from_secs(3));
    assert_eq!(registers(&world).len(), 2);
}

#[test]
fn sig_5_a_reload_begins_and_ends_registrations() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut world = World::with_config(wires, 1, registering(wires));
    world.run_for(Duration::from_secs(2));
    assert_eq!(registers(&world).len(), 1);
    let without = config(wires);
    world.stack.reconfigure(without.trunks, without.routes);
    world.run_for(Duration::from_secs(2));
    assert_eq!(
        text(registers(&world).pop().unwrap(), HeaderName::Expires),
        "0"
    );
    assert!(world.stack.registrations().is_empty());
    let with = registering(wires);
    world.stack.reconfigure(with.trunks, with.routes);
    world.run_for(Duration::from_secs(2));
    assert_eq!(registers(&world).len(), 3);
}

/// The question where the registrar is comes first, and is waited for.
#[test]
fn sig_5_a_registrar_with_a_name_is_left_too() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut config = registering(wires);
    config.trunks[CALLEE].origination.uris[0].uri.host = Host::Name("provider.example".into());
    let mut world = World::with_config(wires, 1, config);
    let hop = Hop {
        transport: Wire::Udp.transport(),
        address: world.agents[CALLEE].address,
    };
    world
        .names
        .insert("provider.example".to_owned(), Some(vec![hop]));
    world.run_for(Duration::from_secs(2));
    assert_eq!(registers(&world).len(), 1);
    world.shut_down();
    assert!(!world.stack.is_idle());
    world.run_for(Duration::from_secs(1));
    let last = registers(&world).pop().unwrap();
    assert_eq!(text(last, HeaderName::Expires), "0");
    world.assert_drained(0);
}

/// Without an answer to that question there is nothing to be done, and nothing to wait for.
#[test]
fn sig_5_a_registrar_that_is_not_found_any_more_does_not_keep_us() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut config = registering(wires);
    config.trunks[CALLEE].origination.uris[0].uri.host = Host::Name("provider.example".into());
    let mut world = World::with_config(wires, 1, config);
    let hop = Hop {
        transport: Wire::Udp.transport(),
        address: world.agents[CALLEE].address,
    };
    let name = "provider.example".to_owned();
    world.names.insert(name.clone(), Some(vec![hop]));
    world.run_for(Duration::from_secs(2));
    world.names.remove(&name);
    world.shut_down();
    world.run_for(Duration::from_secs(1));
    assert_eq!(registers(&world).len(), 1);
    world.assert_drained(0);
}

/// A registrar that wants to know who asks.
fn strict(user: &str) -> Option<Guard> {
    Some(Guard {
        status: 401,
        challenges: vec!["Digest realm=\"p\", nonce=\"n\", qop=\"auth\"".to_owned()],
        accepts: format!("username=\"{user}\""),
    })
}

fn told(world: &World, kind: EventKind) -> Vec<&str> {
    let events = world.events.iter().filter(|event| event.kind == kind);
    events.map(|event| event.text.as_str()).collect()
}

/// A trunk that is taken out of the configuration has no password any more, nor a target.
fn take_out(world: &mut World) {
    let mut without = config([Wire::Udp, Wire::Udp]);
    without.trunks[CALLEE].origination.uris.clear();
    without.trunks[CALLEE].acl.clear();
    world.stack.reconfigure(without.trunks, without.routes);
    world.run_for(Duration::from_secs(2));
}

#[test]
fn sig_5_a_registration_that_is_taken_out_ends_with_the_password_that_it_had() {
    let mut world = world(Wire::Udp);
    world.callee().manners.guard = strict("trunkline");
    world.run_for(Duration::from_secs(2));
    assert_eq!(registers(&world).len(), 2);
    take_out(&mut world);
    let last = registers(&world).pop().unwrap();
    assert_eq!(text(last, HeaderName::Expires), "0");
    assert!(text(last, HeaderName::Authorization).contains("username=\"trunkline\""));
    let events = told(&world, EventKind::OurRegistration);
    assert!(events[1].ends_with(": unregistered"), "{events:?}");
    assert!(!world.has_event(EventKind::OurRegistrationFailed));
    assert!(world.stack.registrations().is_empty());
    world.assert_drained(0);
}

#[test]
fn sig_5_a_provider_that_does_not_let_us_go_is_told_of() {
    for answers in [true, false] {
        let mut world = world(Wire::Udp);
        world.run_for(Duration::from_secs(2));
        world.callee().manners.guard = strict("somebody else");
        world.dead[CALLEE] = !answers;
        take_out(&mut world);
        world.run_for(Duration::from_secs(60));
        let failed = told(&world, EventKind::OurRegistrationFailed);
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(failed[0].contains("not unregistered"), "{failed:?}");
        assert_eq!(
            failed[0].ends_with("401 Unauthorized"),
            answers,
            "{failed:?}"
        );
        assert_eq!(told(&world, EventKind::OurRegistration).len(), 1);
        assert!(world.stack.registrations().is_empty());
        world.assert_drained(0);
    }
}

#[test]
fn sig_5_another_time_is_asked_for_by_the_same_registration() {
    let mut world = world(Wire::Udp);
    world.run_for(Duration::from_secs(2));
    let mut changed = registering([Wire::Udp, Wire::Udp]);
    let register = changed.trunks[CALLEE].register.as_mut().unwrap();
    register.expires = Duration::from_secs(900);
    world.stack.reconfigure(changed.trunks, changed.routes);
    world.run_for(Duration::from_secs(2));
    let expires: Vec<String> = registers(&world)
        .iter()
        .map(|register| text(register, HeaderName::Expires))
        .collect();
    assert_eq!(expires, ["600", "900"]);
    let call_id = |at: usize| text(registers(&world)[at], HeaderName::CallId);
    assert_eq!(call_id(0), call_id(1));
}

/// One registrar under another name: what ends the old registration comes late.
#[test]
fn sig_5_a_new_registration_begins_when_the_old_one_is_over() {
    let mut world = world(Wire::Udp);
    world.run_for(Duration::from_secs(2));
    let mut changed = registering([Wire::Udp, Wire::Udp]);
    changed.trunks[CALLEE].origination.uris[0].uri.host = Host::Name("provider.example".into());
    let hop = Hop {
        transport: Wire::Udp.transport(),
        address: world.agents[CALLEE].address,
    };
    let name = "provider.example".to_owned();
    world.names.insert(name, Some(vec![hop]));
    let mut lost = 0;
    world.drop = Some(Box::new(move |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let is_end = text.starts_with("REGISTER") && text.contains("Expires: 0\r\n");
        lost += usize::from(is_end);
        is_end && lost <= 2
    }));
    world.stack.reconfigure(changed.trunks, changed.routes);
    world.run_for(Duration::from_secs(5));
    let expires: Vec<String> = registers(&world)
        .iter()
        .map(|register| text(register, HeaderName::Expires))
        .collect();
    assert_eq!(expires, ["600", "0", "600"]);
    assert!(world.stack.registrations()[0].until.is_some());
}

#[test]
fn sig_5_a_corrected_password_is_tried_at_once() {
    let mut world = world(Wire::Udp);
    world.callee().manners.guard = strict("corrected");
    world.run_for(Duration::from_secs(200));
    let before = registers(&world).len();
    assert!(world.stack.registrations()[0].failures > 2);
    let mut changed = registering([Wire::Udp, Wire::Udp]);
    changed.trunks[CALLEE].auth = Some(Password::new("corrected", "secret"));
    world.stack.reconfigure(changed.trunks, changed.routes);
    world.run_for(Duration::from_secs(1));
    assert_eq!(registers(&world).len(), before + 2);
    let status = world.stack.registrations().remove(0);
    assert!(status.until.is_some() && status.failures == 0, "{status:?}");
}
