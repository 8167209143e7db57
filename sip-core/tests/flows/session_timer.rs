//! Session timers (RFC 4028): each leg has its own, with a refresher on either side.

use std::time::Duration;

use sip_core::message::{HeaderName, Method, Refresher, Request};
use sip_core::stack::EndedBy;
use sip_core::trunk::session::SessionPolicy;

use crate::sim::sdp::line;
use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World, config};

const UDP: [Wire; 2] = [Wire::Udp, Wire::Udp];
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, UPDATE";

fn world_with(wires: [Wire; 2], policies: [SessionPolicy; 2]) -> World {
    let mut config = config(wires);
    for (trunk, policy) in config.trunks.iter_mut().zip(policies) {
        trunk.session = policy;
    }
    World::with_config(wires, 61, config)
}

/// That agent knows session timers and says so, with these header lines.
fn knows(world: &mut World, agent: usize, lines: &[(&'static str, &str)]) {
    let extra = &mut world.agents[agent].manners.extra;
    for (name, value) in lines {
        extra.push((*name, (*value).to_owned()));
    }
}

fn strip() -> SessionPolicy {
    SessionPolicy {
        timers: false,
        ..SessionPolicy::default()
    }
}

/// Up, and the callee has put that Session-Expires into its 200.
fn up_with_callee(expires: &str, allow: bool) -> World {
    up_over(UDP, expires, allow)
}

fn up_over(wires: [Wire; 2], expires: &str, allow: bool) -> World {
    let mut world = world_with(wires, [SessionPolicy::default(); 2]);
    knows(&mut world, CALLEE, &[("Session-Expires", expires)]);
    if allow {
        knows(&mut world, CALLEE, &[("Allow", ALLOW)]);
    }
    let others = &mut world.callee().manners.others_extra;
    others.push(("Session-Expires", expires.to_owned()));
    world.establish();
    world
}

fn session_expires(request: &Request) -> (u32, Option<Refresher>) {
    let expires = request.headers.session_expires().expect("Session-Expires");
    (expires.seconds, expires.refresher)
}

#[test]
fn sig_2_our_invite_asks_for_the_trunks_interval() {
    let policy = SessionPolicy {
        timers: true,
        expires: 600,
        min_se: 120,
    };
    let mut world = world_with(UDP, [SessionPolicy::default(), policy]);
    world.establish();
    let invite = world.callee().request_received(&Method::Invite);
    assert!(
        invite
            .headers
            .has_option_tag(HeaderName::Supported, "timer")
    );
    assert_eq!(session_expires(invite), (600, None));
    assert_eq!(invite.headers.min_se(), Some(120));
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_a_stripped_trunk_sees_nothing_of_session_timers() {
    let mut world = world_with(UDP, [strip(), strip()]);
    let lines = [("Supported", "timer"), ("Session-Expires", "30")];
    knows(&mut world, CALLER, &lines);
    knows(
        &mut world,
        CALLEE,
        &[("Session-Expires", "90;refresher=uac")],
    );
    world.establish();
    let invite = world.callee().request_received(&Method::Invite);
    assert!(!invite.headers.contains(HeaderName::SessionExpires));
    assert!(
        !invite
            .headers
            .has_option_tag(HeaderName::Supported, "timer")
    );
    let answer = world.caller().response(&Method::Invite, 200);
    assert!(!answer.headers.contains(HeaderName::SessionExpires));
    world.run_for(Duration::from_secs(7200));
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    assert_eq!(world.callee().requests(&Method::Invite).len(), 1);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_a_stripped_trunk_refuses_what_requires_timers() {
    let mut world = world_with(UDP, [strip(), strip()]);
    knows(&mut world, CALLER, &[("Require", "timer")]);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    let refusal = world.caller().response(&Method::Invite, 420);
    assert!(
        refusal
            .headers
            .has_option_tag(HeaderName::Unsupported, "timer")
    );
    world.assert_drained(1);
}

#[test]
fn sig_2_we_refresh_the_callee_by_update_or_else_by_the_same_invite() {
    for wires in [UDP, [Wire::Udp, Wire::Srtp], [Wire::Srtp, Wire::Tls]] {
        for allow in [true, false] {
            let mut world = up_over(wires, "200;refresher=uac", allow);
            let before = world.sessions.clone();
            let offered = world
                .callee()
                .request_received(&Method::Invite)
                .body
                .clone();
            world.run_for(Duration::from_secs(90));
            assert_eq!(world.callee().requests(&Method::Invite).len(), 1);
            world.run_for(Duration::from_secs(400));
            let method = match allow {
                true => Method::Update,
                false => Method::Invite,
            };
            let requests = world.callee().requests(&method);
            let refreshes = requests.len() - usize::from(!allow);
            assert!((4..=5).contains(&refreshes), "{refreshes} in 490 s");
            let refresh = requests.last().expect("a refresh");
            assert_eq!(session_expires(refresh), (200, Some(Refresher::Uac)));
            match allow {
                true => assert!(refresh.body.is_empty()),
                false => assert_eq!(refresh.body, offered, "o= line and all"),
            }
            assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
            assert!(world.caller().requests(&Method::Invite).is_empty());
            if allow {
                assert_eq!(world.sessions, before);
            }
            world.tell(CALLEE, Agent::hang_up);
            world.assert_drained(1);
        }
    }
}

/// RFC 4028 section 7.4: a refresh offers what is agreed, and not what was refused in between.
#[test]
fn sig_2_a_refresh_does_not_repeat_an_offer_that_was_refused() {
    for wires in [UDP, [Wire::Udp, Wire::Srtp]] {
        let mut world = up_over(wires, "200;refresher=uac", false);
        let invite = world.callee().request_received(&Method::Invite);
        let offered = invite.body.clone();
        world.callee().manners.reinvite = Some(488);
        world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(300);
        assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&488));
        world.callee().manners.reinvite = Some(200);
        world.run_for(Duration::from_secs(110));
        let invites = world.callee().requests(&Method::Invite);
        assert_eq!(invites.len(), 3);
        assert_eq!(invites[2].body, offered);
        // What is offered next is another description than the one that was refused.
        world.tell(CALLER, |agent, now| agent.reinvite(now, "inactive"));
        world.run_ms(300);
        let invites = world.callee().requests(&Method::Invite);
        let version = |body: &[u8]| -> u64 {
            let words = line(body, "o=").expect("o=").split(' ').nth(2);
            words.expect("a version").parse().expect("a number")
        };
        assert!(version(&invites[3].body) > version(&invites[1].body));
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        world.tell(CALLEE, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn sig_2_a_caller_that_asks_us_to_refresh_is_refreshed() {
    for wire in [Wire::Udp, Wire::Srtp] {
        let mut world = world_with([wire, Wire::Udp], [SessionPolicy::default(); 2]);
        let lines = [
            ("Supported", "timer"),
            ("Session-Expires", "200;refresher=uas"),
        ];
        knows(&mut world, CALLER, &lines);
        world.establish();
        let answer = world.caller().response(&Method::Invite, 200).clone();
        let expires = answer.headers.value(HeaderName::SessionExpires);
        assert_eq!(expires, Some(&b"200;refresher=uas"[..]));
        let version = |sdp: &[u8]| line(sdp, "o=").expect("o=").to_owned();
        world.run_for(Duration::from_secs(101));
        let refresh = world.caller().request_received(&Method::Invite);
        assert_eq!(session_expires(refresh), (200, Some(Refresher::Uac)));
        assert_eq!(refresh.body, answer.body);
        assert_eq!(version(&refresh.body), version(&answer.body));
        assert_eq!(world.callee().requests(&Method::Invite).len(), 1);
        // The caller's SDP has a new version: the media plane knows of it, the callee need not.
        let session = world.sessions.values().next().expect("a session");
        assert_eq!(session.streams[0].legs[CALLER].sdp_version, 2);
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn sig_2_a_caller_that_knows_timers_refreshes_itself_or_the_call_ends() {
    for refreshes in [true, false] {
        let mut world = world_with(UDP, [SessionPolicy::default(); 2]);
        let lines = [("Supported", "timer"), ("Session-Expires", "90")];
        knows(&mut world, CALLER, &lines);
        world.establish();
        let answer = world.caller().response(&Method::Invite, 200);
        let expires = answer.headers.value(HeaderName::SessionExpires);
        assert_eq!(expires, Some(&b"90;refresher=uac"[..]));
        assert!(answer.headers.has_option_tag(HeaderName::Require, "timer"));
        world.run_for(Duration::from_secs(45));
        if refreshes {
            world.tell(CALLER, |caller, now| {
                caller.request(now, Method::Update, |update| {
                    let headers = &mut update.headers;
                    headers.push(HeaderName::Supported, "timer");
                    headers.push(HeaderName::SessionExpires, "90;refresher=uac");
                });
            });
            world.run_for(Duration::from_secs(45));
            let answer = world.caller().response(&Method::Update, 200);
            assert!(answer.headers.contains(HeaderName::SessionExpires));
            assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
            assert!(world.callee().requests(&Method::Update).is_empty());
        }
        world.run_for(Duration::from_secs(18));
        assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
        world.assert_drained(1);
        let record = world.record();
        assert_eq!(record.code, Some(32032));
        assert_eq!(record.ended_by, EndedBy::Trunkline);
    }
}

#[test]
fn sig_2_a_callee_that_should_refresh_and_does_not_ends_the_call() {
    let mut world = up_with_callee("300;refresher=uas", true);
    world.run_for(Duration::from_secs(267));
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    let bye = world.caller().request_received(&Method::Bye);
    let reason = bye.headers.value(HeaderName::Reason).expect("Reason");
    assert!(String::from_utf8_lossy(reason).contains("32032"));
    world.assert_drained(1);
}

#[test]
fn sig_2_a_refresh_that_finds_no_dialog_ends_the_call() {
    for allow in [true, false] {
        let mut world = up_with_callee("200;refresher=uac", allow);
        world.callee().manners.others = Some(481);
        world.callee().manners.reinvite = Some(481);
        world.run_for(Duration::from_secs(102));
        assert_eq!(world.caller().phase, Phase::Over(200));
        world.assert_drained(1);
        assert_eq!(world.record().code, Some(32017));
    }
}

#[test]
fn sig_2_a_refresh_that_is_refused_is_tried_again_before_the_session_expires() {
    for allow in [true, false] {
        let mut world = up_with_callee("200;refresher=uac", allow);
        world.callee().manners.others = Some(500);
        world.callee().manners.reinvite = Some(491);
        world.run_for(Duration::from_secs(101));
        world.callee().manners.others = Some(200);
        world.callee().manners.reinvite = Some(200);
        world.run_for(Duration::from_secs(400));
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn sig_2_a_refresh_invite_after_491_waits_as_long_as_the_owner_of_the_call_id_must() {
    let mut world = up_with_callee("200;refresher=uac", false);
    world.callee().manners.reinvite = Some(491);
    world.run_ms(100_000 - 500);
    let count = |world: &World| world.agents[CALLEE].requests(&Method::Invite).len();
    let mut times = Vec::new();
    let mut seen = count(&world);
    for tick in 0..2000 {
        world.run_ms(10);
        if count(&world) > seen {
            seen = count(&world);
            times.push(tick * 10);
        }
    }
    assert!(times.len() >= 4, "{times:?}");
    // Section 14.1 of RFC 3261: 2.1 to 4 s, and the way there and back.
    for pair in times.windows(2) {
        assert!((2100..=4050).contains(&(pair[1] - pair[0])), "{times:?}");
    }
    world.callee().manners.reinvite = Some(200);
    world.run_for(Duration::from_secs(10));
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_update_that_is_not_taken_after_all_becomes_invite() {
    let mut world = up_with_callee("200;refresher=uac", true);
    world.callee().manners.others = Some(405);
    world.run_for(Duration::from_secs(150));
    assert_eq!(world.callee().requests(&Method::Update).len(), 1);
    assert_eq!(world.callee().requests(&Method::Invite).len(), 2);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_too_small_an_interval_is_422_with_min_se() {
    let policy = SessionPolicy {
        timers: true,
        expires: 1800,
        min_se: 300,
    };
    let mut world = world_with(UDP, [policy; 2]);
    let lines = [("Supported", "timer"), ("Session-Expires", "120")];
    knows(&mut world, CALLER, &lines);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    let refusal = world.caller().response(&Method::Invite, 422);
    assert_eq!(refusal.headers.min_se(), Some(300));
    world.assert_drained(1);
    assert_eq!(
        (world.record().status, world.record().code),
        (422, Some(32033))
    );
}

#[test]
fn sig_2_422_of_the_far_side_is_answered_with_a_longer_interval() {
    for late_offer in [false, true] {
        let mut world = world_with([Wire::Udp, Wire::Srtp], [SessionPolicy::default(); 2]);
        world.tell(CALLER, |caller, now| {
            let invite = caller.new_invite("+200", !late_offer);
            caller.send_invite(now, invite);
        });
        world.run_ms(100);
        world.callee().manners.invite = Some(200);
        world.tell(CALLEE, |callee, now| {
            callee.respond_edited(now, 422, |response| {
                response.headers.push(HeaderName::MinSe, "3600");
            });
            callee.phase = Phase::Idle;
        });
        world.run_ms(300);
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        let invites = world.callee().requests(&Method::Invite);
        assert_eq!(invites.len(), 2);
        assert_eq!(invites[1].headers.cseq().unwrap().number, 2);
        assert_eq!(invites[1].headers.call_id(), invites[0].headers.call_id());
        assert_eq!(session_expires(invites[1]), (3600, None));
        assert_eq!(invites[1].headers.min_se(), Some(3600));
        assert_eq!(invites[1].body, invites[0].body);
        world.tell(CALLER, Agent::hang_up);
        world.run_ms(100);
        let bye = world.callee().request_received(&Method::Bye);
        assert_eq!(bye.headers.cseq().unwrap().number, 3);
        world.assert_drained(1);
    }
}

#[test]
fn sig_2_422_after_a_stripped_timer_is_answered_with_the_timer_that_is_wanted() {
    let mut world = world_with(UDP, [strip(), strip()]);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.callee().manners.invite = Some(200);
    world.tell(CALLEE, |callee, now| {
        callee.respond_edited(now, 422, |response| {
            response.headers.push(HeaderName::MinSe, "600");
        });
        callee.phase = Phase::Idle;
    });
    world.run_ms(300);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    let invite = world.callee().request_received(&Method::Invite);
    assert_eq!(session_expires(invite), (1800, None));
    assert_eq!(invite.headers.min_se(), Some(600));
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_2_a_far_side_that_is_never_content_with_the_interval_is_not_asked_forever() {
    let mut world = world_with(UDP, [SessionPolicy::default(); 2]);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    for _ in 0..2 {
        world.tell(CALLEE, |callee, now| {
            callee.respond_edited(now, 422, |response| {
                response.headers.push(HeaderName::MinSe, "3600");
            });
            callee.phase = Phase::Idle;
        });
        world.run_ms(100);
    }
    assert_eq!(world.caller().phase, Phase::Over(500));
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32011));
}

#[test]
fn sig_2_a_reinvite_that_the_far_side_answers_422_is_sent_again() {
    let mut world = world_with(UDP, [SessionPolicy::default(); 2]);
    world.establish();
    world.callee().manners.reinvite = None;
    world.tell(CALLER, |caller, now| caller.reinvite(now, "sendonly"));
    world.run_ms(100);
    world.callee().manners.reinvite = Some(200);
    world.tell(CALLEE, |callee, now| {
        callee.respond_edited(now, 422, |response| {
            response.headers.push(HeaderName::MinSe, "2400");
        });
    });
    world.run_ms(300);
    assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&200));
    let invite = world.callee().request_received(&Method::Invite);
    assert_eq!(invite.headers.min_se(), Some(2400));
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_1_an_invite_of_the_other_side_waits_for_our_refresh_and_one_of_the_same_side_is_glare() {
    let mut world = up_with_callee("200;refresher=uac", false);
    world.callee().manners.reinvite = None;
    world.run_ms(100_000 + 200);
    assert!(world.callee().is_invited(), "the refresh is there");
    world.tell(CALLER, |caller, now| caller.reinvite(now, "sendonly"));
    world.tell(CALLEE, |callee, now| callee.reinvite(now, "inactive"));
    world.run_ms(100);
    assert_eq!(world.callee().statuses(&Method::Invite), [491]);
    assert_eq!(world.callee().requests(&Method::Invite).len(), 2);
    world.callee().manners.reinvite = Some(200);
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(300);
    assert_eq!(world.callee().requests(&Method::Invite).len(), 3);
    assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&200));
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}
