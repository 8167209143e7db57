//! Who is refused, and how: status, code, headers, event and record.

use std::sync::Arc;
use std::time::Duration;

use sip_core::message::{HeaderName, Message, Method, Request, StatusCode, response_to};
use sip_core::stack::{EventKind, StackConfig};
use sip_core::transport::{Origin, TlsPeer, Transport};
use sip_core::trunk::{Origination, Route, SecureMode, TargetUri, TrunkId};

use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World, config, trunk};

/// An INVITE changed by `edit` is refused with that status and code, and it leaves its traces.
fn assert_refused(
    mut world: World,
    status: u16,
    code: u32,
    edit: impl FnOnce(&mut Request),
) -> World {
    let mut invite = world.caller().new_invite("+200", true);
    edit(&mut invite);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(200);
    let refusal = world.caller().response(&Method::Invite, status).clone();
    let reason = String::from_utf8_lossy(
        refusal
            .headers
            .value(HeaderName::Reason)
            .unwrap_or_default(),
    )
    .into_owned();
    assert!(
        reason.starts_with(&format!("X-Trunkline;cause={code};")),
        "{reason}"
    );
    assert!(world.callee().received.is_empty(), "nothing goes out");
    let event = world
        .events
        .iter()
        .find(|event| event.kind == EventKind::CallRefused)
        .expect("an event");
    assert_eq!(event.code, Some(code));
    assert!(event.peer.is_some());
    assert_eq!(world.stack.counters().calls_refused, 1);
    world.assert_drained(1);
    let record = world.record();
    assert_eq!((record.status, record.code), (status, Some(code)));
    assert!(record.callee.is_none());
    world
}

fn world_with(wires: [Wire; 2], edit: impl FnOnce(&mut StackConfig)) -> World {
    let mut config = config(wires);
    edit(&mut config);
    World::with_config(wires, 1, config)
}

const UDP: [Wire; 2] = [Wire::Udp, Wire::Udp];

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
fn a_trunk_with_tls_is_not_reached_by_udp_or_tcp() {
    for wire in [Wire::Udp, Wire::Tcp] {
        for secure in [Wire::Tls, Wire::Srtp] {
            let world = world_with([wire, Wire::Udp], |config| {
                config.trunks[CALLER].mode = secure.mode();
            });
            assert_refused(world, 403, 32209, |_| {});
        }
    }
}

#[test]
fn an_srtp_trunk_refuses_plain_rtp_with_488_and_a_warning() {
    let mut world = World::new([Wire::Srtp, Wire::Udp], 1);
    world.caller().profile = crate::sim::Profile::Rtp;
    let world = assert_refused(world, 488, 32208, |_| {});
    let refusal = world.agents[CALLER].response(&Method::Invite, 488);
    assert_eq!(
        refusal.headers.value(HeaderName::Warning).unwrap(),
        b"302 203.0.113.1 \"32208 SRTP required\""
    );
}

#[test]
fn without_a_route_the_number_is_not_found() {
    let no_routes = world_with(UDP, |config| config.routes.clear());
    assert_refused(no_routes, 404, 32012, |_| {});
    let other_prefix = world_with(UDP, |config| {
        config.routes[0].called.prefix = "+49".to_owned();
    });
    assert_refused(other_prefix, 404, 32012, |_| {});
    let nowhere = world_with(UDP, |config| config.trunks[CALLEE].origination.uris.clear());
    assert_refused(nowhere, 404, 32012, |_| {});
}

#[test]
fn max_forwards_is_used_up_hop_by_hop() {
    let set = |value: &'static str| {
        move |request: &mut Request| request.headers.set(HeaderName::MaxForwards, value)
    };
    assert_refused(World::new(UDP, 1), 483, 32242, set("0"));
    let mut world = World::new(UDP, 1);
    let mut invite = world.caller().new_invite("+200", true);
    set("7")(&mut invite);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(100);
    assert_eq!(
        world
            .callee()
            .request_received(&Method::Invite)
            .headers
            .max_forwards(),
        Ok(Some(6))
    );
    world.tell(CALLER, Agent::cancel);
    world.assert_drained(1);
}

#[test]
fn sig_1_unknown_require_is_420_with_unsupported() {
    let world = assert_refused(World::new(UDP, 1), 420, 32244, |request| {
        request
            .headers
            .push(HeaderName::Require, "100rel, nothingSupportsThis");
    });
    let refusal = world.agents[CALLER].response(&Method::Invite, 420);
    let unsupported: Vec<_> = refusal
        .headers
        .option_tags(HeaderName::Unsupported)
        .collect();
    assert_eq!(unsupported, ["nothingSupportsThis"], "and not 100rel");
}

#[test]
fn other_bodies_are_415_with_what_we_take() {
    let world = assert_refused(World::new(UDP, 1), 415, 32245, |request| {
        request
            .headers
            .set(HeaderName::ContentType, "application/xml");
    });
    let refusal = world.agents[CALLER].response(&Method::Invite, 415);
    assert_eq!(
        refusal.headers.value(HeaderName::Accept).unwrap(),
        b"application/sdp"
    );
    let world = assert_refused(World::new(UDP, 1), 415, 32245, |request| {
        request.headers.push(HeaderName::ContentEncoding, "gzip");
    });
    let refusal = world.agents[CALLER].response(&Method::Invite, 415);
    assert_eq!(
        refusal.headers.value(HeaderName::AcceptEncoding).unwrap(),
        b"identity"
    );
}

#[test]
fn a_urn_is_416() {
    assert_refused(World::new(UDP, 1), 416, 32246, |request| {
        request.uri = sip_core::message::Uri::parse(b"urn:service:sos").unwrap();
    });
}

#[test]
fn an_invite_without_contact_is_400() {
    assert_refused(World::new(UDP, 1), 400, 32240, |request| {
        request.headers.remove(HeaderName::Contact);
    });
}

#[test]
fn the_same_request_by_two_ways_is_482() {
    let mut world = World::new(UDP, 2);
    let invite = world.caller().new_invite("+200", true);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite.clone()));
    world.run_ms(50);
    world.tell(CALLER, |agent, now| agent.send_outside(now, invite));
    world.run_ms(100);
    assert!(world.caller().statuses(&Method::Invite).contains(&482));
    assert_eq!(world.callee().requests(&Method::Invite).len(), 1);
    world.tell(CALLER, Agent::cancel);
    world.assert_drained(2);
}

#[test]
fn a_loop_through_ourselves_ends_with_483() {
    // The callee's trunk leads back to us, and calls from ourselves go there again.
    let mut world = world_with(UDP, |config| {
        let edge = crate::sim::edge_address(Transport::Udp);
        let mut ourselves = trunk(CALLEE, Wire::Udp);
        ourselves.origination = Origination::to(TargetUri {
            host: sip_core::transport::Host::Address(edge.ip()),
            port: Some(edge.port()),
            transport: Some(Transport::Udp),
        });
        ourselves.acl[0].network.address = edge.ip();
        ourselves.realm = config.trunks[CALLER].realm;
        config.trunks[CALLEE] = ourselves;
        config.routes = vec![Route::new(None, "", TrunkId(1))];
    });
    world.tell(CALLER, Agent::invite);
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.caller().phase, Phase::Over(483));
    world.assert_drained(70 + 1);
    assert_eq!(
        world
            .records
            .iter()
            .filter(|record| record.code == Some(32242))
            .count(),
        1
    );
}

#[test]
fn options_are_answered_outside_and_inside_a_dialog() {
    let mut world = World::new(UDP, 3);
    let mut options = world.caller().new_invite("", false);
    options.method = Method::Options;
    options.headers.set(HeaderName::CSeq, "5 OPTIONS");
    world.tell(CALLER, |agent, now| agent.send_outside(now, options));
    world.run_ms(100);
    world.establish();
    world.tell(CALLEE, |agent, now| {
        agent.request(now, Method::Options, |_| {});
    });
    world.run_ms(100);
    for agent in &world.agents {
        let answer = agent.response(&Method::Options, 200);
        assert_eq!(
            answer.headers.value(HeaderName::Allow).unwrap(),
            b"INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, NOTIFY"
        );
        assert_eq!(
            answer.headers.value(HeaderName::Accept).unwrap(),
            b"application/sdp"
        );
        assert!(
            answer
                .headers
                .has_option_tag(HeaderName::Supported, "100rel")
        );
    }
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_1_methods_that_we_do_not_take_are_405_with_allow() {
    let methods = [
        (Method::Register, 405),
        (Method::Subscribe, 405),
        (Method::Publish, 405),
        // RFC 3261 section 21.5.2: we do not even know it.
        (Method::Other("FROBNICATE".into()), 501),
    ];
    for (method, status) in methods {
        let mut world = World::new(UDP, 4);
        let mut request = world.caller().new_invite("+200", false);
        request.headers.set(HeaderName::CSeq, format!("1 {method}"));
        request.method = method.clone();
        world.tell(CALLER, |agent, now| agent.send_outside(now, request));
        world.run_ms(100);
        assert_eq!(world.caller().statuses(&method), [status]);
        assert!(
            world
                .caller()
                .response(&method, status)
                .headers
                .contains(HeaderName::Allow)
        );
        world.assert_drained(0);
    }
    let mut world = World::new(UDP, 5);
    world.establish();
    for (method, status) in [
        (Method::Publish, 405),
        (Method::Subscribe, 405),
        (Method::Other("FROBNICATE".into()), 501),
    ] {
        world.tell(CALLER, |agent, now| {
            agent.request(now, method.clone(), |_| {});
        });
        world.run_ms(100);
        assert_eq!(world.caller().statuses(&method), [status]);
    }
    world.tell(CALLER, |agent, now| {
        agent.request(now, Method::Info, |request| {
            request.headers.push(HeaderName::Require, "foo");
        });
    });
    world.run_ms(100);
    assert_eq!(world.caller().statuses(&Method::Info), [420]);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
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

#[test]
fn what_cannot_be_read_is_answered_400_or_counted() {
    let mut world = World::new(UDP, 7);
    let mut origin: Origin = world.origin_of(CALLER);
    origin.remote.set_port(5060);
    let broken = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKx;rport\r\n\
                  From: <sip:x@y>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: broken\r\nCSeq: 1 INVITE\r\nContent-Length: 9\r\n\r\nshort";
    world.inject(origin.clone(), broken.as_bytes());
    for noise in [
        &b"\x00\xff\xfe"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"SIP/2.0 200\r\n",
        b"",
        b"\r\n\r\n",
    ] {
        world.inject(origin.clone(), noise);
    }
    world.run_ms(100);
    let counters = *world.stack.counters();
    assert_eq!(
        (counters.malformed_answered, counters.malformed_dropped),
        (1, 5)
    );
    let Some(Message::Response(answer)) = world.caller().received.first() else {
        panic!("no answer");
    };
    assert_eq!(answer.status, 400);
    assert_eq!(answer.headers.call_id(), Ok("broken"));
    assert!(world.has_event(EventKind::Malformed));
    world.assert_drained(1);
    let record = world.record();
    assert_eq!((record.status, record.code), (400, Some(32240)));
    assert_eq!(record.caller.sip_call_id, "broken");
    assert_eq!(record.caller.remote, Some(origin.remote));
    assert_eq!(
        (record.from.as_str(), record.to.as_str()),
        ("sip:x@y", "sip:a@b")
    );
    assert!(
        record.reason.starts_with("malformed message: "),
        "{}",
        record.reason
    );
}

#[test]
fn a_changed_configuration_is_followed_by_the_next_call_only() {
    let mut world = World::new(UDP, 8);
    world.establish();
    let mut trunks = config(UDP).trunks;
    trunks[CALLER].acl.clear();
    world.stack.reconfigure(trunks, config(UDP).routes);
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(200);
    assert_eq!(
        world.caller().statuses(&Method::Invite).last(),
        Some(&200),
        "the call that is up goes on"
    );
    let another = world.caller().new_invite("+201", true);
    world.tell(CALLER, |agent, now| agent.send_outside(now, another));
    world.run_ms(200);
    assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&403));
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(2);
}

/// One switch, either way, and no call that is up notices.
#[test]
fn sec_1_a_mode_that_is_switched_is_for_the_next_call_and_not_for_those_that_are_up() {
    let mut world = World::new(UDP, 10);
    world.establish();
    let next_call = |world: &mut World, mode: SecureMode| {
        let mut trunks = config(UDP).trunks;
        trunks[CALLER].mode = mode;
        world.stack.reconfigure(trunks, config(UDP).routes);
        world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(200);
        let answer = world.caller().response(&Method::Invite, 200);
        assert!(!answer.body.is_empty(), "the call that is up goes on");
        let another = world.caller().new_invite("+201", true);
        let call_id = another.headers.call_id().expect("Call-ID").to_owned();
        world.tell(CALLER, |agent, now| agent.send_outside(now, another));
        world.run_ms(200);
        let responses = world.caller().responses(&Method::Invite);
        let own = responses.iter();
        let mut own = own.filter(|response| response.headers.call_id() == Ok(&call_id));
        own.next_back().expect("a response").status.code()
    };
    assert_eq!(next_call(&mut world, SecureMode::Tls), 403);
    assert_eq!(next_call(&mut world, SecureMode::Srtp), 403);
    let told = |record: &&sip_core::stack::CallRecord| record.code == Some(32209);
    assert_eq!(world.records.iter().filter(told).count(), 2);
    // The callee is busy with the first call.
    assert_eq!(next_call(&mut world, SecureMode::Disabled), 481);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(4);
}

#[test]
fn sig_1_max_forwards_is_70_where_a_request_begins_and_one_less_where_it_goes_on() {
    let mut world = World::new(UDP, 11);
    world.callee().manners.invite = Some(200);
    let mut invite = world.caller().new_invite("+200", true);
    invite.headers.remove(HeaderName::MaxForwards);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(300);
    world.tell(CALLER, |agent, now| {
        agent.request(now, Method::Info, |info| {
            info.headers.set(HeaderName::MaxForwards, "9");
        });
    });
    world.run_ms(100);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(100);
    for (index, method, hops) in [
        (CALLEE, Method::Invite, 69),
        // Within a dialog of its own.
        (CALLEE, Method::Ack, 70),
        (CALLEE, Method::Info, 70),
        (CALLER, Method::Bye, 70),
    ] {
        let request = world.agents[index].request_received(&method);
        assert_eq!(request.headers.max_forwards(), Ok(Some(hops)), "{method}");
    }
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

#[test]
fn a_reinvite_with_another_body_is_415_with_its_code_and_the_call_goes_on() {
    let mut world = World::new(UDP, 9);
    world.establish();
    world.tell(CALLER, |agent, now| {
        agent.request(now, Method::Invite, |request| {
            request.headers.push(HeaderName::ContentType, "image/png");
            request.body = b"png".to_vec();
        });
    });
    world.run_ms(100);
    let refusal = world.caller().response(&Method::Invite, 415);
    assert_eq!(
        refusal.headers.value(HeaderName::Reason),
        Some(&b"X-Trunkline;cause=32245;text=\"media type not supported\""[..])
    );
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLEE, Agent::hang_up);
    world.assert_drained(1);
}
