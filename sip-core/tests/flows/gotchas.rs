//! Where home-made edges break (section 7 of the requirements): one test for each that concerns
//! calls; those of SDP, framing and keys are beside their code.

use std::time::Duration;

use sip_core::message::{HeaderName, Message, Method, Uri};
use sip_core::transport::Transport;

use crate::sim::sdp::{direction, line};
use crate::sim::{Agent, CALLEE, CALLER, MEDIA_ADDRESS, Phase, Wire, World, config, edge_address};

fn text(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

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
fn call_with_contact(mut world: World, index: usize, contact: &str) -> World {
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

fn via_transport(world: &World, index: usize) -> Transport {
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

#[test]
fn section_7_no_private_address_stands_in_our_contact_or_sdp() {
    let wires = [Wire::Tls, Wire::Udp];
    let mut config = config(wires);
    for listener in &mut config.listeners {
        listener.address.set_ip("10.1.2.3".parse().unwrap());
    }
    let mut world = World::with_config(wires, 4, config);
    world.establish();
    let public = edge_address(Transport::Udp).ip().to_string();
    let messages = [CALLER, CALLEE].map(|index| world.agents[index].received.clone());
    for message in messages.iter().flatten() {
        let bytes = String::from_utf8_lossy(&message.to_bytes()).into_owned();
        assert!(!bytes.contains("10.1.2.3"), "{bytes}");
        if message.headers().contains(HeaderName::Contact) {
            let contact = message.headers().contact().unwrap().unwrap();
            assert_eq!(contact.uri().host().unwrap().to_string(), public);
        }
        if let Some(connection) = line(message.body(), "c=IN IP4 ") {
            assert_eq!(connection, MEDIA_ADDRESS.to_string());
        }
    }
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn section_7_neither_side_sees_the_others_addresses_or_identifiers() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 5);
    world.establish();
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(100);
    for (index, other) in [(CALLER, "198.51.100.20"), (CALLEE, "192.0.2.10")] {
        let call_id = world.agents[1 - index]
            .dialog
            .as_ref()
            .unwrap()
            .id()
            .call_id
            .to_string();
        for message in &world.agents[index].received {
            let text = String::from_utf8_lossy(&message.to_bytes()).into_owned();
            assert!(!text.contains(other), "{text}");
            assert!(!text.contains(&call_id), "{text}");
        }
    }
    world.assert_drained(1);
}

#[test]
fn section_7_requests_within_the_dialog_use_the_accepted_connection() {
    let mut world = World::new([Wire::Srtp, Wire::Tls], 6);
    world.establish();
    assert_eq!(world.dials, 2, "the caller's to us, ours to the callee");
    for index in [CALLEE, CALLER] {
        world.tell(index, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(200);
    }
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    assert_eq!(world.dials, 2);
    world.assert_drained(1);
}

#[test]
fn section_7_a_leg_is_found_by_its_dialog_not_by_its_socket() {
    let mut world = World::new([Wire::Srtp, Wire::Tls], 7);
    world.establish();
    // The caller comes back by another connection.
    world.close_connections();
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(world.caller().statuses(&Method::Bye), [200]);
    assert_eq!(world.callee().phase, Phase::Over(200));
    world.assert_drained(1);
}

#[test]
fn section_7_an_answer_finds_a_caller_whose_connection_is_gone() {
    let mut world = World::new([Wire::Srtp, Wire::Udp], 32);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.close_connections();
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_ms(100);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    // A re-INVITE whose connection goes as well.
    world.callee().manners.reinvite = None;
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(100);
    world.close_connections();
    world.tell(CALLEE, |agent, now| agent.respond(now, 488));
    world.run_ms(100);
    assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&488));
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn section_7_a_refusal_finds_a_caller_whose_connection_is_gone() {
    let mut world = World::new([Wire::Tls, Wire::Udp], 33);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.close_connections();
    world.tell(CALLEE, |agent, now| agent.respond(now, 486));
    world.run_ms(100);
    assert_eq!(world.caller().phase, Phase::Over(486));
    world.assert_drained(1);
}

#[test]
fn section_7_hold_is_not_answered_sendrecv() {
    for (offered, answered) in [
        ("sendonly", "recvonly"),
        ("inactive", "inactive"),
        ("recvonly", "sendonly"),
    ] {
        let mut world = World::new([Wire::Udp, Wire::Udp], 8);
        world.establish();
        world.tell(CALLER, |agent, now| agent.reinvite(now, offered));
        world.run_ms(200);
        assert_eq!(direction(&world.caller().remote_sdp), answered);
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn section_7_a_late_offer_reinvite_invents_no_key() {
    let mut world = World::new([Wire::Srtp, Wire::Udp], 9);
    world.establish();
    let before = line(&world.caller().remote_sdp, "a=crypto:")
        .unwrap()
        .to_owned();
    let session = world.sessions.values().next().unwrap().clone();
    world.tell(CALLER, Agent::reinvite_without_offer);
    world.run_ms(500);
    assert_eq!(
        line(&world.caller().remote_sdp, "a=crypto:").unwrap(),
        before
    );
    let now = world.sessions.values().next().unwrap();
    assert_eq!(
        now.streams[0].legs[0].security,
        session.streams[0].legs[0].security
    );
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn section_7_the_same_key_in_a_reinvite_changes_nothing_but_the_sdp_version() {
    let mut world = World::new([Wire::Srtp, Wire::Srtp], 10);
    world.establish();
    let before = world.applied.last().unwrap().clone();
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendrecv"));
    world.run_ms(500);
    assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&200));
    let mut after = world.applied.last().unwrap().clone();
    for (now, then) in after.streams.iter_mut().zip(&before.streams) {
        for (now, then) in now.legs.iter_mut().zip(&then.legs) {
            assert_eq!(now.sdp_version, then.sdp_version + 1);
            now.sdp_version = then.sdp_version;
        }
    }
    assert_eq!(after, before, "keys stay, so the ROC goes on");
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn section_7_bye_is_never_answered_491() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 11);
    world.establish();
    world.callee().manners.reinvite = None;
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(100);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(world.callee().statuses(&Method::Bye), [200]);
    world.assert_drained(1);
}

#[test]
fn section_7_sdp_of_183_and_200_may_differ_and_the_200_counts() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 12);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.callee().media.set_port(6000);
    world.tell(CALLEE, |agent, now| agent.respond(now, 183));
    world.run_ms(50);
    world.callee().media.set_port(6100);
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_ms(50);
    let remotes: Vec<u16> = world
        .applied
        .iter()
        .map(|session| session.streams[0].legs[1].remote.unwrap().rtp.port())
        .collect();
    assert_eq!(remotes, [6000, 6100]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn section_7_compact_headers_and_lower_case_tokens_make_a_call() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 13);
    let invite = world.caller().new_invite("+200", true);
    let body = String::from_utf8(invite.body.clone()).unwrap();
    let origin = world.origin_of(CALLER);
    let message = format!(
        "INVITE sip:+200@203.0.113.1 SIP/2.0\r\nv: SIP/2.0/udp 192.0.2.10:5060;BRANCH=z9hG4bKcompact;RPORT\r\n\
         f: <sip:+100@192.0.2.10>;Tag=compact\r\nt: <sip:+200@203.0.113.1>\r\ni: compact-call\r\n\
         cseq: 1 INVITE\r\nMAX-FORWARDS: 70\r\nm: <sip:agent@192.0.2.10:5060>\r\nc: Application/SDP\r\n\
         l: {}\r\n\r\n{body}",
        body.len()
    );
    world.inject(origin, message.as_bytes());
    world.run_ms(100);
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_ms(100);
    let answer = world
        .caller()
        .received
        .iter()
        .rev()
        .find_map(|message| match message {
            Message::Response(response) if response.status == 200 => Some(response),
            _ => None,
        });
    assert_eq!(answer.unwrap().headers.call_id(), Ok("compact-call"));
    // Nobody acknowledges it: it ends by itself.
    world.assert_drained(1);
}

#[test]
fn section_7_without_rport_responses_go_to_the_port_in_via() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 14);
    let mut origin = world.origin_of(CALLER);
    origin.remote.set_port(61_000);
    let options = "OPTIONS sip:203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKnorport\r\n\
                   From: <sip:x@192.0.2.10>;tag=1\r\nTo: <sip:203.0.113.1>\r\nCall-ID: norport\r\n\
                   CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    world.inject(origin, options.as_bytes());
    world.run_ms(100);
    // The simulated caller listens at 5060 alone.
    assert_eq!(world.caller().received.len(), 1);
    world.assert_drained(0);
}

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

#[test]
fn sig_6_the_listed_headers_cross_byte_for_byte_both_ways() {
    let crossing = [
        ("X-Account", "a  b;c=\"d\""),
        ("x-lower", "1"),
        ("User-to-User", "00a1b2;encoding=hex"),
        ("Diversion", "<sip:+3@x>;reason=no-answer"),
        ("History-Info", "<sip:+3@x>;index=1"),
        ("P-Asserted-Identity", "\"A\" <sip:+4@x>"),
        ("Privacy", "header"),
        ("Alert-Info", "<http://example.com/ring>"),
    ];
    let hidden = [
        ("P-Charging-Vector", "icid-value=1"),
        ("Organization", "Them"),
        ("Subject", "hidden"),
    ];
    let wires = [Wire::Udp, Wire::Udp];
    let mut config = config(wires);
    for trunk in &mut config.trunks {
        trunk.headers.trusted = true;
    }
    let mut world = World::with_config(wires, 17, config);
    for agent in &mut world.agents {
        agent.manners.extra = crossing
            .iter()
            .chain(&hidden)
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
    }
    world.establish();
    let invite = world
        .callee()
        .request_received(&Method::Invite)
        .headers
        .clone();
    let answer = world
        .caller()
        .response(&Method::Invite, 200)
        .headers
        .clone();
    for headers in [&invite, &answer] {
        for (name, value) in crossing {
            assert_eq!(text(headers.named(name).next()), value, "{name}");
        }
        for (name, _) in hidden {
            assert_eq!(headers.named(name).next(), None, "{name}");
        }
    }
    assert_eq!(
        text(invite.value(HeaderName::From)).split(';').next(),
        Some("<sip:+100@203.0.113.1>")
    );
    assert_eq!(
        text(invite.value(HeaderName::To)),
        "<sip:+200@198.51.100.20>"
    );
    world.tell(CALLER, |agent, now| {
        agent.request(now, Method::Bye, |bye| {
            bye.headers.push(HeaderName::Reason, "Q.850;cause=16");
        });
        agent.phase = Phase::Over(200);
    });
    world.run_ms(100);
    let bye = world.callee().request_received(&Method::Bye);
    assert_eq!(
        text(bye.headers.value(HeaderName::Reason)),
        "Q.850;cause=16"
    );
    world.assert_drained(1);
}

#[test]
fn section_7_late_200_after_our_timeout_is_acknowledged_and_ended() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 18);
    // The callee's responses are lost until we have given up.
    world.drop = Some(Box::new(|bytes| {
        bytes.starts_with(b"SIP/2.0") && bytes.windows(7).any(|text| text == b"z9hG4bK")
    }));
    world.tell(CALLER, Agent::invite);
    world.run_for(Duration::from_secs(33));
    world.drop = None;
    world.run_ms(500);
    assert_eq!(world.stack.calls(), 0);
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_ms(500);
    assert_eq!(world.callee().requests(&Method::Ack).len(), 1);
    assert_eq!(world.callee().phase, Phase::Over(200));
    world.assert_drained(1);
}

#[test]
fn sig_2_update_in_an_early_dialog_is_answered_and_the_call_goes_on() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 19);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.tell(CALLEE, |agent, now| agent.respond(now, 183));
    world.run_ms(50);
    world.tell(CALLER, |agent, now| {
        agent.request_early(now, Method::Update);
    });
    world.run_ms(50);
    assert_eq!(world.caller().statuses(&Method::Update), [200]);
    world.tell(CALLEE, |agent, now| agent.respond(now, 200));
    world.run_ms(100);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}
