//! SEC-5: `sips:` is TLS hop by hop, leaves nowhere, and leads no call off its way.

use sip_core::message::{HeaderName, Message, Method, Uri};
use sip_core::transport::Transport;

use crate::next_hops::{call_with_contact, via_transport};
use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World, config};

#[test]
fn section_7_transport_udp_in_a_contact_does_not_lead_a_secure_call_off_tls() {
    let mut world = World::new([Wire::Srtp, Wire::Tls], 15);
    world.callee().manners.invite = Some(200);
    let mut invite = world.caller().new_invite("+200", true);
    invite.headers.set(
        HeaderName::Contact,
        "<sip:agent@192.0.2.10:5061;transport=udp>",
    );
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(200);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(world.caller().phase, Phase::Over(200));
    let via = world
        .caller()
        .request_received(&Method::Bye)
        .headers
        .top_via()
        .unwrap();
    assert_eq!(via.transport(), Some(Transport::Tls));
    assert_eq!(world.dials, 2);
    world.assert_drained(1);
}

#[test]
fn section_7_sips_goes_on_as_sip_with_tls_unless_the_trunk_passes_it() {
    for pass in [false, true] {
        let wires = [Wire::Tls, Wire::Srtp];
        let mut config = config(wires);
        for trunk in &mut config.trunks {
            trunk.pass_sips = pass;
        }
        let mut world = World::with_config(wires, 16, config);
        world.callee().manners.invite = Some(200);
        let mut invite = world.caller().new_invite("+200", true);
        invite.uri = Uri::parse(b"sips:+200@203.0.113.1").unwrap();
        invite
            .headers
            .set(HeaderName::Contact, "<sips:agent@192.0.2.10:5061>");
        world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
        world.run_ms(200);
        let out = world.callee().request_received(&Method::Invite);
        let expected = match pass {
            true => "sips:+200@198.51.100.20",
            false => "sip:+200@198.51.100.20;transport=tls",
        };
        assert_eq!(out.uri.as_str(), expected);
        let answer = world.caller().response(&Method::Invite, 200);
        let contact = answer.headers.contact().unwrap().unwrap().uri().to_string();
        assert_eq!(contact.starts_with("sips:"), pass, "{contact}");
        world.tell(CALLEE, Agent::hang_up);
        world.run_ms(200);
        let bye = world.caller().request_received(&Method::Bye);
        let expected = match pass {
            true => "sips:agent@192.0.2.10:5061",
            false => "sip:agent@192.0.2.10:5061;transport=tls",
        };
        assert_eq!(bye.uri.as_str(), expected);
        let leaks = world
            .agents
            .iter()
            .flat_map(|agent| &agent.received)
            .any(|message| {
                String::from_utf8_lossy(&message.to_bytes()).contains("sips:")
                    && !pass
                    && matches!(message, Message::Request(_))
            });
        assert!(!leaks);
        world.assert_drained(1);
    }
}

/// From and To of the caller are `sips:` too, and both sides send requests within the dialog.
#[test]
fn sec_5_no_sips_leaves_in_any_header_that_we_make() {
    for pass in [false, true] {
        let wires = [Wire::Tls, Wire::Tls];
        let mut config = config(wires);
        for trunk in &mut config.trunks {
            trunk.pass_sips = pass;
        }
        let mut world = World::with_config(wires, 17, config);
        let mut invite = world.caller().new_invite("+200", true);
        invite.uri = Uri::parse(b"sips:+200@203.0.113.1").unwrap();
        let headers = &mut invite.headers;
        headers.set(
            HeaderName::From,
            "\"A, B\" <sips:agent@192.0.2.10;x=y>;tag=theirs;epid=1",
        );
        headers.set(HeaderName::To, "sips:+200@203.0.113.1");
        headers.set(HeaderName::Contact, "<sips:agent@192.0.2.10:5061>");
        world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
        world.run_ms(100);
        world.tell(CALLEE, |agent, now| {
            agent.respond_edited(now, 200, |response| {
                let contact = "<sips:agent@198.51.100.20:5061>";
                response.headers.set(HeaderName::Contact, contact);
            });
        });
        world.run_ms(200);
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        world.tell(CALLEE, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(200);
        world.tell(CALLEE, Agent::hang_up);
        world.run_ms(200);
        for agent in &world.agents {
            for message in &agent.received {
                let Message::Request(request) = message else {
                    continue;
                };
                let text = String::from_utf8_lossy(&request.to_bytes()).into_owned();
                assert_eq!(text.contains("sips:"), pass, "{text}");
            }
        }
        let bye = world.caller().request_received(&Method::Bye);
        let to = bye.headers.value(HeaderName::To).unwrap_or_default();
        let expected = match pass {
            true => "\"A, B\" <sips:agent@192.0.2.10;x=y>;tag=theirs;epid=1",
            false => "\"A, B\" <sip:agent@192.0.2.10;x=y>;tag=theirs;epid=1",
        };
        assert_eq!(String::from_utf8_lossy(to), expected);
        world.assert_drained(1);
    }
}

/// A peer writes `sips:` where we have no TLS: what is said stays on the way that the call came, and
/// is no less safe than its trunk asks for.
#[test]
fn sec_5_a_sips_contact_in_a_realm_without_tls_keeps_the_call_on_its_own_way() {
    for (index, wire) in [(CALLER, Wire::Udp), (CALLEE, Wire::Tcp)] {
        let mut wires = [Wire::Udp, Wire::Udp];
        wires[index] = wire;
        let mut config = config(wires);
        for listener in &mut config.listeners {
            if listener.transport == Transport::Tls {
                listener.realm = media_core::ports::RealmId(9);
            }
        }
        let host = ["192.0.2.10", "198.51.100.20"][index];
        let contact = format!("<sips:a@{host}:5060>");
        let world = call_with_contact(World::with_config(wires, 32, config), index, &contact);
        assert_eq!(via_transport(&world, index), wire.transport());
        let bye = world.agents[index].request_received(&Method::Bye);
        assert_eq!(bye.uri.as_str(), format!("sip:a@{host}:5060"));
    }
}
