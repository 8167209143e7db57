//! TRK-2, SEC-2, SEC-4: strangers, callers of the wrong trunk or without its certificate, and secure calls that somebody answers in the clear.

use std::sync::Arc;

use sip_core::message::{HeaderName, Message, Method, StatusCode, response_to};
use sip_core::stack::EventKind;
use sip_core::transport::{TlsPeer, Transport};
use sip_core::trunk::TrunkId;

use crate::refusals::{UDP, assert_refused, world_with};
use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World};

#[test]
fn a_stranger_is_refused() {
    let world = world_with(UDP, |config| config.trunks[CALLER].acl.clear());
    assert_refused(world, 403, 32201, |_| {});
}

/// Others drop such calls without a trace: here the event and the record name who called, and whom.
#[test]
fn trk_2_an_unknown_domain_leaves_an_event_and_a_record_with_the_peers_address() {
    // Our own address, where the trunk is known by its domain, and a domain of nobody's.
    for called in ["sip:+200@203.0.113.1", "sip:+200@nobody.sip.example.com"] {
        let world = world_with(UDP, |config| {
            config.trunks[CALLER].domains = vec!["carrier.sip.example.com".to_owned()];
        });
        let world = assert_refused(world, 403, 32203, |invite| {
            invite.uri = sip_core::message::Uri::parse(called.as_bytes()).unwrap();
        });
        let record = world.record();
        assert_eq!(record.caller.trunk.as_deref(), Some("carrier"));
        assert_eq!(record.caller.remote, Some(world.agents[CALLER].address));
        assert_eq!(
            (record.to.as_str(), record.reason.as_str()),
            (called, "unknown domain")
        );
        let event = &world.events[0];
        assert_eq!(
            event.peer,
            Some((Transport::Udp, world.agents[CALLER].address))
        );
        assert_eq!(event.text, format!("403 unknown domain: {called}"));
    }
}

#[test]
fn trk_2_a_stranger_who_asks_for_a_domain_of_nobodys_is_told_so() {
    let world = world_with(UDP, |config| {
        config.trunks[CALLER].domains = vec!["carrier.sip.example.com".to_owned()];
        config.trunks[CALLER].acl[0].network.address = "192.0.2.99".parse().unwrap();
    });
    let world = assert_refused(world, 403, 32203, |_| {});
    assert_eq!(world.record().caller.trunk, None);
}

#[test]
fn trk_2_the_host_that_is_called_names_the_trunk() {
    let mut world = world_with(UDP, |config| {
        config.trunks[CALLER].domains = vec!["carrier.sip.example.com".to_owned()];
    });
    let mut invite = world.caller().new_invite("+200", true);
    invite.uri = sip_core::message::Uri::parse(b"sip:+200@CARRIER.sip.example.com").unwrap();
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(100);
    assert_eq!(world.callee().phase, Phase::Invited);
    world.tell(CALLER, Agent::cancel);
    world.assert_drained(1);
}

#[test]
fn a_request_of_a_secure_call_by_udp_is_refused() {
    let mut world = World::new([Wire::Srtp, Wire::Udp], 6);
    world.establish();
    let mut bye = world.caller().dialog.clone().unwrap().request(Method::Bye);
    bye.headers.push_front(
        HeaderName::Via,
        "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKplain;rport",
    );
    let bytes = Message::Request(bye).to_bytes();
    let mut origin = world.origin_of(CALLER);
    assert_eq!(origin.transport, Transport::Udp);
    origin.remote.set_port(5060);
    world.inject(origin.clone(), &bytes);
    world.run_ms(100);
    assert_eq!(world.stack.calls(), 1);
    assert_eq!(world.callee().phase, Phase::Up);
    let event = world
        .events
        .iter()
        .find(|event| event.kind == EventKind::RequestRefused)
        .expect("an event");
    assert_eq!(event.code, Some(32209));
    assert_eq!(event.peer, Some((Transport::Udp, origin.remote)));
    assert_eq!(event.text, "403 TLS required: BYE");
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn an_answer_by_udp_to_an_invite_over_tls_is_dropped() {
    let mut world = World::new([Wire::Udp, Wire::Srtp], 9);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    let invite = world.callee().request_received(&Method::Invite).clone();
    let mut forged = response_to(&invite, StatusCode::OK, Some("forged"));
    forged
        .headers
        .push(HeaderName::Contact, "<sip:forger@198.51.100.20>");
    let forged = forged
        .with_body("application/sdp", invite.body.clone())
        .to_bytes();
    let origin = world.origin_of(CALLEE);
    world.inject(origin.clone(), &forged);
    world.run_ms(100);
    assert_eq!(world.caller().phase, Phase::Inviting);
    assert_eq!(world.stack.counters().insecure_dropped, 1);
    world.tell(CALLEE, |agent, now| agent.respond(now, 486));
    world.run_ms(100);
    assert_eq!(world.caller().phase, Phase::Over(486));
    // Nor does it make a dialog when the INVITE's transaction is gone.
    world.inject(origin, &forged);
    world.run_ms(100);
    assert_eq!(world.stack.counters().insecure_dropped, 2);
    assert!(world.callee().requests(&Method::Bye).is_empty());
    world.assert_drained(1);
}

/// The caller's TLS session asked for that name and proved these trunks.
fn session(server_name: Option<&str>, proven: &[u16]) -> Option<Arc<TlsPeer>> {
    Some(Arc::new(TlsPeer {
        server_name: server_name.map(str::to_owned),
        proven: proven.iter().copied().map(TrunkId).collect(),
    }))
}

#[test]
fn sec_4_a_caller_proves_to_be_of_its_trunk_in_every_request() {
    let demanding = || {
        world_with([Wire::Tls, Wire::Udp], |config| {
            config.trunks[CALLER].needs_certificate = true;
        })
    };
    for shown in [None, session(None, &[]), session(None, &[1])] {
        let mut world = demanding();
        world.tls[CALLER] = shown;
        let world = assert_refused(world, 403, 32223, |_| {});
        assert_eq!(world.record().caller.trunk.as_deref(), Some("carrier"));
    }
    let mut world = demanding();
    world.tls[CALLER] = session(None, &[0]);
    world.establish();
    world.tls[CALLER] = None;
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(200);
    assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&403));
    assert!(world.has_event(EventKind::RequestRefused));
    assert_eq!(world.phases()[CALLEE], Phase::Up);
    world.tls[CALLER] = session(None, &[0]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn trk_2_a_call_by_the_connection_of_another_trunk_is_told_or_refused() {
    let tenants = |refuses| {
        let mut world = world_with([Wire::Tls, Wire::Udp], |config| {
            config.trunks[CALLER].domains = vec!["203.0.113.1".to_owned()];
            config.trunks[CALLER].refuse_other_server_names = refuses;
            config.trunks[CALLEE].domains = vec!["pbx.example".to_owned()];
        });
        world.tls[CALLER] = session(Some("pbx.example"), &[]);
        world
    };
    assert_refused(tenants(true), 403, 32224, |_| {});
    let mut world = tenants(false);
    world.establish();
    let told = world
        .events
        .iter()
        .find(|event| event.kind == EventKind::ServerNameMismatch)
        .expect("an event");
    assert_eq!(told.trunk.as_deref(), Some("carrier"));
    assert!(
        told.text.contains("connected to the name of trunk pbx"),
        "{}",
        told.text
    );
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}
