//! Frames: the relay against the XDP program compiled for the host, and against itself by the
//! worker's way.

pub mod draft;
mod random;
pub mod world;

use media_common::counters::DropReason;
use media_common::flow::{DSCP_KEEP, FlowEntry, NextHop};
use media_core::relay::frame::{self, FrameVerdict, MAX_HEADERS};
use media_core::relay::{Carries, Flow, FlowConfig, Outcome, Route, Source, Transform};

use self::draft::{Draft, UdpSum, has_right_checksum, ones_sum};
use self::world::{PEERS, World, forward, hop, world};
use crate::common::at;

#[test]
fn a_forwarded_packet_is_the_one_that_was_sent_with_the_other_legs_headers() {
    let world4 = world(forward(PEERS[0], "198.51.100.7:5004", 0, 0));
    let world6 = world(forward(PEERS[2], "[2001:db8:f::7]:5004", 1, 0));
    for (world, source, local, out_local, remote) in [
        (
            &world4,
            PEERS[0],
            "10.0.0.1:10000",
            "10.0.0.1:20002",
            "198.51.100.7:5004",
        ),
        (
            &world6,
            PEERS[2],
            "[2001:db8::1]:10000",
            "[2001:db8::1]:20002",
            "[2001:db8:f::7]:5004",
        ),
    ] {
        let sent = Draft::pcmu(source, local);
        let (verdict, out) = world.relay(&sent.build());
        let mut expected = Draft {
            source: at(out_local),
            destination: at(remote),
            hops: 63,
            ..sent.clone()
        }
        .build();
        expected[..12].copy_from_slice(&[2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 1, 1]);
        assert_eq!(
            verdict,
            FrameVerdict::Transmit {
                len: expected.len(),
                ifindex: 3
            }
        );
        assert_eq!(out, expected);
    }
}

#[test]
fn checksums_stay_what_they_were_and_partial_ones_are_finished() {
    let world = world(forward(PEERS[0], "198.51.100.7:5004", 0, 0));
    let relayed = |checksum| {
        let sent = Draft {
            checksum,
            ..Draft::pcmu(PEERS[0], "10.0.0.1:10000")
        };
        world.relay(&sent.build()).1
    };
    let right = relayed(UdpSum::Right);
    assert!(has_right_checksum(&right));
    assert_eq!(relayed(UdpSum::Partial), right);
    assert_eq!(relayed(UdpSum::Zero)[40..42], [0, 0]);
    assert!(
        !has_right_checksum(&relayed(UdpSum::Other(0x1234))),
        "what was wrong stays wrong"
    );
}

#[test]
fn a_worker_can_tell_a_damaged_packet() {
    for (local, peer) in [
        ("10.0.0.1:10000", PEERS[0]),
        ("[2001:db8::1]:10000", PEERS[2]),
    ] {
        let frame = |checksum| {
            Draft {
                checksum,
                ..Draft::pcmu(peer, local)
            }
            .build()
        };
        let is_valid =
            |frame: &[u8]| frame::has_valid_checksum(frame, &frame::parse(frame).unwrap());
        for checksum in [UdpSum::Right, UdpSum::Partial, UdpSum::Zero] {
            assert!(is_valid(&frame(checksum)), "{peer}");
        }
        assert!(!is_valid(&frame(UdpSum::Other(0x1234))), "{peer}");
        let mut damaged = frame(UdpSum::Right);
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        assert!(!is_valid(&damaged), "{peer}");
    }
}

#[test]
fn tags_are_put_in_replaced_and_taken_out() {
    let (untagged, tagged) = (
        world(forward(PEERS[0], "198.51.100.7:5004", 0, 0)),
        world(forward(PEERS[0], "198.51.100.7:5004", 0, 1)),
    );
    let sent = Draft::pcmu(PEERS[0], "10.0.0.1:10000");
    let with_tag = |tag: [u8; 4]| {
        Draft {
            tags: vec![tag],
            ..sent.clone()
        }
        .build()
    };
    let plain = untagged.relay(&sent.build()).1;
    let in_vlan = [&plain[..12], &[0x81, 0, 0, 7], &plain[12..]].concat();
    for frame in [
        sent.build(),
        with_tag([0x81, 0, 0xe0, 5]),
        with_tag([0x88, 0xa8, 0, 5]),
    ] {
        assert_eq!(untagged.relay(&frame).1, plain);
        assert_eq!(tagged.relay(&frame).1, in_vlan);
    }
}

/// A worker that copies must send what the kernel would have.
#[test]
fn the_workers_way_gives_the_same_bytes() {
    let v4 = (
        "10.0.0.1:10000",
        PEERS[0],
        "10.0.0.1:20002",
        "198.51.100.7:5004",
        0,
    );
    let v6 = (
        "[2001:db8::1]:10000",
        PEERS[2],
        "[2001:db8::1]:20002",
        "[2001:db8:f::7]:5004",
        1,
    );
    for (local, peer, out_local, remote, local_index) in [v4, v6] {
        for dscp in [None, Some(46)] {
            for next_hop in 0..2 {
                let entry = forward(peer, remote, local_index, next_hop);
                let world = world(FlowEntry {
                    dscp: dscp.unwrap_or(DSCP_KEEP),
                    ..entry
                });
                let frame = Draft::pcmu(peer, local).build();
                let (_, by_kernel) = world.relay(&frame);
                let by_worker =
                    through_worker(&world, &frame, peer, out_local, remote, dscp, next_hop);
                assert_eq!(by_worker.unwrap(), by_kernel, "{local} {dscp:?} {next_hop}");
            }
        }
    }
}

fn through_worker(
    world: &World,
    frame: &[u8],
    peer: &str,
    out_local: &str,
    remote: &str,
    dscp: Option<u8>,
    next_hop: u16,
) -> Result<Vec<u8>, DropReason> {
    let mut flow = Flow::new(FlowConfig {
        carries: Carries::Rtp(Route {
            from: at(out_local),
            to: Some(at(remote)),
        }),
        source: Source::Exactly(at(peer)),
        payload_types: 1,
        telephone_event: None,
        clock_khz: 8,
        max_packet_rate: 0,
        transform: Transform::Copy,
        dscp,
        generation: 0,
    });
    let mut out = vec![0; 2048];
    let arrived = frame::parse(frame).unwrap();
    let datagram = &frame[arrived.payload.clone()];
    match flow.relay(0, arrived.source, datagram, &mut out[MAX_HEADERS..]) {
        Outcome::Forward {
            len,
            from,
            to,
            dscp,
            ..
        } => {
            let payload = MAX_HEADERS..MAX_HEADERS + len;
            let hop = &world.next_hops[usize::from(next_hop)];
            let range = frame::emit(&mut out, payload, &arrived, from, to, dscp, hop)?;
            Ok(out[range].to_vec())
        }
        Outcome::Drop(reason) => Err(reason),
    }
}

#[test]
fn a_packet_changes_family_with_its_hops_and_class_carried_over() {
    let world = world(FlowEntry::default());
    for (local, peer, out_local, remote) in [
        (
            "10.0.0.1:10000",
            PEERS[0],
            "[2001:db8::1]:10002",
            "[2001:db8:f::7]:5004",
        ),
        (
            "[2001:db8::1]:10000",
            PEERS[2],
            "10.0.0.1:20002",
            "198.51.100.7:5004",
        ),
    ] {
        for next_hop in 0..2 {
            let sent = Draft::pcmu(peer, local);
            let out = through_worker(
                &world,
                &sent.build(),
                peer,
                out_local,
                remote,
                Some(10),
                next_hop,
            )
            .unwrap();
            let parsed = frame::parse(&out).unwrap();
            assert_eq!(
                (parsed.source, parsed.destination),
                (at(out_local), at(remote))
            );
            assert_eq!(
                (parsed.hop_limit, parsed.traffic_class),
                (63, 10 << 2 | 1),
                "ECN is the sender's"
            );
            assert_eq!(out[parsed.payload.clone()], sent.payload);
            assert!(has_right_checksum(&out));
            if parsed.destination.is_ipv4() {
                assert_eq!(ones_sum(&out[parsed.ip_at..parsed.udp_at]), 0xffff);
            }
        }
    }
}

#[test]
fn what_cannot_be_sent_is_named() {
    let arrived = frame::parse(&Draft::pcmu(PEERS[0], "10.0.0.1:10000").build()).unwrap();
    let last_hop = frame::UdpFrame {
        hop_limit: 1,
        ..arrived.clone()
    };
    let (v4, to4) = (at("10.0.0.1:20002"), at("198.51.100.7:5004"));
    let mtu = |mtu| NextHop { mtu, ..hop(3, 0) };
    let room = MAX_HEADERS..MAX_HEADERS + 172;
    let cases = [
        (
            "hops",
            &last_hop,
            v4,
            room.clone(),
            hop(3, 0),
            Err(DropReason::HopLimit),
        ),
        (
            "unresolved",
            &arrived,
            v4,
            room.clone(),
            hop(0, 0),
            Err(DropReason::NextHop),
        ),
        (
            "families",
            &arrived,
            at("[2001:db8::1]:2"),
            room.clone(),
            hop(3, 0),
            Err(DropReason::BadEntry),
        ),
        (
            "MTU",
            &arrived,
            v4,
            room.clone(),
            mtu(199),
            Err(DropReason::TooLong),
        ),
        (
            "MTU that fits",
            &arrived,
            v4,
            room.clone(),
            mtu(200),
            Ok(MAX_HEADERS - 42..MAX_HEADERS + 172),
        ),
        (
            "no headroom",
            &arrived,
            v4,
            41..100,
            hop(3, 0),
            Err(DropReason::TooLong),
        ),
        (
            "no headroom at all",
            &arrived,
            v4,
            0..100,
            hop(3, 0),
            Err(DropReason::TooLong),
        ),
        (
            "beyond the frame",
            &arrived,
            v4,
            100..300,
            hop(3, 0),
            Err(DropReason::TooLong),
        ),
        (
            "any IPv4 length",
            &arrived,
            v4,
            100..66_000,
            hop(3, 0),
            Err(DropReason::TooLong),
        ),
    ];
    for (what, arrived, from, payload, next_hop, expected) in cases {
        let mut out = vec![0; if payload.end > 60_000 { 70_000 } else { 256 }];
        assert_eq!(
            frame::emit(&mut out, payload, arrived, from, to4, None, &next_hop),
            expected,
            "{what}"
        );
    }
}
