//! The far side forks: one INVITE of ours, several early dialogs (RFC 3261 section 12.1.2), and
//! perhaps several answers.

use sip_core::message::{HeaderName, Method, Response};
use sip_core::trunk::EarlyDialogs;

use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World, config};

fn world(mode: EarlyDialogs, seed: u64) -> World {
    let mut config = config([Wire::Udp, Wire::Udp]);
    config.trunks[CALLEE].origination.early_dialogs = mode;
    let mut world = World::with_config([Wire::Udp, Wire::Udp], seed, config);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world
}

/// The callee's proxy passes on what a telephone says.
fn telephone(world: &mut World, status: u16, tag: &str, media_port: u16) {
    let tag = tag.to_owned();
    world.agents[CALLEE].media.set_port(media_port);
    world.tell(CALLEE, |callee, now| {
        callee.respond_edited(now, status, |response| {
            let to = response.headers.to().expect("To").with_tag(&tag);
            response.headers.set(HeaderName::To, &to);
            let contact = format!("<sip:{tag}@198.51.100.20:5060>");
            response.headers.set(HeaderName::Contact, contact);
        });
    });
    world.run_ms(50);
}

/// Status, To tag and whether there was SDP, of every response but 100.
fn heard(world: &World) -> Vec<(u16, String, bool)> {
    let responses = world.agents[CALLER].responses(&Method::Invite);
    let tag = |response: &Response| {
        let to = response.headers.to().expect("To");
        to.tag().expect("a tag").to_owned()
    };
    responses
        .into_iter()
        .filter(|response| response.status != 100)
        .map(|response| {
            (
                response.status.code(),
                tag(response),
                !response.body.is_empty(),
            )
        })
        .collect()
}

fn remote_port(world: &World) -> u16 {
    let session = world.sessions.values().next().expect("a session");
    let remote = session.streams[0].legs[1].remote;
    remote.expect("an address").rtp.port()
}

#[test]
fn sig_1_early_dialogs_of_forks_are_one_to_the_caller() {
    let mut world = world(EarlyDialogs::Collapse, 1);
    telephone(&mut world, 180, "desk", 4000);
    telephone(&mut world, 180, "mobile", 4002);
    telephone(&mut world, 183, "desk", 4000);
    telephone(&mut world, 183, "mobile", 4002);
    let heard = heard(&world);
    let seen: Vec<(u16, bool)> = heard
        .iter()
        .map(|(status, _, sdp)| (*status, *sdp))
        .collect();
    assert_eq!(
        seen,
        [(180, false), (183, true)],
        "each once, media of the first"
    );
    assert_eq!(heard[0].1, heard[1].1);
    assert_eq!(remote_port(&world), 4000);
    // The other one answers: its media it is.
    telephone(&mut world, 200, "mobile", 4002);
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
    assert_eq!(remote_port(&world), 4002);
    let ack = world.agents[CALLEE].request_received(&Method::Ack);
    assert_eq!(ack.headers.to().unwrap().tag(), Some("mobile"));
    assert_eq!(ack.uri.user(), Some("mobile"));
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_1_early_dialogs_of_forks_are_passed_with_a_tag_each() {
    let mut world = world(EarlyDialogs::Pass, 2);
    telephone(&mut world, 180, "desk", 4000);
    telephone(&mut world, 180, "mobile", 4002);
    telephone(&mut world, 183, "desk", 4000);
    telephone(&mut world, 183, "mobile", 4002);
    let early = heard(&world);
    let seen: Vec<(u16, bool)> = early
        .iter()
        .map(|(status, _, sdp)| (*status, *sdp))
        .collect();
    assert_eq!(seen, [(180, false), (180, false), (183, true), (183, true)]);
    assert_ne!(early[0].1, early[1].1);
    assert_eq!((&early[0].1, &early[1].1), (&early[2].1, &early[3].1));
    telephone(&mut world, 200, "desk", 4000);
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
    assert_eq!(
        heard(&world).last().unwrap().1,
        early[0].1,
        "the desk's own tag"
    );
    assert_eq!(remote_port(&world), 4000);
    // The dialog works by that tag.
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].statuses(&Method::Bye), [200]);
    world.assert_drained(1);
}

#[test]
fn section_7_of_two_200s_from_forks_the_first_wins_and_the_second_is_ended() {
    for mode in [EarlyDialogs::Collapse, EarlyDialogs::Pass] {
        let mut world = world(mode, 3);
        telephone(&mut world, 180, "desk", 4000);
        telephone(&mut world, 180, "mobile", 4002);
        let invite = world.agents[CALLEE]
            .request_received(&Method::Invite)
            .clone();
        telephone(&mut world, 200, "desk", 4000);
        // The mobile was as quick; its proxy passes its 200 on as well.
        let mut second = sip_core::message::response_to(
            &invite,
            sip_core::message::StatusCode::OK,
            Some("mobile"),
        );
        second
            .headers
            .push(HeaderName::Contact, "<sip:mobile@198.51.100.20:5060>");
        let origin = world.origin_of(CALLEE);
        world.inject(origin, &second.to_bytes());
        world.run_ms(200);
        let callee = &world.agents[CALLEE];
        let tags = |method: &Method| -> Vec<String> {
            let requests = callee.requests(method);
            requests
                .iter()
                .map(|request| request.headers.to().unwrap().tag().unwrap().to_owned())
                .collect()
        };
        assert_eq!(tags(&Method::Ack), ["desk", "mobile"]);
        assert_eq!(tags(&Method::Bye), ["mobile"]);
        assert_eq!(world.agents[CALLER].phase, Phase::Up);
        assert_eq!(remote_port(&world), 4000);
        assert_eq!(
            world.agents[CALLER]
                .statuses(&Method::Invite)
                .iter()
                .filter(|status| **status == 200)
                .count(),
            1
        );
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn sig_1_a_200_without_sdp_has_its_own_forks_early_answer() {
    let mut world = world(EarlyDialogs::Collapse, 4);
    telephone(&mut world, 183, "desk", 4000);
    world.tell(CALLEE, |callee, now| {
        callee.respond_edited(now, 200, |response| {
            let to = response.headers.to().unwrap().with_tag("mobile");
            response.headers.set(HeaderName::To, &to);
            response.headers.remove(HeaderName::ContentType);
            response.body.clear();
        });
    });
    world.run_ms(200);
    // What the desk said of its media says nothing of the mobile's.
    assert_eq!(world.agents[CALLER].phase, Phase::Over(488));
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32241));
}
