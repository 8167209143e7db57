//! Calls that go well, on every pairing of transports and security.

use sip_core::message::Method;
use sip_core::stack::EndedBy;

use crate::sim::sdp::profile;
use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World};

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
