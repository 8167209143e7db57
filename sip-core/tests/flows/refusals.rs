//! Who is refused, and how: status, code, headers, event and record.

use std::time::Duration;

use sip_core::message::{HeaderName, Message, Method, Request};
use sip_core::stack::{EventKind, StackConfig};
use sip_core::transport::{Origin, Transport};
use sip_core::trunk::{Origination, Route, TargetUri, TrunkId};

use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World, config, trunk};

/// An INVITE changed by `edit` is refused with that status and code, and it leaves its traces.
pub(crate) fn assert_refused(
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

pub(crate) fn world_with(wires: [Wire; 2], edit: impl FnOnce(&mut StackConfig)) -> World {
    let mut config = config(wires);
    edit(&mut config);
    World::with_config(wires, 1, config)
}

pub(crate) const UDP: [Wire; 2] = [Wire::Udp, Wire::Udp];

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
fn trk_3_where_no_target_is_enabled_the_number_is_not_unknown_but_the_service_is_unavailable() {
    let disabled = world_with(UDP, |config| {
        config.trunks[CALLEE].origination.uris[0].enabled = false;
    });
    let mut world = assert_refused(disabled, 503, 32011, |_| {});
    assert_eq!(world.record().reason, "all targets failed: none is enabled");
    assert!(world.callee().received.is_empty());
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
