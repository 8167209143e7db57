//! TRK-3: answers that come when the call has gone on to another target, or has been given up.

use sip_core::message::Method;
use sip_core::transport::Transport;

use crate::failover::{hang_up, outcomes, world};
use crate::sim::{Agent, CALLEE, CALLER, Phase, SECOND, agent_address};

#[test]
fn section_7_a_late_200_of_a_target_given_up_is_acknowledged_and_ended_with_bye() {
    // While the second one rings, when it has answered, and when the call is over.
    for (answers, ends) in [(false, false), (true, false), (true, true)] {
        let mut world = world(3, 13);
        // Everything that the first one says is late: it hears us, but its answers are lost.
        let deaf = agent_address(CALLEE, Transport::Udp).ip().to_string();
        world.drop = Some(Box::new(move |bytes: &[u8]| {
            bytes.starts_with(b"SIP/2.0 100")
                && bytes
                    .windows(deaf.len())
                    .any(|part| part == deaf.as_bytes())
        }));
        world.tell(CALLER, Agent::invite);
        world.run_ms(4_500);
        assert_eq!(world.agents[SECOND].phase, Phase::Invited);
        assert_eq!(world.agents[CALLEE].phase, Phase::Invited);
        if answers {
            world.tell(SECOND, |second, now| second.respond(now, 200));
            world.run_ms(200);
            assert_eq!(world.agents[CALLER].phase, Phase::Up);
        }
        if ends {
            world = hang_up(world, CALLER);
        }
        world.drop = None;
        world.tell(CALLEE, |callee, now| callee.respond(now, 200));
        world.run_ms(500);
        let late = &world.agents[CALLEE];
        assert_eq!(late.requests(&Method::Ack).len(), 1, "{answers} {ends}");
        assert_eq!(late.requests(&Method::Bye).len(), 1, "{answers} {ends}");
        assert_eq!(late.phase, Phase::Over(200));
        // The call goes on with the second target as if nothing had been.
        if !answers {
            world.tell(SECOND, |second, now| second.respond(now, 200));
            world.run_ms(200);
        }
        if !ends {
            assert_eq!(world.agents[CALLER].phase, Phase::Up);
            assert_eq!(world.agents[SECOND].phase, Phase::Up);
            world = hang_up(world, SECOND);
        }
        world.assert_drained(1);
    }
}

#[test]
fn trk_3_a_target_given_up_that_rings_late_is_cancelled() {
    let mut world = world(3, 14);
    let deaf = agent_address(CALLEE, Transport::Udp).ip().to_string();
    world.drop = Some(Box::new(move |bytes: &[u8]| {
        bytes.starts_with(b"SIP/2.0 100")
            && bytes
                .windows(deaf.len())
                .any(|part| part == deaf.as_bytes())
    }));
    world.tell(CALLER, Agent::invite);
    world.run_ms(4_500);
    world.drop = None;
    world.tell(CALLEE, |callee, now| callee.respond(now, 180));
    world.run_ms(200);
    // RFC 3261 section 9.1: only now might CANCEL be sent.
    assert_eq!(world.agents[CALLEE].requests(&Method::Cancel).len(), 1);
    assert_eq!(world.agents[CALLEE].phase, Phase::Over(487));
    assert_eq!(world.agents[SECOND].phase, Phase::Invited);
    assert!(!world.caller().statuses(&Method::Invite).contains(&180));
    world.tell(SECOND, |second, now| second.respond(now, 200));
    world.run_ms(200);
    hang_up(world, CALLER).assert_drained(1);
}

#[test]
fn trk_3_the_caller_that_cancels_between_targets_cancels_the_one_in_hand() {
    let mut world = world(3, 15);
    world.agents[CALLEE].manners.invite = Some(503);
    world.tell(CALLER, Agent::invite);
    world.run_ms(300);
    assert_eq!(world.agents[SECOND].phase, Phase::Invited);
    world.tell(CALLER, Agent::cancel);
    world.run_ms(300);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(487));
    assert_eq!(world.agents[SECOND].phase, Phase::Over(487));
    world.assert_drained(1);
    assert_eq!(outcomes(&world)[1], (None, "cancelled".to_owned()));
}

#[test]
fn section_7_a_200_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let mut world = world(3, 16);
    world.agents[CALLEE].manners.invite = Some(503);
    world.agents[SECOND].manners.obeys_cancel = false;
    world.tell(CALLER, Agent::invite);
    world.run_ms(300);
    world.tell(CALLER, Agent::cancel);
    world.run_ms(15);
    world.tell(SECOND, |second, now| second.respond(now, 200));
    world.run_ms(300);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(487));
    assert_eq!(world.agents[SECOND].requests(&Method::Ack).len(), 1);
    assert_eq!(world.agents[SECOND].requests(&Method::Bye).len(), 1);
    world.assert_drained(1);
}

#[test]
fn section_7_a_200_with_another_sdp_than_the_183_has_the_last_word() {
    let mut world = world(3, 17);
    world.agents[CALLEE].manners.invite = Some(503);
    world.tell(CALLER, Agent::invite);
    world.run_ms(300);
    world.tell(SECOND, |second, now| second.respond(now, 183));
    world.run_ms(100);
    world.agents[SECOND].media.set_port(4444);
    world.tell(SECOND, |second, now| second.respond(now, 200));
    world.run_ms(200);
    let session = world.sessions.values().next().unwrap();
    assert_eq!(session.streams[0].legs[1].remote.unwrap().rtp.port(), 4444);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
    hang_up(world, CALLER).assert_drained(1);
}
