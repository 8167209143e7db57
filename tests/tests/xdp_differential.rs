//! The XDP program, in the kernel, against the relay's plain words for it: random tables and
//! random, damaged frames must give the same verdict and the same bytes.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use media_common::flow::{ACTION_FORWARD, ACTION_WORKER, FlowEntry, NextHop, ip_to_mapped};
use media_core::relay::frame::{FrameTables, FrameVerdict, PassReason, decide};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use trunkline_tests::privilege::require_root;
use trunkline_tests::xdp::case::hex;
use trunkline_tests::xdp::kernel::{INGRESS, Kernel};
use trunkline_tests::xdp::packet::{Checksum, Packet, TAG_802_1AD, TAG_802_1Q, rtp, sender_report};
use trunkline_tests::xdp::scene::{
    FLOWS, Family, NEXT_HOP, NEXT_HOPS, OTHER_INTERFACE, PORT, kernel, media_addresses, next_hop,
};

/// An interface that a next hop may name and that is not in the device map.
const NO_DEVICE: u32 = 78;
const CASES: u32 = 4_000;
const SOAK_CASES: u32 = 400_000;

/// One frame and the entries that it meets.
#[derive(Clone, Debug)]
struct Meeting {
    frame: Vec<u8>,
    entry: FlowEntry,
    next_hop: NextHop,
}

#[test]
fn kernel_and_relay_agree_on_every_frame() {
    if !require_root("a run of the XDP program") {
        return;
    }
    let cases = if std::env::var_os("TRUNKLINE_SOAK").is_some() {
        SOAK_CASES
    } else {
        CASES
    };
    let kernel = std::cell::RefCell::new(kernel().unwrap());
    let seen = std::cell::RefCell::new(std::collections::BTreeMap::<&str, u32>::new());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(meeting in meeting())| {
        let counter = compare(&mut kernel.borrow_mut(), &meeting)?;
        *seen.borrow_mut().entry(counter).or_default() += 1;
    });
    // Frames that all end alike would compare nothing.
    let seen = seen.into_inner();
    for counter in [
        "redirect",
        "transmit",
        "xsk",
        "drop_wrong_source",
        "pass_truncated",
    ] {
        assert!(
            seen.get(counter).is_some_and(|count| *count > 20),
            "{counter}: {seen:?}"
        );
    }
}

fn compare(kernel: &mut Kernel, meeting: &Meeting) -> Result<&'static str, TestCaseError> {
    let mut flows = vec![FlowEntry::default(); FLOWS as usize];
    let mut next_hops = vec![next_hop(); NEXT_HOPS as usize];
    next_hops[usize::from(NEXT_HOP)] = meeting.next_hop;
    for family in [Family::V4, Family::V6] {
        for flow in [family.flow(), family.flow() + 1] {
            flows[flow as usize] = meeting.entry;
            kernel.set_flow(flow, meeting.entry).unwrap();
        }
    }
    kernel
        .set_next_hop(u32::from(NEXT_HOP), meeting.next_hop)
        .unwrap();
    kernel.set_queue_base(INGRESS, 0).unwrap();

    let list = media_addresses();
    let tables = FrameTables {
        media_addresses: &list.addresses,
        flows: &flows,
        next_hops: &next_hops,
    };
    let mut out = vec![0; meeting.frame.len() + 64];
    let verdict = decide(&tables, &meeting.frame, &mut out);
    let counter = counter(&verdict);
    let outcome = kernel.run(&meeting.frame).unwrap();
    prop_assert_eq!(&outcome.moved, &[(counter, 1)]);
    match verdict {
        FrameVerdict::Transmit { len, ifindex } if ifindex != NO_DEVICE => {
            prop_assert_eq!(hex(&outcome.frame), hex(&out[..len]));
        }
        FrameVerdict::Pass(_) | FrameVerdict::Worker => {
            prop_assert_eq!(hex(&outcome.frame), hex(&meeting.frame));
        }
        FrameVerdict::Transmit { .. } | FrameVerdict::Drop(_) => {}
    }
    Ok(counter)
}

/// What the kernel counts for it, with the devices and the socket of the scene.
fn counter(verdict: &FrameVerdict) -> &'static str {
    match verdict {
        FrameVerdict::Pass(PassReason::NotIp) => "pass_not_ip",
        FrameVerdict::Pass(PassReason::IpOptions) => "pass_ip_options",
        FrameVerdict::Pass(PassReason::ExtensionHeader) => "pass_extension_header",
        FrameVerdict::Pass(PassReason::Fragment) => "pass_fragment",
        FrameVerdict::Pass(PassReason::NotUdp) => "pass_not_udp",
        FrameVerdict::Pass(PassReason::Truncated) => "pass_truncated",
        FrameVerdict::Pass(PassReason::NotMedia) => "pass_not_media",
        FrameVerdict::Drop(reason) => reason.name(),
        FrameVerdict::Worker => "xsk",
        FrameVerdict::Transmit {
            ifindex: INGRESS, ..
        } => "transmit",
        FrameVerdict::Transmit {
            ifindex: NO_DEVICE, ..
        } => "drop_bad_entry",
        FrameVerdict::Transmit { .. } => "redirect",
    }
}

fn meeting() -> impl Strategy<Value = Meeting> {
    family()
        .prop_flat_map(|family| (frame(family), entry(family), any_next_hop()))
        .prop_map(|(frame, entry, next_hop)| Meeting {
            frame,
            entry,
            next_hop,
        })
}

fn family() -> impl Strategy<Value = Family> + Clone {
    select(vec![Family::V4, Family::V6])
}

/// Mostly a packet of the flow, then perhaps damaged and cut.
fn frame(family: Family) -> impl Strategy<Value = Vec<u8>> {
    let damage = vec((0usize..96, any::<u8>()), 0..3);
    let cut = weighted(0.1, 14usize..120);
    (packet(family), weighted(0.3, damage), cut).prop_map(|(packet, damage, cut)| {
        let mut frame = packet.build();
        for (at, byte) in damage.unwrap_or_default() {
            if let Some(place) = frame.get_mut(at) {
                *place = byte;
            }
        }
        if let Some(length) = cut {
            frame.truncate(length);
        }
        frame
    })
}

fn packet(family: Family) -> impl Strategy<Value = Packet> {
    let addresses = (
        select(vec![family.peer().port(), 5006]),
        select(vec![PORT, PORT, PORT, PORT + 1, PORT + 9, 5060]),
    );
    let headers = (
        weighted(0.3, (select(vec![TAG_802_1Q, TAG_802_1AD]), any::<u16>())),
        select(vec![0u8, 1, 2, 64, 64, 64, 255]),
        any::<u8>(),
        prop_oneof![
            4 => Just(Checksum::Complete),
            2 => Just(Checksum::Partial),
            1 => Just(Checksum::None),
            1 => any::<u16>().prop_map(Checksum::Raw),
        ],
    );
    let rest = (payload(), vec(any::<u8>(), 0..8), vec(any::<u8>(), 0..24));
    (addresses, headers, rest).prop_map(move |(ports, headers, rest)| {
        let (tag, hops, traffic_class, checksum) = headers;
        let (payload, surplus, padding) = rest;
        let mut packet = Packet::udp(family.peer(), family.arrival(), payload);
        packet.source.set_port(ports.0);
        packet.destination.set_port(ports.1);
        Packet {
            tags: tag.into_iter().collect(),
            hops,
            traffic_class,
            checksum,
            surplus,
            padding,
            ..packet
        }
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (select(vec![0u8, 0x80, 8, 101]), any::<u32>(), vec(any::<u8>(), 0..400))
            .prop_map(|(payload_type, ssrc, voice)| rtp(payload_type, 3, ssrc, &voice)),
        2 => any::<u32>().prop_map(sender_report),
        1 => vec(any::<u8>(), 0..40),
    ]
}

fn entry(family: Family) -> impl Strategy<Value = FlowEntry> {
    let target = select(vec![
        family.target(),
        family.target(),
        family.target(),
        Family::V6.target(),
    ]);
    (
        prop_oneof![6 => Just(ACTION_FORWARD), 2 => Just(ACTION_WORKER), 1 => 0u8..4],
        0u8..8,
        prop_oneof![4 => Just(family.entry().local_address), 1 => any::<u8>()],
        select(vec![NEXT_HOP, NEXT_HOP, NEXT_HOP, NEXT_HOP, 900]),
        any::<u8>(),
        any::<[u8; 2]>(),
        any::<[u8; 2]>(),
        target,
    )
        .prop_map(
            move |(
                action,
                flags,
                local_address,
                next_hop,
                dscp,
                local_port,
                remote_port,
                target,
            )| {
                FlowEntry {
                    action,
                    flags,
                    local_address,
                    next_hop,
                    dscp,
                    local_port,
                    remote_port,
                    remote_address: ip_to_mapped(target.ip()),
                    ..family.entry()
                }
            },
        )
}

fn any_next_hop() -> impl Strategy<Value = NextHop> {
    (
        select(vec![
            OTHER_INTERFACE,
            OTHER_INTERFACE,
            OTHER_INTERFACE,
            INGRESS,
            INGRESS,
            NO_DEVICE,
            0,
        ]),
        select(vec![0u16, 0, 0, 200, 4094]),
        select(vec![0u16, 0, 0, 100, 300, 1500]),
        any::<[u8; 6]>(),
        any::<[u8; 6]>(),
    )
        .prop_map(
            |(ifindex, vlan, mtu, source_mac, destination_mac)| NextHop {
                ifindex,
                vlan,
                mtu,
                source_mac,
                destination_mac,
                ..NextHop::default()
            },
        )
}
