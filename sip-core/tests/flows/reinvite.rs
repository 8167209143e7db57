//! Re-INVITEs: hold, resume, late offers, refusals, glare.

use std::time::Duration;

use sip_core::message::{HeaderName, Method};
use sip_core::stack::EventKind;

use crate::sim::sdp::{direction, line};
use crate::sim::{Agent, CALLEE, CALLER, LATENCY, Phase, Wire, World, config};

fn on_hold(world: &World) -> bool {
    world
        .sessions
        .values()
        .all(|session| session.streams[0].on_hold)
}

#[test]
fn either_side_holds_and_resumes() {
    for holder in [CALLER, CALLEE] {
        for wires in [
            [Wire::Udp, Wire::Udp],
            [Wire::Srtp, Wire::Udp],
            [Wire::Srtp, Wire::Srtp],
        ] {
            let mut world = World::up(wires, 1);
            world.tell(holder, |agent, now| agent.reinvite(now, "sendonly"));
            world.run_ms(500);
            assert!(on_hold(&world));
            assert_eq!(direction(&world.agents[1 - holder].remote_sdp), "sendonly");
            assert_eq!(direction(&world.agents[holder].remote_sdp), "recvonly");
            world.tell(holder, |agent, now| agent.reinvite(now, "sendrecv"));
            world.run_ms(500);
            assert!(!on_hold(&world));
            assert_eq!(direction(&world.agents[1 - holder].remote_sdp), "sendrecv");
            world.end();
        }
    }
}

#[test]
fn a_refused_reinvite_keeps_the_call_and_its_media() {
    for status in [415, 486, 488, 491, 500, 503, 603] {
        let mut world = World::up([Wire::Udp, Wire::Udp], 2);
        let before = world.sessions.clone();
        world.callee().manners.reinvite = Some(status);
        world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(500);
        assert_eq!(
            world.caller().statuses(&Method::Invite).last(),
            Some(&status)
        );
        assert_eq!(world.sessions, before);
        // And the next one is none the worse for it.
        world.callee().manners.reinvite = Some(200);
        world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(500);
        assert!(on_hold(&world));
        world.end();
    }
}

#[test]
fn a_reinvite_that_we_cannot_carry_is_refused_with_488_and_the_call_goes_on() {
    let mut world = World::up([Wire::Srtp, Wire::Udp], 3);
    world.tell(CALLER, |agent, now| {
        agent.request(now, Method::Invite, |request| {
            request.headers.push(HeaderName::ContentType, "application/sdp");
            let offer = "v=0\r\no=- 9 9 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
                         m=audio 4000 RTP/AVP 0\r\n";
            request.body = offer.as_bytes().to_vec();
        });
    });
    world.run_ms(500);
    let refusal = world.caller().response(&Method::Invite, 488);
    let warning =
        String::from_utf8_lossy(refusal.headers.value(HeaderName::Warning).unwrap()).into_owned();
    assert_eq!(warning, "302 203.0.113.1 \"32208 SRTP required\"");
    assert!(world.has_event(EventKind::ReinviteRefused));
    assert_eq!(
        world.callee().requests(&Method::Invite).len(),
        1,
        "it went no further"
    );
    world.end();
}

#[test]
fn reinvites_that_cross_are_glare_for_both() {
    let mut world = World::up([Wire::Udp, Wire::Udp], 4);
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_for(LATENCY + Duration::from_millis(1));
    // The edge has passed the caller's on; the callee's leaves before it arrives.
    world.tell(CALLEE, |agent, now| agent.reinvite(now, "inactive"));
    world.run_ms(500);
    assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&491));
    assert_eq!(world.callee().statuses(&Method::Invite), [491]);
    assert!(!on_hold(&world));
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(500);
    assert!(on_hold(&world));
    world.end();
}

#[test]
fn a_second_invite_of_the_same_side_gets_500_with_retry_after() {
    let mut world = World::up([Wire::Udp, Wire::Udp], 5);
    world.callee().manners.reinvite = None;
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(50);
    world.tell(CALLER, |agent, now| agent.reinvite(now, "inactive"));
    world.run_ms(50);
    let refusal = world.caller().response(&Method::Invite, 500);
    let delay = refusal
        .headers
        .number(HeaderName::RetryAfter)
        .unwrap()
        .unwrap();
    assert!(delay <= 10);
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_ms(500);
    world.end();
}

#[test]
fn a_reinvite_before_the_callers_ack_is_not_glare_it_waits() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 6);
    world.callee().manners.invite = Some(200);
    world.caller().manners.acknowledges = false;
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLEE, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(50);
    assert_eq!(
        world.caller().requests(&Method::Invite).len(),
        0,
        "it waits for the ACK"
    );
    world.caller().manners.acknowledges = true;
    world.tell(CALLER, Agent::acknowledge_late);
    world.run_ms(500);
    assert_eq!(world.caller().requests(&Method::Invite).len(), 1);
    assert_eq!(world.callee().statuses(&Method::Invite).last(), Some(&200));
    assert!(on_hold(&world));
    world.end();
}

#[test]
fn a_late_offer_is_answered_in_the_ack_both_ways() {
    for wires in [
        [Wire::Udp, Wire::Udp],
        [Wire::Srtp, Wire::Udp],
        [Wire::Udp, Wire::Srtp],
    ] {
        let mut world = World::new(wires, 7);
        world.callee().manners.invite = Some(200);
        world.tell(CALLER, Agent::invite_without_offer);
        world.run_ms(500);
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        assert!(
            world
                .callee()
                .request_received(&Method::Invite)
                .body
                .is_empty()
        );
        assert!(
            !world
                .caller()
                .response(&Method::Invite, 200)
                .body
                .is_empty()
        );
        assert!(
            !world
                .callee()
                .request_received(&Method::Ack)
                .body
                .is_empty()
        );
        assert_eq!(world.sessions.len(), 1);
        for inviter in [CALLEE, CALLER] {
            world.tell(inviter, Agent::reinvite_without_offer);
            world.run_ms(500);
            let far = 1 - inviter;
            assert!(
                !world.agents[far]
                    .request_received(&Method::Ack)
                    .body
                    .is_empty()
            );
        }
        world.end();
    }
}

#[test]
fn a_late_offer_without_answer_ends_the_call() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 8);
    world.callee().manners.invite = Some(200);
    world.caller().manners.answers_late_offer = false;
    world.tell(CALLER, Agent::invite_without_offer);
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32241));
}

#[test]
fn bye_during_a_reinvite_ends_both_from_either_side() {
    for (inviter, quitter) in [
        (CALLER, CALLER),
        (CALLER, CALLEE),
        (CALLEE, CALLER),
        (CALLEE, CALLEE),
    ] {
        let mut world = World::up([Wire::Udp, Wire::Udp], 9);
        world.agents[1 - inviter].manners.reinvite = None;
        world.tell(inviter, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(100);
        world.tell(quitter, Agent::hang_up);
        world.run_ms(500);
        assert_eq!(
            world.phases(),
            [Phase::Over(200), Phase::Over(200)],
            "{inviter} {quitter}"
        );
        assert_eq!(
            world.agents[inviter].statuses(&Method::Invite).last(),
            Some(&487)
        );
        world.assert_drained(1);
    }
}

#[test]
fn a_cancelled_reinvite_keeps_the_call() {
    let mut world = World::up([Wire::Udp, Wire::Udp], 10);
    world.callee().manners.reinvite = None;
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(300);
    world.tell(CALLER, Agent::cancel_reinvite);
    world.run_ms(500);
    assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&487));
    assert!(!on_hold(&world));
    world.end();
}

#[test]
fn a_cancelled_reinvite_that_was_answered_meanwhile_counts() {
    let mut world = World::up([Wire::Udp, Wire::Udp], 11);
    world.callee().manners.reinvite = None;
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(300);
    world.tell(CALLER, Agent::cancel_reinvite);
    world.run_for(LATENCY + Duration::from_millis(2));
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_ms(500);
    // Both sides changed their session, so both have the new one.
    assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&200));
    assert!(on_hold(&world));
    world.end();
}

#[test]
fn a_far_side_that_lost_the_call_ends_it() {
    for status in [481, 408] {
        let mut world = World::up([Wire::Udp, Wire::Udp], 12);
        world.callee().manners.reinvite = Some(status);
        world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(500);
        assert_eq!(world.caller().phase, Phase::Over(200));
        assert_eq!(world.callee().requests(&Method::Bye).len(), 1);
        world.assert_drained(1);
        assert_eq!(world.record().code, Some(32017));
    }
}

#[test]
fn contacts_change_with_a_reinvite() {
    let mut world = World::up([Wire::Udp, Wire::Udp], 13);
    world.caller().address.set_port(5066);
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendrecv"));
    world.run_ms(500);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(500);
    assert_eq!(
        world.caller().request_received(&Method::Bye).uri.port(),
        Some(5066)
    );
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    world.assert_drained(1);
}

#[test]
fn the_listed_headers_cross_in_a_reinvite_too() {
    let mut world = World::up([Wire::Udp, Wire::Udp], 14);
    world.tell(CALLER, |agent, now| {
        agent.request(now, Method::Invite, |request| {
            request.headers.push_named("X-Why", "transfer");
        });
    });
    world.run_ms(500);
    let invite = world.callee().request_received(&Method::Invite);
    assert_eq!(invite.headers.named("X-Why").next(), Some(&b"transfer"[..]));
    world.end();
}

/// What a fax machine says, at its agent's address.
fn fax(address: &str, version: u32) -> Vec<u8> {
    format!(
        "v=0\r\no=- 1 {version} IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
         m=image 4400 udptl t38\r\na=T38FaxVersion:0\r\n"
    )
    .into_bytes()
}

/// The callee asks for T.38, and the caller agrees if it is asked.
fn switch_to_fax(world: &mut World) {
    world.caller().manners.reinvite = None;
    world.tell(CALLEE, |agent, now| {
        agent.request(now, Method::Invite, |request| {
            request
                .headers
                .push(HeaderName::ContentType, "application/sdp");
            request.body = fax("198.51.100.20", 50);
        });
    });
    world.run_ms(100);
    if world.caller().is_invited() {
        world.tell(CALLER, |agent, now| {
            agent.respond_edited(now, 200, |response| {
                response.body = fax("192.0.2.10", 50);
            });
        });
    }
    world.run_ms(500);
    world.caller().manners.reinvite = Some(200);
}

fn is_raw(world: &World) -> bool {
    world
        .sessions
        .values()
        .all(|session| session.streams.len() == 1 && session.streams[0].is_raw)
}

#[test]
fn sig_8_a_call_is_switched_to_t38_by_the_callee_and_back_to_speech() {
    let wires = [Wire::Udp, Wire::Tls];
    let mut config = config(wires);
    for trunk in &mut config.trunks {
        trunk.t38 = true;
    }
    let mut world = World::with_config(wires, 12, config);
    world.establish();
    let speech = world.sessions.clone();
    assert!(!is_raw(&world));
    switch_to_fax(&mut world);
    assert_eq!(world.callee().statuses(&Method::Invite).last(), Some(&200));
    let answer = world.callee().response(&Method::Invite, 200).body.clone();
    assert!(line(&answer, "m=image ").is_some_and(|rest| rest.ends_with(" udptl t38")));
    assert!(is_raw(&world));

    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendrecv"));
    world.run_ms(500);
    assert!(!is_raw(&world));
    for (id, session) in &world.sessions {
        let ports =
            |of: &media_core::session::Session| of.streams[0].legs.clone().map(|leg| leg.local);
        assert_eq!(ports(session), ports(&speech[id]), "the same ports");
    }
    world.end();
}

#[test]
fn sig_8_t38_is_refused_with_488_on_trunks_that_do_not_allow_it_and_speech_goes_on() {
    for (wires, t38) in [
        ([Wire::Udp, Wire::Udp], false),
        ([Wire::Srtp, Wire::Udp], true),
        ([Wire::Udp, Wire::Srtp], true),
    ] {
        let mut config = config(wires);
        for trunk in &mut config.trunks {
            trunk.t38 = t38;
        }
        let mut world = World::with_config(wires, 13, config);
        world.establish();
        let speech = world.sessions.clone();
        switch_to_fax(&mut world);
        assert_eq!(world.callee().statuses(&Method::Invite), [488]);
        assert_eq!(world.sessions, speech);
        world.end();
    }
}
