//! UPDATE (RFC 3311): before the answer and after it, with an offer and without.

use sip_core::message::{HeaderName, Method};
use sip_core::transport::Transport;

use crate::sim::sdp::direction;
use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World};

const TAKES_UPDATE: &str = "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE";

fn world(wires: [Wire; 2], takes_update: [bool; 2]) -> World {
    let mut world = World::new(wires, 31);
    for (agent, takes) in world.agents.iter_mut().zip(takes_update) {
        if takes {
            let allow = ("Allow", TAKES_UPDATE.to_owned());
            agent.manners.extra.push(allow);
        }
    }
    world
}

/// Both sides know the answer for good, and the callee still rings.
fn early(wires: [Wire; 2]) -> World {
    let mut world = world(wires, [true; 2]);
    world.tell(CALLER, |caller, now| {
        let mut invite = caller.new_invite("+200", true);
        invite.headers.push(HeaderName::Supported, "100rel");
        caller.send_invite(now, invite);
    });
    world.run_ms(100);
    world.tell(CALLEE, |callee, now| callee.respond_reliably(now, 183, 1));
    world.run_ms(100);
    assert_eq!(world.callee().requests(&Method::Prack).len(), 1);
    assert_eq!(world.caller().statuses(&Method::Prack), [200]);
    world
}

fn offer(world: &mut World, from: usize, to: &str) {
    world.tell(from, |agent, now| {
        agent.request_with_offer(now, Method::Update, to);
    });
    world.run_ms(200);
}

#[test]
fn sig_2_an_update_with_an_offer_reaches_the_other_side_and_its_answer_comes_back() {
    for from in [CALLER, CALLEE] {
        for wires in [
            [Wire::Udp, Wire::Udp],
            [Wire::Srtp, Wire::Udp],
            [Wire::Tcp, Wire::Srtp],
        ] {
            let mut world = world(wires, [true; 2]);
            world.establish();
            offer(&mut world, from, "sendonly");
            let far = &world.agents[1 - from];
            assert_eq!(direction(&far.remote_sdp), "sendonly");
            assert_eq!(far.requests(&Method::Update).len(), 1);
            let answer = world.agents[from].response(&Method::Update, 200);
            assert_eq!(direction(&answer.body), "recvonly");
            assert!(answer.headers.contains(HeaderName::Contact));
            let on_hold = |world: &World| {
                let session = world.sessions.values().next().expect("a session");
                session.streams[0].on_hold
            };
            assert!(on_hold(&world));
            offer(&mut world, from, "sendrecv");
            assert!(!on_hold(&world));
            world.tell(CALLER, Agent::hang_up);
            world.assert_drained(1);
        }
    }
}

#[test]
fn sig_2_update_before_the_answer_changes_the_early_media_of_both_sides() {
    for from in [CALLER, CALLEE] {
        let mut world = early([Wire::Udp, Wire::Udp]);
        world.agents[from].media.set_port(4444);
        offer(&mut world, from, "sendrecv");
        assert_eq!(world.agents[from].statuses(&Method::Update), [200]);
        assert_eq!(world.agents[1 - from].requests(&Method::Update).len(), 1);
        let session = world.sessions.values().next().expect("a session");
        let remote = session.streams[0].legs[from].remote.expect("an address");
        assert_eq!(remote.rtp.port(), 4444);
        world.tell(CALLEE, |callee, now| {
            callee.respond_edited(now, 200, |response| {
                response.headers.remove(HeaderName::ContentType);
                response.body.clear();
            });
        });
        world.run_ms(200);
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        assert!(
            world
                .caller()
                .response(&Method::Invite, 200)
                .body
                .is_empty()
        );
        let session = world.sessions.values().next().expect("a session");
        let remote = session.streams[0].legs[from].remote.expect("an address");
        assert_eq!(remote.rtp.port(), 4444, "the 200 does not undo it");
        world.tell(CALLEE, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn sig_2_an_offer_before_the_first_one_is_answered_is_refused_by_whose_it_was() {
    // Section 5.2: 500 with Retry-After to whoever waits for our answer, 491 to whoever owes us one.
    let mut world = world([Wire::Udp, Wire::Udp], [true; 2]);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.tell(CALLEE, |callee, now| callee.respond(now, 180));
    world.run_ms(100);
    for agent in &mut world.agents {
        agent.make_early_dialog();
    }
    offer(&mut world, CALLER, "sendrecv");
    let refused = world.caller().response(&Method::Update, 500);
    assert!(refused.headers.contains(HeaderName::RetryAfter));
    offer(&mut world, CALLEE, "sendrecv");
    assert_eq!(world.callee().statuses(&Method::Update), [491]);
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(200);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_offers_that_cross_get_491_and_a_second_one_of_the_same_side_500() {
    let mut world = world([Wire::Udp, Wire::Udp], [true; 2]);
    world.establish();
    world.callee().manners.others = None;
    offer(&mut world, CALLER, "sendonly");
    offer(&mut world, CALLER, "sendrecv");
    let refused = world.caller().response(&Method::Update, 500);
    assert!(refused.headers.contains(HeaderName::RetryAfter));
    offer(&mut world, CALLEE, "sendonly");
    assert_eq!(world.callee().statuses(&Method::Update), [491]);
    world.tell(CALLEE, |callee, now| callee.reinvite(now, "sendonly"));
    world.tell(CALLER, |caller, now| caller.reinvite(now, "sendonly"));
    world.run_ms(200);
    assert_eq!(world.callee().statuses(&Method::Invite), [491]);
    let caller = world.caller();
    assert_eq!(caller.statuses(&Method::Invite), [100, 200, 500]);
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(200);
    let statuses = world.caller().statuses(&Method::Update);
    assert_eq!(statuses, [500, 487], "nobody waits for an answer in vain");
    world.assert_drained(1);
}

#[test]
fn sig_2_an_update_goes_on_as_reinvite_to_a_side_without_update() {
    for answers in [200, 488] {
        let mut world = world([Wire::Udp, Wire::Tls], [true, false]);
        world.establish();
        world.callee().manners.reinvite = Some(answers);
        offer(&mut world, CALLER, "sendonly");
        assert_eq!(world.caller().statuses(&Method::Update), [answers]);
        assert_eq!(world.callee().requests(&Method::Update).len(), 0);
        assert_eq!(world.callee().requests(&Method::Invite).len(), 2);
        if answers == 200 {
            assert_eq!(direction(&world.callee().remote_sdp), "sendonly");
            let answer = world.caller().response(&Method::Update, 200);
            assert_eq!(direction(&answer.body), "recvonly");
            assert_eq!(world.callee().requests(&Method::Ack).len(), 2);
        }
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        world.tell(CALLEE, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn sig_2_an_update_whose_reinvite_nobody_answers_is_504_in_time() {
    let mut world = world([Wire::Udp, Wire::Udp], [true, false]);
    world.establish();
    world.callee().manners.reinvite = None;
    offer(&mut world, CALLER, "sendonly");
    world.tell(CALLEE, |callee, now| callee.respond(now, 180));
    world.run_ms(23_000);
    assert!(world.caller().statuses(&Method::Update).is_empty());
    world.run_ms(2_000);
    assert_eq!(world.caller().statuses(&Method::Update), [504]);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_a_refused_update_keeps_the_call_and_its_media() {
    let mut world = world([Wire::Srtp, Wire::Udp], [true; 2]);
    world.establish();
    let before = world.sessions.clone();
    world.callee().manners.others = Some(488);
    offer(&mut world, CALLER, "sendonly");
    assert_eq!(world.caller().statuses(&Method::Update), [488]);
    assert_eq!(world.sessions, before);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_a_secure_leg_refuses_plain_media_in_an_update() {
    let mut world = world([Wire::Srtp, Wire::Udp], [true; 2]);
    world.establish();
    let before = world.sessions.clone();
    world.caller().profile = crate::sim::Profile::Rtp;
    offer(&mut world, CALLER, "sendrecv");
    let refused = world.caller().response(&Method::Update, 488);
    let warning = refused.headers.value(HeaderName::Warning).expect("Warning");
    assert!(String::from_utf8_lossy(warning).contains("32208"));
    assert!(world.callee().requests(&Method::Update).is_empty());
    assert_eq!(world.sessions, before);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_an_update_without_offer_is_answered_here_unless_it_has_news_for_the_other_side() {
    let mut world = world([Wire::Udp, Wire::Udp], [true; 2]);
    world.establish();
    world.tell(CALLER, |caller, now| {
        caller.request(now, Method::Update, |_| {});
    });
    world.run_ms(100);
    let answer = world.caller().response(&Method::Update, 200);
    assert!(answer.headers.contains(HeaderName::Contact));
    assert!(world.callee().requests(&Method::Update).is_empty());
    world.tell(CALLER, |caller, now| {
        caller.request(now, Method::Update, |update| {
            update.headers.push_named("X-Agent", "  7 ");
        });
    });
    world.run_ms(100);
    let update = world.callee().request_received(&Method::Update);
    assert_eq!(update.headers.named("X-Agent").next(), Some(&b"7"[..]));
    assert_eq!(world.caller().statuses(&Method::Update), [200, 200]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_an_update_moves_the_target_of_later_requests() {
    let mut world = world([Wire::Udp, Wire::Udp], [true; 2]);
    world.establish();
    world.tell(CALLER, |caller, now| {
        let contact = format!("<sip:moved@{}>", caller.address);
        caller.request(now, Method::Update, |update| {
            update.headers.set(HeaderName::Contact, contact);
        });
    });
    world.run_ms(100);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(100);
    let bye = world.caller().request_received(&Method::Bye);
    assert_eq!(bye.uri.user(), Some("moved"));
    world.assert_drained(1);
}

#[test]
fn sig_2_an_offer_in_prack_goes_on_as_update() {
    let mut world = world([Wire::Udp, Wire::Udp], [true; 2]);
    world.caller().manners.pracks = false;
    world.tell(CALLER, |caller, now| {
        let mut invite = caller.new_invite("+200", true);
        invite.headers.push(HeaderName::Supported, "100rel");
        caller.send_invite(now, invite);
    });
    world.run_ms(100);
    world.tell(CALLEE, |callee, now| callee.respond_reliably(now, 183, 1));
    world.run_ms(100);
    let progress = world.caller().response(&Method::Invite, 183);
    let sequence = progress.headers.reliable_sequence().expect("RSeq");
    world.tell(CALLER, |caller, now| {
        caller.make_early_dialog();
        caller.prack_with_offer(now, sequence, "sendonly");
    });
    world.run_ms(200);
    let answer = world.caller().response(&Method::Prack, 200);
    assert_eq!(direction(&answer.body), "recvonly");
    let update = world.callee().request_received(&Method::Update);
    assert_eq!(direction(&update.body), "sendonly");
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(200);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_an_offer_in_prack_that_cannot_go_on_is_488_and_the_response_acknowledged() {
    let mut world = world([Wire::Udp, Wire::Udp], [true, false]);
    world.caller().manners.pracks = false;
    world.tell(CALLER, |caller, now| {
        let mut invite = caller.new_invite("+200", true);
        invite.headers.push(HeaderName::Supported, "100rel");
        caller.send_invite(now, invite);
    });
    world.run_ms(100);
    world.tell(CALLEE, |callee, now| callee.respond_reliably(now, 183, 1));
    world.run_ms(100);
    let progress = world.caller().response(&Method::Invite, 183);
    let sequence = progress.headers.reliable_sequence().expect("RSeq");
    world.tell(CALLER, |caller, now| {
        caller.make_early_dialog();
        caller.prack_with_offer(now, sequence, "sendonly");
    });
    world.run_ms(200);
    assert_eq!(world.caller().statuses(&Method::Prack), [488]);
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(1000);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_1_an_update_of_a_tls_call_stays_on_tls() {
    let mut world = world([Wire::Srtp, Wire::Srtp], [true; 2]);
    world.establish();
    let dials = world.dials;
    offer(&mut world, CALLEE, "inactive");
    assert_eq!(world.callee().statuses(&Method::Update), [200]);
    assert_eq!(world.agents[CALLER].transport, Transport::Tls);
    assert_eq!(world.dials, dials, "no new connection");
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}
