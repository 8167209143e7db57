//! INVITE with Replaces (RFC 3891, SIG-7): a party takes the place of a dialog of its trunk.

use std::time::Duration;

use sip_core::message::{HeaderName, Method, Request};
use sip_core::stack::{EventKind, StackConfig};
use sip_core::trunk::CallLimits;
use sip_core::trunk::refer::ReferMode;

use crate::attended::replaces;
use crate::sim::{Agent, CALLEE, CALLER, Phase, SECOND, Wire, World};
use crate::transfer::{UDP, media, tell_apart, transfers, up};

#[test]
fn sig_7_an_invite_with_replaces_takes_the_place_of_a_dialog_of_its_trunk() {
    for wires in [UDP, [Wire::Srtp, Wire::Tls, Wire::Tls, Wire::Udp]] {
        let mut world = up(wires, ReferMode::Off);
        tell_apart(&mut world);
        let value = replaces(&world, CALLEE);
        world.tell(SECOND, |agent, now| {
            let mut invite = agent.new_invite("+100", true);
            invite.headers.push(HeaderName::Require, "replaces");
            invite.headers.push(HeaderName::Replaces, value);
            agent.send_invite(now, invite);
        });
        world.run_ms(500);
        assert_eq!(world.agents[SECOND].phase, Phase::Up);
        assert_eq!(world.callee().phase, Phase::Over(200));
        assert_eq!(world.caller().phase, Phase::Up);
        let mut ports = media(&world);
        ports.sort_unstable();
        assert_eq!(ports, [4000, 4004]);
        world.tell(SECOND, Agent::hang_up);
        world.run_ms(300);
        assert_eq!(world.caller().phase, Phase::Over(200));
        world.assert_drained(2);
    }
}

#[test]
fn sig_7_replaces_is_481_for_what_is_not_there_or_not_the_trunks_own() {
    let mut world = up(UDP, ReferMode::Off);
    let (right, others) = (replaces(&world, CALLEE), replaces(&world, CALLER));
    for (value, status) in [
        (others, 481),
        (format!("{right}x"), 481),
        ("nothing;to-tag=1;from-tag=2".to_owned(), 481),
        ("nonsense".to_owned(), 400),
        (format!("{right};early-only"), 486),
    ] {
        world.agents[SECOND].phase = Phase::Idle;
        world.tell(SECOND, |agent, now| {
            let mut invite = agent.new_invite("+100", true);
            invite.headers.push(HeaderName::Replaces, value.clone());
            agent.send_invite(now, invite);
        });
        world.run_ms(200);
        assert_eq!(world.agents[SECOND].phase, Phase::Over(status), "{value}");
    }
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(6);
}

#[test]
fn sig_7_if_the_far_side_does_not_agree_to_replaces_the_call_stays() {
    let mut world = up(UDP, ReferMode::Off);
    world.caller().manners.reinvite = Some(488);
    let value = replaces(&world, CALLEE);
    world.tell(SECOND, |agent, now| {
        let mut invite = agent.new_invite("+100", true);
        invite.headers.push(HeaderName::Replaces, value);
        agent.send_invite(now, invite);
    });
    world.run_ms(500);
    assert_eq!(world.agents[SECOND].phase, Phase::Over(488));
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
}

#[test]
fn sig_7_an_invite_with_replaces_that_is_cancelled_leaves_nothing() {
    let mut world = up(UDP, ReferMode::Off);
    world.caller().manners.reinvite = None;
    let value = replaces(&world, CALLEE);
    world.tell(SECOND, |agent, now| {
        let mut invite = agent.new_invite("+100", true);
        invite.headers.push(HeaderName::Replaces, value);
        agent.send_invite(now, invite);
    });
    world.run_ms(200);
    world.tell(CALLER, |caller, now| caller.respond(now, 180));
    world.run_ms(100);
    world.tell(SECOND, Agent::cancel);
    world.run_ms(500);
    assert_eq!(world.agents[SECOND].phase, Phase::Over(487));
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world.run_for(Duration::from_secs(40));
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
}

/// The callee's second line wants the place of the first; its INVITE is changed by `edit`.
fn replace(world: &mut World, edit: impl FnOnce(&mut Request)) {
    let value = replaces(world, CALLEE);
    world.tell(SECOND, |agent, now| {
        let mut invite = agent.new_invite("+100", true);
        invite.headers.push(HeaderName::Replaces, value);
        edit(&mut invite);
        agent.send_invite(now, invite);
    });
    world.run_ms(500);
}

fn up_with(edit: impl FnOnce(&mut StackConfig)) -> World {
    let mut config = transfers(UDP, ReferMode::Off);
    edit(&mut config);
    let mut world = World::with_targets(&UDP, 73, config);
    world.callee().manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(500);
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world
}

/// The INVITE is refused with that status and code, and the call that it wanted a place in stays.
fn assert_refused(mut world: World, status: u16, code: u32, edit: impl FnOnce(&mut Request)) {
    replace(&mut world, edit);
    assert_eq!(world.agents[SECOND].phase, Phase::Over(status));
    let refusal = world.agents[SECOND].response(&Method::Invite, status);
    let reason = refusal.headers.value(HeaderName::Reason).expect("Reason");
    let expected = format!("X-Trunkline;cause={code};");
    assert!(reason.starts_with(expected.as_bytes()), "{expected}");
    let event = world.events.iter();
    let mut event = event.filter(|event| event.kind == EventKind::CallRefused);
    assert_eq!(event.next().expect("an event").code, Some(code));
    assert!(
        world.caller().requests(&Method::Invite).is_empty(),
        "the far side hears nothing of it"
    );
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
    assert_eq!(world.records[0].code, Some(code));
}

#[test]
fn sig_7_an_invite_with_replaces_is_read_like_any_other() {
    let any = || up(UDP, ReferMode::Off);
    assert_refused(any(), 483, 32242, |invite| {
        invite.headers.set(HeaderName::MaxForwards, "0");
    });
    assert_refused(any(), 420, 32244, |invite| {
        invite.headers.push(HeaderName::Require, "replaces, foo");
    });
    assert_refused(any(), 415, 32245, |invite| {
        invite.headers.set(HeaderName::ContentType, "image/png");
    });
    assert_refused(any(), 416, 32246, |invite| {
        invite.uri = sip_core::message::Uri::parse(b"urn:service:sos").expect("a URI");
    });
    assert_refused(any(), 422, 32033, |invite| {
        invite.headers.push(HeaderName::Supported, "timer");
        invite.headers.push(HeaderName::SessionExpires, "10");
    });
}

#[test]
fn trk_6_an_invite_with_replaces_counts_like_any_other() {
    let limited = |limits| up_with(|config| config.trunks[1].limits = limits);
    let concurrent = CallLimits {
        concurrent: Some(1),
        ..CallLimits::default()
    };
    assert_refused(limited(concurrent), 503, 32001, |_| {});
    let mut world = up_with(|config| config.max_calls = 1);
    replace(&mut world, |_| {});
    assert_eq!(world.agents[SECOND].phase, Phase::Over(503));
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
}

#[test]
fn sig_7_after_shutting_down_an_invite_with_replaces_gets_503() {
    let mut world = up(UDP, ReferMode::Off);
    world.shut_down();
    replace(&mut world, |_| {});
    assert_eq!(world.agents[SECOND].phase, Phase::Over(503));
    assert_eq!(world.records.last().expect("a record").code, Some(32016));
    world.assert_drained(2);
}
