//! SIG-6: what crosses, and that nothing else of one side does.

use regex::bytes::Regex;
use sip_core::message::{HeaderName, Method};
use sip_core::stack::StackConfig;
use sip_core::trunk::{HeaderKey, HeaderRule, RuleAction, RuleDirection, RuleMessages};

use crate::sim::{Agent, CALLEE, CALLER, MEDIA_ADDRESS, Phase, Wire, World, config};

const UDP: [Wire; 2] = [Wire::Udp, Wire::Udp];

fn world_with(edit: impl FnOnce(&mut StackConfig)) -> World {
    let mut config = config(UDP);
    edit(&mut config);
    World::with_config(UDP, 1, config)
}

/// What a peer may say of its network, in headers that do not cross.
const INSIDE_HEADERS: &[(&str, &str)] = &[
    ("Call-Info", "<http://inside.example/card>;purpose=card"),
    ("Error-Info", "<sip:announcement@10.11.12.13>"),
    ("Reply-To", "<sip:a@inside.example>"),
    ("Organization", "inside.example"),
    ("User-Agent", "PBX at 10.11.12.13"),
    ("Server", "PBX at 10.11.12.13"),
    ("Warning", "399 inside.example \"at 10.11.12.13\""),
    ("Path", "<sip:10.11.12.13;lr>"),
    ("Service-Route", "<sip:10.11.12.13;lr>"),
    ("In-Reply-To", "1@inside.example"),
    ("P-Charging-Vector", "icid-value=1;orig-ioi=inside.example"),
    ("P-Access-Network-Info", "x;at=inside.example"),
    ("P-Preferred-Identity", "<sip:a@inside.example>"),
    ("P-Asserted-Identity", "<sip:a@inside.example>"),
    ("Remote-Party-ID", "<sip:a@10.11.12.13>"),
    ("Geolocation", "<cid:a@inside.example>"),
    ("Identity", "x;info=<https://inside.example/cert>"),
    ("Session-ID", "inside.example"),
    ("Subject", "inside.example"),
    ("Accept-Contact", "*;sip.instance=\"inside.example\""),
    ("Supported", "inside.example"),
    ("Timestamp", "10.11"),
    ("Anything-Else", "10.11.12.13"),
];

/// And in SDP.
const INSIDE_LINES: &str = "a=candidate:1 1 UDP 1 10.11.12.13 4000 typ host\r\n\
    a=rtcp:4001 IN IP4 10.11.12.13\r\n\
    a=source-filter: incl IN IP4 * 10.11.12.13\r\n\
    a=altc:1 IP4 10.11.12.13 4000\r\n\
    a=alt:1 1 : x y 10.11.12.13 4000\r\n\
    a=path:msrp://10.11.12.13:2855/x;tcp\r\n";

fn assert_hidden(world: &World) {
    let inside = [
        "10.11.12.13",
        "inside.example",
        "192.0.2.10",
        "198.51.100.20",
    ];
    for index in [CALLER, CALLEE] {
        let own = world.agents[index].address.ip().to_string();
        for message in &world.agents[index].received {
            let text = String::from_utf8_lossy(&message.to_bytes()).into_owned();
            // What came from the peer itself goes back to it: Via, Record-Route, From.
            let told_us = |line: &&str| {
                let name = line.split(':').next().unwrap_or_default();
                ["Via", "Record-Route", "From", "To", "Timestamp"].contains(&name)
                    && text.starts_with("SIP/2.0")
            };
            for line in text.lines().filter(|line| !told_us(line)) {
                for host in inside {
                    let is_own = host == own;
                    assert!(is_own || !line.contains(host), "{host} in {line}");
                }
            }
        }
    }
}

#[test]
fn sig_6_no_host_or_address_of_one_side_reaches_the_other() {
    let mut world = World::new(UDP, 1);
    for agent in &mut world.agents {
        agent.manners.extra = INSIDE_HEADERS
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
    }
    let mut invite = world.caller().new_invite("+200", true);
    invite.body.extend_from_slice(INSIDE_LINES.as_bytes());
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(100);
    for status in [183, 200] {
        world.tell(CALLEE, |agent, now| {
            agent.respond_edited(now, status, |response| {
                response.body.extend_from_slice(INSIDE_LINES.as_bytes());
            });
        });
        world.run_ms(100);
    }
    for index in [CALLER, CALLEE] {
        world.tell(index, |agent, now| agent.reinvite(now, "sendonly"));
        world.run_ms(200);
    }
    world.tell(CALLEE, Agent::hang_up);
    world.run_ms(200);
    assert!(world.callee().requests(&Method::Invite).len() > 1);
    assert!(!world.caller().requests(&Method::Bye).is_empty());
    assert_hidden(&world);
}

#[test]
fn sig_6_a_refusal_of_the_far_side_hides_as_much() {
    let mut world = World::new(UDP, 1);
    world.callee().manners.extra = INSIDE_HEADERS
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    world.callee().manners.invite = Some(486);
    world.tell(CALLER, Agent::invite);
    world.run_ms(200);
    assert_eq!(world.caller().statuses(&Method::Invite).last(), Some(&486));
    assert_hidden(&world);
}

/// Each direction has rules of its own, and a trunk's rules are for that trunk alone.
#[test]
fn sig_6_header_rules_act_on_requests_and_responses_in_both_directions() {
    let rule = |direction, messages, header: &str, action| HeaderRule {
        direction,
        messages,
        header: HeaderKey::parse(header).unwrap(),
        action,
    };
    let mut world = world_with(|config| {
        config.trunks[CALLEE].headers.rules = vec![
            rule(
                RuleDirection::Out,
                RuleMessages::Requests,
                "X-Account",
                RuleAction::Add("42".to_owned()),
            ),
            rule(
                RuleDirection::Out,
                RuleMessages::All,
                "Diversion",
                RuleAction::Replace {
                    pattern: Regex::new("@10[.][0-9.]+").unwrap(),
                    with: "@edge.example.com".to_owned(),
                },
            ),
            rule(
                RuleDirection::In,
                RuleMessages::Responses,
                "X-Internal",
                RuleAction::Remove,
            ),
        ];
    });
    world.caller().manners.extra = vec![
        ("Diversion", "<sip:+3@10.0.0.7>;reason=busy".to_owned()),
        ("X-Internal", "1".to_owned()),
    ];
    world.callee().manners.extra = vec![
        ("Diversion", "<sip:+3@10.0.0.7>;reason=busy".to_owned()),
        ("X-Internal", "1".to_owned()),
        ("X-Kept", "1".to_owned()),
    ];
    world.establish();
    let invite = &world
        .callee()
        .request_received(&Method::Invite)
        .headers
        .clone();
    assert_eq!(invite.named("X-Account").next(), Some(&b"42"[..]));
    assert_eq!(invite.named("X-Internal").next(), Some(&b"1"[..]));
    assert_eq!(
        invite.value(HeaderName::Diversion),
        Some(&b"<sip:+3@edge.example.com>;reason=busy"[..])
    );
    let answer = &world.caller().response(&Method::Invite, 200).headers;
    assert_eq!(answer.named("X-Account").next(), None);
    assert_eq!(answer.named("X-Internal").next(), None);
    assert_eq!(answer.named("X-Kept").next(), Some(&b"1"[..]));
    assert_eq!(
        answer.value(HeaderName::Diversion),
        Some(&b"<sip:+3@10.0.0.7>;reason=busy"[..]),
        "the rule is for the way out of that trunk"
    );
}

#[test]
fn sig_6_an_identity_that_nobody_vouches_for_does_not_cross() {
    for (trusted, crosses) in [(true, true), (false, false)] {
        let mut world = world_with(|config| config.trunks[CALLER].headers.trusted = trusted);
        world.caller().manners.extra = vec![(
            "P-Asserted-Identity",
            "<sip:+15550100@carrier.example>".to_owned(),
        )];
        world.establish();
        let invite = world.callee().request_received(&Method::Invite);
        assert_eq!(
            invite.headers.contains(HeaderName::PAssertedIdentity),
            crosses
        );
    }
}

/// RFC 5621: a location or an ISUP message beside the SDP is no reason to refuse a call.
#[test]
fn sig_8_the_sdp_of_a_multipart_body_makes_the_call_and_the_other_parts_pass() {
    let mut world = World::new(UDP, 1);
    let isup = "--next\r\nContent-Type: application/isup;version=x\r\n\
                content-disposition:  signal;handling=optional\r\n\r\n\u{1}\u{0}\u{7f}\r\n";
    let multipart = |sdp: &[u8]| {
        let start = "--next\r\nContent-Type: application/sdp\r\n\r\n";
        let hidden = "--next\r\nContent-Type: application/sdp\r\n\r\nc=IN IP4 inside.example\r\n";
        let end = format!("\r\n{hidden}--next--\r\n");
        [isup.as_bytes(), start.as_bytes(), sdp, end.as_bytes()].concat()
    };
    let kind = "multipart/mixed;boundary=next";
    let mut invite = world.caller().new_invite("+200", true);
    invite.headers.set(HeaderName::ContentType, kind);
    invite.headers.push(HeaderName::MimeVersion, "1.0");
    invite.body = multipart(&invite.body);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(100);
    let offer = world.callee().request_received(&Method::Invite).clone();
    world.tell(CALLEE, |agent, now| {
        agent.respond_edited(now, 200, |answer| {
            answer.headers.set(HeaderName::ContentType, kind);
            answer.headers.push(HeaderName::MimeVersion, "1.0");
            answer.body = multipart(&answer.body);
        });
    });
    world.run_ms(200);
    assert_eq!(world.phases(), [Phase::Up, Phase::Up]);
    let answer = world.caller().response(&Method::Invite, 200).clone();
    for (headers, body) in [
        (&offer.headers, &offer.body),
        (&answer.headers, &answer.body),
    ] {
        let value = |name| String::from_utf8_lossy(headers.value(name).unwrap()).into_owned();
        assert_eq!(value(HeaderName::ContentType), kind);
        assert_eq!(value(HeaderName::MimeVersion), "1.0");
        let text = String::from_utf8_lossy(body).into_owned();
        assert!(text.starts_with(isup), "{text}");
        assert!(text.contains(&MEDIA_ADDRESS.to_string()), "{text}");
        assert_eq!(text.matches("--next").count(), 3, "{text}");
    }
    assert_hidden(&world);
    world.tell(CALLER, Agent::hang_up);
    world.assert_drained(1);
}

/// Nothing of it is SDP: it goes on as it came, with a late offer and with responses, too.
#[test]
fn sig_8_a_body_of_another_type_passes_and_sdp_in_a_refusal_does_not() {
    let mut world = World::new(UDP, 2);
    let mut invite = world.caller().new_invite("+200", false);
    let headers = &mut invite.headers;
    headers.push(HeaderName::ContentType, "application/isup");
    headers.push(HeaderName::ContentDisposition, "signal;handling=optional");
    invite.body = b"\x01\0".to_vec();
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world.run_ms(100);
    let passed = world.callee().request_received(&Method::Invite).clone();
    assert_eq!(passed.body, b"\x01\0");
    assert_eq!(
        passed.headers.value(HeaderName::ContentDisposition),
        Some(&b"signal;handling=optional"[..])
    );
    for (status, kind, body) in [
        (180, "application/isup", "ringing"),
        (486, "application/sdp", "c=IN IP4 inside.example"),
    ] {
        world.tell(CALLEE, |agent, now| {
            agent.respond_edited(now, status, |response| {
                response.headers.set(HeaderName::ContentType, kind);
                response.body = body.into();
            });
        });
        world.run_ms(100);
    }
    let response = |status| world.agents[CALLER].response(&Method::Invite, status);
    assert_eq!(response(180).body, b"ringing");
    assert!(response(486).body.is_empty());
    assert_hidden(&world);
    world.assert_drained(1);
}

#[test]
fn trk_8_sdp_on_both_legs_names_the_advertised_media_address() {
    let mut world = world_with(|config| {
        for (index, trunk) in config.trunks.iter_mut().enumerate() {
            trunk.advertised_media.ipv4 = Some([192, 0, 2, 200 + index as u8].into());
        }
    });
    world.establish();
    for (index, outer) in ["192.0.2.200", "192.0.2.201"].iter().enumerate() {
        let sdp = String::from_utf8(world.agents[index].remote_sdp.clone()).unwrap();
        assert!(sdp.contains(&format!("c=IN IP4 {outer}\r\n")), "{sdp}");
        assert!(!sdp.contains(&MEDIA_ADDRESS.to_string()), "{sdp}");
    }
    let session = world.sessions.values().next().expect("a session");
    for leg in &session.streams[0].legs {
        assert_eq!(leg.local.address, MEDIA_ADDRESS);
    }
}
