//! Requests of ours that a provider challenges (SIG-5), and the numbers of what follows.

use sip_core::auth::client::Password;
use sip_core::message::{HeaderName, Method, Request};
use sip_core::stack::StackConfig;
use sip_core::transport::Host;
use sip_core::trunk::refer::ReferMode;
use sip_core::trunk::{Hop, Network};

use crate::sim::{Agent, CALLEE, CALLER, Guard, Phase, SECOND, Wire, World, config};

const WIRES: [Wire; 2] = [Wire::Udp, Wire::Udp];

fn with_password(wires: [Wire; 2]) -> StackConfig {
    let mut config = config(wires);
    config.trunks[CALLEE].auth = Some(Password::new("trunkline", "secret"));
    config
}

fn guard(status: u16, nonce: &str, more: &str) -> Option<Guard> {
    let challenge = |algorithm: &str| {
        format!("Digest realm=\"provider\", nonce=\"{nonce}\", qop=\"auth\"{algorithm}{more}")
    };
    Some(Guard {
        status,
        challenges: vec![
            challenge(", algorithm=MD5"),
            challenge(", algorithm=SHA-256"),
        ],
        accepts: format!("nonce=\"{nonce}\""),
    })
}

fn guarded(wires: [Wire; 2], status: u16) -> World {
    let mut world = World::with_config(wires, 1, with_password(wires));
    world.callee().manners.guard = guard(status, "first", "");
    world
}

fn requests<'a>(world: &'a World, method: &Method) -> Vec<&'a Request> {
    world.agents[CALLEE].requests(method)
}

fn sequence(request: &Request) -> u32 {
    request.headers.cseq().expect("CSeq").number
}

fn text(request: &Request, name: HeaderName) -> String {
    let value = request.headers.value(name).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

#[test]
fn sig_5_a_challenged_invite_is_sent_again_and_everything_counts_on_from_it() {
    for (wire, status, credentials) in [
        (Wire::Udp, 407, HeaderName::ProxyAuthorization),
        (Wire::Tcp, 401, HeaderName::Authorization),
        (Wire::Srtp, 407, HeaderName::ProxyAuthorization),
    ] {
        let mut world = guarded([Wire::Udp, wire], status);
        world.establish();
        world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(500);
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
        assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
        let invites = requests(&world, &Method::Invite);
        assert_eq!(invites.len(), 3, "{wire:?}");
        let numbers: Vec<u32> = invites.iter().map(|invite| sequence(invite)).collect();
        assert_eq!(numbers, [1, 2, 3]);
        for name in [HeaderName::CallId, HeaderName::From] {
            assert_eq!(text(invites[0], name), text(invites[1], name), "{name:?}");
        }
        let branch = |request: &Request| request.headers.top_via().unwrap().to_string();
        assert_ne!(branch(invites[0]), branch(invites[1]));
        assert_eq!(invites[0].body, invites[1].body);
        assert!(!invites[0].headers.contains(credentials));
        let line = text(invites[1], credentials);
        assert!(line.contains("algorithm=SHA-256"), "the stronger: {line}");
        assert!(line.contains("username=\"trunkline\", realm=\"provider\""));
        // The ACK repeats the INVITE's credentials (RFC 3261 section 13.2.2.4) and its number.
        let acks = requests(&world, &Method::Ack);
        let ack = acks
            .iter()
            .find(|ack| sequence(ack) == 2)
            .expect("the ACK to the 200");
        assert_eq!(text(ack, credentials), line);
        // What follows is not challenged again: it brings credentials, and counts them.
        assert!(text(invites[2], credentials).contains("nc=00000002"));
        let byes = requests(&world, &Method::Bye);
        assert_eq!(byes.len(), 1);
        assert_eq!(sequence(byes[0]), 4);
        assert!(text(byes[0], credentials).contains("nc=00000003"));
        assert_eq!(world.stack.counters().challenges_answered, 1);
        assert_eq!(world.record().status, 200);
    }
}

#[test]
fn sig_5_requests_within_the_call_are_answered_for_too() {
    let mut world = guarded(WIRES, 407);
    world.establish();
    world.callee().manners.guard = guard(407, "second", ", stale=true");
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(500);
    let mut statuses = world.agents[CALLER].statuses(&Method::Invite);
    statuses.retain(|status| *status >= 200);
    assert_eq!(statuses, [200, 200]);
    // A server that does not say that its nonce is only old.
    world.callee().manners.guard = guard(407, "third", "");
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    let numbers = |method: Method| -> Vec<u32> {
        requests(&world, &method)
            .iter()
            .map(|request| sequence(request))
            .collect()
    };
    assert_eq!(numbers(Method::Invite), [1, 2, 3, 4]);
    assert_eq!(numbers(Method::Bye), [5, 6]);
    world.assert_drained(1);
}

#[test]
fn sig_5_a_wrong_password_is_tried_once_and_told_with_32202() {
    let mut world = guarded(WIRES, 401);
    let guard = world.callee().manners.guard.as_mut().unwrap();
    guard.accepts = "nothing is accepted".to_owned();
    world.tell(CALLER, Agent::invite);
    world.run_ms(1000);
    assert_eq!(requests(&world, &Method::Invite).len(), 2);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(403));
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32202));
}

#[test]
fn sig_5_each_realm_on_the_way_is_answered() {
    let mut world = guarded(WIRES, 407);
    world.tell(CALLER, Agent::invite);
    world.run_ms(25);
    // Behind the proxy another one asks.
    world.callee().manners.guard = Some(Guard {
        status: 401,
        challenges: vec!["Digest realm=\"inner\", nonce=\"i\", qop=\"auth\"".to_owned()],
        accepts: "realm=\"inner\"".to_owned(),
    });
    world.callee().manners.invite = Some(200);
    world.run_ms(500);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    let invites = requests(&world, &Method::Invite);
    assert_eq!(invites.len(), 3);
    assert!(text(invites[2], HeaderName::Authorization).contains("realm=\"inner\""));
    assert!(text(invites[2], HeaderName::ProxyAuthorization).contains("realm=\"provider\""));
}

#[test]
fn sig_5_a_cancelled_call_is_not_tried_again() {
    let mut world = guarded(WIRES, 407);
    world.tell(CALLER, Agent::invite);
    world.run_ms(1);
    world.tell(CALLER, Agent::cancel);
    world.run_ms(15);
    assert_eq!(requests(&world, &Method::Invite).len(), 0);
    world.run_ms(1000);
    assert_eq!(requests(&world, &Method::Invite).len(), 1);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(487));
    world.assert_drained(1);
}

#[test]
fn sig_5_without_a_password_the_call_is_refused_with_32202() {
    let mut world = World::new(WIRES, 1);
    world.callee().manners.guard = guard(407, "n", "");
    world.tell(CALLER, Agent::invite);
    world.run_ms(1000);
    assert_eq!(requests(&world, &Method::Invite).len(), 1);
    assert_eq!(world.agents[CALLER].phase, Phase::Over(403));
    assert_eq!(world.record().code, Some(32202));
}

/// RFC 3515 section 2.4.6: the number that names a subscription is that of the REFER which was taken.
#[test]
fn sig_7_a_passed_refer_that_was_challenged_is_named_by_its_new_number() {
    let mut config = with_password(WIRES);
    config.trunks[CALLER].refer = ReferMode::Pass;
    let mut world = World::with_config(WIRES, 1, config);
    world.establish();
    world.callee().manners.guard = guard(401, "second", "");
    world.callee().manners.others = Some(202);
    for _ in 0..2 {
        world.tell(CALLER, |agent, now| {
            agent.request(now, Method::Refer, |refer| {
                let headers = &mut refer.headers;
                headers.push(HeaderName::ReferTo, "<sip:+300@203.0.113.1>");
            });
        });
        world.run_ms(200);
    }
    assert_eq!(world.caller().statuses(&Method::Refer), [202, 202]);
    let sent = world.agents[CALLER].sent.iter();
    let theirs: Vec<u32> = sent
        .filter_map(|message| message.headers().cseq().ok())
        .filter(|cseq| cseq.method == Method::Refer)
        .map(|cseq| cseq.number)
        .collect();
    let ours: Vec<u32> = requests(&world, &Method::Refer)
        .into_iter()
        .filter(|refer| refer.headers.contains(HeaderName::Authorization))
        .map(sequence)
        .collect();
    assert_eq!(ours.len(), 2);
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        world.tell(CALLEE, |agent, now| {
            agent.request(now, Method::Notify, |notify| {
                let event = format!("refer;id={ours}");
                notify.headers.push(HeaderName::Event, event);
            });
        });
        world.run_ms(100);
        let notify = world.caller().request_received(&Method::Notify);
        assert_eq!(
            text(notify, HeaderName::Event),
            format!("refer;id={theirs}")
        );
    }
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_5_a_challenged_message_is_sent_again() {
    let mut world = guarded(WIRES, 407);
    let mut message = world.caller().new_invite("+200", false);
    message.method = Method::Message;
    message.headers.set(HeaderName::CSeq, "1 MESSAGE");
    message.body = b"text".to_vec();
    world.tell(CALLER, |agent, now| agent.send_outside(now, message));
    world.run_ms(300);
    let messages = requests(&world, &Method::Message);
    assert_eq!(messages.len(), 2);
    assert_eq!([0, 1].map(|at| sequence(messages[at])), [1, 2]);
    assert_eq!(world.caller().statuses(&Method::Message), [200]);
    world.assert_drained(0);
}

/// What somebody asks who wants to guess a password.
fn spy() -> Option<Guard> {
    Some(Guard {
        status: 401,
        challenges: vec!["Digest realm=\"spy\", nonce=\"n\"".to_owned()],
        accepts: "realm=\"spy\"".to_owned(),
    })
}

fn is_anonymous(request: &Request) -> bool {
    let headers = &request.headers;
    !headers.contains(HeaderName::Authorization)
        && !headers.contains(HeaderName::ProxyAuthorization)
}

/// A call that the provider, which has seen our credentials, redirects to another agent.
fn redirected(config: StackConfig) -> World {
    let mut world = World::with_targets(&[Wire::Udp; 3], 1, config);
    world.callee().manners.guard = guard(407, "first", "");
    world.agents[SECOND].manners.guard = spy();
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.tell(CALLEE, |agent, now| {
        agent.respond_edited(now, 302, |response| {
            let elsewhere = "<sip:+4930@198.51.100.30:5060>";
            response.headers.push(HeaderName::Contact, elsewhere);
        });
    });
    world.run_ms(500);
    world
}

#[test]
fn sig_5_who_the_provider_redirects_to_gets_no_credentials() {
    let mut world = redirected(with_password(WIRES));
    assert_eq!(world.agents[SECOND].requests(&Method::Invite).len(), 1);
    for method in [Method::Invite, Method::Ack] {
        let requests = world.agents[SECOND].requests(&method);
        assert!(
            requests.iter().all(|request| is_anonymous(request)),
            "{method}"
        );
    }
    assert_eq!(world.agents[CALLER].phase, Phase::Over(403));
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32202));
}

#[test]
fn sig_5_another_address_of_the_provider_is_answered_too() {
    let mut config = with_password(WIRES);
    config.trunks[CALLEE]
        .acl
        .push("198.51.100.30".parse::<Network>().unwrap().into());
    let world = redirected(config);
    let invites = world.agents[SECOND].requests(&Method::Invite);
    assert!(text(invites[1], HeaderName::Authorization).contains("realm=\"spy\""));
}

#[test]
fn sig_5_a_contact_that_the_provider_passes_on_gets_no_credentials() {
    let mut world = World::with_targets(&[Wire::Udp; 3], 1, with_password(WIRES));
    world.callee().manners.guard = guard(407, "first", "");
    world.agents[SECOND].manners.guard = spy();
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.tell(CALLEE, |agent, now| {
        agent.respond_edited(now, 200, |response| {
            let elsewhere = "<sip:+4930@198.51.100.30:5060>";
            response.headers.set(HeaderName::Contact, elsewhere);
        });
    });
    world.run_ms(500);
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(500);
    for method in [Method::Ack, Method::Bye] {
        let requests = world.agents[SECOND].requests(&method);
        assert!(!requests.is_empty(), "{method}");
        let mut requests = requests.iter();
        assert!(requests.all(|request| is_anonymous(request)), "{method}");
    }
}

#[test]
fn sig_5_a_provider_with_a_name_is_answered_within_the_call_where_it_was_found() {
    let mut config = with_password(WIRES);
    config.trunks[CALLEE].origination.uris[0].uri.host = Host::Name("provider.example".into());
    // Whoever may call us: the provider, and by no address that says which it is.
    config.trunks[CALLEE].acl = vec!["0.0.0.0/0".parse::<Network>().unwrap().into()];
    let mut world = World::with_config(WIRES, 1, config);
    let hop = Hop {
        transport: Wire::Udp.transport(),
        address: world.agents[CALLEE].address,
    };
    let name = "provider.example".to_owned();
    world.names.insert(name, Some(vec![hop]));
    world.callee().manners.guard = guard(407, "first", "");
    world.establish();
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(500);
    for method in [Method::Ack, Method::Bye] {
        let request = requests(&world, &method).pop().unwrap();
        assert!(!is_anonymous(request), "{method}");
    }
    assert_eq!(world.phases(), [Phase::Over(200), Phase::Over(200)]);
    world.assert_drained(1);
}
