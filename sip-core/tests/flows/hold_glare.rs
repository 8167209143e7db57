//! An operator's hold (OPS-3) meets a side that answers 491: it is told again, and not for ever.

use std::time::Duration;

use sip_core::message::Method;
use sip_core::stack::{CallState, EventKind};

use crate::operator_hold::{UDP, destinations, directions, hold, resume};
use crate::sim::sdp::direction;
use crate::sim::{CALLEE, CALLER, World};

/// RFC 3261 section 14.1.
#[test]
fn ops_3_glare_with_a_hold_is_tried_again() {
    for glaring in [CALLER, CALLEE] {
        let mut world = World::up(UDP, 5);
        world.agents[glaring].manners.reinvite = Some(491);
        hold(&mut world, true);
        world.run_ms(200);
        assert_eq!(
            direction(&world.agents[1 - glaring].remote_sdp) == "inactive",
            glaring == CALLER
        );
        world.agents[glaring].manners.reinvite = Some(200);
        world.run_ms(5000);
        assert_eq!(directions(&world), ["inactive", "inactive"]);
        resume(&mut world);
        world.end();
    }
}

fn refusals(world: &World) -> Vec<&str> {
    let events = world.events.iter();
    let refused = events.filter(|event| event.kind == EventKind::ReinviteRefused);
    refused.map(|event| event.text.as_str()).collect()
}

fn invites(world: &World, agent: usize) -> usize {
    world.agents[agent].requests(&Method::Invite).len()
}

/// RFC 3261 section 14.1 names one more try and no end: after 64*T1 whoever still says 491 has refused.
#[test]
fn ops_3_a_side_that_always_answers_491_to_a_hold_has_refused_it_after_32_s() {
    for glaring in [CALLER, CALLEE] {
        let mut world = World::up(UDP, 11);
        let before = invites(&world, glaring);
        let said = world.agents[glaring].remote_sdp.clone();
        world.agents[glaring].manners.reinvite = Some(491);
        hold(&mut world, true);
        world.run_for(Duration::from_secs(27));
        assert!(refusals(&world).is_empty(), "{glaring}");
        let asked = invites(&world, glaring) - before;
        // Every 2.1 to 4 s where the Call-ID is ours, and up to 2 s where it is not.
        let expected = if glaring == CALLEE { 6..=13 } else { 13..=60 };
        assert!(expected.contains(&asked), "{asked} times");
        world.run_for(Duration::from_secs(6));
        assert_eq!(refusals(&world), ["hold: 491 Request Pending"]);
        let asked = invites(&world, glaring);
        world.run_for(Duration::from_secs(600));
        assert_eq!(invites(&world, glaring), asked, "not asked any more");
        // Its session is as it was, and packets do not pass all the same.
        assert_eq!(world.agents[glaring].remote_sdp, said);
        assert_eq!(direction(&world.agents[1 - glaring].remote_sdp), "inactive");
        assert_eq!(destinations(&world), 0);
        assert_eq!(world.live().state, CallState::Held);

        hold(&mut world, false);
        world.run_ms(300);
        assert_eq!(invites(&world, glaring), asked, "it knows of no hold");
        assert_eq!(directions(&world), ["sendrecv", "sendrecv"]);
        assert_eq!(destinations(&world), 2);
        assert_eq!(world.live().state, CallState::Answered);
        // Another hold is another try, as long as the first.
        hold(&mut world, true);
        world.run_for(Duration::from_secs(20));
        assert_eq!(refusals(&world).len(), 1);
        world.agents[glaring].manners.reinvite = Some(200);
        world.run_for(Duration::from_secs(5));
        assert_eq!(directions(&world), ["inactive", "inactive"]);
        assert_eq!(refusals(&world).len(), 1);
        world.end();
    }
}

#[test]
fn ops_3_where_a_side_always_answers_491_to_the_end_of_a_hold_both_stay_held() {
    for glaring in [CALLER, CALLEE] {
        let mut world = World::up(UDP, 12);
        hold(&mut world, true);
        world.run_ms(300);
        world.agents[glaring].manners.reinvite = Some(491);
        hold(&mut world, false);
        world.run_for(Duration::from_secs(27));
        assert!(refusals(&world).is_empty());
        world.run_for(Duration::from_secs(6));
        assert_eq!(
            refusals(&world),
            ["end of the hold: 491 Request Pending; the call stays on hold"]
        );
        let asked = [CALLER, CALLEE].map(|agent| invites(&world, agent));
        world.run_for(Duration::from_secs(600));
        assert_eq!([CALLER, CALLEE].map(|agent| invites(&world, agent)), asked);
        assert_eq!(directions(&world), ["inactive", "inactive"]);
        assert_eq!(destinations(&world), 0);
        assert_eq!(world.live().state, CallState::Held);
        assert_eq!(world.live().held, [true, true]);
        assert!(!world.has_event(EventKind::CallResumed));
        world.agents[glaring].manners.reinvite = Some(200);
        hold(&mut world, false);
        world.run_ms(500);
        assert_eq!(directions(&world), ["sendrecv", "sendrecv"]);
        assert_eq!(destinations(&world), 2);
        world.end();
    }
}

#[test]
fn ops_3_two_sides_that_always_answer_491_are_both_left_alone_and_the_call_can_end() {
    let mut world = World::up(UDP, 13);
    for agent in [CALLER, CALLEE] {
        world.agents[agent].manners.reinvite = Some(491);
    }
    hold(&mut world, true);
    world.run_for(Duration::from_secs(70));
    assert_eq!(refusals(&world), ["hold: 491 Request Pending"; 2]);
    let asked = [CALLER, CALLEE].map(|agent| invites(&world, agent));
    world.run_for(Duration::from_secs(600));
    assert_eq!([CALLER, CALLEE].map(|agent| invites(&world, agent)), asked);
    assert_eq!(destinations(&world), 0);
    hold(&mut world, false);
    world.run_ms(300);
    assert_eq!(destinations(&world), 2);
    assert_eq!(directions(&world), ["sendrecv", "sendrecv"]);
    world.end();
}
