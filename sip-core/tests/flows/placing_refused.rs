//! Calls that an operator cannot place (OPS-3), and those that count.

use sip_core::message::Method;
use sip_core::stack::{ControlError, EventKind, Place};
use sip_core::trunk::CallLimits;

use crate::placing::{FIRST, answer, place, placed_with, setup};
use crate::sim::{Agent, CALLER, Phase, THIRD, World};
use crate::transfer::{THIRDS_NUMBER, UDP};

#[test]
fn ops_3_a_call_that_cannot_be_placed_is_refused_before_anybody_rings() {
    let mut world = World::with_targets(&UDP, 32, setup(UDP));
    let mut try_it = |first: &str, to: &str, trunk: Option<&str>| {
        let place = Place {
            from: String::new(),
            to: to.to_owned(),
            first: first.to_owned(),
            trunk: trunk.map(str::to_owned),
        };
        world.operate(|stack, now| stack.place(now, &place))
    };
    for (first, to, trunk) in [
        ("+200", "", Some("carrier")),
        ("", "+300", Some("carrier")),
        ("+200", "+300", None),
        ("+200", "+300", Some("nobody")),
        ("alice@office.example.com", "+300", None),
        ("+200", "sip:", Some("carrier")),
        ("a b", "+300", Some("carrier")),
    ] {
        let refused = try_it(first, to, trunk);
        assert!(
            matches!(refused, Err(ControlError::BadTarget(_))),
            "{first} {to} {refused:?}"
        );
    }
    world.stack.set_draining(true);
    let code = |refused| match refused {
        Err(ControlError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(place(&mut world)), 32004);
    world.stack.set_draining(false);
    world.stack.reconfigure(setup(UDP).trunks, Vec::new());
    assert_eq!(code(place(&mut world)), 32012);
    let mut config = setup(UDP);
    for trunk in &mut config.trunks {
        for uri in &mut trunk.origination.uris {
            uri.enabled = false;
        }
    }
    world.stack.reconfigure(config.trunks, config.routes);
    assert_eq!(code(place(&mut world)), 32011);
    let mut config = setup(UDP);
    config.trunks[1].limits = CallLimits {
        concurrent: Some(0),
        ..CallLimits::default()
    };
    world.stack.reconfigure(config.trunks, config.routes);
    assert_eq!(code(place(&mut world)), 32001);
    assert!(world.agents.iter().all(|agent| agent.received.is_empty()));
    world.assert_drained(0);
}

/// TRK-6: a place on the first party's trunk from the beginning, one on the second's when that is called.
#[test]
fn ops_3_a_placed_call_counts_on_both_trunks_while_it_lasts() {
    let mut config = setup(UDP);
    config.trunks[2].limits = CallLimits {
        concurrent: Some(1),
        ..CallLimits::default()
    };
    let mut world = placed_with(UDP, config);
    answer(&mut world, FIRST, 200);
    answer(&mut world, THIRD, 200);
    world.run_ms(300);
    let invite = world.caller().new_invite(THIRDS_NUMBER, true);
    world.tell(CALLER, |agent, now| agent.send_outside(now, invite));
    world.run_ms(100);
    assert_eq!(world.caller().statuses(&Method::Invite), [503]);
    assert!(world.has_event(EventKind::LimitReached));
    world.tell(FIRST, Agent::hang_up);
    world.run_ms(300);
    world.agents[THIRD].phase = Phase::Idle;
    let invite = world.caller().new_invite(THIRDS_NUMBER, true);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(100);
    assert_eq!(
        world.agents[THIRD].phase,
        Phase::Invited,
        "the place is free again"
    );
    world.tell(CALLER, Agent::cancel);
    world.assert_drained(3);
}
