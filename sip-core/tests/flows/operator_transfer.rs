//! An operator moves a side of a call to somebody else (OPS-3): by a call of ours, or by REFER to the
//! side that is moved. The caller is on trunk 0, the callee on trunk 1, a third party on trunk 2.

use media_core::session::Side;
use sip_core::message::{HeaderName, Method};
use sip_core::stack::{CallState, ControlError, EndedBy, Event, EventKind, TransferHow};
use sip_core::trunk::refer::ReferMode;

use crate::sim::sdp::direction;
use crate::sim::{Agent, CALLEE, CALLER, Phase, THIRD, Wire, World};
use crate::transfer::{THIRDS_NUMBER, UDP, media, tell_apart, up};

/// The operator moves an agent of the first call that there is.
fn transfer(
    world: &mut World,
    moved: usize,
    target: &str,
    how: TransferHow,
) -> Result<(), ControlError> {
    let call = world.stack.live_calls()[0].call;
    let side = [Side::Caller, Side::Callee][moved];
    let done = world.operate(|stack, now| stack.transfer(now, call, side, target, how));
    world.run_ms(300);
    done
}

fn events(world: &World, kind: EventKind) -> Vec<&Event> {
    let events = world.events.iter();
    events.filter(|event| event.kind == kind).collect()
}

/// What the moved side tells of the call that it makes.
fn notify(world: &mut World, from: usize, state: &str, body: &str) {
    let (state, body) = (state.to_owned(), body.as_bytes().to_vec());
    world.tell(from, |agent, now| {
        agent.request(now, Method::Notify, |notify| {
            let headers = &mut notify.headers;
            headers.push(HeaderName::Event, "refer");
            headers.push(HeaderName::SubscriptionState, state);
            headers.push(HeaderName::ContentType, "message/sipfrag;version=2.0");
            notify.body = body;
        });
    });
    world.run_ms(200);
}

/// A call whose callee or caller has accepted our REFER.
fn referred(moved: usize) -> World {
    let mut world = up(UDP, ReferMode::Off);
    world.agents[moved].manners.others = Some(202);
    assert_eq!(
        transfer(&mut world, moved, "+300", TransferHow::Refer),
        Ok(())
    );
    world
}

#[test]
fn ops_3_a_transfer_by_us_connects_the_moved_side_with_the_new_party() {
    for wires in [
        UDP,
        [Wire::Srtp, Wire::Udp, Wire::Udp, Wire::Srtp],
        [Wire::Udp, Wire::Srtp, Wire::Udp, Wire::Tls],
    ] {
        for moved in [CALLER, CALLEE] {
            let mut world = up(wires, ReferMode::Off);
            tell_apart(&mut world);
            world.tell(moved, |agent, now| agent.reinvite(now, "sendrecv"));
            world.run_ms(300);
            let done = transfer(&mut world, moved, THIRDS_NUMBER, TransferHow::Local);
            assert_eq!(done, Ok(()));
            let invite = world.agents[THIRD].request_received(&Method::Invite);
            assert_eq!(invite.uri.user(), Some(THIRDS_NUMBER));
            world.tell(THIRD, |agent, now| agent.respond(now, 200));
            world.run_ms(500);
            let rest = 1 - moved;
            // It is left behind, and hears why.
            assert_eq!(world.agents[rest].phase, Phase::Over(200));
            let bye = world.agents[rest].request_received(&Method::Bye);
            let reason = bye.headers.value(HeaderName::Reason).expect("Reason");
            assert!(String::from_utf8_lossy(reason).contains("32006"));
            assert!(world.agents[rest].requests(&Method::Notify).is_empty());
            assert_eq!(world.agents[moved].phase, Phase::Up);
            assert_eq!(world.agents[THIRD].phase, Phase::Up);
            assert_eq!(direction(&world.agents[moved].remote_sdp), "sendrecv");
            assert_eq!(media(&world), [4000 + 2 * moved as u16, 4006]);
            let moved_event = events(&world, EventKind::CallTransferred);
            assert_eq!(moved_event.len(), 1);
            let who = ["the caller", "the callee"][moved];
            assert!(moved_event[0].text.starts_with(who), "{moved_event:?}");
            assert!(moved_event[0].text.contains(THIRDS_NUMBER));
            assert_eq!(events(&world, EventKind::TransferDone).len(), 1);

            world.tell(THIRD, Agent::hang_up);
            world.run_ms(300);
            assert_eq!(world.agents[moved].phase, Phase::Over(200));
            world.assert_drained(2);
            let old = &world.records[0];
            assert_eq!((old.ended_by, old.status), (EndedBy::Trunkline, 200));
            assert_eq!(old.code, Some(32006));
            assert_eq!(world.records[1].ended_by, EndedBy::Callee);
        }
    }
}

#[test]
fn ops_3_a_transfer_by_us_that_comes_to_nothing_leaves_the_call_as_it_was() {
    for status in [486, 603, 503] {
        let mut world = up(UDP, ReferMode::Off);
        transfer(&mut world, CALLER, THIRDS_NUMBER, TransferHow::Local).expect("begun");
        let busy = transfer(&mut world, CALLER, "+300", TransferHow::Local);
        let under_way = ControlError::WrongState("a transfer is under way already");
        assert_eq!(busy, Err(under_way));
        world.tell(THIRD, |agent, now| agent.respond(now, status));
        world.run_ms(300);
        assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
        let failed = events(&world, EventKind::TransferFailed);
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].code, Some(32218));
        assert!(events(&world, EventKind::CallTransferred).is_empty());
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(2);
    }
    let mut world = up(UDP, ReferMode::Off);
    world.stack.reconfigure(Vec::new(), Vec::new());
    transfer(&mut world, CALLER, "nowhere", TransferHow::Local).expect("begun");
    assert_eq!(
        events(&world, EventKind::TransferFailed).len(),
        1,
        "no route"
    );
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
}

#[test]
fn ops_3_refer_goes_to_the_moved_side_and_its_success_ends_the_call() {
    for moved in [CALLER, CALLEE] {
        let mut world = referred(moved);
        let refer = world.agents[moved].request_received(&Method::Refer);
        let refer_to = refer.headers.value(HeaderName::ReferTo).expect("Refer-To");
        assert_eq!(refer_to, b"<sip:+300@203.0.113.1:5060>", "at our address");
        assert!(
            refer.headers.contains(HeaderName::Contact),
            "RFC 3515 section 2.2"
        );
        assert!(world.agents[1 - moved].requests(&Method::Refer).is_empty());
        assert_eq!(events(&world, EventKind::TransferStarted).len(), 1);
        notify(
            &mut world,
            moved,
            "active;expires=60",
            "SIP/2.0 100 Trying\r\n",
        );
        notify(
            &mut world,
            moved,
            "active;expires=60",
            "SIP/2.0 180 Ringing\r\n",
        );
        assert_eq!(world.live().state, CallState::Answered);
        notify(
            &mut world,
            moved,
            "terminated;reason=noresource",
            "SIP/2.0 200 OK\r\n",
        );
        assert_eq!(world.agents[moved].statuses(&Method::Notify), [200; 3]);
        world.run_ms(200);
        assert_eq!(world.phases()[..2], [Phase::Over(200), Phase::Over(200)]);
        let told = events(&world, EventKind::CallTransferred);
        assert_eq!(told.len(), 1);
        assert!(told[0].text.contains("+300"));
        world.assert_drained(1);
        let record = world.record();
        assert_eq!(
            (record.ended_by, record.code),
            (EndedBy::Trunkline, Some(32006))
        );
    }
}

#[test]
fn ops_3_refer_that_is_refused_or_fails_leaves_the_call_as_it_was() {
    for status in [405, 501, 603] {
        let mut world = up(UDP, ReferMode::Off);
        world.callee().manners.others = Some(status);
        transfer(
            &mut world,
            CALLEE,
            "sip:+300@example.com",
            TransferHow::Refer,
        )
        .expect("sent");
        let failed = events(&world, EventKind::TransferFailed);
        assert_eq!(failed.len(), 1);
        assert!(
            failed[0].text.starts_with(&format!("REFER: {status}")),
            "{failed:?}"
        );
        assert_eq!(failed[0].code, Some(32218));
        assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
    }
    for (state, body, why) in [
        (
            "terminated;reason=noresource",
            "SIP/2.0 486 Busy Here\r\n",
            "486 Busy Here",
        ),
        (
            "active;expires=60",
            "SIP/2.0 603 Decline\r\n",
            "603 Decline",
        ),
        (
            "terminated;reason=timeout",
            "SIP/2.0 100 Trying\r\n",
            "no result was told",
        ),
        ("terminated", "", "no result was told"),
    ] {
        let mut world = referred(CALLEE);
        notify(&mut world, CALLEE, state, body);
        let failed = events(&world, EventKind::TransferFailed);
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].text, why);
        // The subscription is over: 481 from here on (RFC 6665 section 4.1.3).
        notify(&mut world, CALLEE, "terminated", "SIP/2.0 200 OK\r\n");
        assert_eq!(world.callee().statuses(&Method::Notify), [200, 481]);
        assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn ops_3_nobody_waits_for_ever_for_the_result_of_refer() {
    let mut world = referred(CALLEE);
    world.run_for(std::time::Duration::from_secs(300));
    let failed = events(&world, EventKind::TransferFailed);
    assert_eq!(failed.len(), 1);
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    // And then another one may be tried.
    assert_eq!(
        transfer(&mut world, CALLEE, "+300", TransferHow::Refer),
        Ok(())
    );
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(events(&world, EventKind::TransferFailed).len(), 2);
    world.assert_drained(1);
}

/// RFC 5057 section 4: BYE ends the session, not the subscription that the REFER made.
#[test]
fn ops_3_a_side_that_accepts_refer_and_hangs_up_still_tells_what_came_of_it() {
    for moved in [CALLER, CALLEE] {
        for (state, body, kind, text) in [
            (
                "terminated;reason=noresource",
                "SIP/2.0 200 OK\r\n",
                EventKind::TransferDone,
                "200 OK",
            ),
            (
                "terminated;reason=noresource",
                "SIP/2.0 486 Busy Here\r\n",
                EventKind::TransferFailed,
                "it hung up, and then: 486 Busy Here",
            ),
            (
                "terminated;reason=timeout",
                "",
                EventKind::TransferFailed,
                "it hung up, and then: no result was told",
            ),
        ] {
            let mut world = referred(moved);
            let call = world.live().call;
            world.tell(moved, Agent::hang_up);
            // As soon as that, and long after the call is over.
            notify(&mut world, moved, "active", "SIP/2.0 100 Trying\r\n");
            world.run_for(std::time::Duration::from_secs(40));
            assert_eq!(world.phases()[..2], [Phase::Over(200), Phase::Over(200)]);
            assert_eq!(world.stack.calls(), 0);
            let settled = |world: &World| {
                [EventKind::TransferDone, EventKind::TransferFailed]
                    .map(|kind| events(world, kind).len())
            };
            assert_eq!(settled(&world), [0, 0]);
            notify(&mut world, moved, state, body);
            assert_eq!(settled(&world).iter().sum::<usize>(), 1);
            let told = events(&world, kind);
            assert_eq!(told[0].text, text);
            assert_eq!(told[0].call, Some(call));
            let transferred = events(&world, EventKind::CallTransferred);
            assert_eq!(
                transferred.len(),
                usize::from(kind == EventKind::TransferDone)
            );
            // The subscription is over (RFC 6665 section 4.1.3).
            notify(&mut world, moved, state, body);
            let statuses = world.agents[moved].statuses(&Method::Notify);
            assert_eq!(statuses, [200, 200, 481]);
            assert_eq!(settled(&world).iter().sum::<usize>(), 1);
            world.assert_drained(1);
        }
    }
}

#[test]
fn ops_3_who_accepts_refer_hangs_up_and_tells_nothing_is_not_waited_for_for_ever() {
    let mut world = referred(CALLEE);
    world.tell(CALLEE, Agent::hang_up);
    world.run_for(std::time::Duration::from_secs(100));
    assert!(events(&world, EventKind::TransferFailed).is_empty());
    world.run_for(std::time::Duration::from_secs(200));
    let failed = events(&world, EventKind::TransferFailed);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].text, "it hung up, and then: no result was told");
    world.assert_drained(1);

    // Nor by a daemon that stops.
    let mut world = referred(CALLEE);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(500);
    world.shut_down();
    assert_eq!(events(&world, EventKind::TransferFailed).len(), 1);
    world.assert_drained(1);
}

/// Who the other side is matters, and so does the REFER.
#[test]
fn ops_3_a_late_notify_of_anybody_else_tells_nothing() {
    let mut world = referred(CALLEE);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(500);
    notify(&mut world, CALLER, "terminated", "SIP/2.0 200 OK\r\n");
    assert_eq!(world.caller().statuses(&Method::Notify), [481]);
    world.tell(CALLEE, |agent, now| {
        agent.request(now, Method::Notify, |notify| {
            notify.headers.push(HeaderName::Event, "refer;id=77777");
            notify.body = b"SIP/2.0 200 OK\r\n".to_vec();
        });
    });
    world.run_ms(200);
    assert_eq!(world.callee().statuses(&Method::Notify), [481]);
    assert!(events(&world, EventKind::TransferDone).is_empty());
    // The other side hanging up is the end of it, as it always was.
    let mut world = referred(CALLEE);
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(500);
    let failed = events(&world, EventKind::TransferFailed);
    assert_eq!(failed[0].text, "the call ended before a result was told");
    world.assert_drained(1);
}

/// RFC 3261 section 12.2.1.2.
#[test]
fn ops_3_refer_to_a_side_that_has_lost_the_call_ends_it() {
    let mut world = up(UDP, ReferMode::Off);
    world.callee().manners.others = Some(481);
    transfer(&mut world, CALLEE, "+300", TransferHow::Refer).expect("sent");
    world.run_ms(300);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(200));
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32017));
}

#[test]
fn ops_3_a_number_is_named_at_the_domain_by_which_the_moved_side_reaches_us() {
    let mut config = crate::transfer::transfers(UDP, ReferMode::Off);
    config.trunks[1].domains = vec!["office.example.com".to_owned()];
    let mut world = World::with_targets(&UDP, 5, config);
    world.callee().manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(500);
    world.callee().manners.others = Some(202);
    transfer(&mut world, CALLEE, "*21#", TransferHow::Refer).expect("sent");
    let refer = world.callee().request_received(&Method::Refer);
    let refer_to = refer.headers.value(HeaderName::ReferTo).expect("Refer-To");
    assert_eq!(refer_to, b"<sip:*21%23@office.example.com>");
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}
