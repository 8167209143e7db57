//! REFER that is refused, or passed to the far side with its NOTIFYs (SIG-7).

use sip_core::message::{HeaderName, Method, Request};
use sip_core::stack::EventKind;
use sip_core::trunk::refer::ReferMode;

use crate::sim::{Agent, CALLEE, CALLER, Phase, THIRD, Wire, World};
use crate::transfer::{UDP, blind, news, refer, transfers, up};

#[test]
fn sig_7_refer_is_refused_unless_the_trunk_allows_it() {
    for from in [CALLER, CALLEE] {
        let mut world = up(UDP, ReferMode::Off);
        blind(&mut world, from);
        let refusal = world.agents[from].response(&Method::Refer, 603);
        let reason = refusal.headers.value(HeaderName::Reason).expect("Reason");
        assert!(String::from_utf8_lossy(reason).contains("32218"));
        assert!(world.has_event(EventKind::TransferRefused));
        assert!(world.agents[1 - from].requests(&Method::Refer).is_empty());
        assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
    }
}

/// Whoever reads Allow knows whether REFER is worth a try, on each leg by its own trunk.
#[test]
fn sig_7_allow_names_refer_only_where_the_trunk_takes_it() {
    for modes in [
        [ReferMode::Off, ReferMode::Pass],
        [ReferMode::Local, ReferMode::Off],
    ] {
        let mut config = transfers(UDP, ReferMode::Off);
        for (trunk, mode) in config.trunks.iter_mut().zip(modes) {
            trunk.refer = mode;
        }
        let mut world = World::with_targets(&UDP, 74, config);
        world.callee().manners.invite = Some(200);
        world.tell(CALLER, Agent::invite);
        world.run_ms(500);
        for from in [CALLER, CALLEE] {
            world.tell(from, |agent, now| agent.reinvite(now, "sendonly"));
            world.run_ms(300);
        }
        for (index, mode) in modes.into_iter().enumerate() {
            let received = world.agents[index].received.iter();
            let allows: Vec<String> = received
                .filter_map(|message| message.headers().value(HeaderName::Allow))
                .map(|allow| String::from_utf8_lossy(allow).into_owned())
                .collect();
            assert!(allows.len() >= 2, "INVITE and 200: {allows:?}");
            for allow in allows {
                let names_it = allow.split(", ").any(|method| method == "REFER");
                assert_eq!(names_it, mode != ReferMode::Off, "{index}: {allow}");
            }
        }
        world.tell(CALLER, Agent::hang_up);
        world.assert_drained(1);
    }
}

#[test]
fn sig_7_refer_outside_a_call_is_refused() {
    let mut world = up(UDP, ReferMode::Local);
    let mut request = world.agents[THIRD].new_invite("+200", false);
    request.headers.set(HeaderName::CSeq, "1 REFER");
    request.method = Method::Refer;
    world.tell(THIRD, |agent, now| agent.send_outside(now, request));
    world.run_ms(100);
    assert_eq!(world.agents[THIRD].statuses(&Method::Refer), [603]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_7_refer_passes_to_the_far_side_and_its_notifies_come_back() {
    for from in [CALLER, CALLEE] {
        let wires = [Wire::Srtp, Wire::Udp, Wire::Udp, Wire::Udp];
        let mut world = up(wires, ReferMode::Pass);
        let far = 1 - from;
        world.agents[far].manners.others = Some(202);
        refer(&mut world, from, "<sip:+300@h?Replaces=a%3Bto-tag%3D1>");
        let came = world.agents[far].request_received(&Method::Refer);
        let text = String::from_utf8_lossy(&came.to_bytes()).into_owned();
        for line in [
            "Refer-To: <sip:+300@h?Replaces=a%3Bto-tag%3D1>\r\n",
            "Referred-by: <sip:agent@198.51.100.20>;x=\"a  b\"\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(came.headers.contains(HeaderName::Contact));
        assert_eq!(world.agents[from].statuses(&Method::Refer), [202]);
        world.tell(far, |agent, now| {
            agent.request(now, Method::Notify, |notify| {
                let headers = &mut notify.headers;
                headers.push(HeaderName::Event, "refer");
                headers.push(HeaderName::SubscriptionState, "active;expires=60");
                headers.push(HeaderName::ContentType, "message/sipfrag;version=2.0");
                notify.body = b"SIP/2.0 100 Trying\r\n".to_vec();
            });
        });
        world.run_ms(200);
        assert_eq!(news(&world, from), ["SIP/2.0 100 Trying active"]);
        assert_eq!(world.agents[far].statuses(&Method::Notify), [200]);
        world.tell(from, Agent::hang_up);
        world.assert_drained(1);
    }
}

/// RFC 3515 section 2.4.6: a subscription is named by the CSeq number of its REFER, which is another
/// one on each leg.
#[test]
fn sig_7_notifies_of_several_refers_passed_name_them_as_their_sender_does() {
    let mut world = up(UDP, ReferMode::Pass);
    // From here on the numbers differ.
    world.tell(CALLER, |agent, now| {
        for _ in 0..3 {
            agent.request(now, Method::Options, |_| {});
        }
    });
    world.run_ms(100);
    world.callee().manners.others = Some(202);
    for _ in 0..2 {
        blind(&mut world, CALLER);
    }
    let sequence = |request: &Request| request.headers.cseq().expect("CSeq").number;
    let came = world.callee().requests(&Method::Refer);
    let came: Vec<u32> = came.into_iter().map(sequence).collect();
    let dialog = world.caller().dialog.as_ref().expect("a dialog");
    let last = dialog.local_sequence();
    assert_ne!(came[1], last);
    for (event, expected) in [
        ("refer".to_owned(), Ok("refer".to_owned())),
        (
            format!("refer ;x=\"a;id=1\"; id={};y", came[1]),
            Ok(format!("refer ;x=\"a;id=1\";id={last};y")),
        ),
        (
            format!("REFER;id={}", came[0]),
            Ok(format!("REFER;id={}", last - 1)),
        ),
        (format!("refer;id={}", came[1] + 1), Err(481)),
        ("refer;id=x".to_owned(), Err(481)),
        ("presence".to_owned(), Err(481)),
    ] {
        let before = world.caller().requests(&Method::Notify).len();
        world.tell(CALLEE, |agent, now| {
            agent.request(now, Method::Notify, |notify| {
                let headers = &mut notify.headers;
                headers.push(HeaderName::Event, event.clone());
                headers.push(HeaderName::SubscriptionState, "active;expires=60");
            });
        });
        world.run_ms(200);
        let status = *world
            .callee()
            .statuses(&Method::Notify)
            .last()
            .expect("one");
        let notifies = world.caller().requests(&Method::Notify);
        let told = notifies.get(before).map(|notify| {
            let event = notify.headers.value(HeaderName::Event).expect("Event");
            String::from_utf8_lossy(event).into_owned()
        });
        assert_eq!(told.ok_or(status), expected, "{event}");
    }
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

#[test]
fn sig_7_a_notify_that_nobody_asked_for_is_481() {
    let mut world = up(UDP, ReferMode::Pass);
    world.tell(CALLEE, |agent, now| {
        agent.request(now, Method::Notify, |_| {});
    });
    world.run_ms(100);
    assert_eq!(world.callee().statuses(&Method::Notify), [481]);
    assert_eq!(world.phases()[..2], [Phase::Up, Phase::Up]);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}
