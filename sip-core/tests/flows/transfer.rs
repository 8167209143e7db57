//! Transfer (SIG-7): REFER refused, passed on, and done here, blind and attended. The caller is on
//! trunk 0, the callee and a second line of its on trunk 1, a third party on trunk 2.

use sip_core::message::{HeaderName, Method, Request};
use sip_core::stack::{EventKind, StackConfig};
use sip_core::trunk::refer::ReferMode;
use sip_core::trunk::{Network, Route, TrunkId};

use crate::sim::sdp::{direction, line};
use crate::sim::{
    Agent, CALLEE, CALLER, Phase, SECOND, THIRD, Wire, World, agent_address, config, trunk,
};

pub(crate) const UDP: [Wire; 4] = [Wire::Udp; 4];

pub(crate) const THIRDS_NUMBER: &str = "+300";

pub(crate) fn transfers(wires: [Wire; 4], mode: ReferMode) -> StackConfig {
    let mut config = config([wires[0], wires[1]]);
    config.trunks[1].acl.push(
        Network {
            address: agent_address(SECOND, wires[SECOND].transport()).ip(),
            prefix: 32,
        }
        .into(),
    );
    let mut third = trunk(THIRD, wires[THIRD]);
    third.name = "third".to_owned();
    third.realm = config.trunks[1].realm;
    third.listener.0 += 3;
    config.trunks.push(third);
    for trunk in &mut config.trunks {
        trunk.refer = mode;
    }
    let route = Route::new(None, THIRDS_NUMBER, TrunkId(2));
    config.routes.insert(0, route);
    config
}

pub(crate) fn up(wires: [Wire; 4], mode: ReferMode) -> World {
    let mut world = World::with_targets(&wires, 71, transfers(wires, mode));
    world.callee().manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(500);
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world
}

pub(crate) fn refer(world: &mut World, from: usize, to: &str) {
    let to = to.to_owned();
    world.tell(from, |agent, now| {
        agent.request(now, Method::Refer, |refer| {
            let by = "<sip:agent@198.51.100.20>;x=\"a  b\"";
            refer.headers.push(HeaderName::ReferTo, to);
            refer.headers.push_named("Referred-by", by);
        });
    });
    world.run_ms(300);
}

pub(crate) fn blind(world: &mut World, from: usize) {
    refer(world, from, &format!("<sip:{THIRDS_NUMBER}@203.0.113.1>"));
}

/// Status lines in the NOTIFYs that came, with the state of the subscription.
pub(crate) fn news(world: &World, agent: usize) -> Vec<String> {
    let notifies = world.agents[agent].requests(&Method::Notify);
    let told = notifies.iter().map(|notify: &&Request| {
        let event = notify.headers.value(HeaderName::Event).expect("Event");
        assert!(event.starts_with(b"refer"));
        assert_eq!(
            notify.headers.value(HeaderName::ContentType),
            Some(&b"message/sipfrag;version=2.0"[..])
        );
        let state = notify.headers.value(HeaderName::SubscriptionState);
        let state = String::from_utf8_lossy(state.expect("a state")).into_owned();
        let state = state.split(';').next().expect("a word").to_owned();
        format!("{} {state}", String::from_utf8_lossy(&notify.body).trim())
    });
    told.collect()
}

/// The addresses that the one session connects.
pub(crate) fn media(world: &World) -> Vec<u16> {
    assert_eq!(world.sessions.len(), 1);
    let session = world.sessions.values().next().expect("a session");
    let legs = session.streams[0].legs.iter();
    legs.map(|leg| leg.remote.expect("an address").rtp.port())
        .collect()
}

/// Each agent hears at a port of its own.
pub(crate) fn tell_apart(world: &mut World) {
    for (index, agent) in world.agents.iter_mut().enumerate() {
        agent.media.set_port(4000 + 2 * index as u16);
    }
}

fn keys(sdp: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(sdp).into_owned();
    let keys = text.lines().filter_map(|line| line.split_once("inline:"));
    keys.map(|(_, key)| key.to_owned()).collect()
}

#[test]
fn sig_7_a_blind_transfer_connects_the_side_that_remains_with_the_new_party() {
    for wires in [
        UDP,
        [Wire::Srtp, Wire::Udp, Wire::Udp, Wire::Srtp],
        [Wire::Udp, Wire::Srtp, Wire::Srtp, Wire::Tls],
        [Wire::Tls, Wire::Tcp, Wire::Tcp, Wire::Srtp],
    ] {
        for from in [CALLEE, CALLER] {
            let mut world = up(wires, ReferMode::Local);
            tell_apart(&mut world);
            let far = 1 - from;
            // Most telephones put the other side on hold first.
            world.tell(from, |agent, now| agent.reinvite(now, "sendonly"));
            world.run_ms(300);
            let before = world.agents[far].remote_sdp.clone();
            assert_eq!(direction(&before), "sendonly");
            blind(&mut world, from);
            assert_eq!(world.agents[from].statuses(&Method::Refer), [202]);
            assert_eq!(news(&world, from), ["SIP/2.0 100 Trying active"]);
            let invite = world.agents[THIRD]
                .request_received(&Method::Invite)
                .clone();
            assert_eq!(invite.uri.user(), Some(THIRDS_NUMBER));
            let text = String::from_utf8_lossy(&invite.to_bytes()).into_owned();
            assert!(text.contains("Referred-by: <sip:agent@198.51.100.20>;x=\"a  b\"\r\n"));
            assert_eq!(direction(&invite.body), "sendrecv");
            world.tell(THIRD, |agent, now| agent.respond(now, 200));
            world.run_ms(400);
            assert_eq!(
                news(&world, from),
                ["SIP/2.0 100 Trying active", "SIP/2.0 200 OK terminated"]
            );
            assert!(world.has_event(EventKind::TransferDone));
            let after = world.agents[far].remote_sdp.clone();
            assert_eq!(direction(&after), "sendrecv");
            let version = |sdp: &[u8]| -> (String, u64) {
                let line = line(sdp, "o=").expect("o=").to_owned();
                let words: Vec<&str> = line.split(' ').collect();
                (words[1].to_owned(), words[2].parse().expect("a version"))
            };
            assert_eq!(version(&after).0, version(&before).0, "one session");
            assert_eq!(version(&after).1, version(&before).1 + 1);
            for key in keys(&after).iter().chain(&keys(&invite.body)) {
                assert!(!keys(&before).contains(key), "a key of its own for each");
            }
            world.tell(from, Agent::hang_up);
            world.run_ms(200);
            assert_eq!(world.agents[from].statuses(&Method::Bye), [200]);
            assert_eq!(world.agents[far].phase, Phase::Up);
            assert_eq!(world.agents[THIRD].phase, Phase::Up);
            let ports = [far, THIRD].map(|index| 4000 + 2 * index as u16);
            assert_eq!(media(&world), ports);
            // Both may go on to do what they like.
            world.tell(far, |agent, now| agent.reinvite(now, "sendonly"));
            world.run_ms(300);
            assert_eq!(direction(&world.agents[THIRD].remote_sdp), "sendonly");
            world.tell(THIRD, Agent::hang_up);
            world.run_ms(200);
            assert_eq!(world.agents[far].phase, Phase::Over(200));
            world.assert_drained(2);
            let reasons: Vec<&str> = world.records.iter().map(|record| &*record.reason).collect();
            assert_eq!(reasons, ["transferred", "hung up"]);
        }
    }
}

#[test]
fn sig_7_who_does_not_hang_up_after_a_transfer_is_hung_up_on() {
    let mut world = up(UDP, ReferMode::Local);
    blind(&mut world, CALLEE);
    world.tell(THIRD, |agent, now| agent.respond(now, 200));
    world.run_ms(4000);
    assert_eq!(world.callee().phase, Phase::Up);
    world.run_ms(2000);
    assert_eq!(world.callee().phase, Phase::Over(200));
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(world.agents[THIRD].phase, Phase::Over(200));
    world.assert_drained(2);
}

#[test]
fn sig_7_a_transfer_goes_on_if_the_one_who_asked_for_it_hangs_up_at_once() {
    let mut world = up(UDP, ReferMode::Local);
    blind(&mut world, CALLEE);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(300);
    assert_eq!(world.caller().phase, Phase::Up, "it waits for the third");
    world.tell(THIRD, |agent, now| agent.respond(now, 200));
    world.run_ms(300);
    assert_eq!(world.agents[THIRD].phase, Phase::Up);
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(world.agents[THIRD].phase, Phase::Over(200));
    world.assert_drained(2);
}

#[test]
fn sig_7_a_transfer_that_fails_keeps_the_call_or_ends_it_if_nobody_else_is_there() {
    for is_there in [true, false] {
        let mut world = up(UDP, ReferMode::Local);
        let before = world.sessions.clone();
        blind(&mut world, CALLEE);
        if !is_there {
            world.tell(CALLEE, Agent::hang_up);
            world.run_ms(100);
        }
        world.tell(THIRD, |agent, now| agent.respond(now, 486));
        world.run_ms(300);
        assert!(world.has_event(EventKind::TransferFailed));
        if is_there {
            assert_eq!(
                news(&world, CALLEE),
                [
                    "SIP/2.0 100 Trying active",
                    "SIP/2.0 486 Busy Here terminated"
                ]
            );
            assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
            assert_eq!(world.sessions, before);
            // The next one may be luckier.
            world.agents[THIRD].phase = Phase::Idle;
            blind(&mut world, CALLEE);
            world.tell(THIRD, |agent, now| agent.respond(now, 200));
            world.run_ms(300);
            let news = news(&world, CALLEE);
            assert_eq!(news.last().expect("NOTIFY"), "SIP/2.0 200 OK terminated");
            world.tell(CALLER, Agent::hang_up);
            world.assert_drained(3);
        } else {
            assert_eq!(world.caller().phase, Phase::Over(200));
            world.assert_drained(2);
        }
    }
}

#[test]
fn sig_7_without_a_route_the_transfer_fails_and_says_so() {
    let mut config = transfers(UDP, ReferMode::Local);
    config.routes.retain(|route| route.from == Some(TrunkId(0)));
    let mut world = World::with_targets(&UDP, 72, config);
    world.callee().manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(500);
    blind(&mut world, CALLEE);
    assert_eq!(
        news(&world, CALLEE),
        [
            "SIP/2.0 100 Trying active",
            "SIP/2.0 404 Not Found terminated"
        ]
    );
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
}

#[test]
fn sig_7_if_the_side_that_remains_does_not_agree_the_new_party_is_hung_up_on() {
    let mut world = up(UDP, ReferMode::Local);
    world.caller().manners.reinvite = Some(488);
    blind(&mut world, CALLEE);
    world.tell(THIRD, |agent, now| agent.respond(now, 200));
    world.run_ms(500);
    let news = news(&world, CALLEE);
    assert!(news.last().expect("NOTIFY").starts_with("SIP/2.0 488"));
    assert_eq!(world.agents[THIRD].phase, Phase::Over(200));
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
}

#[test]
fn sig_7_if_the_side_that_remains_hangs_up_the_new_call_is_cancelled() {
    let mut world = up(UDP, ReferMode::Local);
    blind(&mut world, CALLEE);
    world.tell(THIRD, |agent, now| agent.respond(now, 180));
    world.run_ms(100);
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(300);
    assert_eq!(world.callee().phase, Phase::Over(200));
    assert_eq!(world.agents[THIRD].phase, Phase::Over(487));
    world.assert_drained(2);
}
