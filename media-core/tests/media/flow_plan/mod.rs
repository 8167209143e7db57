//! From sessions to flows.

mod keys;
mod keystream;
mod latch;
mod random;

use std::net::{IpAddr, SocketAddr};

use media_common::flow::{
    ACTION_FORWARD, ACTION_WORKER, DSCP_KEEP, FLAG_CHECK_SOURCE, FLAG_RTCP, FLAG_RTCP_MUX,
    NO_TELEPHONE_EVENT, ip_to_mapped,
};
use media_core::flow_plan::{Action, CallMedia, PlannedFlow};
use media_core::quality::Codec;
use media_core::relay::{Carries, Source, Transform};
use media_core::session::{
    CallId, LocalMedia, RemoteMedia, Security, Session, Side, SourceRule, Stream, StreamLeg,
};
use media_core::srtp::profile::Suite;
use proptest::prelude::*;

use crate::common::{at, key};

const CALLER: &str = "192.0.2.10:4000";
const CALLER_RTCP: &str = "192.0.2.10:4001";
const CALLEE: &str = "198.51.100.7:5004";
const CALLEE_RTCP: &str = "198.51.100.7:5005";

fn leg(local: &str, rtp_port: u16, remote: &str) -> StreamLeg {
    let rtp = at(remote);
    StreamLeg {
        local: LocalMedia {
            address: local.parse().unwrap(),
            rtp_port,
            rtcp_port: rtp_port + 1,
        },
        remote: Some(RemoteMedia {
            rtp,
            rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1),
        }),
        rtcp_mux: false,
        sdp_version: 1,
        security: Security::Plain,
        source: SourceRule::Strict,
        payload_types: 1,
        telephone_event: None,
        codec: Codec::named("PCMU", 8000),
        max_packet_rate: 0,
        dscp: None,
    }
}

/// Both legs plain, strict, IPv4, without mux.
fn plain() -> Session {
    let legs = [
        leg("10.0.0.1", 30_000, CALLER),
        leg("10.0.1.1", 40_000, CALLEE),
    ];
    Session {
        call: CallId(1),
        streams: vec![Stream {
            legs,
            on_hold: false,
            is_raw: false,
        }],
    }
}

fn with(change: impl FnOnce(&mut [StreamLeg; 2])) -> Session {
    let mut session = plain();
    change(&mut session.streams[0].legs);
    session
}

fn srtp(receive: u8, send: u8) -> Security {
    Security::Srtp {
        receive: key(receive),
        send: key(send),
    }
}

fn latch() -> SourceRule {
    SourceRule::Latch { allowed: vec![] }
}

fn flow(media: &CallMedia, local: &str) -> PlannedFlow {
    media
        .flows()
        .into_iter()
        .find(|flow| flow.local == at(local))
        .unwrap()
}

fn to(flow: &PlannedFlow) -> Option<SocketAddr> {
    flow.config
        .carries
        .rtp()
        .or(flow.config.carries.rtcp())
        .unwrap()
        .to
}

#[test]
fn a_plain_call_is_forwarded_by_the_kernel() {
    let media = CallMedia::new(with(|[caller, callee]| {
        caller.payload_types = 1 | 1 << 101 | 1 << 127;
        caller.telephone_event = Some(101);
        callee.dscp = Some(46);
    }));
    let flows = media.flows();
    let locals: Vec<_> = flows.iter().map(|flow| (flow.side, flow.local)).collect();
    assert_eq!(
        locals,
        [
            (Side::Caller, at("10.0.0.1:30000")),
            (Side::Caller, at("10.0.0.1:30001")),
            (Side::Callee, at("10.0.1.1:40000")),
            (Side::Callee, at("10.0.1.1:40001")),
        ]
    );
    assert!(flows.iter().all(|flow| flow.action == Action::Forward));

    assert_eq!(flows[0].exit(), Some((at("10.0.1.1:40000"), at(CALLEE))));
    let entry = flows[0].entry(3, 9);
    assert_eq!(
        (entry.action, entry.flags),
        (ACTION_FORWARD, FLAG_CHECK_SOURCE)
    );
    assert_eq!(
        (
            entry.local_address,
            entry.next_hop,
            entry.dscp,
            entry.telephone_event
        ),
        (3, 9, 46, 101)
    );
    assert_eq!(entry.expected_address, ip_to_mapped(at(CALLER).ip()));
    assert_eq!(u16::from_be_bytes(entry.expected_port), 4000);
    assert_eq!(entry.remote_address, ip_to_mapped(at(CALLEE).ip()));
    assert_eq!(u16::from_be_bytes(entry.remote_port), 5004);
    assert_eq!(u16::from_be_bytes(entry.local_port), 40_000);
    assert_eq!(entry.payload_types, [1, 0, 0, 1 << 5 | 1 << 31]);

    assert_eq!(
        flows[1].exit(),
        Some((at("10.0.1.1:40001"), at(CALLEE_RTCP)))
    );
    assert_eq!(flows[1].entry(0, 0).flags, FLAG_CHECK_SOURCE | FLAG_RTCP);
    assert_eq!(flows[2].exit(), Some((at("10.0.0.1:30000"), at(CALLER))));
    let back = flows[2].entry(0, 0);
    assert_eq!(
        (back.dscp, back.telephone_event),
        (DSCP_KEEP, NO_TELEPHONE_EVENT)
    );
    assert_eq!(
        flows[3].exit(),
        Some((at("10.0.0.1:30001"), at(CALLER_RTCP)))
    );
}

#[test]
fn what_the_kernel_may_forward() {
    let suite = Suite::AesCm128HmacSha1_80;
    let passthrough = || Security::Passthrough { suite };
    let other = || Security::Passthrough {
        suite: Suite::AesCm128HmacSha1_32,
    };
    let cases: [(&str, Session, [Action; 2]); 14] = {
        use Action::{Forward, Worker};
        [
            ("plain", plain(), [Forward; 2]),
            (
                "passed through",
                with(|legs| legs.iter_mut().for_each(|leg| leg.security = passthrough())),
                [Forward; 2],
            ),
            (
                "two suites passed through",
                with(|[a, b]| (a.security, b.security) = (passthrough(), other())),
                [Worker; 2],
            ),
            (
                "passed through to plain",
                with(|[a, _]| a.security = passthrough()),
                [Worker; 2],
            ),
            (
                "passed through to SRTP",
                with(|[a, b]| (a.security, b.security) = (passthrough(), srtp(1, 2))),
                [Worker; 2],
            ),
            (
                "SRTP to plain",
                with(|[a, _]| a.security = srtp(1, 2)),
                [Worker; 2],
            ),
            (
                "SRTP to SRTP",
                with(|[a, b]| (a.security, b.security) = (srtp(1, 2), srtp(3, 4))),
                [Worker; 2],
            ),
            (
                "keys pending",
                with(|[_, b]| b.security = Security::Pending),
                [Worker; 2],
            ),
            (
                "IPv4 to IPv6",
                with(|[_, b]| *b = leg("2001:db8::1", 40_000, "[2001:db8::7]:5004")),
                [Forward; 2],
            ),
            (
                "mux on both",
                with(|legs| legs.iter_mut().for_each(|leg| leg.rtcp_mux = true)),
                [Forward; 2],
            ),
            ("mux on one", with(|[a, _]| a.rtcp_mux = true), [Worker; 2]),
            (
                "callee not known",
                with(|[_, b]| b.remote = None),
                [Worker; 2],
            ),
            (
                "caller to latch",
                with(|[a, _]| a.source = latch()),
                [Worker, Forward],
            ),
            (
                "both to latch",
                with(|[a, b]| (a.source, b.source) = (latch(), latch())),
                [Worker; 2],
            ),
        ]
    };
    for (what, session, expected) in cases {
        let media = CallMedia::new(session);
        for (side, expected) in [Side::Caller, Side::Callee].into_iter().zip(expected) {
            for flow in media.flows().iter().filter(|flow| flow.side == side) {
                assert_eq!(flow.action, expected, "{what}: {side:?} {}", flow.local);
                let is_forward = flow.entry(0, 0).action == ACTION_FORWARD;
                assert_eq!(is_forward, expected == Action::Forward, "{what}");
                assert_eq!(flow.exit().is_some(), is_forward, "{what}");
            }
        }
    }
}

#[test]
fn an_entry_of_the_worker_checks_but_does_not_say_where_to() {
    let media = CallMedia::new(with(|[caller, _]| caller.security = srtp(1, 2)));
    let entry = flow(&media, "10.0.0.1:30000").entry(3, 9);
    assert_eq!(
        (entry.action, entry.flags),
        (ACTION_WORKER, FLAG_CHECK_SOURCE)
    );
    assert_eq!(entry.payload_types, [1, 0, 0, 0]);
    assert_eq!(entry.expected_address, ip_to_mapped(at(CALLER).ip()));
    assert_eq!(
        (entry.remote_address, entry.remote_port, entry.local_port),
        ([0; 16], [0; 2], [0; 2])
    );
    assert_eq!((entry.local_address, entry.next_hop), (0, 0));
    let media = CallMedia::new(with(|[caller, _]| {
        caller.source = latch();
        caller.rtcp_mux = true;
    }));
    assert_eq!(
        flow(&media, "10.0.0.1:30000").entry(0, 0).flags,
        FLAG_RTCP_MUX,
        "any source may latch"
    );
}

#[test]
fn the_keys_of_both_legs_make_the_transform() {
    let suite = Suite::AesCm128HmacSha1_80;
    let (decrypt, encrypt) = (
        Transform::Decrypt { receive: key(1) },
        Transform::Encrypt { send: key(2) },
    );
    let cases = [
        (
            Security::Plain,
            Security::Plain,
            Transform::Copy,
            Transform::Copy,
        ),
        (srtp(1, 2), Security::Plain, decrypt, encrypt),
        (
            srtp(1, 2),
            srtp(3, 4),
            Transform::Reencrypt {
                receive: key(1),
                send: key(4),
            },
            Transform::Reencrypt {
                receive: key(3),
                send: key(2),
            },
        ),
        (
            srtp(1, 2),
            Security::Pending,
            Transform::Blocked,
            Transform::Blocked,
        ),
        (
            Security::Plain,
            Security::Pending,
            Transform::Blocked,
            Transform::Blocked,
        ),
        (
            Security::Plain,
            Security::Passthrough { suite },
            Transform::Blocked,
            Transform::Blocked,
        ),
    ];
    for (caller, callee, there, back) in cases {
        let what = format!("{caller:?} {callee:?}");
        let media = CallMedia::new(with(|legs| {
            legs[0].security = caller;
            legs[1].security = callee;
        }));
        let flows = media.flows();
        for flow in flows {
            let expected = if flow.side == Side::Caller {
                &there
            } else {
                &back
            };
            assert_eq!(&flow.config.transform, expected, "{what}");
        }
    }
}

#[test]
fn where_one_leg_multiplexes_rtcp_leaves_by_the_port_of_its_own() {
    let media = CallMedia::new(with(|[caller, _]| caller.rtcp_mux = true));
    let locals: Vec<_> = media.flows().iter().map(|flow| flow.local).collect();
    assert_eq!(
        locals,
        [
            at("10.0.0.1:30000"),
            at("10.0.1.1:40000"),
            at("10.0.1.1:40001")
        ]
    );
    match flow(&media, "10.0.0.1:30000").config.carries {
        Carries::Both { rtp, rtcp } => {
            assert_eq!((rtp.from, rtp.to), (at("10.0.1.1:40000"), Some(at(CALLEE))));
            assert_eq!(
                (rtcp.from, rtcp.to),
                (at("10.0.1.1:40001"), Some(at(CALLEE_RTCP)))
            );
        }
        other => panic!("{other:?}"),
    }
    match flow(&media, "10.0.1.1:40001").config.carries {
        Carries::Rtcp(route) => {
            assert_eq!(
                (route.from, route.to),
                (at("10.0.0.1:30000"), Some(at(CALLER)))
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn streams_come_and_go() {
    let mut media = CallMedia::new(plain());
    let mut two = plain();
    let mut second = two.streams[0].clone();
    for leg in &mut second.legs {
        leg.local.rtp_port += 2;
        leg.local.rtcp_port += 2;
    }
    two.streams.push(second);
    media.update(two);
    assert_eq!(media.flows().len(), 8);
    assert_eq!(flow(&media, "10.0.0.1:30002").stream, 1);
    media.update(plain());
    assert_eq!(media.flows().len(), 4);
}
