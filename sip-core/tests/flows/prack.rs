//! Reliable provisional responses (RFC 3262): each leg has its own.

use std::time::Duration;

use sip_core::message::{HeaderName, Method, RAck, Request};
use sip_core::stack::EndedBy;

use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World};

const UDP: [Wire; 2] = [Wire::Udp, Wire::Udp];

/// The caller's INVITE with that header is at the callee.
fn invited(wires: [Wire; 2], header: Option<(HeaderName, &str)>) -> World {
    let mut world = World::new(wires, 7);
    world.tell(CALLER, |caller, now| {
        let mut invite = caller.new_invite("+200", true);
        if let Some((name, value)) = header {
            invite.headers.push(name, value);
        }
        caller.send_invite(now, invite);
    });
    world.run_ms(100);
    assert_eq!(world.phases(), [Phase::Inviting, Phase::Invited]);
    world
}

fn rack(prack: &Request) -> RAck {
    prack.headers.rack().expect("RAck")
}

#[test]
fn sig_2_a_reliable_response_of_the_far_side_is_acknowledged_for_a_caller_without_prack() {
    for wire in Wire::ALL {
        let mut world = invited([Wire::Udp, wire], None);
        let invite = world.callee().request_received(&Method::Invite).clone();
        assert!(
            invite
                .headers
                .has_option_tag(HeaderName::Supported, "100rel")
        );
        world.tell(CALLEE, |callee, now| callee.respond_reliably(now, 183, 41));
        world.run_ms(100);
        let prack = world.callee().request_received(&Method::Prack).clone();
        assert_eq!(rack(&prack).to_string(), "41 1 INVITE");
        assert_eq!(prack.headers.cseq().unwrap().number, 2);
        let progress = world.caller().response(&Method::Invite, 183);
        assert!(!progress.headers.contains(HeaderName::Require));
        assert!(!progress.headers.contains(HeaderName::RSeq));
        assert!(!progress.body.is_empty(), "early media");
        world.tell(CALLEE, |callee, now| {
            callee.respond_edited(now, 200, |response| {
                response.headers.remove(HeaderName::ContentType);
                response.body.clear();
            });
        });
        world.run_ms(100);
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        // The caller's offer had no answer that it could be sure of before.
        assert!(
            !world
                .caller()
                .response(&Method::Invite, 200)
                .body
                .is_empty()
        );
        world.tell(CALLER, Agent::hang_up);
        world.run_ms(100);
        let bye = world.callee().request_received(&Method::Bye);
        assert_eq!(
            bye.headers.cseq().unwrap().number,
            3,
            "after INVITE and PRACK"
        );
        world.assert_drained(1);
    }
}

#[test]
fn sig_1_each_early_dialog_of_the_far_side_has_its_own_rseq() {
    let mut world = invited(UDP, None);
    let fork = |response: &mut sip_core::message::Response, tag: &str, sequence: u32| {
        let to = response.headers.to().expect("To").with_tag(tag);
        response.headers.set(HeaderName::To, to);
        response.headers.push(HeaderName::Require, "100rel");
        response
            .headers
            .push(HeaderName::RSeq, sequence.to_string());
    };
    for (tag, sequence) in [
        ("one", 10),
        ("two", 500),
        ("one", 11),
        ("one", 11),
        ("two", 502),
    ] {
        world.tell(CALLEE, |callee, now| {
            callee.respond_edited(now, 180, |response| fork(response, tag, sequence));
        });
        world.run_ms(100);
    }
    let seen: Vec<(String, u32)> = world
        .callee()
        .requests(&Method::Prack)
        .iter()
        .map(|prack| {
            let to = prack.headers.to().expect("To");
            (to.tag().expect("a tag").to_owned(), rack(prack).response)
        })
        .collect();
    // The repeated 11 is absorbed, and 502 must not be acknowledged before 501 (section 4).
    let expected = [("one", 10), ("two", 500), ("one", 11)];
    assert_eq!(seen, expected.map(|(tag, number)| (tag.to_owned(), number)));
}

#[test]
fn sig_2_a_caller_that_supports_prack_gets_its_answer_reliably_and_the_200_waits_for_it() {
    for wire in Wire::ALL {
        let mut world = invited([wire, Wire::Udp], Some((HeaderName::Supported, "100rel")));
        world.caller().manners.pracks = false;
        world.tell(CALLEE, |callee, now| callee.respond(now, 180));
        world.tell(CALLEE, |callee, now| callee.respond(now, 183));
        world.run_ms(100);
        let ringing = world.caller().response(&Method::Invite, 180);
        assert!(
            !ringing.headers.contains(HeaderName::RSeq),
            "nothing depends on it"
        );
        let progress = world.caller().response(&Method::Invite, 183).clone();
        let sequence = progress.headers.reliable_sequence().expect("RSeq");
        assert!(sequence < 1 << 31);
        world.tell(CALLEE, |callee, now| callee.respond(now, 200));
        world.run_ms(3000);
        let caller = world.caller();
        assert!(
            !caller.statuses(&Method::Invite).contains(&200),
            "section 3"
        );
        // After 0.5, 1 and 2 s: T1 that doubles.
        let repeated = caller.statuses(&Method::Invite);
        assert_eq!(repeated.iter().filter(|status| **status == 183).count(), 3);
        world.tell(CALLER, |caller, now| {
            caller.make_early_dialog();
            caller.request(now, Method::Prack, |prack| {
                let rack = format!("{sequence} 1 INVITE");
                prack.headers.push(HeaderName::RAck, rack);
            });
        });
        world.run_ms(4100);
        assert_eq!(world.caller().statuses(&Method::Prack), [200]);
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        let answer = world.caller().response(&Method::Invite, 200);
        assert!(answer.body.is_empty(), "it has its answer");
        world.tell(CALLEE, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn sig_2_require_100rel_makes_every_provisional_response_reliable_one_after_the_other() {
    let mut world = invited(UDP, Some((HeaderName::Require, "100rel")));
    world.caller().manners.pracks = false;
    for status in [180, 181, 183] {
        world.tell(CALLEE, |callee, now| callee.respond(now, status));
    }
    world.run_ms(100);
    let sequence = |world: &mut World, status| {
        let response = world.caller().response(&Method::Invite, status);
        response.headers.reliable_sequence().expect("RSeq")
    };
    assert_eq!(world.caller().statuses(&Method::Invite), [100, 180]);
    let first = sequence(&mut world, 180);
    for (at, status) in [(0, 181), (1, 183)] {
        world.tell(CALLER, |caller, now| {
            caller.make_early_dialog();
            caller.request(now, Method::Prack, |prack| {
                let rack = format!("{} 1 INVITE", first + at);
                prack.headers.push(HeaderName::RAck, rack);
            });
        });
        world.run_ms(100);
        assert_eq!(sequence(&mut world, status), first + at + 1);
    }
}

#[test]
fn sig_2_a_prack_that_acknowledges_nothing_is_481() {
    let mut world = invited(UDP, Some((HeaderName::Require, "100rel")));
    world.caller().manners.pracks = false;
    world.tell(CALLEE, |callee, now| callee.respond(now, 180));
    world.run_ms(100);
    let response = world.caller().response(&Method::Invite, 180);
    let sequence = response.headers.reliable_sequence().expect("RSeq");
    let acknowledge = |world: &mut World, rack: Option<String>| {
        world.tell(CALLER, |caller, now| {
            caller.make_early_dialog();
            caller.request(now, Method::Prack, |prack| {
                if let Some(rack) = rack {
                    prack.headers.push(HeaderName::RAck, rack);
                }
            });
        });
        world.run_ms(100);
        *world
            .caller()
            .statuses(&Method::Prack)
            .last()
            .expect("an answer")
    };
    for wrong in [
        None,
        Some(format!("{} 1 INVITE", sequence + 1)),
        Some(format!("{sequence} 2 INVITE")),
        Some(format!("{sequence} 1 UPDATE")),
    ] {
        assert_eq!(acknowledge(&mut world, wrong.clone()), 481, "{wrong:?}");
    }
    assert_eq!(
        acknowledge(&mut world, Some(format!("{sequence} 1 INVITE"))),
        200
    );
    // The second time it acknowledges nothing any more.
    assert_eq!(
        acknowledge(&mut world, Some(format!("{sequence} 1 INVITE"))),
        481
    );
}

#[test]
fn sig_2_without_prack_for_64_t1_the_call_is_refused_and_the_far_side_cancelled() {
    let mut world = invited(UDP, Some((HeaderName::Require, "100rel")));
    world.caller().manners.pracks = false;
    world.tell(CALLEE, |callee, now| callee.respond(now, 183));
    world.run_for(Duration::from_millis(31_900));
    assert_eq!(world.caller().phase, Phase::Inviting);
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Over(504), Phase::Over(487)]);
    world.assert_drained(1);
    let record = world.record();
    assert_eq!((record.status, record.code), (504, Some(32031)));
    assert_eq!(record.ended_by, EndedBy::Trunkline);
}

#[test]
fn sig_2_a_200_that_waits_for_prack_is_ended_if_the_caller_cancels() {
    let mut world = invited(UDP, Some((HeaderName::Supported, "100rel")));
    world.caller().manners.pracks = false;
    world.tell(CALLEE, |callee, now| callee.respond(now, 183));
    world.run_ms(100);
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(100);
    world.tell(CALLER, Agent::cancel);
    world.run_ms(300);
    assert_eq!(world.phases(), [Phase::Over(487), Phase::Over(200)]);
    assert_eq!(world.callee().requests(&Method::Ack).len(), 1);
    assert_eq!(world.callee().requests(&Method::Bye).len(), 1);
    world.assert_drained(1);
}

#[test]
fn sig_2_with_a_late_offer_no_provisional_response_is_reliable() {
    let mut world = World::new(UDP, 8);
    world.tell(CALLER, |caller, now| {
        let mut invite = caller.new_invite("+200", false);
        invite.headers.push(HeaderName::Require, "100rel");
        caller.send_invite(now, invite);
    });
    world.run_ms(100);
    let invite = world.callee().request_received(&Method::Invite).clone();
    assert!(
        !invite
            .headers
            .has_option_tag(HeaderName::Supported, "100rel")
    );
    world.tell(CALLEE, |callee, now| callee.respond(now, 180));
    world.run_ms(100);
    // It would have to bring an offer (RFC 3261 section 13.2.1), and there is none.
    assert_eq!(world.caller().statuses(&Method::Invite), [100]);
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(200);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_both_legs_are_reliable_over_a_link_that_loses() {
    for seed in 0..20 {
        let mut world = World::new(UDP, seed);
        world.link.loss_percent = 30;
        world.tell(CALLER, |caller, now| {
            let mut invite = caller.new_invite("+200", true);
            invite.headers.push(HeaderName::Require, "100rel");
            caller.send_invite(now, invite);
        });
        world.run_ms(8000);
        if !world.callee().is_invited() {
            continue;
        }
        world.tell(CALLEE, |callee, now| callee.respond_reliably(now, 183, 1));
        world.run_ms(500);
        world.tell(CALLEE, |callee, now| callee.respond_reliably(now, 183, 1));
        world.run_ms(15_000);
        world.tell(CALLEE, |callee, now| callee.respond(now, 200));
        world.run_ms(20_000);
        world.link.loss_percent = 0;
        if world.phases() == [Phase::Up, Phase::Up] {
            world.tell(CALLER, Agent::hang_up);
        }
        world.assert_drained(1);
    }
}

/// It says something of the call and nothing of its media: the answer is still to come.
#[test]
fn sig_2_a_reliable_response_with_another_body_than_sdp_is_no_answer() {
    let mut world = invited(UDP, Some((HeaderName::Require, "100rel")));
    world.tell(CALLEE, |callee, now| {
        callee.respond_edited(now, 180, |response| {
            let kind = "application/isup;version=x";
            response.headers.push(HeaderName::ContentType, kind);
            response.body = b"\x01\0".to_vec();
        });
    });
    world.run_ms(100);
    let ringing = world.caller().response(&Method::Invite, 180);
    assert_eq!(ringing.body, b"\x01\0");
    assert_eq!(world.caller().statuses(&Method::Prack), [200]);
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(200);
    let answer = world.caller().response(&Method::Invite, 200);
    assert!(answer.body.starts_with(b"v=0"));
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}
