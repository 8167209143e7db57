//! A caller that has its answer for good (RFC 3262 section 5) when somebody else takes the call: what
//! it was told is put right as soon as the call is up, for else it would send what nobody takes.

use std::time::Duration;

use sip_core::message::{HeaderName, Method, Response};
use sip_core::stack::StackConfig;
use sip_core::trunk::{EarlyDialogs, Origination, OriginationUri};

use crate::sim::sdp::line;
use crate::sim::{Agent, CALLEE, CALLER, Phase, SECOND, Wire, World, config, target};

const PCMU: &str = "0";
const PCMA: &str = "8";

fn two_targets(wires: [Wire; 3]) -> StackConfig {
    let mut config = config([wires[0], wires[1]]);
    let uris = [CALLEE, SECOND].map(|index| OriginationUri {
        priority: index as u16,
        ..Origination::to(target(index, wires[index])).uris.remove(0)
    });
    config.trunks[CALLEE].origination.uris = uris.to_vec();
    config
}

/// An agent's description speaks of PCMU alone: with these formats instead.
fn with_formats(body: &[u8], formats: &str) -> Vec<u8> {
    let text = String::from_utf8(body.to_vec()).expect("text");
    let map = "a=rtpmap:0 PCMU/8000\r\n";
    let maps: String = formats
        .split(' ')
        .map(|format| match format {
            PCMU => map,
            _ => "a=rtpmap:8 PCMA/8000\r\n",
        })
        .collect();
    text.replace("AVP 0 101", &format!("AVP {formats} 101"))
        .replace(map, &maps)
        .into_bytes()
}

fn speaks(response: &mut Response, formats: &str) {
    response.body = with_formats(&response.body, formats);
}

fn formats(sdp: &[u8]) -> String {
    let line = line(sdp, "m=audio ").expect("an m-line");
    line.split(' ').skip(2).collect::<Vec<_>>().join(" ")
}

/// The caller acknowledged that the first target speaks PCMU; the second one answers, with that
/// format. A re-INVITE is answered so.
fn answered_by_the_second(wires: [Wire; 3], format: &str, reinvite: Option<u16>) -> World {
    let mut world = World::with_targets(&wires, 61, two_targets(wires));
    world.caller().manners.reinvite = reinvite;
    world.tell(CALLER, |caller, now| {
        let mut invite = caller.new_invite("+200", true);
        invite.headers.push(HeaderName::Supported, "100rel");
        invite.body = with_formats(&invite.body, "0 8");
        caller.send_invite(now, invite);
    });
    world.run_ms(100);
    world.tell(CALLEE, |callee, now| callee.respond(now, 183));
    world.run_ms(100);
    assert_eq!(world.caller().statuses(&Method::Prack), [200]);
    world.tell(CALLEE, |callee, now| callee.respond(now, 503));
    world.run_ms(100);
    world.tell(SECOND, |second, now| {
        second.respond_edited(now, 200, |response| speaks(response, format));
    });
    world.run_ms(100);
    let answer = world.caller().response(&Method::Invite, 200);
    assert!(answer.body.is_empty(), "it has one");
    world
}

/// Answers the re-INVITE, which offers PCMA.
fn agree(world: &mut World) {
    let offer = world.caller().request_received(&Method::Invite);
    assert_eq!(formats(&offer.body), "8 101");
    world.tell(CALLER, |caller, now| {
        caller.respond_edited(now, 200, |response| speaks(response, PCMA));
    });
    world.run_ms(200);
    assert_eq!(formats(&world.caller().remote_sdp), "8 101");
    let session = world.sessions.values().next().expect("a session");
    let remote = session.streams[0].legs.each_ref().map(|leg| leg.remote);
    let media = [CALLER, SECOND].map(|index| world.agents[index].media);
    assert_eq!(remote.map(|remote| remote.expect("both").rtp), media);
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(world.agents[SECOND].phase, Phase::Over(200));
    world.assert_drained(1);
    assert_eq!(world.record().codec.as_deref(), Some("PCMA"));
}

#[test]
fn sig_8_a_caller_is_offered_what_another_target_than_the_acknowledged_one_speaks() {
    for wires in [[Wire::Udp; 3], [Wire::Tls, Wire::Udp, Wire::Tcp]] {
        let mut world = answered_by_the_second(wires, PCMU, None);
        world.run_for(Duration::from_secs(5));
        assert!(
            world.caller().requests(&Method::Invite).is_empty(),
            "nothing has changed"
        );
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);

        let mut world = answered_by_the_second(wires, PCMA, None);
        agree(&mut world);
    }
}

#[test]
fn sig_8_a_caller_that_does_not_agree_to_that_is_hung_up_on() {
    for refusal in [488, 500] {
        let mut world = answered_by_the_second([Wire::Udp; 3], PCMA, Some(refusal));
        world.run_ms(300);
        assert_eq!(world.caller().phase, Phase::Over(200));
        assert_eq!(world.agents[SECOND].phase, Phase::Over(200));
        world.assert_drained(1);
        assert_eq!(world.record().code, Some(32210));
    }
    // The stream alone is refused.
    let mut world = answered_by_the_second([Wire::Udp; 3], PCMA, None);
    world.tell(CALLER, |caller, now| {
        caller.respond_edited(now, 200, |response| {
            let text = String::from_utf8(response.body.clone()).expect("text");
            response.body = text.replace("audio 4000", "audio 0").into_bytes();
        });
    });
    world.run_ms(300);
    assert_eq!(world.agents[SECOND].phase, Phase::Over(200));
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32210));
}

#[test]
fn sig_8_after_491_it_is_offered_again() {
    let mut world = answered_by_the_second([Wire::Udp; 3], PCMA, Some(491));
    world.caller().manners.reinvite = None;
    world.run_ms(2100);
    assert_eq!(world.caller().requests(&Method::Invite).len(), 2);
    agree(&mut world);
}

/// Nobody would hear anything: like any other refusal it ends the call.
#[test]
fn sig_8_a_caller_that_always_answers_491_to_it_ends_the_call_after_32_s() {
    let mut world = answered_by_the_second([Wire::Udp; 3], PCMA, Some(491));
    world.run_for(Duration::from_secs(27));
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    assert!(world.caller().requests(&Method::Invite).len() > 10);
    world.run_for(Duration::from_secs(6));
    assert_eq!(world.agents[SECOND].phase, Phase::Over(200));
    assert_eq!(world.caller().phase, Phase::Over(200));
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32210));
}

/// The call is up no sooner than the caller's ACK is here; a re-INVITE of the far side that came
/// first makes the other one needless.
#[test]
fn sig_8_an_offer_of_the_far_side_in_the_meantime_puts_it_right_too() {
    let mut world = World::with_targets(&[Wire::Udp; 3], 62, two_targets([Wire::Udp; 3]));
    world.caller().manners.acknowledges = false;
    world.tell(CALLER, |caller, now| {
        let mut invite = caller.new_invite("+200", true);
        invite.headers.push(HeaderName::Supported, "100rel");
        invite.body = with_formats(&invite.body, "0 8");
        caller.send_invite(now, invite);
    });
    world.run_ms(100);
    world.tell(CALLEE, |callee, now| callee.respond(now, 183));
    world.run_ms(100);
    world.tell(CALLEE, |callee, now| callee.respond(now, 503));
    world.run_ms(100);
    world.tell(SECOND, |second, now| {
        second.respond_edited(now, 200, |response| speaks(response, PCMA));
    });
    world.run_ms(100);
    assert!(world.caller().requests(&Method::Invite).is_empty());
    world.tell(SECOND, |second, now| second.reinvite(now, "sendrecv"));
    world.run_ms(100);
    world.tell(CALLER, Agent::acknowledge_late);
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.caller().requests(&Method::Invite).len(), 1);
    let answers = world.agents[SECOND].statuses(&Method::Invite);
    assert_eq!(answers.last(), Some(&200));
    world.caller().manners.acknowledges = true;
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

/// With a To tag for each fork, each is a dialog of its own to the caller, with an answer of its own.
#[test]
fn sig_1_a_fork_that_the_caller_sees_brings_its_own_answer() {
    let mut config = config([Wire::Udp; 2]);
    config.trunks[CALLEE].origination.early_dialogs = EarlyDialogs::Pass;
    let mut world = World::with_config([Wire::Udp; 2], 63, config);
    world.tell(CALLER, |caller, now| {
        let mut invite = caller.new_invite("+200", true);
        invite.headers.push(HeaderName::Supported, "100rel");
        caller.send_invite(now, invite);
    });
    world.run_ms(100);
    for (status, tag, port) in [(183, "desk", 4000), (200, "mobile", 4002)] {
        world.callee().media.set_port(port);
        world.tell(CALLEE, |callee, now| {
            callee.respond_edited(now, status, |response| {
                let to = response.headers.to().expect("To").with_tag(tag);
                response.headers.set(HeaderName::To, &to);
            });
        });
        world.run_ms(200);
    }
    assert_eq!(world.caller().statuses(&Method::Prack), [200]);
    let answer = world.caller().response(&Method::Invite, 200);
    assert!(!answer.body.is_empty());
    assert_eq!(world.caller().phase, Phase::Up);
    assert!(world.caller().requests(&Method::Invite).is_empty());
}
