//! Where home-made edges break (section 7 of the requirements): one test for each that concerns
//! calls; those of SDP, framing and keys are beside their code.

use std::time::Duration;

use sip_core::message::{HeaderName, Message, Method};
use sip_core::transport::Transport;

use crate::sim::sdp::{direction, line};
use crate::sim::{Agent, CALLEE, CALLER, MEDIA_ADDRESS, Phase, Wire, World, config, edge_address};

pub(crate) fn text(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
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
