//! Limits of a trunk and of the process: what is beyond them is refused, told and bounded, and
//! calls that are there notice nothing.

use std::time::Duration;

use sip_core::message::{HeaderName, Method, Request};
use sip_core::stack::{EndedBy, EventKind, StackConfig};
use sip_core::transport::Transport;
use sip_core::trunk::CallLimits;

use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World, config};

const UDP: [Wire; 2] = [Wire::Udp, Wire::Udp];

fn world_with(edit: impl FnOnce(&mut StackConfig)) -> World {
    let mut config = config(UDP);
    edit(&mut config);
    World::with_config(UDP, 1, config)
}

fn limited(index: usize, limits: CallLimits) -> World {
    world_with(|config| config.trunks[index].limits = limits)
}

/// The caller sends that many INVITEs at once.
fn call_at_once(world: &mut World, calls: usize) {
    for _ in 0..calls {
        let invite = world.caller().new_invite("+200", true);
        world.tell(CALLER, |agent, now| agent.send_outside(now, invite));
    }
    world.run_ms(100);
}

fn refused(world: &World) -> usize {
    let statuses = world.agents[CALLER].statuses(&Method::Invite);
    statuses.iter().filter(|status| **status == 503).count()
}

/// An INVITE of somebody who never acknowledges anything.
fn rude_invite(world: &mut World) -> Vec<u8> {
    let mut invite: Request = world.caller().new_invite("+200", true);
    let nonce = invite.headers.call_id().expect("Call-ID");
    let via = format!("SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bK{nonce};rport");
    invite.headers.push_front(HeaderName::Via, via);
    invite.to_bytes()
}

fn flood(world: &mut World, calls: usize) {
    let mut origin = world.origin_of(CALLER);
    origin.remote = "192.0.2.77:5060".parse().expect("an address");
    for _ in 0..calls {
        let invite = rude_invite(world);
        world.inject(origin.clone(), &invite);
    }
}

#[test]
fn trk_6_calls_beyond_a_trunks_rate_get_503_with_retry_after_and_32001() {
    for index in [CALLER, CALLEE] {
        let mut world = limited(
            index,
            CallLimits {
                per_second: Some(2),
                ..CallLimits::default()
            },
        );
        call_at_once(&mut world, 5);
        assert_eq!(refused(&world), 3);
        let refusal = world.caller().response(&Method::Invite, 503);
        assert!(refusal.headers.contains(HeaderName::RetryAfter));
        assert_eq!(
            refusal.headers.value(HeaderName::Reason).unwrap(),
            b"X-Trunkline;cause=32001;text=\"call limit reached\""
        );
        let record = &world.records[0];
        let name = ["carrier", "pbx"][index];
        assert_eq!((record.status, record.code), (503, Some(32001)));
        assert_eq!(
            record.reason,
            format!("call limit reached: 2 calls per second of {name}")
        );
        let event = |event: &&sip_core::stack::Event| event.kind == EventKind::CallRefused;
        assert_eq!(world.events.iter().filter(event).count(), 3);
        assert_eq!(world.stack.counters().calls_over_limit, 3);
        world.run_ms(900);
        call_at_once(&mut world, 2);
        assert_eq!(refused(&world), 3, "a second later two more may come");
    }
}

#[test]
fn trk_6_more_calls_at_once_than_a_trunk_may_have_wait_for_one_to_end() {
    for index in [CALLER, CALLEE] {
        let mut world = limited(
            index,
            CallLimits {
                concurrent: Some(1),
                ..CallLimits::default()
            },
        );
        world.establish();
        call_at_once(&mut world, 1);
        assert_eq!(refused(&world), 1);
        let name = ["carrier", "pbx"][index];
        assert_eq!(
            world.record().reason,
            format!("call limit reached: 1 calls at once of {name}")
        );
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        world.tell(CALLER, Agent::hang_up);
        world.run_ms(100);
        call_at_once(&mut world, 1);
        assert_eq!(refused(&world), 1, "there is room again");
        world.run_for(Duration::from_secs(400));
        assert_eq!(world.stack.calls(), 0);
        call_at_once(&mut world, 1);
        assert_eq!(refused(&world), 1, "every call that ended has left");
    }
}

#[test]
fn trk_6_a_call_ends_on_both_legs_when_it_is_as_long_as_the_shorter_limit() {
    let hours = |hours: u64| CallLimits {
        length: Some(Duration::from_secs(hours * 3600)),
        ..CallLimits::default()
    };
    let mut world = world_with(|config| {
        config.trunks[CALLER].limits = hours(24);
        config.trunks[CALLEE].limits = hours(2);
    });
    world.establish();
    world.run_for(Duration::from_secs(2 * 3600 - 2));
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    for agent in &world.agents {
        let bye = agent.request_received(&Method::Bye);
        assert_eq!(
            bye.headers.value(HeaderName::Reason).unwrap(),
            b"X-Trunkline;cause=32002;text=\"call length limit reached\""
        );
    }
    world.assert_drained(1);
    let record = world.record();
    assert_eq!(
        (record.ended_by, record.status, record.code),
        (EndedBy::Trunkline, 200, Some(32002))
    );
}

#[test]
fn overload_more_calls_per_second_than_allowed_get_503_and_leave_nothing_behind() {
    let mut world = world_with(|config| config.calls_per_second = Some(1));
    world.establish();
    call_at_once(&mut world, 10);
    assert_eq!(refused(&world), 10);
    assert_eq!(world.stack.counters().calls_shed, 10);
    let refusal = world.caller().response(&Method::Invite, 503);
    assert!(refusal.headers.contains(HeaderName::RetryAfter));
    assert_eq!(
        refusal.headers.value(HeaderName::Reason).unwrap(),
        b"X-Trunkline;cause=32003;text=\"overloaded\""
    );
    let record = &world.records[0];
    assert_eq!(record.reason, "overloaded: more than 1 calls per second");
    assert_eq!(record.caller.remote, Some(world.agents[CALLER].address));
    assert!(world.has_event(EventKind::Overloaded));
    assert_eq!(world.callee().requests(&Method::Invite).len(), 1);
    // The call that is there goes on, and ends.
    world.tell(CALLEE, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(200);
    assert_eq!(world.callee().statuses(&Method::Invite), [200]);
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    call_at_once(&mut world, 1);
    assert_eq!(refused(&world), 10, "the next second is a new one");
}

#[test]
fn overload_while_messages_wait_too_long_only_new_calls_are_refused() {
    let mut world = world_with(|config| config.max_queue_delay = Some(Duration::from_millis(500)));
    world.stack.set_lateness(Duration::from_millis(500));
    world.establish();
    world.stack.set_lateness(Duration::from_millis(501));
    call_at_once(&mut world, 1);
    assert_eq!(refused(&world), 1);
    assert_eq!(world.record().reason, "overloaded: messages wait too long");
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(200);
    assert_eq!(
        world.caller().statuses(&Method::Invite).last(),
        Some(&200),
        "a re-INVITE is no new call"
    );
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(world.callee().phase, Phase::Over(200));
    world.stack.set_lateness(Duration::ZERO);
    call_at_once(&mut world, 1);
    assert_eq!(refused(&world), 1);
}

/// An INVITE that is being answered is not refused when it comes again late.
#[test]
fn overload_a_retransmitted_invite_is_no_new_call() {
    let mut world = world_with(|config| config.max_queue_delay = Some(Duration::from_millis(500)));
    let mut origin = world.origin_of(CALLER);
    origin.remote.set_port(5060);
    let invite = rude_invite(&mut world);
    world.inject(origin.clone(), &invite);
    world.run_ms(50);
    world.stack.set_lateness(Duration::from_secs(1));
    world.inject(origin, &invite);
    world.run_ms(50);
    assert_eq!(world.stack.counters().calls_shed, 0);
    assert_eq!(world.stack.calls(), 1);
}

#[test]
fn overload_a_flood_of_strangers_leaves_few_records_and_its_number() {
    let mut world = World::new(UDP, 1);
    flood(&mut world, 1000);
    let counters = *world.stack.counters();
    assert_eq!(
        (counters.calls_refused, counters.refusals_untold),
        (1000, 980)
    );
    assert_eq!(world.records.len(), 20);
    assert_eq!(world.events.len(), 20);
    world.run_for(Duration::from_secs(2));
    flood(&mut world, 1);
    let event = world.events.last().unwrap();
    assert!(
        event
            .text
            .ends_with(" (980 more before it were only counted)"),
        "{}",
        event.text
    );
    assert_eq!(
        event.peer,
        Some((Transport::Udp, "192.0.2.77:5060".parse().unwrap()))
    );
}

#[test]
fn overload_invites_without_ack_have_bounded_memory_and_calls_go_on() {
    let mut world = world_with(|config| config.max_transactions = 80);
    world.establish();
    for _ in 0..20 {
        flood(&mut world, 100);
        assert!(
            world.stack.transactions() <= 80,
            "{}",
            world.stack.transactions()
        );
        world.run_ms(500);
    }
    assert!(world.stack.transaction_counters().overflowed > 0);
    assert!(world.has_event(EventKind::Overloaded));
    world.tell(CALLEE, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(200);
    assert_eq!(world.callee().statuses(&Method::Invite), [200]);
    world.tell(CALLER, Agent::hang_up);
    world.run_for(Duration::from_secs(100));
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    assert_eq!((world.stack.calls(), world.stack.transactions()), (0, 0));
}
