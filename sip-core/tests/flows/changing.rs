//! SEC-1: a changed configuration is for the next call.

use sip_core::message::Method;
use sip_core::trunk::SecureMode;

use crate::refusals::UDP;
use crate::sim::{Agent, CALLER, Phase, World, config};

#[test]
fn a_changed_configuration_is_followed_by_the_next_call_only() {
    let mut world = World::new(UDP, 8);
    world.establish();
    let mut trunks = config(UDP).trunks;
    trunks[CALLER].acl.clear();
    world.stack.reconfigure(trunks, config(UDP).routes);
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(200);
    assert_eq!(
        world.caller().statuses(&Method::Invite).last(),
        Some(&200),
        "the call that is up goes on"
    );
    let another = world.caller().new_invite("+201", true);
    world.tell(CALLER, |agent, now| agent.send_outside(now, another));
    world.run_ms(200);
    assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&403));
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
}

/// One switch, either way, and no call that is up notices.
#[test]
fn sec_1_a_mode_that_is_switched_is_for_the_next_call_and_not_for_those_that_are_up() {
    let mut world = World::new(UDP, 10);
    world.establish();
    let next_call = |world: &mut World, mode: SecureMode| {
        let mut trunks = config(UDP).trunks;
        trunks[CALLER].mode = mode;
        world.stack.reconfigure(trunks, config(UDP).routes);
        world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(200);
        let answer = world.caller().response(&Method::Invite, 200);
        assert!(!answer.body.is_empty(), "the call that is up goes on");
        let another = world.caller().new_invite("+201", true);
        let call_id = another.headers.call_id().expect("Call-ID").to_owned();
        world.tell(CALLER, |agent, now| agent.send_outside(now, another));
        world.run_ms(200);
        let responses = world.caller().responses(&Method::Invite);
        let own = responses.iter();
        let mut own = own.filter(|response| response.headers.call_id() == Ok(&call_id));
        own.next_back().expect("a response").status.code()
    };
    assert_eq!(next_call(&mut world, SecureMode::Tls), 403);
    assert_eq!(next_call(&mut world, SecureMode::Srtp), 403);
    let told = |record: &&sip_core::stack::CallRecord| record.code == Some(32209);
    assert_eq!(world.records.iter().filter(told).count(), 2);
    // The callee is busy with the first call.
    assert_eq!(next_call(&mut world, SecureMode::Disabled), 481);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(4);
}
