//! One flow: checks in their order, latching, what keys and configurations keep.

mod counting;
mod latch;
mod together;

use std::net::SocketAddr;

use crate::common::{at, key, rtcp, rtp};
use media_common::counters::DropReason;
use media_core::relay::{Carries, Flow, FlowConfig, Outcome, Route, Source, Transform};
use media_core::srtp::key::MasterKey;
use media_core::srtp::{MAX_TRAILER, SrtcpReceiver, SrtcpSender, SrtpReceiver, SrtpSender};

/// When every packet arrives.
const NOW_NS: u64 = 5_000_000_000;
const PEER: &str = "192.0.2.10:4000";

fn route() -> Route {
    Route {
        from: at("10.0.0.1:30000"),
        to: Some(at("198.51.100.7:5004")),
    }
}

fn config(transform: Transform) -> FlowConfig {
    FlowConfig {
        carries: Carries::Both {
            rtp: route(),
            rtcp: route(),
        },
        source: Source::Exactly(at(PEER)),
        payload_types: 1 | 1 << 8 | 1 << 101,
        telephone_event: Some(101),
        clock_khz: 8,
        max_packet_rate: 0,
        transform,
        dscp: Some(46),
        generation: 0,
    }
}

fn latching(transform: Transform, allowed: &[(&str, u8)]) -> FlowConfig {
    let allowed = allowed
        .iter()
        .map(|(address, prefix)| (address.parse().unwrap(), *prefix))
        .collect();
    FlowConfig {
        source: Source::Latch {
            allowed,
            latched: None,
        },
        ..config(transform)
    }
}

fn relay(
    flow: &mut Flow,
    source: &str,
    packet: &[u8],
) -> Result<(Vec<u8>, Option<SocketAddr>), DropReason> {
    let mut out = vec![0; packet.len() + MAX_TRAILER];
    match flow.relay(NOW_NS, at(source), packet, &mut out) {
        Outcome::Forward {
            len,
            from,
            to,
            dscp,
            latched,
            ..
        } => {
            assert_eq!((from, Some(to), dscp), (route().from, route().to, Some(46)));
            out.truncate(len);
            Ok((out, latched))
        }
        Outcome::Drop(reason) => Err(reason),
    }
}

fn sent(flow: &mut Flow, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
    relay(flow, PEER, packet).map(|(packet, _)| packet)
}

fn protected(key: &MasterKey, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut sender = SrtpSender::new(key.clone());
    packets
        .iter()
        .map(|packet| {
            let mut out = vec![0; packet.len() + MAX_TRAILER];
            let len = sender.protect(packet, &mut out).unwrap();
            out.truncate(len);
            out
        })
        .collect()
}

#[test]
fn the_first_check_that_fails_names_the_reason() {
    let plain = config(Transform::Copy);
    let rtp_only = FlowConfig {
        carries: Carries::Rtp(route()),
        ..plain.clone()
    };
    let rtcp_only = FlowConfig {
        carries: Carries::Rtcp(route()),
        ..plain.clone()
    };
    let unknown = FlowConfig {
        source: Source::Unknown,
        ..plain.clone()
    };
    let blocked = config(Transform::Blocked);
    let nowhere = Route {
        to: None,
        ..route()
    };
    let nowhere = FlowConfig {
        carries: Carries::Rtp(nowhere),
        ..plain.clone()
    };
    let version_1 = [&[0x40], &rtp(0, 1)[1..]].concat();
    let cases = [
        ("PCMU", &plain, PEER, rtp(0, 1), Ok(())),
        ("a sender report", &plain, PEER, rtcp(), Ok(())),
        (
            "another port",
            &plain,
            "192.0.2.10:4001",
            rtp(0, 1),
            Err(DropReason::WrongSource),
        ),
        (
            "another host",
            &plain,
            "192.0.2.11:4000",
            rtp(0, 1),
            Err(DropReason::WrongSource),
        ),
        (
            "source goes before form",
            &plain,
            "192.0.2.11:4000",
            vec![],
            Err(DropReason::WrongSource),
        ),
        ("nothing", &plain, PEER, vec![], Err(DropReason::Malformed)),
        (
            "a STUN binding request",
            &plain,
            PEER,
            [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat(),
            Err(DropReason::Stun),
        ),
        (
            "a DTLS ClientHello",
            &plain,
            PEER,
            [&[22, 254, 253][..], &[0; 20]].concat(),
            Err(DropReason::Dtls),
        ),
        (
            "form goes before type",
            &plain,
            PEER,
            version_1,
            Err(DropReason::Malformed),
        ),
        (
            "G.729",
            &plain,
            PEER,
            rtp(18, 1),
            Err(DropReason::PayloadType),
        ),
        (
            "RTCP without mux",
            &rtp_only,
            PEER,
            rtcp(),
            Err(DropReason::PayloadType),
        ),
        (
            "RTP on the RTCP port",
            &rtcp_only,
            PEER,
            rtp(0, 1),
            Err(DropReason::Malformed),
        ),
        ("RTCP on its port", &rtcp_only, PEER, rtcp(), Ok(())),
        (
            "a peer not known",
            &unknown,
            PEER,
            rtp(0, 1),
            Err(DropReason::NoPeer),
        ),
        (
            "keys not settled",
            &blocked,
            PEER,
            rtp(0, 1),
            Err(DropReason::NoPeer),
        ),
        (
            "the far peer not known",
            &nowhere,
            PEER,
            rtp(0, 1),
            Err(DropReason::NoPeer),
        ),
    ];
    for (what, config, source, packet, expected) in cases {
        let mut flow = Flow::new(config.clone());
        let outcome = relay(&mut flow, source, &packet);
        assert_eq!(outcome.map(|_| ()), expected, "{what}");
        let stats = flow.stats();
        assert_eq!(
            (stats.counters.packets, stats.counters.dropped),
            if expected.is_ok() { (1, 0) } else { (0, 1) },
            "{what}"
        );
        let by_reason: Vec<_> = stats
            .drops
            .by_reason()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(
            by_reason,
            expected
                .err()
                .map(|reason| (reason, 1))
                .into_iter()
                .collect::<Vec<_>>(),
            "{what}"
        );
        assert_eq!(
            stats.counters.bytes,
            if expected.is_ok() {
                packet.len() as u64
            } else {
                0
            }
        );
        let is_rtp = packet != rtcp();
        assert_eq!(
            stats.counters.last_seen_ns == NOW_NS,
            expected.is_ok() && is_rtp,
            "{what}: only RTP is heard"
        );
    }
}

#[test]
fn plain_packets_leave_as_they_came() {
    let mut flow = Flow::new(config(Transform::Copy));
    assert_eq!(sent(&mut flow, &rtp(101, 7)), Ok(rtp(101, 7)));
    assert_eq!(
        sent(&mut flow, &rtp(101, 7)),
        Ok(rtp(101, 7)),
        "a duplicate is not ours to judge"
    );
    assert_eq!(
        flow.relay(NOW_NS, at(PEER), &rtp(0, 1), &mut [0; 171]),
        Outcome::Drop(DropReason::TooLong)
    );
}

#[test]
fn srtp_is_taken_off_and_put_on() {
    let packets: Vec<_> = (0..5).map(|sequence| rtp(0, sequence)).collect();
    let under_1 = protected(&key(1), &packets);
    let under_2 = protected(&key(2), &packets);
    let mut decrypt = Flow::new(config(Transform::Decrypt { receive: key(1) }));
    let mut encrypt = Flow::new(config(Transform::Encrypt { send: key(2) }));
    let mut reencrypt = Flow::new(config(Transform::Reencrypt {
        receive: key(1),
        send: key(2),
    }));
    for at in 0..packets.len() {
        assert_eq!(sent(&mut decrypt, &under_1[at]).as_ref(), Ok(&packets[at]));
        assert_eq!(sent(&mut encrypt, &packets[at]).as_ref(), Ok(&under_2[at]));
        assert_eq!(
            sent(&mut reencrypt, &under_1[at]).as_ref(),
            Ok(&under_2[at])
        );
    }
    for flow in [&mut decrypt, &mut reencrypt] {
        assert_eq!(sent(flow, &under_1[2]), Err(DropReason::Replay));
        assert_eq!(
            sent(flow, &under_2[2]),
            Err(DropReason::Replay),
            "replay goes before the tag"
        );
        assert_eq!(
            sent(flow, &rtp(0, 6)),
            Err(DropReason::Authentication),
            "no plaintext on a secure leg"
        );
    }
    assert_eq!(sent(&mut encrypt, &rtp(8, 2)), Err(DropReason::Replay));
}

#[test]
fn srtcp_is_taken_off_and_put_on() {
    let (mut sender, mut receiver) = (SrtcpSender::new(key(1)), SrtcpReceiver::new(key(2)));
    let mut flow = Flow::new(config(Transform::Reencrypt {
        receive: key(1),
        send: key(2),
    }));
    for _ in 0..3 {
        let mut packet = [0; 128];
        let len = sender.protect(&rtcp(), &mut packet).unwrap();
        let mut relayed = sent(&mut flow, &packet[..len]).unwrap();
        let (len, _) = receiver.unprotect_in_place(&mut relayed).unwrap();
        assert_eq!(relayed[..len], rtcp());
    }
    let mut encrypt = Flow::new(config(Transform::Encrypt { send: key(2) }));
    let relayed = sent(&mut encrypt, &rtcp()).unwrap();
    assert_eq!(relayed.len(), rtcp().len() + 14);
    assert_ne!(relayed[8..28], rtcp()[8..]);
}

/// Hold and resume beyond 65,536 packets: the same key goes on, a new key begins at 0.
#[test]
fn the_rollover_counter_survives_a_description_with_the_same_key_and_no_other() {
    let described = || {
        config(Transform::Reencrypt {
            receive: key(1),
            send: key(2),
        })
    };
    let (mut sender, mut receiver) = (SrtpSender::new(key(1)), SrtpReceiver::new(key(2)));
    let mut flow = Flow::new(described());
    let mut out = [0; 400];
    for index in 0..70_000_u32 {
        let mut packet = rtp(0, index as u16);
        packet.truncate(20);
        packet.resize(60, 0);
        let len = sender.protect_in_place(&mut packet, 20).unwrap();
        match flow.relay(NOW_NS, at(PEER), &packet[..len], &mut out) {
            Outcome::Forward { len, .. } => {
                receiver.unprotect_in_place(&mut out[..len]).unwrap();
            }
            Outcome::Drop(reason) => panic!("packet {index} was dropped: {reason:?}"),
        }
        if index % 10_000 == 9_999 {
            flow.update(FlowConfig {
                carries: Carries::Rtp(Route {
                    to: None,
                    ..route()
                }),
                ..described()
            });
            flow.update(described());
        }
    }
    // New keys for both legs: rollover counters begin at 0 again.
    flow.update(config(Transform::Reencrypt {
        receive: key(3),
        send: key(4),
    }));
    let first = protected(&key(3), &[rtp(0, 1)]);
    assert_eq!(
        sent(&mut flow, &first[0]),
        Ok(protected(&key(4), &[rtp(0, 1)])[0].clone())
    );
}

#[test]
fn a_key_that_stays_keeps_its_state_when_the_other_leg_changes() {
    let packets = protected(&key(1), &[rtp(0, 1), rtp(0, 2)]);
    let mut flow = Flow::new(config(Transform::Decrypt { receive: key(1) }));
    sent(&mut flow, &packets[0]).unwrap();
    flow.update(config(Transform::Reencrypt {
        receive: key(1),
        send: key(2),
    }));
    assert_eq!(sent(&mut flow, &packets[0]), Err(DropReason::Replay));
    let second = sent(&mut flow, &packets[1]).unwrap();
    assert_eq!(second, protected(&key(2), &[rtp(0, 2)])[0]);
    flow.update(config(Transform::Encrypt { send: key(2) }));
    assert_eq!(
        sent(&mut flow, &rtp(0, 2)),
        Err(DropReason::Replay),
        "no keystream is used twice"
    );
}

#[test]
fn a_key_that_rests_or_is_taken_back_goes_on_where_it_was() {
    let packets: Vec<_> = (0..4).map(|sequence| rtp(0, sequence)).collect();
    let under_1 = protected(&key(1), &packets);
    let first = || {
        config(Transform::Reencrypt {
            receive: key(1),
            send: key(2),
        })
    };
    let mut flow = Flow::new(first());
    assert!(sent(&mut flow, &under_1[0]).is_ok());
    for meanwhile in [
        config(Transform::Blocked),
        config(Transform::Copy),
        config(Transform::Reencrypt {
            receive: key(3),
            send: key(4),
        }),
        FlowConfig {
            carries: Carries::Rtcp(route()),
            ..first()
        },
    ] {
        flow.update(meanwhile);
        flow.update(first());
        assert_eq!(sent(&mut flow, &under_1[0]), Err(DropReason::Replay));
        flow.update(config(Transform::Encrypt { send: key(2) }));
        assert_eq!(sent(&mut flow, &packets[0]), Err(DropReason::Replay));
        flow.update(first());
    }
    assert_eq!(
        sent(&mut flow, &under_1[1]),
        Ok(protected(&key(2), &packets)[1].clone())
    );
}

#[test]
fn without_room_for_the_trailer_nothing_is_sent() {
    let mut flow = Flow::new(config(Transform::Encrypt { send: key(2) }));
    let mut out = [0; 181];
    assert_eq!(
        flow.relay(NOW_NS, at(PEER), &rtp(0, 1), &mut out),
        Outcome::Drop(DropReason::TooLong)
    );
    assert!(
        sent(&mut flow, &rtp(0, 1)).is_ok(),
        "its index is still free"
    );
}
