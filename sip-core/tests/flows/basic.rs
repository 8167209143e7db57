//! Calls that go well, on every pairing of transports and security.

use media_core::session::Side;
use sip_core::message::Method;
use sip_core::stack::{EndedBy, EventKind, StackConfig};

use crate::sim::sdp::profile;
use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World, config};

#[test]
fn a_call_is_set_up_and_ended_on_every_pairing_of_legs() {
    for caller in Wire::ALL {
        for callee in Wire::ALL {
            let mut world = World::new([caller, callee], 1);
            world.establish();
            let offer = world
                .callee()
                .request_received(&Method::Invite)
                .body
                .clone();
            assert_eq!(
                profile(&offer),
                callee.profile(),
                "{caller:?} to {callee:?}"
            );
            let answer = world.caller().response(&Method::Invite, 200).body.clone();
            assert_eq!(
                profile(&answer),
                caller.profile(),
                "{caller:?} to {callee:?}"
            );
            assert_eq!(world.sessions.len(), 1);
            world.run_ms(60_000);
            assert_eq!(
                world.phases(),
                [Phase::Up, Phase::Up],
                "{caller:?} to {callee:?}"
            );
            world.tell(CALLER, Agent::hang_up);
            world.run_ms(500);
            assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
            world.assert_drained(1);
            let record = world.record();
            assert_eq!((record.status, record.ended_by), (200, EndedBy::Caller));
            assert_eq!(record.caller.transport, caller.transport());
            assert_eq!(
                record.callee.as_ref().unwrap().transport,
                callee.transport()
            );
            assert_eq!(record.codec.as_deref(), Some("PCMU"));
        }
    }
}

#[test]
fn the_callee_may_hang_up_as_well() {
    let mut world = World::new([Wire::Udp, Wire::Srtp], 2);
    world.establish();
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    world.assert_drained(1);
    assert_eq!(world.record().ended_by, EndedBy::Callee);
}

/// Digits may be those of a card: what is told of them is up to the operator.
#[test]
fn med_3_a_digit_is_an_event_that_shows_it_only_if_it_may() {
    let wires = [Wire::Udp, Wire::Srtp];
    for (show_digits, texts) in [
        (
            false,
            ["a digit from the caller", "a digit from the callee"],
        ),
        (true, ["digit 7 from the caller", "digit # from the callee"]),
    ] {
        let config = StackConfig {
            show_digits,
            ..config(wires)
        };
        let mut world = World::with_config(wires, 3, config);
        world.establish();
        world.digit(Side::Caller, 7);
        world.digit(Side::Callee, 11);
        let digits = world
            .events
            .iter()
            .filter(|event| event.kind == EventKind::Digit);
        let told: Vec<&str> = digits.map(|event| event.text.as_str()).collect();
        assert_eq!(told, texts);
    }
}
