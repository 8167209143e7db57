//! Routes: where calls go, and which numbers the far side sees (TRK-7).

use sip_core::message::{HeaderName, Method, NameAddr, Request, Uri};
use sip_core::stack::StackConfig;
use sip_core::trunk::{DialPlan, Digits, Route, RouteTo, TrunkId};

use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World, config};

const UDP: [Wire; 2] = [Wire::Udp, Wire::Udp];

fn world_with(edit: impl FnOnce(&mut StackConfig)) -> World {
    let mut config = config(UDP);
    edit(&mut config);
    World::with_config(UDP, 1, config)
}

fn address(value: Option<&[u8]>) -> NameAddr {
    NameAddr::parse(value.expect("a header")).expect("an address")
}

/// Calls with an INVITE changed by `edit`: the one that the callee gets.
fn call(world: &mut World, edit: impl FnOnce(&mut Request)) -> Request {
    let mut invite = world.caller().new_invite("+200", true);
    edit(&mut invite);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(100);
    world.callee().request_received(&Method::Invite).clone()
}

/// The users that the far side sees in Request-URI, To and From.
fn users(invite: &Request) -> [String; 3] {
    let user = |uri: &Uri| uri.user().unwrap_or_default().to_owned();
    [
        user(&invite.uri),
        user(address(invite.headers.value(HeaderName::To)).uri()),
        user(address(invite.headers.value(HeaderName::From)).uri()),
    ]
}

#[test]
fn trk_7_digits_are_changed_in_the_called_and_the_calling_number() {
    let mut world = world_with(|config| {
        config.routes[0].called_digits = Digits {
            strip: 1,
            prepend: "00".to_owned(),
        };
        config.routes[0].caller_digits = Digits {
            strip: 1,
            prepend: "#49".to_owned(),
        };
    });
    let invite = call(&mut world, |invite| {
        let from = address(invite.headers.value(HeaderName::From));
        let from = from.with_display_name("Alice").with_tag("1");
        invite.headers.set(HeaderName::From, from);
    });
    // What may not stand in a user part is escaped.
    assert_eq!(users(&invite), ["00200", "00200", "%2349100"]);
    let from = address(invite.headers.value(HeaderName::From));
    assert_eq!(from.display_name().as_deref(), Some("Alice"));
    let contact = address(invite.headers.value(HeaderName::Contact));
    assert_eq!(contact.uri().user(), Some("%2349100"));
    // The caller's own dialog does not change, and the call works as ever.
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_ms(200);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    let answer = world.caller().response(&Method::Invite, 200);
    assert_eq!(
        address(answer.headers.value(HeaderName::To)).uri().user(),
        Some("+200")
    );
    world.tell(CALLEE, Agent::hang_up);
    world.assert_drained(1);
    assert_eq!(world.record().to, "sip:+200@203.0.113.1:5060");
}

#[test]
fn trk_7_without_a_rule_numbers_pass_byte_for_byte() {
    let mut world = World::new(UDP, 1);
    let invite = call(&mut world, |invite| {
        invite.uri = Uri::parse(b"sip:%2b49%20(30);phone-context=x@203.0.113.1").unwrap();
    });
    assert_eq!(users(&invite)[0], "%2b49%20(30);phone-context=x");
}

/// RFC 3261 section 8.1.1.2: To may name another than is called, such as whom a forwarded call was
/// for.
#[test]
fn trk_7_to_of_another_number_stays() {
    let mut world = world_with(|config| config.routes[0].called_digits.prepend = "0".to_owned());
    let invite = call(&mut world, |invite| {
        invite.headers.set(HeaderName::To, "<sip:+999@203.0.113.1>");
    });
    assert_eq!(users(&invite), ["0+200", "+999", "+100"]);
}

#[test]
fn trk_7_numbers_are_brought_to_e164_before_routes_are_looked_at() {
    let mut world = world_with(|config| {
        config.trunks[CALLER].dial_plan = Some(DialPlan {
            country: "49".to_owned(),
            national_prefix: "0".to_owned(),
            international_prefix: "00".to_owned(),
        });
        config.routes = vec![Route::new(None, "+4930", TrunkId(1))];
    });
    let invite = call(&mut world, |invite| {
        invite.uri = Uri::parse(b"tel:030-12345").unwrap();
        invite
            .headers
            .set(HeaderName::From, "<sip:004312345@x.example>;tag=1");
    });
    assert_eq!(users(&invite), ["+493012345", "+200", "+4312345"]);
}

#[test]
fn trk_7_a_call_is_routed_by_its_caller_too() {
    for (caller, phase) in [("+4930", Phase::Invited), ("+4989", Phase::Idle)] {
        let mut world = world_with(|config| {
            let mut route = Route::new(None, "", TrunkId(1));
            route.caller.prefix = "+4930".to_owned();
            config.routes = vec![route];
        });
        let mut invite = world.caller().new_invite("+200", true);
        let from = format!("<sip:{caller}@192.0.2.10>;tag=1");
        invite.headers.set(HeaderName::From, from);
        world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
        world.run_ms(100);
        assert_eq!(world.callee().phase, phase, "{caller}");
    }
}

#[test]
fn trk_7_a_route_may_refuse_with_its_status_and_32020() {
    let mut world = world_with(|config| config.routes[0].to = RouteTo::Reject(486));
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    assert_eq!(world.caller().phase, Phase::Over(486));
    world.assert_drained(1);
    let record = world.record();
    assert_eq!((record.status, record.code), (486, Some(32020)));
    assert_eq!(record.reason, "rejected by a route");
}
