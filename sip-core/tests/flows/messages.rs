//! MESSAGE outside any call (RFC 3428, SIG-2): it goes the way of a call, and its response comes back.

use std::time::Duration;

use sip_core::message::{HeaderName, Method, Request, Response};
use sip_core::stack::{EventKind, StackConfig};
use sip_core::transport::{Host, Transport};
use sip_core::trunk::{CallLimits, Hop, Origination, OriginationUri, TargetUri};

use crate::sim::{
    Agent, CALLEE, CALLER, Phase, SECOND, Wire, World, agent_address, config, target,
};

const UDP: [Wire; 3] = [Wire::Udp; 3];
const TEXT: &[u8] = b"Hello\0 \xff\r\n\r\nthere";

/// Two targets, one priority after the other.
fn two_targets(wires: [Wire; 3]) -> StackConfig {
    let mut config = config([wires[0], wires[1]]);
    let uris = [CALLEE, SECOND].map(|index| OriginationUri {
        priority: index as u16,
        ..Origination::to(target(index, wires[index])).uris.remove(0)
    });
    config.trunks[CALLEE].origination.uris = uris.to_vec();
    config
}

fn world(config: StackConfig) -> World {
    World::with_targets(&UDP, 81, config)
}

fn text(agent: &mut Agent) -> Request {
    let mut message = agent.new_invite("+200", false);
    message.method = Method::Message;
    let headers = &mut message.headers;
    headers.set(HeaderName::CSeq, "1 MESSAGE");
    headers.remove(HeaderName::Contact);
    headers.push(HeaderName::ContentType, "text/plain;charset=x");
    headers.push_named("X-Case", "a  b");
    headers.push(HeaderName::Subject, "greetings");
    headers.push(HeaderName::Organization, "inside");
    message.body = TEXT.to_vec();
    message
}

fn send(world: &mut World, edit: impl FnOnce(&mut Request)) {
    let mut message = text(world.caller());
    edit(&mut message);
    world.tell(CALLER, |agent, now| agent.send_outside(now, message));
    world.run_ms(200);
}

fn statuses(world: &World) -> Vec<u16> {
    world.agents[CALLER].statuses(&Method::Message)
}

fn came(world: &World, index: usize) -> Vec<&Request> {
    world.agents[index].requests(&Method::Message)
}

fn answer(world: &World) -> &Response {
    let answers = world.agents[CALLER].responses(&Method::Message);
    answers.into_iter().next_back().expect("an answer")
}

#[test]
fn sig_2_a_message_outside_a_call_passes_byte_for_byte_and_its_response_comes_back() {
    for wire in Wire::ALL {
        for far in Wire::ALL {
            let mut world = World::new([wire, far], 82);
            world.callee().manners.others = Some(202);
            world.callee().manners.others_extra = vec![("X-Reply", "1".to_owned())];
            send(&mut world, |_| {});
            let message = came(&world, CALLEE)[0].clone();
            assert_eq!(message.uri.user(), Some("+200"));
            let host = agent_address(CALLEE, far.transport()).ip().to_string();
            assert_eq!(message.uri.host().map(|host| host.to_string()), Some(host));
            assert_eq!(message.body, TEXT);
            let written = String::from_utf8_lossy(&message.to_bytes()).into_owned();
            for line in [
                "Content-Type: text/plain;charset=x\r\n",
                "X-Case: a  b\r\n",
                "Subject: greetings\r\n",
                "Max-Forwards: 69\r\n",
                "From: <sip:+100@203.0.113.1>;tag=",
            ] {
                assert!(written.contains(line), "{line} in {written}");
            }
            for hidden in ["Contact", "192.0.2.10", "inside"] {
                assert!(!written.contains(hidden), "{hidden} in {written}");
            }
            assert_eq!(statuses(&world), [202]);
            let reply: Vec<&[u8]> = answer(&world).headers.named("X-Reply").collect();
            assert_eq!(reply, [b"1"]);
            assert_eq!(world.stack.counters().texts_passed, 1);
            assert_eq!(world.stack.calls(), 0);
            world.assert_drained(0);
        }
    }
}

#[test]
fn trk_3_a_message_goes_to_the_next_target_where_a_call_would() {
    for status in [480, 500, 503] {
        let mut world = world(two_targets(UDP));
        world.callee().manners.others = Some(status);
        send(&mut world, |_| {});
        let call_id = |index| {
            let message = came(&world, index)[0];
            message.headers.call_id().expect("Call-ID").to_owned()
        };
        assert_ne!(call_id(CALLEE), call_id(SECOND));
        assert_eq!(statuses(&world), [200], "{status}");
        world.assert_drained(0);
    }
    for status in [404, 405, 486, 603] {
        let mut world = world(two_targets(UDP));
        world.callee().manners.others = Some(status);
        send(&mut world, |_| {});
        assert!(came(&world, SECOND).is_empty());
        assert_eq!(statuses(&world), [status]);
        world.assert_drained(0);
    }
    // Nobody answers there, or it cannot even be asked.
    let mut world = world(two_targets(UDP));
    world.dead[CALLEE] = true;
    send(&mut world, |_| {});
    world.run_ms(3_700);
    assert!(came(&world, SECOND).is_empty());
    world.run_ms(300);
    assert_eq!(statuses(&world), [200]);
    // What failed is asked last for a while.
    world.dead[CALLEE] = false;
    send(&mut world, |_| {});
    assert_eq!(came(&world, SECOND).len(), 2);
    world.assert_drained(0);
    let mut world = World::with_targets(&UDP, 83, two_targets(UDP));
    world.unreachable[CALLEE] = true;
    send(&mut world, |_| {});
    assert_eq!(statuses(&world), [200]);
    world.assert_drained(0);
}

/// It is refused with that status and code, and leaves an event and a record.
fn assert_refused(mut world: World, status: u16, code: u32, edit: impl FnOnce(&mut Request)) {
    send(&mut world, edit);
    world.run_for(Duration::from_secs(10));
    assert_eq!(statuses(&world), [status]);
    let reason = answer(&world).headers.value(HeaderName::Reason);
    let expected = format!("X-Trunkline;cause={code};");
    assert!(reason.expect("Reason").starts_with(expected.as_bytes()));
    let refused = |event: &&sip_core::stack::Event| event.kind == EventKind::MessageRefused;
    let event = world.events.iter().find(refused).expect("an event");
    assert_eq!(event.code, Some(code));
    world.assert_drained(1);
    let record = world.record();
    assert_eq!((record.status, record.code), (status, Some(code)));
    assert!(record.reason.starts_with("MESSAGE: "), "{}", record.reason);
}

#[test]
fn sig_2_a_message_that_goes_nowhere_leaves_its_code_an_event_and_a_record() {
    let with = |edit: fn(&mut StackConfig)| {
        let mut config = two_targets(UDP);
        edit(&mut config);
        world(config)
    };
    let any = || with(|_| {});
    let stranger = with(|config| config.trunks[CALLER].acl.clear());
    assert_refused(stranger, 403, 32201, |_| {});
    let secure = with(|config| config.trunks[CALLER].mode = Wire::Tls.mode());
    assert_refused(secure, 403, 32209, |_| {});
    let nowhere = with(|config| config.routes.clear());
    assert_refused(nowhere, 404, 32012, |_| {});
    let disabled = with(|config| {
        for uri in &mut config.trunks[CALLEE].origination.uris {
            uri.enabled = false;
        }
    });
    assert_refused(disabled, 503, 32011, |_| {});
    assert_refused(any(), 483, 32242, |message| {
        message.headers.set(HeaderName::MaxForwards, "0");
    });
    assert_refused(any(), 420, 32244, |message| {
        message.headers.push(HeaderName::Require, "foo");
    });
    assert_refused(any(), 416, 32246, |message| {
        message.uri = sip_core::message::Uri::parse(b"urn:a:b").expect("a URI");
    });
    let mut deaf = any();
    deaf.dead = vec![false, true, true];
    assert_refused(deaf, 503, 32011, |_| {});
    let mut asked = any();
    asked.callee().manners.others = Some(401);
    assert_refused(asked, 403, 32202, |_| {});
}

#[test]
fn trk_6_messages_count_for_the_rate_of_a_trunk_and_not_among_its_calls() {
    for index in [CALLER, CALLEE] {
        let mut config = two_targets(UDP);
        config.trunks[index].limits = CallLimits {
            per_second: Some(3),
            concurrent: Some(1),
            ..CallLimits::default()
        };
        config.max_calls = 1;
        let mut world = world(config);
        world.establish();
        for _ in 0..3 {
            send(&mut world, |_| {});
        }
        assert_eq!(statuses(&world), [200, 200, 200]);
        for _ in 0..4 {
            let message = text(world.caller());
            world.tell(CALLER, |agent, now| agent.send_outside(now, message));
        }
        world.run_ms(100);
        let refusal = world.caller().response(&Method::Message, 503);
        assert!(refusal.headers.contains(HeaderName::RetryAfter));
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        let refused = world.stack.counters().calls_refused;
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1 + refused as usize);
    }
}

#[test]
fn trk_4_a_message_finds_a_target_by_its_name() {
    let named = || {
        let mut config = two_targets(UDP);
        config.trunks[CALLEE].origination = Origination::to(TargetUri {
            host: Host::Name("pbx.example".to_owned()),
            port: None,
            transport: Some(Transport::Udp),
        });
        world(config)
    };
    let hop = |index| Hop {
        transport: Transport::Udp,
        address: agent_address(index, Transport::Udp),
    };
    let mut world = named();
    let hops = vec![hop(CALLEE), hop(SECOND)];
    world.names.insert("pbx.example".to_owned(), Some(hops));
    world.callee().manners.others = Some(503);
    send(&mut world, |_| {});
    assert_eq!(came(&world, SECOND)[0].uri.as_str(), "sip:+200@pbx.example");
    assert_eq!(statuses(&world), [200]);
    world.assert_drained(0);
    // It does not exist; nobody says where it is.
    assert_refused(named(), 503, 32011, |_| {});
    let mut world = named();
    world.names.insert("pbx.example".to_owned(), None);
    assert_refused(world, 503, 32011, |_| {});
}

#[test]
fn sig_2_a_shutdown_answers_messages_that_are_on_their_way() {
    let mut world = world(two_targets(UDP));
    world.dead[CALLEE] = true;
    send(&mut world, |_| {});
    world.shut_down();
    world.run_ms(100);
    assert_eq!(statuses(&world), [503]);
    send(&mut world, |_| {});
    assert_eq!(statuses(&world), [503, 503]);
    world.assert_drained(2);
    assert_eq!(world.records[0].code, Some(32016));
}

#[test]
fn sig_2_a_message_arrives_once_over_a_link_that_loses() {
    for seed in 0..30 {
        let mut world = World::new([Wire::Udp; 2], seed);
        world.link.loss_percent = 20;
        world.link.duplicate_percent = 20;
        send(&mut world, |_| {});
        world.run_for(Duration::from_secs(3));
        world.link = Default::default();
        world.run_for(Duration::from_secs(40));
        let mut call_ids: Vec<&str> = came(&world, CALLEE)
            .iter()
            .map(|message| message.headers.call_id().expect("Call-ID"))
            .collect();
        call_ids.dedup();
        assert_eq!(call_ids.len(), 1, "seed {seed}");
        assert!(statuses(&world).contains(&200), "seed {seed}");
        world.assert_drained(0);
    }
}
