//! Transfer (SIG-7): REFER refused, passed on, and done here, blind and attended. The caller is on
//! trunk 0, the callee and a second line of its on trunk 1, a third party on trunk 2.

use std::time::Duration;

use sip_core::message::{HeaderName, Method, Request};
use sip_core::stack::{Event, EventKind, StackConfig};
use sip_core::trunk::refer::ReferMode;
use sip_core::trunk::{Network, Route, TrunkId};

use crate::sim::sdp::{direction, line};
use crate::sim::{
    Agent, CALLEE, CALLER, Link, Phase, SECOND, SeededRng, THIRD, Wire, World, agent_address,
    config, trunk,
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

fn blind(world: &mut World, from: usize) {
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
fn sig_7_refer_is_refused_unless_the_trunk_allows_it() {
    for from in [CALLER, CALLEE] {
        let mut world = up(UDP, ReferMode::Off);
        blind(&mut world, from);
        let refusal = world.agents[from].response(&Method::Refer, 603);
        let reason = refusal.headers.value(HeaderName::Reason).expect("Reason");
        assert!(String::from_utf8_lossy(reason).contains("32218"));
        assert!(world.has_event(EventKind::TransferRefused));
        assert!(world.agents[1 - from].requests(&Method::Refer).is_empty());
        assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
    }
}

/// Whoever reads Allow knows whether REFER is worth a try, on each leg by its own trunk.
#[test]
fn sig_7_allow_names_refer_only_where_the_trunk_takes_it() {
    for modes in [
        [ReferMode::Off, ReferMode::Pass],
        [ReferMode::Local, ReferMode::Off],
    ] {
        let mut config = transfers(UDP, ReferMode::Off);
        for (trunk, mode) in config.trunks.iter_mut().zip(modes) {
            trunk.refer = mode;
        }
        let mut world = World::with_targets(&UDP, 74, config);
        world.callee().manners.invite = Some(200);
        world.tell(CALLER, Agent::invite);
        world.run_ms(500);
        for from in [CALLER, CALLEE] {
            world.tell(from, |agent, now| agent.reinvite(now, "sendonly"));
            world.run_ms(300);
        }
        for (index, mode) in modes.into_iter().enumerate() {
            let received = world.agents[index].received.iter();
            let allows: Vec<String> = received
                .filter_map(|message| message.headers().value(HeaderName::Allow))
                .map(|allow| String::from_utf8_lossy(allow).into_owned())
                .collect();
            assert!(allows.len() >= 2, "INVITE and 200: {allows:?}");
            for allow in allows {
                let names_it = allow.split(", ").any(|method| method == "REFER");
                assert_eq!(names_it, mode != ReferMode::Off, "{index}: {allow}");
            }
        }
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn sig_7_refer_outside_a_call_is_refused() {
    let mut world = up(UDP, ReferMode::Local);
    let mut request = world.agents[THIRD].new_invite("+200", false);
    request.headers.set(HeaderName::CSeq, "1 REFER");
    request.method = Method::Refer;
    world.tell(THIRD, |agent, now| agent.send_outside(now, request));
    world.run_ms(100);
    assert_eq!(world.agents[THIRD].statuses(&Method::Refer), [603]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_7_refer_passes_to_the_far_side_and_its_notifies_come_back() {
    for from in [CALLER, CALLEE] {
        let wires = [Wire::Srtp, Wire::Udp, Wire::Udp, Wire::Udp];
        let mut world = up(wires, ReferMode::Pass);
        let far = 1 - from;
        world.agents[far].manners.others = Some(202);
        refer(&mut world, from, "<sip:+300@h?Replaces=a%3Bto-tag%3D1>");
        let came = world.agents[far].request_received(&Method::Refer);
        let text = String::from_utf8_lossy(&came.to_bytes()).into_owned();
        for line in [
            "Refer-To: <sip:+300@h?Replaces=a%3Bto-tag%3D1>\r\n",
            "Referred-by: <sip:agent@198.51.100.20>;x=\"a  b\"\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(came.headers.contains(HeaderName::Contact));
        assert_eq!(world.agents[from].statuses(&Method::Refer), [202]);
        world.tell(far, |agent, now| {
            agent.request(now, Method::Notify, |notify| {
                let headers = &mut notify.headers;
                headers.push(HeaderName::Event, "refer");
                headers.push(HeaderName::SubscriptionState, "active;expires=60");
                headers.push(HeaderName::ContentType, "message/sipfrag;version=2.0");
                notify.body = b"SIP/2.0 100 Trying\r\n".to_vec();
            });
        });
        world.run_ms(200);
        assert_eq!(news(&world, from), ["SIP/2.0 100 Trying active"]);
        assert_eq!(world.agents[far].statuses(&Method::Notify), [200]);
        world.tell(from, Agent::hang_up);
        world.assert_drained(1);
    }
}

/// RFC 3515 section 2.4.6: a subscription is named by the CSeq number of its REFER, which is another
/// one on each leg.
#[test]
fn sig_7_notifies_of_several_refers_passed_name_them_as_their_sender_does() {
    let mut world = up(UDP, ReferMode::Pass);
    // From here on the numbers differ.
    world.tell(CALLER, |agent, now| {
        for _ in 0..3 {
            agent.request(now, Method::Options, |_| {});
        }
    });
    world.run_ms(100);
    world.callee().manners.others = Some(202);
    for _ in 0..2 {
        blind(&mut world, CALLER);
    }
    let sequence = |request: &Request| request.headers.cseq().expect("CSeq").number;
    let came = world.callee().requests(&Method::Refer);
    let came: Vec<u32> = came.into_iter().map(sequence).collect();
    let dialog = world.caller().dialog.as_ref().expect("a dialog");
    let last = dialog.local_sequence();
    assert_ne!(came[1], last);
    for (event, expected) in [
        ("refer".to_owned(), Ok("refer".to_owned())),
        (
            format!("refer ;x=\"a;id=1\"; id={};y", came[1]),
            Ok(format!("refer ;x=\"a;id=1\";id={last};y")),
        ),
        (
            format!("REFER;id={}", came[0]),
            Ok(format!("REFER;id={}", last - 1)),
        ),
        (format!("refer;id={}", came[1] + 1), Err(481)),
        ("refer;id=x".to_owned(), Err(481)),
        ("presence".to_owned(), Err(481)),
    ] {
        let before = world.caller().requests(&Method::Notify).len();
        world.tell(CALLEE, |agent, now| {
            agent.request(now, Method::Notify, |notify| {
                let headers = &mut notify.headers;
                headers.push(HeaderName::Event, event.clone());
                headers.push(HeaderName::SubscriptionState, "active;expires=60");
            });
        });
        world.run_ms(200);
        let status = *world
            .callee()
            .statuses(&Method::Notify)
            .last()
            .expect("one");
        let notifies = world.caller().requests(&Method::Notify);
        let told = notifies.get(before).map(|notify| {
            let event = notify.headers.value(HeaderName::Event).expect("Event");
            String::from_utf8_lossy(event).into_owned()
        });
        assert_eq!(told.ok_or(status), expected, "{event}");
    }
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_7_a_notify_that_nobody_asked_for_is_481() {
    let mut world = up(UDP, ReferMode::Pass);
    world.tell(CALLEE, |agent, now| {
        agent.request(now, Method::Notify, |_| {});
    });
    world.run_ms(100);
    assert_eq!(world.callee().statuses(&Method::Notify), [481]);
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
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

#[test]
fn sig_7_refer_sub_false_wants_no_notify() {
    let mut world = up(UDP, ReferMode::Local);
    world.tell(CALLEE, |agent, now| {
        agent.request(now, Method::Refer, |refer| {
            let to = format!("<sip:{THIRDS_NUMBER}@203.0.113.1>");
            refer.headers.push(HeaderName::ReferTo, to);
            refer.headers.push(HeaderName::ReferSub, "false");
        });
    });
    world.run_ms(300);
    let accepted = world.callee().response(&Method::Refer, 202);
    assert_eq!(
        accepted.headers.value(HeaderName::ReferSub),
        Some(&b"false"[..])
    );
    world.tell(THIRD, |agent, now| agent.respond(now, 200));
    world.run_ms(300);
    assert!(news(&world, CALLEE).is_empty());
    assert_eq!(world.agents[THIRD].phase, Phase::Up);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
}

#[test]
fn sig_7_a_refer_that_names_nobody_is_400() {
    let mut world = up(UDP, ReferMode::Local);
    for to in [
        "",
        "<urn:x:y>",
        "<sip:+300@h;method=BYE>",
        "<sip:+300@h?X=1%0D%0AVia:%20SIP/2.0/UDP%20h>",
        "<sip:+300@h>\r\nRefer-To: <sip:a@b>",
    ] {
        let count = world.callee().statuses(&Method::Refer).len();
        world.tell(CALLEE, |agent, now| {
            agent.request(now, Method::Refer, |refer| {
                for value in to.split("\r\nRefer-To: ").filter(|value| !value.is_empty()) {
                    refer.headers.push(HeaderName::ReferTo, value);
                }
            });
        });
        world.run_ms(100);
        let statuses = world.callee().statuses(&Method::Refer);
        assert_eq!(statuses[count..], [400], "{to}");
    }
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

/// RFC 3515 section 2.1: the new call carries what Refer-To asks for.
/// Whom a URI without a user means, its parameters say; a route for calls without a number takes it
/// where it is understood.
#[test]
fn sig_7_a_transfer_may_be_to_somebody_without_a_number() {
    let mut config = transfers(UDP, ReferMode::Local);
    let mut route = Route::new(Some(TrunkId(1)), "", TrunkId(2));
    route.called.pattern = Some(regex::Regex::new("^$").expect("a pattern"));
    config.routes.insert(0, route);
    let mut world = World::with_targets(&UDP, 76, config);
    world.callee().manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(500);
    refer(
        &mut world,
        CALLEE,
        "<sip:203.0.113.1;x-m=8%3Aorgid%3A1;x-t=2>",
    );
    let invite = world.agents[THIRD].request_received(&Method::Invite);
    assert_eq!(
        invite.uri.as_str(),
        "sip:198.51.100.40;x-m=8%3Aorgid%3A1;x-t=2"
    );
    world.tell(THIRD, |agent, now| agent.respond(now, 200));
    world.run_ms(400);
    assert!(world.has_event(EventKind::TransferDone));
    world.tell(CALLEE, Agent::hang_up);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
}

#[test]
fn sig_7_a_transfer_takes_along_what_refer_to_asks_for() {
    let mut config = transfers(UDP, ReferMode::Local);
    for trunk in &mut config.trunks {
        trunk.headers.trusted = true;
    }
    let mut world = World::with_targets(&UDP, 75, config);
    world.callee().manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(500);
    let wanted = "X-Case=a%20b%3Bc&User-to-User=00a1%3Bencoding%3Dhex&Subject=s\
                  &P-Asserted-Identity=%3Csip:boss@h%3E&Contact=%3Csip:x@h%3E&body=b";
    let params = "user=phone;x-m=a%40b;transport=tcp;method=INVITE";
    let to = format!("<sip:{THIRDS_NUMBER}@203.0.113.1;{params}?{wanted}>");
    refer(&mut world, CALLEE, &to);
    let invite = world.agents[THIRD].request_received(&Method::Invite);
    assert_eq!(
        invite.uri.as_str(),
        "sip:+300@198.51.100.40;user=phone;x-m=a%40b"
    );
    let text = String::from_utf8_lossy(&invite.to_bytes()).into_owned();
    for line in ["X-Case: a b;c\r\n", "User-to-User: 00a1;encoding=hex\r\n"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    for hidden in ["Subject", "boss", "sip:x@h", "method="] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    world.tell(THIRD, |agent, now| agent.respond(now, 200));
    world.run_ms(400);
    assert!(world.has_event(EventKind::TransferDone));
    world.tell(CALLEE, Agent::hang_up);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
}

/// What Replaces says of that agent's dialog, for the edge.
pub(crate) fn replaces(world: &World, agent: usize) -> String {
    let dialog = world.agents[agent].dialog.as_ref().expect("a dialog");
    let id = dialog.id();
    format!(
        "{};to-tag={};from-tag={}",
        id.call_id, id.remote_tag, id.local_tag
    )
}

/// The callee's second line talks to the third party.
fn consult(world: &mut World) {
    world.agents[THIRD].manners.invite = Some(200);
    world.tell(SECOND, |agent, now| {
        let invite = agent.new_invite(THIRDS_NUMBER, true);
        agent.send_invite(now, invite);
    });
    world.run_ms(400);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    assert_eq!(world.agents[THIRD].phase, Phase::Up);
}

#[test]
fn sig_7_an_attended_transfer_joins_the_far_sides_of_two_calls() {
    for wires in [
        UDP,
        [Wire::Srtp, Wire::Tls, Wire::Tls, Wire::Udp],
        [Wire::Udp, Wire::Srtp, Wire::Srtp, Wire::Srtp],
    ] {
        let mut world = up(wires, ReferMode::Local);
        tell_apart(&mut world);
        consult(&mut world);
        let escaped = replaces(&world, SECOND)
            .replace(';', "%3B")
            .replace('=', "%3D");
        let to = format!("<sip:{THIRDS_NUMBER}@203.0.113.1?Replaces={escaped}>");
        refer(&mut world, CALLEE, &to);
        world.run_ms(400);
        assert_eq!(
            news(&world, CALLEE),
            ["SIP/2.0 100 Trying active", "SIP/2.0 200 OK terminated"]
        );
        assert_eq!(world.agents[SECOND].phase, Phase::Over(200), "its BYE");
        world.tell(CALLEE, Agent::hang_up);
        world.run_ms(300);
        assert_eq!(world.caller().phase, Phase::Up);
        assert_eq!(world.agents[THIRD].phase, Phase::Up);
        assert_eq!(
            world.agents[THIRD].requests(&Method::Invite).len(),
            2,
            "the second one within its dialog"
        );
        let ports = [CALLER, THIRD].map(|index| 4000 + 2 * index as u16);
        assert_eq!(media(&world), ports);
        world.tell(THIRD, Agent::hang_up);
        world.run_ms(300);
        assert_eq!(world.caller().phase, Phase::Over(200));
        world.assert_drained(3);
    }
}

#[test]
fn sig_7_an_attended_transfer_to_a_dialog_that_is_not_ours_fails_and_changes_nothing() {
    let mut world = up(UDP, ReferMode::Local);
    consult(&mut world);
    let right = replaces(&world, SECOND);
    // A dialog of another trunk's is none of the referrer's business.
    let others = replaces(&world, CALLER);
    for wrong in [
        right.replace("to-tag=", "to-tag=x"),
        others,
        format!("{right}x"),
    ] {
        let escaped = wrong.replace(';', "%3B").replace('=', "%3D");
        refer(
            &mut world,
            CALLEE,
            &format!("<sip:+300@h?Replaces={escaped}>"),
        );
        let news = news(&world, CALLEE);
        let last = news.last().expect("NOTIFY");
        assert!(last.starts_with("SIP/2.0 481"), "{wrong}: {last}");
    }
    let phases: Vec<Phase> = world.agents.iter().map(|agent| agent.phase).collect();
    assert_eq!(phases, [Phase::Up; 4]);
    world.tell(CALLER, Agent::hang_up);
    world.tell(SECOND, Agent::hang_up);
    world.assert_drained(2);
}

/// One thing that an agent might do now, if it can.
fn act(world: &mut World, rng: &mut SeededRng) {
    let index = rng.below(4) as usize;
    let (phase, may_invite) = (world.agents[index].phase, world.agents[index].may_invite());
    let dialog = replaces_if_any(world, SECOND);
    match (phase, rng.below(10)) {
        (Phase::Invited, 0) => world.tell(index, |agent, now| agent.respond(now, 183)),
        (Phase::Invited, 1..=4) => world.tell(index, |agent, now| agent.respond(now, 200)),
        (Phase::Invited, 5) => world.tell(index, |agent, now| agent.respond(now, 486)),
        (Phase::Inviting, 0) => world.tell(index, Agent::cancel),
        (Phase::Up, 0) => world.tell(index, Agent::hang_up),
        (Phase::Up, 1) if may_invite => {
            world.tell(index, |agent, now| agent.reinvite(now, "sendonly"));
        }
        (Phase::Up, 2) if may_invite => world.tell(index, Agent::reinvite_without_offer),
        (Phase::Up, 3) => world.tell(index, |agent, now| {
            agent.request_with_offer(now, Method::Update, "sendrecv");
        }),
        (Phase::Up, 4) => world.tell(index, |agent, now| {
            agent.request(now, Method::Info, |_| {});
        }),
        (Phase::Up, 5 | 6) => refer(world, index, &format!("<sip:{THIRDS_NUMBER}@h>")),
        (Phase::Up, 7) => {
            let escaped = dialog.replace(';', "%3B").replace('=', "%3D");
            refer(world, index, &format!("<sip:+300@h?Replaces={escaped}>"));
        }
        (Phase::Up, 8) if world.agents[index].is_invited() => {
            world.tell(index, |agent, now| agent.respond(now, 200));
        }
        (Phase::Idle, _) if index == SECOND => world.tell(SECOND, |agent, now| {
            let invite = agent.new_invite(THIRDS_NUMBER, true);
            agent.send_invite(now, invite);
        }),
        _ => {}
    }
}

fn replaces_if_any(world: &World, agent: usize) -> String {
    match world.agents[agent].dialog {
        Some(_) => replaces(world, agent),
        None => "none;to-tag=1;from-tag=2".to_owned(),
    }
}

/// How many transfers came about.
fn run(seed: u64) -> usize {
    let mut rng = SeededRng(seed);
    let wires = [(); 4].map(|()| match rng.below(3) {
        0 => Wire::Srtp,
        _ => Wire::Udp,
    });
    // Both lines of trunk 1 are connected alike.
    let wires = [wires[0], wires[1], wires[1], wires[3]];
    let mut world = World::with_targets(&wires, seed, transfers(wires, ReferMode::Local));
    for index in [CALLER, THIRD] {
        if rng.chance(50) {
            let allow = ("Allow", "INVITE, ACK, BYE, UPDATE".to_owned());
            world.agents[index].manners.extra.push(allow);
        }
    }
    world.link = Link {
        loss_percent: rng.below(4) as u32 * 8,
        duplicate_percent: rng.below(3) as u32 * 10,
        jitter: Duration::from_millis(rng.below(3) * 150),
    };
    if rng.chance(20) {
        world.caller().manners.reinvite = None;
    }
    for index in [CALLEE, THIRD] {
        if rng.chance(70) {
            world.agents[index].manners.invite = Some(200);
        }
    }
    world.tell(CALLER, Agent::invite);
    for _ in 0..rng.below(25) {
        world.run_ms(rng.below(900));
        act(&mut world, &mut rng);
    }
    world.link = Link::default();
    for _ in 0..4 {
        world.run_for(Duration::from_secs(40));
        for index in 0..4 {
            if world.agents[index].is_invited() {
                world.tell(index, |agent, now| agent.respond(now, 200));
            }
        }
    }
    for index in 0..4 {
        if world.agents[index].phase == Phase::Up {
            world.tell(index, Agent::hang_up);
        }
        world.run_for(Duration::from_secs(40));
    }
    let counters = world.stack.counters();
    let calls = counters.calls_started + counters.calls_refused;
    world.assert_drained(calls as usize);
    let done = |event: &&Event| event.kind == EventKind::TransferDone;
    world.events.iter().filter(done).count()
}

#[test]
fn sig_7_nothing_is_left_of_transfers_whatever_the_network_does() {
    let mut transfers = 0;
    for seed in 0..1000 {
        let result = std::panic::catch_unwind(|| run(seed));
        transfers += result.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(transfers > 50, "{transfers}");
}
