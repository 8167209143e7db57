//! What a REFER asks for (SIG-7): whom Refer-To names and what it takes along, and NOTIFY or none.

use sip_core::message::{HeaderName, Method};
use sip_core::stack::EventKind;
use sip_core::trunk::refer::ReferMode;
use sip_core::trunk::{Route, TrunkId};

use crate::sim::{Agent, CALLEE, CALLER, Phase, THIRD, World};
use crate::transfer::{THIRDS_NUMBER, UDP, news, refer, transfers, up};

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
