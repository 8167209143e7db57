//! Calls to accounts: every place where one is registered rings (SIG-4).

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use media_core::session::Security;
use sip_core::auth::client::{Challenge, Password};
use sip_core::dialog::NewRequest;
use sip_core::message::{HeaderName, Method, NameAddr, Request, Response, Uri};
use sip_core::registrar::{Account, Aor};
use sip_core::stack::StackConfig;
use sip_core::trunk::{Passthrough, RouteTo, TrunkId};

use crate::authentication::{REALM, credentials};
use crate::sim::{Agent, CALLEE, CALLER, Phase, SeededRng, Wire, World, config};

/// Alice's account on the callee's trunk, which has nobody else to call.
pub(crate) fn office(wires: &[Wire]) -> StackConfig {
    let mut config = config([wires[CALLER], wires[CALLEE]]);
    let trunk = &mut config.trunks[CALLEE];
    trunk.acl.clear();
    trunk.origination.uris.clear();
    trunk.domains = vec![REALM.to_owned()];
    trunk.credentials = credentials();
    trunk.accounts = vec![Account {
        aor: Aor::new("alice", REALM),
        user: "alice".to_owned(),
    }];
    config
}

/// A world in which every agent but the caller is a phone of alice's, with a private Contact.
fn registered(wires: &[Wire]) -> World {
    let mut world = World::with_targets(wires, 1, office(wires));
    for phone in CALLEE..wires.len() {
        register(&mut world, phone);
    }
    assert_eq!(world.stack.bindings(), wires.len() - 1);
    world
}

fn register(world: &mut World, phone: usize) {
    let contact = format!("<sip:line@10.0.0.{phone}:5060>");
    register_with(world, phone, &[(HeaderName::Contact, &contact)]);
}

/// With those header lines.
pub(crate) fn register_with(world: &mut World, phone: usize, lines: &[(HeaderName, &str)]) {
    let uri = |text: &str| Uri::parse(text.as_bytes()).expect("a URI");
    let aor = NameAddr::new(uri("sip:alice@office.example.com"));
    let request = NewRequest {
        method: Method::Register,
        uri: uri("sip:office.example.com"),
        from: aor.with_tag("1"),
        to: aor,
        call_id: format!("register-{phone}"),
        sequence: 1,
        contact: None,
    };
    let mut request = request.build();
    for (name, value) in lines {
        request.headers.push(*name, *value);
    }
    let first = request.clone();
    world.tell(phone, |agent, now| agent.send_outside(now, first));
    world.run_ms(100);
    let challenged = world.agents[phone].response(&Method::Register, 401);
    let challenge = challenged.headers.value(HeaderName::WwwAuthenticate);
    let line = Challenge::parse(challenge.expect("a challenge"))
        .expect("one that we know")
        .answer(
            &Password::new("alice", "secret"),
            &Method::Register,
            "sip:office.example.com",
            &mut SeededRng(phone as u64),
        );
    request.headers.set(HeaderName::CSeq, "2 REGISTER");
    request.headers.set(HeaderName::Authorization, line);
    world.tell(phone, |agent, now| agent.send_outside(now, request));
    world.run_ms(100);
    assert_eq!(world.agents[phone].statuses(&Method::Register), [401, 200]);
}

pub(crate) fn call_alice(world: &mut World) {
    let invite = world.caller().new_invite("alice", true);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(200);
}

fn cancel_reason(world: &World, phone: usize) -> Option<String> {
    let cancel: &Request = world.agents[phone].requests(&Method::Cancel).pop()?;
    let reason = cancel.headers.value(HeaderName::Reason).unwrap_or_default();
    Some(String::from_utf8_lossy(reason).into_owned())
}

#[test]
fn sig_4_every_place_rings_and_the_others_hear_that_the_call_was_answered_elsewhere() {
    let mut world = registered(&[Wire::Udp, Wire::Udp, Wire::Tcp, Wire::Udp]);
    let dials = world.dials;
    call_alice(&mut world);
    for phone in 1..=3 {
        let invite = world.agents[phone].request_received(&Method::Invite);
        assert_eq!(invite.uri.as_str(), format!("sip:line@10.0.0.{phone}:5060"));
        world.tell(phone, |agent, now| agent.respond(now, 180));
    }
    world.run_ms(100);
    assert!(
        world.agents[CALLER]
            .statuses(&Method::Invite)
            .contains(&180)
    );
    world.tell(2, |agent, now| agent.respond(now, 200));
    world.run_ms(500);
    let phases: Vec<Phase> = world.agents.iter().map(|agent| agent.phase).collect();
    assert_eq!(
        phases,
        [Phase::Up, Phase::Over(487), Phase::Up, Phase::Over(487)]
    );
    let elsewhere = "SIP;cause=200;text=\"Call completed elsewhere\"";
    for phone in [1, 3] {
        assert_eq!(cancel_reason(&world, phone).as_deref(), Some(elsewhere));
    }
    assert_eq!(cancel_reason(&world, 2), None);
    world.run_for(Duration::from_secs(60));
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(500);
    assert_eq!(world.agents[2].phase, Phase::Over(200));
    assert_eq!(
        world.dials, dials,
        "all on the connection that the REGISTER came by"
    );
    world.run_for(Duration::from_secs(3600));
    world.assert_drained(1);
    assert_eq!(world.record().status, 200);
}

#[test]
fn sig_4_a_phone_behind_nat_is_reached_at_its_source_in_the_call_too() {
    let mut world = registered(&[Wire::Udp, Wire::Udp]);
    call_alice(&mut world);
    world.tell(1, |agent, now| {
        agent.respond_edited(now, 200, |response| {
            response
                .headers
                .set(HeaderName::Contact, "<sip:line@10.0.0.1:5060>");
        });
    });
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    assert!(!world.agents[1].requests(&Method::Ack).is_empty());
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
}

#[test]
fn sig_4_the_last_refusal_decides_and_a_decline_decides_at_once() {
    for (statuses, told) in [([486, 480], 486), ([480, 603], 603), ([500, 486], 486)] {
        let mut world = registered(&[Wire::Udp, Wire::Udp, Wire::Udp]);
        call_alice(&mut world);
        for (phone, status) in [(1, statuses[0]), (2, statuses[1])] {
            assert_eq!(world.agents[CALLER].phase, Phase::Inviting, "{statuses:?}");
            world.tell(phone, |agent, now| agent.respond(now, status));
            world.run_ms(200);
        }
        assert_eq!(
            world.agents[CALLER].phase,
            Phase::Over(told),
            "{statuses:?}"
        );
    }
    let mut world = registered(&[Wire::Udp, Wire::Udp, Wire::Udp]);
    call_alice(&mut world);
    world.tell(2, |agent, now| agent.respond(now, 180));
    world.tell(1, |agent, now| agent.respond(now, 603));
    world.run_ms(500);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(603));
    assert_eq!(world.agents[2].phase, Phase::Over(487));
}

#[test]
fn sig_4_a_caller_that_gives_up_silences_every_place() {
    let mut world = registered(&[Wire::Udp, Wire::Udp, Wire::Udp]);
    call_alice(&mut world);
    for phone in [1, 2] {
        world.tell(phone, |agent, now| agent.respond(now, 180));
    }
    world.run_ms(100);
    world.tell(CALLER, Agent::cancel);
    world.run_ms(500);
    let phases: Vec<Phase> = world.agents.iter().map(|agent| agent.phase).collect();
    assert_eq!(phases, [Phase::Over(487); 3]);
    assert_eq!(cancel_reason(&world, 1).as_deref(), Some(""));
}

#[test]
fn sig_4_of_two_that_answer_at_once_one_is_hung_up() {
    let mut world = registered(&[Wire::Udp, Wire::Udp, Wire::Udp]);
    call_alice(&mut world);
    for phone in [2, 1] {
        world.tell(phone, |agent, now| agent.respond(now, 200));
    }
    world.run_ms(1000);
    let mut phases: Vec<Phase> = world.agents.iter().map(|agent| agent.phase).collect();
    assert_eq!(phases.remove(CALLER), Phase::Up);
    assert_eq!(phases, [Phase::Over(200), Phase::Up]);
    assert_eq!(world.agents[1].requests(&Method::Bye).len(), 1);
    assert!(!world.agents[1].requests(&Method::Ack).is_empty());
}

#[test]
fn sig_4_who_is_registered_nowhere_is_not_available() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut world = World::with_targets(&wires, 1, office(&wires));
    call_alice(&mut world);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(480));
    assert_eq!(world.record().code, Some(32228));
    // Nobody of that name: there is no route.
    let mut world = World::with_targets(&wires, 1, office(&wires));
    let invite = world.caller().new_invite("mallory", true);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(404));
}

/// The keys that a phone was offered, one for each suite.
fn keys_offered(world: &World, phone: usize) -> Vec<String> {
    keys(&world.agents[phone].request_received(&Method::Invite).body)
}

fn keys(sdp: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(sdp);
    let lines = text.lines().filter(|line| line.starts_with("a=crypto:"));
    let keys = lines.filter_map(|line| Some(line.split_once("inline:")?.1.to_owned()));
    keys.collect()
}

/// RFC 4568 section 7.3: under one key all of them could read what we send to the one that answers.
#[test]
fn sec_8_each_place_that_rings_has_a_key_of_its_own_and_only_the_answering_ones_is_used() {
    for answering in [1, 3] {
        let mut world = registered(&[Wire::Udp, Wire::Srtp, Wire::Srtp, Wire::Srtp]);
        call_alice(&mut world);
        let offered: Vec<Vec<String>> = (1..=3).map(|phone| keys_offered(&world, phone)).collect();
        let all: Vec<&String> = offered.iter().flatten().collect();
        let different: HashSet<&String> = all.iter().copied().collect();
        assert_eq!((different.len(), all.len()), (18, 18), "6 suites each");
        world.tell(answering, |agent, now| agent.respond(now, 200));
        world.run_ms(500);
        assert_eq!(world.agents[CALLER].phase, Phase::Up);
        assert_eq!(world.agents[answering].phase, Phase::Up);
        let session = world.sessions.values().next().expect("media");
        let Security::Srtp { send, .. } = &session.streams[0].legs[1].security else {
            panic!("a secure leg is secure");
        };
        let key = STANDARD.encode([send.key(), send.salt()].concat());
        for (place, keys) in offered.iter().enumerate() {
            assert_eq!(keys.contains(&key), place + 1 == answering, "{place}");
        }
        // Whatever is offered later is offered under the same key.
        world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(500);
        let invites = world.agents[answering].requests(&Method::Invite);
        let again = invites.last().expect("a re-INVITE");
        assert!(keys(&again.body).contains(&key));
        world.tell(CALLER, Agent::hang_up);
        world.run_for(Duration::from_secs(3600));
        world.assert_drained(1);
    }
}

/// The caller's own key would be everybody's: where several places ring it does not pass through.
#[test]
fn sec_8_keys_pass_through_to_one_place_only() {
    for phones in [1, 2] {
        let wires = [Wire::Srtp, Wire::Srtp, Wire::Srtp];
        let mut config = office(&wires[..=phones]);
        for trunk in &mut config.trunks {
            trunk.passthrough = Passthrough::Prefer;
        }
        let mut world = World::with_targets(&wires[..=phones], 1, config);
        for phone in 1..=phones {
            register(&mut world, phone);
        }
        call_alice(&mut world);
        let sent = world.agents[CALLER].sent.iter();
        let own: Vec<String> = sent.flat_map(|message| keys(&message.to_bytes())).collect();
        let is_own = |key: &String| own.contains(key);
        for phone in 1..=phones {
            let offered = keys_offered(&world, phone);
            assert!(!offered.is_empty());
            assert_eq!(offered.iter().any(is_own), phones == 1, "{phone}");
        }
    }
}

#[test]
fn sig_4_whichever_place_rang_first_the_dialog_is_with_the_one_that_answers() {
    let mut world = registered(&[Wire::Udp, Wire::Udp, Wire::Udp, Wire::Udp]);
    call_alice(&mut world);
    let private = |response: &mut Response| {
        let contact = "<sip:line@10.0.0.3:5060>";
        response.headers.set(HeaderName::Contact, contact);
    };
    for phone in [1, 3, 2] {
        world.tell(phone, |agent, now| {
            agent.respond_edited(now, 180, private);
        });
        world.run_ms(20);
    }
    world.tell(3, |agent, now| agent.respond_edited(now, 200, private));
    world.run_ms(500);
    assert_eq!(world.agents[3].phase, Phase::Up);
    assert!(!world.agents[3].requests(&Method::Ack).is_empty());
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(500);
    assert_eq!(world.agents[3].phase, Phase::Over(200));
    world.run_for(Duration::from_secs(3600));
    world.assert_drained(1);
    let address = world.agents[3].address;
    let tried = &world.record().targets[0];
    assert_eq!(tried.hop.map(|hop| hop.address), Some(address));
}

#[test]
fn sig_4_a_place_that_answers_after_all_were_given_up_is_hung_up() {
    let mut world = registered(&[Wire::Udp, Wire::Udp, Wire::Udp]);
    world.drop = Some(Box::new(|bytes| bytes.starts_with(b"SIP/2.0 100")));
    call_alice(&mut world);
    world.run_for(Duration::from_secs(5));
    // Nobody said a word for 4 s.
    assert_eq!(world.agents[CALLER].phase, Phase::Over(480));
    for phone in [1, 2] {
        world.tell(phone, |agent, now| agent.respond(now, 200));
        world.run_ms(500);
        let agent = &world.agents[phone];
        assert_eq!(agent.requests(&Method::Ack).len(), 1, "{phone}");
        assert_eq!(agent.requests(&Method::Bye).len(), 1, "{phone}");
        assert_eq!(agent.phase, Phase::Over(200), "{phone}");
    }
    world.run_for(Duration::from_secs(3600));
    world.assert_drained(1);
}

#[test]
fn sig_4_a_call_to_phones_that_are_silent_or_gone_ends_with_480() {
    for (is_gone, code) in [(false, 32014), (true, 32228)] {
        let mut world = registered(&[Wire::Udp, Wire::Udp]);
        world.dead[CALLEE] = true;
        world.unreachable[CALLEE] = is_gone;
        call_alice(&mut world);
        world.run_for(Duration::from_secs(5));
        assert_eq!(world.agents[CALLER].phase, Phase::Over(480), "{code}");
        world.run_for(Duration::from_secs(3600));
        world.assert_drained(1);
        assert_eq!(
            (world.record().status, world.record().code),
            (480, Some(code))
        );
    }
}

#[test]
fn sig_4_a_phone_that_is_forwarded_sends_the_call_nowhere() {
    let mut world = registered(&[Wire::Udp, Wire::Udp, Wire::Udp]);
    call_alice(&mut world);
    world.tell(1, |agent, now| agent.respond(now, 480));
    world.tell(2, |agent, now| {
        agent.respond_edited(now, 302, |response| {
            // Which takes calls of everybody's.
            let elsewhere = "<sip:+300@192.0.2.10:5060>";
            response.headers.push(HeaderName::Contact, elsewhere);
        });
    });
    world.run_ms(500);
    assert!(world.agents[CALLER].requests(&Method::Invite).is_empty());
    assert_eq!(world.agents[CALLER].phase, Phase::Over(503));
    world.run_for(Duration::from_secs(3600));
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32219));
    assert!(world.record().reason.contains("a registered telephone's"));
}

#[test]
fn trk_7_a_route_names_a_registered_address_of_record() {
    let wires = [Wire::Udp, Wire::Udp, Wire::Udp];
    let mut config = office(&wires);
    let aor = Aor::new("alice", REALM);
    config.routes[0].called.prefix = "+4930".to_owned();
    config.routes[0].to = RouteTo::Account(TrunkId(1), aor);
    let mut world = World::with_targets(&wires, 1, config.clone());
    let call = |world: &mut World, number: &str| {
        let invite = world.caller().new_invite(number, true);
        world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
        world.run_ms(200);
    };
    call(&mut world, "+4930123");
    assert_eq!(world.agents[CALLER].phase, Phase::Over(480));
    assert_eq!(world.record().code, Some(32228));
    let mut world = World::with_targets(&wires, 1, config);
    register(&mut world, 1);
    register(&mut world, 2);
    call(&mut world, "+4930123");
    for phone in [1, 2] {
        let invite = world.agents[phone].request_received(&Method::Invite);
        assert_eq!(invite.uri.as_str(), format!("sip:line@10.0.0.{phone}:5060"));
    }
    world.tell(2, |agent, now| agent.respond(now, 200));
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
}

/// Whoever takes it first has it: a text that came at each telephone would be read at each.
#[test]
fn sig_4_a_message_to_an_account_is_offered_to_one_place_after_the_other() {
    let mut world = registered(&[Wire::Udp; 4]);
    let mut message = world.caller().new_invite("alice", false);
    message.method = Method::Message;
    message.headers.set(HeaderName::CSeq, "1 MESSAGE");
    for phone in CALLEE..4 {
        world.agents[phone].manners.others = Some(480);
    }
    world.agents[2].manners.others = Some(200);
    world.tell(CALLER, |agent, now| agent.send_outside(now, message));
    world.run_ms(500);
    assert_eq!(world.caller().statuses(&Method::Message), [200]);
    for phone in CALLEE..4 {
        let messages = world.agents[phone].requests(&Method::Message);
        assert!(messages.len() <= 1);
        let uri = format!("sip:line@10.0.0.{phone}:5060");
        assert!(messages.iter().all(|message| message.uri.as_str() == uri));
    }
    assert_eq!(world.agents[2].requests(&Method::Message).len(), 1);
}
