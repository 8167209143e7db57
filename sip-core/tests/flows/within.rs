//! Requests within a dialog that pass from one side to the other: INFO and MESSAGE.

use sip_core::message::{HeaderName, Method};
use sip_core::stack::EndedBy;

use crate::sim::{Agent, CALLEE, CALLER, Phase, Wire, World};

fn up(wires: [Wire; 2]) -> World {
    World::up(wires, 51)
}

#[test]
fn sig_2_info_and_message_pass_both_ways_byte_for_byte() {
    let body: Vec<u8> = (0..=255).collect();
    for method in [Method::Info, Method::Message] {
        for from in [CALLER, CALLEE] {
            for wire in Wire::ALL {
                let mut world = up([wire, Wire::Udp]);
                let far_extra = ("X-Answer", "\"a\"  b".to_owned());
                world.agents[1 - from].manners.others_extra.push(far_extra);
                world.agents[1 - from].manners.others = Some(202);
                let sent = body.clone();
                world.tell(from, |agent, now| {
                    agent.request(now, method.clone(), |request| {
                        let headers = &mut request.headers;
                        headers.push_named("content-type", "application/x-thing;a=\"b;c\"");
                        headers.push_named("Info-package", "thing");
                        headers.push_named("x-Trace", "a  b;\tc");
                        headers.push_named("Subject", "hidden? no");
                        request.body = sent;
                    });
                });
                world.run_ms(200);
                let came = world.agents[1 - from].request_received(&method);
                assert_eq!(came.body, body);
                let text = String::from_utf8_lossy(&came.to_bytes()).into_owned();
                for line in [
                    "content-type: application/x-thing;a=\"b;c\"\r\n",
                    "Info-package: thing\r\n",
                    "x-Trace: a  b;\tc\r\n",
                    "Subject: hidden? no\r\n",
                ] {
                    assert!(text.contains(line), "{line} in {text}");
                }
                let answer = world.agents[from].response(&method, 202);
                assert_eq!(
                    answer.headers.named("X-Answer").next(),
                    Some(&b"\"a\"  b"[..])
                );
                world.tell(CALLER, Agent::hang_up);
                world.assert_drained(1);
            }
        }
    }
}

#[test]
fn sig_2_an_info_that_is_refused_changes_nothing() {
    for status in [405, 415, 469, 500] {
        let mut world = up([Wire::Udp, Wire::Udp]);
        world.callee().manners.others = Some(status);
        world.tell(CALLER, |agent, now| {
            agent.request(now, Method::Info, |_| {});
        });
        world.run_ms(200);
        assert_eq!(world.caller().statuses(&Method::Info), [status]);
        assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
        world.tell(CALLEE, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn sig_1_a_side_that_knows_no_such_dialog_any_more_ends_the_call() {
    let mut world = up([Wire::Udp, Wire::Udp]);
    world.callee().manners.others = Some(481);
    world.tell(CALLER, |agent, now| {
        agent.request(now, Method::Info, |_| {});
    });
    world.run_ms(300);
    assert_eq!(world.caller().statuses(&Method::Info), [481]);
    assert_eq!(world.caller().phase, Phase::Over(200));
    world.assert_drained(1);
    let record = world.record();
    assert_eq!(
        (record.code, record.ended_by),
        (Some(32017), EndedBy::Trunkline)
    );
}

#[test]
fn sig_2_an_info_that_nobody_has_answered_when_the_call_ends_is_487() {
    let mut world = up([Wire::Udp, Wire::Udp]);
    world.callee().manners.others = None;
    world.tell(CALLER, |agent, now| {
        agent.request(now, Method::Info, |_| {});
    });
    world.run_ms(200);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(200);
    assert_eq!(world.caller().statuses(&Method::Info), [487]);
    world.assert_drained(1);
}

#[test]
fn sig_2_info_in_an_early_dialog_passes_too() {
    let mut world = World::new([Wire::Udp, Wire::Udp], 52);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.tell(CALLEE, |callee, now| callee.respond(now, 183));
    world.run_ms(100);
    for from in [CALLER, CALLEE] {
        world.agents[from].make_early_dialog();
        world.tell(from, |agent, now| {
            agent.request(now, Method::Info, |info| {
                info.headers.push(HeaderName::ContentType, "text/plain");
                info.body = b"early".to_vec();
            });
        });
        world.run_ms(100);
        let came = world.agents[1 - from].request_received(&Method::Info);
        assert_eq!(came.body, b"early");
        assert_eq!(world.agents[from].statuses(&Method::Info), [200]);
    }
    world.tell(CALLEE, |callee, now| callee.respond(now, 200));
    world.run_ms(200);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(200);
    let bye = world.caller().request_received(&Method::Bye);
    assert_eq!(bye.headers.cseq().unwrap().number, 2, "after INFO");
    world.assert_drained(1);
}

#[test]
fn sig_1_a_flood_of_requests_that_nobody_answers_is_bounded() {
    let mut world = up([Wire::Udp, Wire::Udp]);
    world.callee().manners.others = None;
    for _ in 0..40 {
        world.tell(CALLER, |agent, now| {
            agent.request(now, Method::Info, |_| {});
        });
    }
    world.run_ms(200);
    assert_eq!(world.caller().statuses(&Method::Info), [500; 8]);
    world.tell(CALLEE, Agent::hang_up);
    world.assert_drained(1);
}
