//! The differential test: random tables, random and damaged frames.

use std::collections::HashSet;
use std::net::SocketAddr;

use media_common::flow::{
    ACTION_FORWARD, ACTION_WORKER, DSCP_KEEP, FLAG_CHECK_SOURCE, FLAG_RAW, FLAG_RTCP,
    FLAG_RTCP_MUX, FlowEntry, NO_TELEPHONE_EVENT, NextHop,
};
use media_core::relay::frame::FrameVerdict;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::draft::{Draft, UdpSum};
use super::world::{FLOWS, LOCALS, PEERS, PORTS, World, forward, hop};
use crate::common::at;

fn entry() -> impl Strategy<Value = FlowEntry> {
    let action = prop_oneof![8 => Just(ACTION_FORWARD), 2 => Just(ACTION_WORKER), 1 => 0_u8..5];
    let flags = prop::sample::select(vec![
        0,
        FLAG_CHECK_SOURCE,
        FLAG_CHECK_SOURCE,
        FLAG_RTCP,
        FLAG_RTCP_MUX,
        FLAG_RTCP_MUX | FLAG_CHECK_SOURCE,
        FLAG_RAW,
    ]);
    let telephone_event = prop::sample::select(vec![NO_TELEPHONE_EVENT, 0, 101]);
    let ceiling = prop::sample::select(vec![0, 0, 1, 3]);
    let dscp = prop_oneof![2 => Just(DSCP_KEEP), 2 => 0_u8..64, 1 => any::<u8>()];
    let types = prop_oneof![3 => Just([1, 0, 0, 0]), 1 => any::<[u32; 4]>()];
    (
        action,
        flags,
        0_u8..4,
        dscp,
        0_u16..5,
        peer(),
        peer(),
        types,
        (telephone_event, ceiling),
    )
        .prop_map(
            |(
                action,
                flags,
                local_address,
                dscp,
                next_hop,
                expected,
                remote,
                payload_types,
                rest,
            )| {
                FlowEntry {
                    action,
                    flags,
                    dscp,
                    payload_types,
                    telephone_event: rest.0,
                    ceiling: rest.1,
                    ..forward(expected, remote, local_address, next_hop)
                }
            },
        )
}

fn peer() -> impl Strategy<Value = &'static str> {
    prop::sample::select(PEERS.to_vec())
}

fn next_hop() -> impl Strategy<Value = NextHop> {
    let mtu = prop::sample::select(vec![0, 0, 1500, 100, 46, 60]);
    (
        0_u32..4,
        prop::sample::select(vec![0, 0, 7, 4095, 0xffff]),
        mtu,
    )
        .prop_map(|(ifindex, vlan, mtu)| NextHop {
            mtu,
            ..hop(ifindex, vlan)
        })
}

fn any_world() -> impl Strategy<Value = World> {
    (
        prop::collection::vec(entry(), FLOWS - 1..=FLOWS),
        prop::collection::vec(next_hop(), 4),
    )
        .prop_map(|(flows, next_hops)| World::new(flows, next_hops))
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let head = prop_oneof![
        5 => Just([0x80, 0]),
        1 => Just([0x91, 101]),
        2 => Just([0x80, 200]),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(first, second)| [first & 0x3f | 0x80, second]),
        1 => any::<[u8; 2]>(),
    ];
    (head, prop::collection::vec(any::<u8>(), 0..80), 0_usize..10).prop_map(|(head, rest, cut)| {
        let mut payload = [&head[..], &rest].concat();
        if cut == 0 {
            payload.truncate(payload.len() % 14);
        }
        payload
    })
}

fn draft() -> impl Strategy<Value = Draft> {
    let tag = prop_oneof![
        Just([0x81, 0, 0, 7]),
        Just([0x88, 0xa8, 0x20, 7]),
        any::<[u8; 4]>()
    ];
    let tags = prop_oneof![4 => Just(vec![]), 3 => tag.clone().prop_map(|tag| vec![tag]), 1 => prop::collection::vec(tag, 2)];
    let destination = (0_usize..3, 0_u16..5)
        .prop_map(|(at, offset)| SocketAddr::new(LOCALS[at].parse().unwrap(), PORTS[at] + offset));
    let checksum = prop_oneof![3 => Just(UdpSum::Right), 2 => Just(UdpSum::Partial), 1 => Just(UdpSum::Zero), 2 => any::<u16>().prop_map(UdpSum::Other), 1 => Just(UdpSum::Other(0xffff))];
    let hops = prop_oneof![4 => Just(64), 1 => 0_u8..3];
    let protocol =
        prop_oneof![20 => Just(17), 1 => prop::sample::select(vec![0, 6, 43, 44, 50, 51, 58, 60])];
    let fragment = prop_oneof![6 => Just(0x4000_u16), 2 => Just(0), 1 => any::<u16>()];
    let padding = prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(any::<u8>(), 0..20)];
    (
        tags,
        peer(),
        destination,
        any::<u8>(),
        hops,
        protocol,
        any::<u16>(),
        fragment,
        checksum,
        payload(),
        padding,
    )
        .prop_map(
            |(
                tags,
                source,
                destination,
                traffic_class,
                hops,
                protocol,
                identification,
                fragment,
                checksum,
                payload,
                padding,
            )| {
                // An IPv4-mapped source makes an IPv6 frame whatever the destination is.
                let is_mapped = source == PEERS[3];
                let mut source = at(source);
                if source.is_ipv4() != destination.is_ipv4() && !is_mapped {
                    source.set_ip(if destination.is_ipv4() {
                        at(PEERS[0]).ip()
                    } else {
                        at(PEERS[2]).ip()
                    });
                }
                Draft {
                    tags,
                    source,
                    destination,
                    traffic_class,
                    hops,
                    protocol,
                    identification,
                    fragment,
                    checksum,
                    payload,
                    padding,
                }
            },
        )
}

/// Bytes changed, or the end cut off.
type Damage = Vec<(prop::sample::Index, u8, bool)>;

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), prop::bool::weighted(0.2)), 1..4)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// The differential test: verdict, bytes and everything that is counted, whatever arrives.
    #[test]
    fn the_relay_and_the_program_agree(world in any_world(), frames in sequence()) {
        let (mut by_relay, mut by_program) = (world.memory(), world.memory());
        let mut now_ns = 5_000_000_000;
        for (frame, pause_ns) in frames {
            now_ns += pause_ns;
            prop_assert_eq!(
                world.relay_at(&mut by_relay, now_ns, &frame),
                world.program_at(&mut by_program, now_ns, &frame)
            );
            prop_assert_eq!(&by_relay, &by_program);
        }
    }
}

/// A few frames, each so many nanoseconds after the one before; often the same one again.
fn sequence() -> impl Strategy<Value = Vec<(Vec<u8>, u64)>> {
    let others = prop::collection::vec((draft(), damage(), prop::bool::ANY), 0..3);
    let pause = prop::sample::select(vec![0_u64, 19_000_000, 20_000_000, 1_100_000_000]);
    (draft(), damage(), others, pause).prop_map(|(first, first_damage, others, pause_ns)| {
        let first = damaged(first.build(), first_damage);
        let again = others.into_iter().map(|(draft, damage, is_again)| {
            if is_again {
                first.clone()
            } else {
                damaged(draft.build(), damage)
            }
        });
        let frames: Vec<Vec<u8>> = again.collect();
        [first]
            .into_iter()
            .chain(frames)
            .map(|frame| (frame, pause_ns))
            .collect()
    })
}

fn damaged(mut frame: Vec<u8>, damage: Damage) -> Vec<u8> {
    for (at, byte, cuts) in damage {
        if frame.is_empty() {
            break;
        }
        // Most of what is interesting lies in the headers.
        let at = at.index(frame.len().min(80));
        if cuts {
            frame.truncate(at);
        } else {
            frame[at] = byte;
        }
    }
    frame
}

/// Random packets prove nothing about verdicts that they never reach.
#[test]
fn random_packets_reach_every_verdict() {
    let mut runner = TestRunner::deterministic();
    let packets = (any_world(), draft(), damage());
    let mut reached = HashSet::new();
    for _ in 0..20_000 {
        let (world, draft, damage) = packets.new_tree(&mut runner).unwrap().current();
        reached.insert(match world.relay(&damaged(draft.build(), damage)).0 {
            FrameVerdict::Transmit { .. } => "transmit".to_owned(),
            other => format!("{other:?}"),
        });
    }
    for expected in [
        "transmit",
        "Worker",
        "Pass(NotIp)",
        "Pass(IpOptions)",
        "Pass(ExtensionHeader)",
        "Pass(Fragment)",
        "Pass(NotUdp)",
        "Pass(Truncated)",
        "Pass(NotMedia)",
        "Drop(WrongSource)",
        "Drop(Malformed)",
        "Drop(PayloadType)",
        "Drop(HopLimit)",
        "Drop(NextHop)",
        "Drop(BadEntry)",
        "Drop(TooLong)",
    ] {
        assert!(
            reached.contains(expected),
            "{expected} is not among {reached:?}"
        );
    }
}
