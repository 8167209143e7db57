//! Where requests within a dialog go (section 7): Contact, Record-Route, other transports.

use std::time::Duration;

use sip_core::message::{HeaderName, Method};
use sip_core::transport::Transport;

use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World, config};

#[test]
fn section_7_ack_to_200_follows_contact_and_no_call_drops_at_32_s() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 1);
    world.callee().manners.invite = Some(200);
    // The callee is reached at 5060, and wants what follows at 5070.
    world.tell(CALLER, Agent::invite);
    world.run_for(Duration::from_secs(90));
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    let ack = world.callee().request_received(&Method::Ack);
    assert_eq!(ack.uri.as_str(), "sip:agent@198.51.100.20:5060");
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

/// Answers with that Contact, to the caller or as the callee, and hangs up.
pub(crate) fn call_with_contact(mut world: World, index: usize, contact: &str) -> World {
    for agent in &mut world.agents {
        agent.manners.every_transport = true;
    }
    let mut invite = world.caller().new_invite("+200", true);
    if index == CALLER {
        invite.headers.set(HeaderName::Contact, contact);
    }
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(100);
    world.tell(CALLEE, |agent, now| {
        agent.respond_edited(now, 200, |response| {
            if index == CALLEE {
                response.headers.set(HeaderName::Contact, contact);
            }
        });
    });
    world.run_for(Duration::from_secs(40));
    assert_eq!(world.phases(), [Phase::Up, Phase::Up], "{contact}");
    world.tell(1 - index, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(
        world.agents[index].requests(&Method::Bye).len(),
        1,
        "{contact}"
    );
    world.assert_drained(1);
    world
}

/// Who named another transport than the call came by, and so.
const OTHER_TRANSPORTS: [(usize, Wire, &str); 6] = [
    (
        CALLEE,
        Wire::Udp,
        "<sip:a@198.51.100.20:5060;transport=tcp>",
    ),
    (CALLEE, Wire::Udp, "<sips:a@198.51.100.20:5060>"),
    (
        CALLEE,
        Wire::Tcp,
        "<sip:a@198.51.100.20:5060;transport=udp>",
    ),
    (CALLER, Wire::Udp, "<sip:a@192.0.2.10:5060;transport=tcp>"),
    (CALLER, Wire::Udp, "<sips:a@192.0.2.10:5060>"),
    (CALLER, Wire::Tcp, "<sip:a@192.0.2.10:5060;transport=udp>"),
];

pub(crate) fn via_transport(world: &World, index: usize) -> Transport {
    let bye = world.agents[index].request_received(&Method::Bye);
    let via = bye.headers.top_via().expect("a Via");
    via.transport().expect("a transport that we know")
}

#[test]
fn section_7_a_contact_may_name_another_transport_of_the_realm() {
    for (index, wire, contact) in OTHER_TRANSPORTS {
        let mut wires = [Wire::Udp, Wire::Udp];
        wires[index] = wire;
        let world = call_with_contact(World::new(wires, 30), index, contact);
        assert_ne!(via_transport(&world, index), wire.transport(), "{contact}");
    }
}

#[test]
fn section_7_a_contact_by_a_transport_that_we_do_not_speak_keeps_the_call_on_its_own() {
    for (index, wire, contact) in OTHER_TRANSPORTS {
        let mut wires = [Wire::Udp, Wire::Udp];
        wires[index] = wire;
        let mut config = config(wires);
        for listener in &mut config.listeners {
            if listener.transport != wire.transport() {
                listener.realm = media_core::ports::RealmId(9);
            }
        }
        config.trunks[1 - index].realm =
            config.listeners[usize::from(config.trunks[1 - index].listener.0)].realm;
        let world = call_with_contact(World::with_config(wires, 31, config), index, contact);
        assert_eq!(via_transport(&world, index), wire.transport(), "{contact}");
    }
}

#[test]
fn section_7_ack_and_bye_follow_record_route_in_reverse_order() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 2);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.tell(CALLEE, |agent, now| {
        agent.respond_edited(now, 200, |response| {
            response
                .headers
                .set(HeaderName::Contact, "<sip:deep@10.0.0.9:5099>");
            response.headers.push(
                HeaderName::RecordRoute,
                "<sip:far.example.com;lr>, <sip:198.51.100.20;lr>",
            );
        });
    });
    world.run_ms(100);
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(100);
    for method in [Method::Ack, Method::Bye] {
        let request = world.callee().request_received(&method);
        assert_eq!(request.uri.as_str(), "sip:deep@10.0.0.9:5099", "{method}");
        let routes: Vec<String> = request
            .headers
            .routes()
            .unwrap()
            .iter()
            .map(|route| route.uri().to_string())
            .collect();
        assert_eq!(
            routes,
            ["sip:198.51.100.20;lr", "sip:far.example.com;lr"],
            "{method}"
        );
    }
    world.assert_drained(1);
}

#[test]
fn section_7_record_route_of_the_caller_is_echoed_and_followed() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 3);
    world.callee().manners.invite = Some(200);
    let mut invite = world.caller().new_invite("+200", true);
    invite
        .headers
        .push(HeaderName::RecordRoute, "<sip:192.0.2.10;lr>");
    invite
        .headers
        .push(HeaderName::RecordRoute, "<sip:203.0.113.1;lr>");
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(100);
    let answer = world.caller().response(&Method::Invite, 200);
    assert_eq!(answer.headers.record_routes().unwrap().len(), 2);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(100);
    let bye = world.caller().request_received(&Method::Bye);
    let routes: Vec<String> = bye
        .headers
        .routes()
        .unwrap()
        .iter()
        .map(|route| route.uri().to_string())
        .collect();
    assert_eq!(routes, ["sip:192.0.2.10;lr", "sip:203.0.113.1;lr"]);
    world.assert_drained(1);
}
