//! Phones that register with us (SIG-4).

use std::time::Duration;

use sip_core::auth::client::{Challenge, Password};
use sip_core::dialog::NewRequest;
use sip_core::message::{CSeq, HeaderName, Method, NameAddr, Request, Response, Uri};
use sip_core::registrar::{Account, Aor};
use sip_core::stack::{EventKind, StackConfig};

use crate::authentication::{REALM, credentials};
use crate::sim::{Agent, CALLER, SeededRng, Wire, World, config};

pub(crate) fn office(wires: [Wire; 2]) -> StackConfig {
    let mut config = config(wires);
    let trunk = &mut config.trunks[CALLER];
    trunk.acl.clear();
    trunk.domains = vec![REALM.to_owned()];
    trunk.credentials = credentials();
    let account = |user: &str| Account {
        aor: Aor::new(user, REALM),
        user: user.to_owned(),
    };
    trunk.accounts = vec![account("alice"), account("bob")];
    config
}

fn office_world(wire: Wire) -> World {
    let wires = [wire, Wire::Udp];
    World::with_config(wires, 1, office(wires))
}

fn register(world: &mut World, user: &str, lines: &[(HeaderName, &str)]) -> Request {
    let uri = |text: &str| Uri::parse(text.as_bytes()).expect("a URI");
    let aor = NameAddr::new(uri(&format!("sip:{user}@Office.Example.COM")));
    let request = NewRequest {
        method: Method::Register,
        uri: uri("sip:office.example.com"),
        from: aor.with_tag("1"),
        to: aor,
        call_id: format!("register-{user}"),
        sequence: world.agents[CALLER].sent.len() as u32 + 1,
        contact: None,
    };
    let mut request = request.build();
    for (name, value) in lines {
        request.headers.push(*name, *value);
    }
    request
}

/// What answers the latest challenge to such a request.
fn answer_to(world: &World, method: &Method, uri: &str, password: &Password) -> String {
    let challenge = world.agents[CALLER]
        .response(method, 401)
        .headers
        .value(HeaderName::WwwAuthenticate)
        .and_then(Challenge::parse);
    let mut challenge = challenge.expect("a challenge");
    challenge.answer(password, method, uri, &mut SeededRng(3))
}

/// An INVITE with alice's password, which was asked for.
fn invite_of_alice(world: &mut World) {
    let mut invite = world.caller().new_invite("+200", true);
    invite.uri = Uri::parse(b"sip:+200@office.example.com").expect("it is a URI");
    let first = invite.clone();
    world.tell(CALLER, |agent, now| agent.send_invite(now, first));
    world.run_ms(100);
    let password = Password::new("alice", "secret");
    let line = answer_to(world, &Method::Invite, "sip:x", &password);
    invite.headers.set(HeaderName::CSeq, "2 INVITE");
    invite.headers.set(HeaderName::Authorization, line);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(500);
}

/// Sends it, answers the challenge, and gives the response to that.
pub(crate) fn authenticated(world: &mut World, mut request: Request, password: &str) -> Response {
    let first = request.clone();
    world.tell(CALLER, |agent, now| agent.send_outside(now, first));
    world.run_ms(100);
    let user = request
        .headers
        .to()
        .expect("To")
        .uri()
        .user()
        .map(str::to_owned);
    let password = Password::new(&user.unwrap_or_default(), password);
    let line = answer_to(world, &Method::Register, request.uri.as_str(), &password);
    let number = request.headers.cseq().expect("CSeq").number + 1;
    let cseq = CSeq::new(number, Method::Register);
    request.headers.set(HeaderName::CSeq, cseq);
    request.headers.set(HeaderName::Authorization, line);
    world.tell(CALLER, |agent, now| agent.send_outside(now, request));
    world.run_ms(3000);
    let responses = world.agents[CALLER].responses(&Method::Register);
    (*responses.last().expect("a response")).clone()
}

pub(crate) fn register_at(world: &mut World, user: &str, contact: &str) -> Response {
    let request = register(world, user, &[(HeaderName::Contact, contact)]);
    let password = if user == "alice" { "secret" } else { "other" };
    authenticated(world, request, password)
}

fn contacts(response: &Response) -> Vec<String> {
    let values = response.headers.values(HeaderName::Contact);
    values
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

#[test]
fn sig_4_a_phone_registers_asks_and_leaves() {
    for wire in Wire::ALL {
        let mut world = office_world(wire);
        let response = register_at(&mut world, "alice", "<sip:a@10.0.0.1>;expires=7200");
        assert_eq!(response.status, 200, "{wire:?}");
        assert_eq!(contacts(&response), ["<sip:a@10.0.0.1>;expires=3600"]);
        assert!(world.has_event(EventKind::Registered));
        assert_eq!(world.stack.bindings(), 1);
        let query = register(&mut world, "alice", &[]);
        let response = authenticated(&mut world, query, "secret");
        assert_eq!(contacts(&response).len(), 1);
        let star = [(HeaderName::Contact, "*"), (HeaderName::Expires, "0")];
        let leave = register(&mut world, "alice", &star);
        let response = authenticated(&mut world, leave, "secret");
        assert_eq!(
            (response.status.code(), contacts(&response).len()),
            (200, 0)
        );
        assert!(world.has_event(EventKind::Unregistered));
        assert_eq!(world.stack.bindings(), 0);
        assert!(world.stored.last().unwrap().bindings.is_empty());
        world.assert_drained(0);
    }
}

#[test]
fn sig_4_too_short_is_423_with_min_expires_and_one_too_many_is_403() {
    let mut world = office_world(Wire::Udp);
    let response = register_at(&mut world, "alice", "<sip:a@10.0.0.1>;expires=59");
    assert_eq!(response.status, 423);
    assert_eq!(
        response.headers.value(HeaderName::MinExpires),
        Some(&b"60"[..])
    );
    for host in 1..=10 {
        let contact = format!("<sip:a@10.0.0.{host}>;expires=60");
        assert_eq!(register_at(&mut world, "alice", &contact).status, 200);
    }
    let response = register_at(&mut world, "alice", "<sip:a@10.0.0.99>");
    assert_eq!(response.status, 403);
    let reason = response.headers.value(HeaderName::Reason).unwrap();
    assert!(reason.starts_with(b"X-Trunkline;cause=32226;"));
    assert_eq!(world.stack.bindings(), 10);
    world.run_for(Duration::from_secs(61));
    assert_eq!(world.stack.bindings(), 0, "they expire");
    assert_eq!(world.stack.counters().bindings_expired, 10);
}

#[test]
fn sig_4_nobody_registers_for_another_one_nor_without_a_password() {
    let mut world = office_world(Wire::Udp);
    let guess = register(
        &mut world,
        "alice",
        &[(HeaderName::Contact, "<sip:x@10.0.0.66>")],
    );
    let wrong = authenticated(&mut world, guess, "guess");
    // Bob's password is right, and alice is not his: answered alike.
    let mut theft = register(
        &mut world,
        "bob",
        &[(HeaderName::Contact, "<sip:x@10.0.0.66>")],
    );
    theft.headers.set(HeaderName::CallId, "theft");
    let first = theft.clone();
    world.tell(CALLER, |agent, now| agent.send_outside(now, first));
    world.run_ms(100);
    let alice = NameAddr::new(Uri::parse(b"sip:alice@office.example.com").unwrap());
    let bob = Password::new("bob", "other");
    let line = answer_to(&world, &Method::Register, "sip:x", &bob);
    theft.headers.set(HeaderName::To, alice);
    theft.headers.set(HeaderName::CSeq, "99 REGISTER");
    theft.headers.set(HeaderName::Authorization, line);
    world.tell(CALLER, |agent, now| agent.send_outside(now, theft));
    world.run_for(Duration::from_secs(5));
    let stolen = world.agents[CALLER].response(&Method::Register, 403);
    for response in [&wrong, stolen] {
        assert_eq!(response.status, 403);
        let reason = response.headers.value(HeaderName::Reason).unwrap();
        assert!(reason.starts_with(b"X-Trunkline;cause=32202;"));
    }
    assert_eq!(world.stack.bindings(), 0);
    assert_eq!(world.stack.counters().auth_failures, 2);
    assert!(world.has_event(EventKind::RegistrationRefused));
}

#[test]
fn sig_4_a_secure_trunk_takes_no_register_in_the_clear() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut config = office(wires);
    config.trunks[CALLER].mode = Wire::Srtp.mode();
    let mut world = World::with_config(wires, 1, config);
    let request = register(
        &mut world,
        "alice",
        &[(HeaderName::Contact, "<sip:a@10.0.0.1>")],
    );
    world.tell(CALLER, |agent, now| agent.send_outside(now, request));
    world.run_ms(100);
    // Refused before any challenge: not even a hash of the password is asked for in the clear.
    assert_eq!(world.agents[CALLER].statuses(&Method::Register), [403]);
    let refused = world.agents[CALLER].response(&Method::Register, 403);
    let reason = refused.headers.value(HeaderName::Reason).unwrap();
    assert!(reason.starts_with(b"X-Trunkline;cause=32209;"));
}

#[test]
fn sig_4_what_is_required_and_not_known_is_420() {
    let mut world = office_world(Wire::Udp);
    for (required, status) in [("path, outbound", 401), ("gruu, path", 420)] {
        let request = register(&mut world, "alice", &[(HeaderName::Require, required)]);
        world.tell(CALLER, |agent, now| agent.send_outside(now, request));
        world.run_ms(100);
        assert_eq!(
            world.agents[CALLER].statuses(&Method::Register).pop(),
            Some(status)
        );
    }
    let refused = world.agents[CALLER].response(&Method::Register, 420);
    assert_eq!(
        refused.headers.value(HeaderName::Unsupported),
        Some(&b"gruu"[..])
    );
    assert_refusal_is_told(&world, EventKind::RegistrationRefused, 32244);
    assert_eq!(world.stack.counters().registers_refused, 1);
}

/// By one event, with the trunk and that code.
fn assert_refusal_is_told(world: &World, kind: EventKind, code: u32) {
    let told = world.events.iter().filter(|event| event.kind == kind);
    let told: Vec<_> = told
        .map(|event| (event.code, event.trunk.as_deref()))
        .collect();
    assert_eq!(told, [(Some(code), Some("carrier"))]);
}

#[test]
fn sig_4_where_nobody_registers_that_is_said_and_told() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 1);
    let contact = [(HeaderName::Contact, "<sip:a@10.0.0.1>")];
    let request = register(&mut world, "alice", &contact);
    world.tell(CALLER, |agent, now| agent.send_outside(now, request));
    world.run_ms(100);
    let refused = world.agents[CALLER].response(&Method::Register, 405);
    assert!(refused.headers.contains(HeaderName::Allow));
    let reason = refused.headers.value(HeaderName::Reason).unwrap();
    assert!(reason.starts_with(b"X-Trunkline;cause=32229;"));
    assert_refusal_is_told(&world, EventKind::RegistrationRefused, 32229);
    assert_eq!(world.stack.counters().registers_refused, 1);
}

#[test]
fn sig_7_a_refer_outside_a_call_is_refused_and_told() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 1);
    let mut request = world.caller().new_invite("+200", false);
    request.method = Method::Refer;
    request.headers.set(HeaderName::CSeq, "1 REFER");
    world.tell(CALLER, |agent, now| agent.send_outside(now, request));
    world.run_ms(100);
    assert_eq!(world.agents[CALLER].statuses(&Method::Refer), [603]);
    assert_refusal_is_told(&world, EventKind::TransferRefused, 32218);
}

#[test]
fn sig_4_registrations_survive_a_restart() {
    let mut world = office_world(Wire::Udp);
    register_at(&mut world, "alice", "<sip:a@10.0.0.1>;expires=600");
    register_at(&mut world, "bob", "<sip:b@10.0.0.2>;expires=60");
    let (stored, now) = (world.stored.clone(), world.now);
    let mut again = office_world(Wire::Udp);
    let restored = again.stack.restore(now + Duration::from_secs(100), &stored);
    assert_eq!(restored, 1, "bob's has expired meanwhile");
    // Of an account that is gone nothing comes back.
    let wires = [Wire::Udp, Wire::Udp];
    let mut config = office(wires);
    config.trunks[CALLER].accounts.remove(0);
    let mut without_alice = World::with_config(wires, 1, config);
    assert_eq!(without_alice.stack.restore(now, &stored), 1);
}

#[test]
fn trk_1_a_phone_calls_with_the_password_of_its_account() {
    let mut world = office_world(Wire::Udp);
    world.callee().manners.invite = Some(200);
    invite_of_alice(&mut world);
    assert_eq!(
        world.agents[CALLER].response(&Method::Invite, 200).status,
        200
    );
    // Whoever From says that is.
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
    let record = world.record();
    assert_eq!(record.caller.user.as_deref(), Some("alice"));
    assert!(record.from.contains("+100"), "{}", record.from);
    assert_eq!(record.callee.as_ref().unwrap().user, None);
}

#[test]
fn trk_1_a_refused_call_has_its_user_in_the_record_too() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut config = office(wires);
    config.routes.clear();
    let mut world = World::with_config(wires, 1, config);
    invite_of_alice(&mut world);
    assert_eq!(world.record().status, 404);
    assert_eq!(world.record().caller.user.as_deref(), Some("alice"));
}
