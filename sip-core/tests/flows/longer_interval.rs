//! Telephones of an account that want a longer session interval than the trunk's (SIG-2, SIG-4): who
//! answers 422 is sent its INVITE once more (RFC 4028 section 7.3), and nobody else.

use std::collections::BTreeMap;
use std::time::Duration;

use sip_core::message::{HeaderName, Method, Request};

use crate::ringing::{call_alice, office, register_with};
use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World};

/// Alice's telephones, each behind a proxy of its own at its address (RFC 3327).
fn behind_proxies(wires: &[Wire]) -> World {
    let mut world = World::with_targets(wires, 1, office(wires));
    for phone in CALLEE..wires.len() {
        let contact = format!("<{}>", place(phone));
        let path = route(&world, phone);
        let lines = [
            (HeaderName::Contact, contact.as_str()),
            (HeaderName::Path, path.as_str()),
        ];
        register_with(&mut world, phone, &lines);
    }
    assert_eq!(world.stack.bindings(), wires.len() - 1);
    world
}

fn place(phone: usize) -> String {
    format!("sip:line@10.0.0.{phone}:5060")
}

fn route(world: &World, phone: usize) -> String {
    format!("<sip:{};lr>", world.agents[phone].address.ip())
}

fn refuse_with(world: &mut World, phone: usize, min_se: &str) {
    world.tell(phone, |agent, now| {
        agent.respond_edited(now, 422, |response| {
            response.headers.push(HeaderName::MinSe, min_se);
        });
        agent.phase = Phase::Idle;
    });
    world.run_ms(200);
}

fn invites(world: &World, phone: usize) -> Vec<Request> {
    let invites = world.agents[phone].requests(&Method::Invite);
    invites.into_iter().cloned().collect()
}

/// How many lines there are of each name.
fn names(request: &Request) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for field in request.headers.iter() {
        let name = String::from_utf8_lossy(field.raw_name).into_owned();
        *names.entry(name).or_default() += 1;
    }
    names
}

/// The second is the first one once more, with that interval, to the same place.
fn assert_asked_again(world: &World, phone: usize, seconds: u32) {
    let invites = invites(world, phone);
    let [first, again] = &invites[..] else {
        panic!("{} INVITEs to {phone}", invites.len());
    };
    assert_eq!(again.uri.as_str(), place(phone));
    let routes: Vec<&[u8]> = again.headers.values(HeaderName::Route).collect();
    assert_eq!(routes, [route(world, phone).as_bytes()]);
    assert_eq!(again.headers.cseq().expect("CSeq").number, 2);
    for same in [HeaderName::CallId, HeaderName::From, HeaderName::To] {
        assert_eq!(again.headers.value(same), first.headers.value(same));
    }
    let expires = again.headers.session_expires().expect("Session-Expires");
    assert_eq!((expires.seconds, expires.refresher), (seconds, None));
    assert_eq!(again.headers.min_se(), Some(seconds));
    assert!(again.headers.has_option_tag(HeaderName::Supported, "timer"));
    let mut expected = names(first);
    expected.insert("Min-SE".to_owned(), 1);
    assert_eq!(names(again), expected, "each header once");
    assert!(expected.values().all(|lines| *lines <= 2), "{expected:?}");
    assert_eq!(again.body, first.body);
    assert!(!again.body.is_empty());
}

fn hang_up(mut world: World, answering: usize) {
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
    assert_eq!(world.agents[answering].phase, Phase::Up);
    let latest = |method| {
        let request = world.agents[answering].request_received(method);
        request.headers.cseq().expect("CSeq").number
    };
    let invited = latest(&Method::Invite);
    assert_eq!(latest(&Method::Ack), invited);
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(500);
    let bye = world.agents[answering].request_received(&Method::Bye);
    assert!(bye.headers.cseq().expect("CSeq").number > invited);
    assert_eq!(world.agents[answering].phase, Phase::Over(200));
    world.run_for(Duration::from_secs(3600));
    world.assert_drained(1);
    assert_eq!(world.record().status, 200);
}

#[test]
fn sig_4_a_place_that_wants_a_longer_interval_is_asked_again_and_the_others_ring_on() {
    for wire in [Wire::Udp, Wire::Tcp, Wire::Srtp] {
        for asking in 1..=3 {
            for answering in 1..=3 {
                let mut world = behind_proxies(&[Wire::Udp, wire, wire, wire]);
                call_alice(&mut world);
                let others = (1..=3).filter(|phone| *phone != asking);
                for phone in others.clone() {
                    world.tell(phone, |agent, now| agent.respond(now, 180));
                }
                refuse_with(&mut world, asking, "3600");
                assert_asked_again(&world, asking, 3600);
                assert_eq!(world.agents[CALLER].phase, Phase::Inviting);
                for phone in others {
                    assert_eq!(invites(&world, phone).len(), 1, "{phone}");
                    assert_eq!(world.agents[phone].phase, Phase::Invited, "{phone}");
                    assert!(world.agents[phone].requests(&Method::Cancel).is_empty());
                }
                world.tell(asking, |agent, now| agent.respond(now, 180));
                world.run_ms(100);
                world.tell(answering, |agent, now| agent.respond(now, 200));
                world.run_ms(500);
                for phone in (1..=3).filter(|phone| *phone != answering) {
                    assert_eq!(world.agents[phone].phase, Phase::Over(487), "{phone}");
                }
                hang_up(world, answering);
            }
        }
    }
}

/// With keys of its own (RFC 4568 section 7.3), under which it then talks.
#[test]
fn sig_4_a_place_that_wants_a_longer_interval_rings_alone_when_the_others_have_refused() {
    for wire in [Wire::Udp, Wire::Srtp] {
        for asking in 1..=2 {
            for others_first in [false, true] {
                let mut world = behind_proxies(&[Wire::Udp, wire, wire]);
                call_alice(&mut world);
                let refuse = |world: &mut World| {
                    world.tell(3 - asking, |agent, now| agent.respond(now, 486));
                    world.run_ms(200);
                };
                if others_first {
                    refuse(&mut world);
                }
                refuse_with(&mut world, asking, "3600");
                if !others_first {
                    refuse(&mut world);
                }
                assert_asked_again(&world, asking, 3600);
                assert_eq!(invites(&world, 3 - asking).len(), 1);
                world.tell(asking, |agent, now| agent.respond(now, 200));
                world.run_ms(500);
                hang_up(world, asking);
            }
        }
    }
}

#[test]
fn sig_4_several_places_may_want_longer_intervals_each_its_own() {
    let mut world = behind_proxies(&[Wire::Udp; 4]);
    call_alice(&mut world);
    for (phone, min_se) in [(1, "2400"), (2, "7200"), (3, "2400")] {
        refuse_with(&mut world, phone, min_se);
    }
    for (phone, seconds) in [(1, 2400), (2, 7200), (3, 2400)] {
        let invites = invites(&world, phone);
        assert_eq!(invites.len(), 2);
        assert_eq!(invites[1].headers.min_se(), Some(seconds));
        let expires = invites[1].headers.session_expires();
        assert_eq!(expires.expect("Session-Expires").seconds, seconds);
    }
    let accepted = ("Session-Expires", "2400;refresher=uac".to_owned());
    world.agents[3].manners.extra.push(accepted);
    world.tell(3, |agent, now| agent.respond(now, 200));
    world.run_ms(500);
    // It is refreshed by what it was asked itself.
    world.run_for(Duration::from_secs(1201));
    let refreshes = invites(&world, 3);
    assert_eq!(refreshes.len(), 3);
    assert_eq!(refreshes[2].headers.min_se(), Some(2400));
    hang_up(world, 3);
}

#[test]
fn sig_4_a_place_that_is_never_content_with_the_interval_is_not_asked_forever() {
    for min_se in ["3600", "90", "86401"] {
        let mut world = behind_proxies(&[Wire::Udp; 3]);
        call_alice(&mut world);
        for _ in 0..2 {
            if world.agents[1].is_invited() {
                refuse_with(&mut world, 1, min_se);
            }
        }
        let asked = if min_se == "3600" { 2 } else { 1 };
        assert_eq!(invites(&world, 1).len(), asked, "{min_se}");
        assert_eq!(world.agents[CALLER].phase, Phase::Inviting);
        world.tell(2, |agent, now| agent.respond(now, 486));
        world.run_ms(500);
        assert_eq!(invites(&world, 1).len(), asked, "{min_se}");
        assert!(matches!(world.agents[CALLER].phase, Phase::Over(_)));
        world.run_for(Duration::from_secs(3600));
        world.assert_drained(1);
    }
}

#[test]
fn sig_4_a_place_that_wants_a_longer_interval_is_cancelled_like_any_other() {
    let mut world = behind_proxies(&[Wire::Udp; 3]);
    call_alice(&mut world);
    refuse_with(&mut world, 1, "3600");
    for phone in [1, 2] {
        world.tell(phone, |agent, now| agent.respond(now, 180));
    }
    world.run_ms(100);
    world.tell(CALLER, Agent::cancel);
    world.run_ms(500);
    let phases: Vec<Phase> = world.agents.iter().map(|agent| agent.phase).collect();
    assert_eq!(phases, [Phase::Over(487); 3]);
    world.run_for(Duration::from_secs(3600));
    world.assert_drained(1);
}

/// Its 422 crosses the CANCEL.
#[test]
fn sig_4_a_place_that_wants_a_longer_interval_is_not_asked_when_another_has_declined_for_all() {
    for declining in [1, 2] {
        let mut world = behind_proxies(&[Wire::Udp; 3]);
        call_alice(&mut world);
        world.tell(declining, |agent, now| agent.respond(now, 603));
        world.run_ms(5);
        refuse_with(&mut world, 3 - declining, "3600");
        world.run_ms(500);
        assert_eq!(world.agents[CALLER].phase, Phase::Over(603));
        assert_eq!(invites(&world, 3 - declining).len(), 1);
        world.run_for(Duration::from_secs(3600));
        world.assert_drained(1);
    }
}

/// RFC 3327: the retried INVITE takes the same way as the first.
#[test]
fn sig_4_a_single_place_behind_a_path_is_asked_again_through_it() {
    for wire in [Wire::Udp, Wire::Tcp, Wire::Srtp] {
        let mut world = behind_proxies(&[Wire::Udp, wire]);
        call_alice(&mut world);
        refuse_with(&mut world, CALLEE, "3600");
        assert_asked_again(&world, CALLEE, 3600);
        world.tell(CALLEE, |agent, now| agent.respond(now, 200));
        world.run_ms(500);
        hang_up(world, CALLEE);
    }
}
