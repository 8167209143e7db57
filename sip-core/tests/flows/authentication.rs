//! Calls to us that must prove who they are (TRK-1).

use std::sync::Arc;
use std::time::Duration;

use sip_core::auth::client::{Challenge, Password};
use sip_core::auth::{CredentialSet, Login};
use sip_core::message::{CSeq, HeaderName, Method, Request};
use sip_core::stack::{EventKind, StackConfig};
use sip_core::trunk::Network;

use crate::sim::{Agent, CALLEE, CALLER, Phase, SeededRng, Wire, World, config};

pub(crate) const REALM: &str = "office.example.com";

pub(crate) fn credentials() -> Option<Arc<CredentialSet>> {
    let logins = vec![
        Login::of_password("alice", REALM, "secret"),
        Login::of_password("bob", REALM, "other"),
    ];
    CredentialSet::new(REALM, logins).ok().map(Arc::new)
}

fn guarded(wires: [Wire; 2]) -> StackConfig {
    let mut config = config(wires);
    config.trunks[CALLER].acl.clear();
    config.trunks[CALLER].credentials = credentials();
    config
}

/// The same request once more, with the answer to the latest challenge.
fn again(world: &World, request: &Request, user: &str, password: &str) -> Request {
    let challenged = world.agents[CALLER].response(&request.method, 401);
    let challenge = challenged
        .headers
        .value(HeaderName::WwwAuthenticate)
        .expect("a challenge");
    let mut challenge = Challenge::parse(challenge).expect("one that we know");
    let password = Password::new(user, password);
    let line = challenge.answer(
        &password,
        &request.method,
        request.uri.as_str(),
        &mut SeededRng(7),
    );
    let mut request = request.clone();
    let next = request.headers.cseq().expect("CSeq").number + 1;
    let cseq = CSeq::new(next, request.method.clone());
    request.headers.set(HeaderName::CSeq, cseq);
    request.headers.set(HeaderName::Authorization, line);
    request
}

/// An INVITE without credentials, which is challenged.
fn challenged(world: &mut World) -> Request {
    let invite = world.caller().new_invite("+200", true);
    let first = invite.clone();
    world.tell(CALLER, |agent, now| agent.send_invite(now, first));
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(401));
    invite
}

fn attempt(world: &mut World, user: &str, password: &str) {
    let invite = challenged(world);
    let invite = again(world, &invite, user, password);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
}

#[test]
fn trk_1_a_call_is_challenged_and_comes_through_with_the_right_credentials() {
    for wire in Wire::ALL {
        let wires = [wire, Wire::Udp];
        let mut world = World::with_config(wires, 1, guarded(wires));
        world.callee().manners.invite = Some(200);
        attempt(&mut world, "alice", "secret");
        world.run_ms(500);
        assert_eq!(world.phases(), [Phase::Up, Phase::Up], "{wire:?}");
        let invite = world.agents[CALLEE].request_received(&Method::Invite);
        assert!(
            !invite.headers.contains(HeaderName::Authorization),
            "credentials are for us alone"
        );
        world.tell(CALLER, Agent::hang_up);
        // The challenge alone leaves no record: it is no refusal.
        world.assert_drained(1);
        assert_eq!(world.record().status, 200);
        let counters = world.stack.counters();
        assert_eq!((counters.auth_challenges, counters.auth_successes), (1, 1));
    }
}

#[test]
fn trk_1_wrong_credentials_are_refused_with_32202_and_later_each_time() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut world = World::with_config(wires, 2, guarded(wires));
    for (failure, delay) in [(1, 500), (2, 1000), (3, 2000)] {
        attempt(&mut world, "alice", "guess");
        world.run_ms(delay);
        assert_eq!(world.agents[CALLER].phase, Phase::Inviting, "{failure}");
        world.run_ms(100);
        assert_eq!(world.agents[CALLER].phase, Phase::Over(403), "{failure}");
    }
    let refused = world.agents[CALLER].response(&Method::Invite, 403);
    let reason = refused.headers.value(HeaderName::Reason).expect("Reason");
    assert!(reason.starts_with(b"X-Trunkline;cause=32202;"));
    assert!(world.agents[CALLEE].received.is_empty());
    let told: Vec<_> = world
        .events
        .iter()
        .filter(|event| event.kind == EventKind::AuthenticationFailed)
        .collect();
    assert_eq!(told.len(), 3);
    assert_eq!(told[2].text, "user \"alice\", failure 3 of that source");
    assert_eq!(told[2].code, Some(32202));
    world.assert_drained(3);
    assert!(
        world
            .records
            .iter()
            .all(|record| record.code == Some(32202))
    );
    // Who is right is not delayed, whoever else failed from there.
    world.callee().manners.invite = Some(200);
    attempt(&mut world, "bob", "other");
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
}

#[test]
fn trk_1_an_unknown_user_is_answered_as_a_wrong_password_is() {
    let answer = |user: &str| {
        let wires = [Wire::Udp, Wire::Udp];
        let mut world = World::with_config(wires, 3, guarded(wires));
        attempt(&mut world, user, "guess");
        world.run_for(Duration::from_secs(5));
        let refused = world.agents[CALLER].response(&Method::Invite, 403);
        let told = world
            .events
            .iter()
            .map(|event| event.kind)
            .collect::<Vec<_>>();
        (refused.to_bytes(), told)
    };
    let (known, unknown) = (answer("alice"), answer("mallory"));
    assert_eq!(
        String::from_utf8_lossy(&known.0),
        String::from_utf8_lossy(&unknown.0)
    );
    assert_eq!(known.1, unknown.1);
}

#[test]
fn trk_1_with_an_acl_and_credentials_both_are_enforced() {
    let wires = [Wire::Udp, Wire::Udp];
    // The right credentials from a wrong address: refused before they are looked at.
    let mut config = guarded(wires);
    config.trunks[CALLER].acl = vec![
        Network {
            address: [203, 0, 113, 200].into(),
            prefix: 32,
        }
        .into(),
    ];
    let mut world = World::with_config(wires, 4, config.clone());
    world.tell(CALLER, Agent::invite);
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(403));
    assert_eq!(world.record().code, Some(32201));
    assert_eq!(world.stack.counters().auth_challenges, 0);
    // The right address with wrong credentials.
    config.trunks[CALLER].acl = vec![
        Network {
            address: world.agents[CALLER].address.ip(),
            prefix: 32,
        }
        .into(),
    ];
    let mut world = World::with_config(wires, 5, config);
    attempt(&mut world, "alice", "guess");
    world.run_ms(1000);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(403));
    assert_eq!(world.record().code, Some(32202));
    // Both right.
    world.callee().manners.invite = Some(200);
    attempt(&mut world, "alice", "secret");
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
}

#[test]
fn trk_1_credentials_that_were_used_once_open_nothing_a_second_time() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut world = World::with_config(wires, 6, guarded(wires));
    world.callee().manners.invite = Some(486);
    attempt(&mut world, "alice", "secret");
    world.run_ms(500);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(486));
    // Somebody who saw that INVITE sends it again, as a call of its own.
    let mut seen = world.agents[CALLER].sent.iter().rev();
    let bytes = seen
        .find_map(|message| {
            let bytes = message.to_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            text.contains("Authorization").then_some(text)
        })
        .expect("the INVITE with credentials");
    let replayed = bytes
        .replace("branch=z9hG4bK", "branch=z9hG4bKx")
        .replace("Call-ID: ", "Call-ID: x");
    let origin = world.origin_of(CALLER);
    world.inject(origin, replayed.as_bytes());
    world.run_ms(500);
    let stale = world.agents[CALLER]
        .received
        .iter()
        .rev()
        .find_map(|message| {
            message
                .headers()
                .value(HeaderName::WwwAuthenticate)
                .map(<[u8]>::to_vec)
        });
    assert!(stale.expect("a challenge").ends_with(b", stale=true"));
    assert_eq!(world.agents[CALLEE].requests(&Method::Invite).len(), 1);
    assert_eq!(world.stack.counters().auth_stale, 1);
}

#[test]
fn trk_1_many_guesses_at_once_are_not_even_looked_at() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut world = World::with_config(wires, 7, guarded(wires));
    let invite = challenged(&mut world);
    let guess = again(&world, &invite, "alice", "guess");
    for attempt in 0..10 {
        let mut guess = guess.clone();
        let call_id = format!("guess-{attempt}");
        guess.headers.set(HeaderName::CallId, call_id);
        world.tell(CALLER, |agent, now| agent.send_invite(now, guess));
    }
    world.run_ms(200);
    let statuses = world.agents[CALLER].statuses(&Method::Invite);
    let refused = statuses.iter().filter(|status| **status == 503).count();
    assert_eq!(refused, 6, "{statuses:?}");
    let refused = world.agents[CALLER].response(&Method::Invite, 503);
    assert!(refused.headers.contains(HeaderName::RetryAfter));
    let counters = world.stack.counters();
    assert_eq!((counters.auth_failures, counters.auth_throttled), (4, 6));
    world.assert_drained(10);
}

#[test]
fn trk_1_an_invite_that_would_replace_a_call_is_challenged_like_any_other() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut world = World::with_config(wires, 8, guarded(wires));
    let mut invite = world.caller().new_invite("+200", true);
    let replaces = "a@b;to-tag=c;from-tag=d";
    invite.headers.push(HeaderName::Replaces, replaces);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(401));
}

/// Whoever guesses much must not fill a disk: what is not told is counted.
#[test]
fn trk_1_a_flood_of_guesses_leaves_few_records() {
    let wires = [Wire::Udp, Wire::Udp];
    let mut world = World::with_config(wires, 9, guarded(wires));
    let invite = challenged(&mut world);
    let guess = again(&world, &invite, "alice", "guess");
    for attempt in 0..100 {
        let mut guess = guess.clone();
        let call_id = format!("guess-{attempt}");
        guess.headers.set(HeaderName::CallId, call_id);
        world.tell(CALLER, |agent, now| agent.send_invite(now, guess));
    }
    world.run_ms(200);
    let told = world.records.len();
    assert!((20..30).contains(&told), "{told}");
    let counters = world.stack.counters();
    assert_eq!(counters.calls_refused, 100);
    assert_eq!(counters.refusals_untold, 100 - told as u64);
}

#[test]
fn trk_1_a_message_is_challenged_like_a_call() {
    let wires = [Wire::Udp, Wire::Udp];
    for (password, status) in [("secret", 200), ("guess", 403)] {
        let mut world = World::with_config(wires, 9, guarded(wires));
        let mut message = world.caller().new_invite("+200", false);
        message.method = Method::Message;
        message.headers.set(HeaderName::CSeq, "1 MESSAGE");
        let first = message.clone();
        world.tell(CALLER, |agent, now| agent.send_outside(now, first));
        world.run_ms(200);
        let message = again(&world, &message, "alice", password);
        world.tell(CALLER, |agent, now| agent.send_outside(now, message));
        world.run_ms(1000);
        assert_eq!(world.caller().statuses(&Method::Message), [401, status]);
        let came = world.callee().requests(&Method::Message);
        assert_eq!(came.len(), usize::from(status == 200));
        let is_known = |message: &&Request| message.headers.contains(HeaderName::Authorization);
        assert!(!came.iter().any(is_known), "credentials are for us alone");
        world.assert_drained(usize::from(status == 403));
    }
}
