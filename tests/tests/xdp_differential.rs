//! The XDP program, in the kernel, against the relay's plain words for it: random tables and
//! random, damaged frames must give the same verdict and the same bytes.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use media_common::event::{Event, KIND_SOURCE_MISMATCH};
use media_common::flow::{
    ACTION_FORWARD, ACTION_WORKER, FLAG_CHECK_SOURCE, FLAG_RAW, FLAG_RTCP, Flow, FlowEntry,
    NO_TELEPHONE_EVENT, NextHop, ip_to_mapped,
};
use media_common::quality::{FlowCounters, FlowIncidents};
use media_core::relay::frame::{FrameTables, FrameVerdict, PassReason, decide};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use trunkline_tests::privilege::require_root;
use trunkline_tests::sys::monotonic_ns;
use trunkline_tests::xdp::case::{ceiling_window, hex};
use trunkline_tests::xdp::kernel::{INGRESS, Kernel};
use trunkline_tests::xdp::packet::{Checksum, Packet, TAG_802_1AD, TAG_802_1Q, rtp, sender_report};
use trunkline_tests::xdp::scene::{
    FLOWS, Family, NEXT_HOP, NEXT_HOPS, OTHER_INTERFACE, PORT, kernel, media_addresses, next_hop,
};

/// An interface that a next hop may name and that is not in the device map.
const NO_DEVICE: u32 = 78;
/// Where a worker has no socket.
const NO_SOCKET: u32 = 8;
const CASES: u32 = 4_000;
const SOAK_CASES: u32 = 400_000;

/// Some frames, one after another, and what they meet.
#[derive(Clone, Debug)]
struct Meeting {
    frames: Vec<Vec<u8>>,
    entry: FlowEntry,
    next_hop: NextHop,
    has_worker: bool,
}

/// How often frames ended in each way.
type Tally = std::collections::BTreeMap<&'static str, u32>;

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
    let seen = std::cell::RefCell::new(Tally::new());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(meeting in meeting())| {
        compare(&mut kernel.borrow_mut(), &meeting, &mut seen.borrow_mut())?;
    });
    // Frames that all end alike would compare nothing.
    let seen = seen.into_inner();
    for end in [
        "redirect",
        "transmit",
        "xsk",
        "drop_wrong_source",
        "drop_ceiling",
        "drop_xsk_unbound",
        "pass_truncated",
        "translated",
        "lost",
        "reordered",
        "duplicated",
        "ssrc_changes",
        "digits",
    ] {
        assert!(
            seen.get(end).is_some_and(|count| *count > 20),
            "{end}: {seen:?}"
        );
    }
}

fn compare(kernel: &mut Kernel, meeting: &Meeting, seen: &mut Tally) -> Result<(), TestCaseError> {
    let window = ceiling_window();
    let mut twin = Twin::new(meeting);
    twin.install(kernel);
    for frame in &meeting.frames {
        let now_ns = monotonic_ns();
        let (verdict, out) = twin.decide(now_ns, frame, meeting.has_worker);
        let outcome = kernel.run(frame).unwrap();
        if window != ceiling_window() {
            return Err(TestCaseError::reject(
                "the kernel's clock is in another window",
            ));
        }
        let end = counter(&verdict);
        prop_assert_eq!(&outcome.moved, &[(end, 1)]);
        *seen.entry(end).or_default() += 1;
        match verdict {
            FrameVerdict::Transmit { .. } => {
                prop_assert_eq!(hex(&outcome.frame), hex(&out));
                let is_translated = ethertype(frame) != ethertype(&out);
                *seen.entry("translated").or_default() += u32::from(is_translated);
            }
            FrameVerdict::Pass(_) | FrameVerdict::Worker => {
                prop_assert_eq!(hex(&outcome.frame), hex(frame));
            }
            FrameVerdict::Drop(_) => {}
        }
        twin.compare_memory(kernel)?;
    }
    for incidents in &twin.incidents {
        for (what, count) in [
            ("lost", incidents.lost),
            ("reordered", incidents.reordered),
            ("duplicated", incidents.duplicated),
            ("ssrc_changes", incidents.ssrc_changes),
            ("digits", incidents.digits),
        ] {
            *seen.entry(what).or_default() += u32::from(count > 0);
        }
    }
    Ok(())
}

/// The kernel's tables, for the relay.
struct Twin {
    flows: Vec<Flow>,
    incidents: Vec<FlowIncidents>,
    next_hops: Vec<NextHop>,
    has_worker: bool,
    told: Vec<Event>,
}

/// The flows that the frames may belong to.
fn flows() -> impl Iterator<Item = u32> {
    [Family::V4, Family::V6]
        .into_iter()
        .flat_map(|family| [family.flow(), family.flow() + 1])
}

impl Twin {
    fn new(meeting: &Meeting) -> Twin {
        let mut all = vec![Flow::default(); FLOWS as usize];
        let mut next_hops = vec![next_hop(); NEXT_HOPS as usize];
        next_hops[usize::from(NEXT_HOP)] = meeting.next_hop;
        for flow in flows() {
            all[flow as usize].entry = meeting.entry;
        }
        Twin {
            flows: all,
            incidents: vec![FlowIncidents::default(); FLOWS as usize],
            next_hops,
            has_worker: meeting.has_worker,
            told: Vec::new(),
        }
    }

    fn install(&self, kernel: &mut Kernel) {
        for flow in flows() {
            let entry = self.flows[flow as usize].entry;
            kernel.set_flow(flow, entry).unwrap();
        }
        let next_hop = self.next_hops[usize::from(NEXT_HOP)];
        kernel.set_next_hop(NEXT_HOP.into(), next_hop).unwrap();
        let base = if self.has_worker { 0 } else { NO_SOCKET };
        kernel.set_queue_base(INGRESS, base).unwrap();
        kernel.events().unwrap();
    }

    fn decide(&mut self, now_ns: u64, frame: &[u8], has_worker: bool) -> (FrameVerdict, Vec<u8>) {
        let list = media_addresses();
        let mut tables = FrameTables {
            media_addresses: &list.addresses,
            flows: &mut self.flows,
            incidents: &mut self.incidents,
            next_hops: &self.next_hops,
            interfaces: &[INGRESS, OTHER_INTERFACE],
            has_worker,
        };
        let mut out = vec![0; frame.len() + 64];
        let verdict = decide(&mut tables, now_ns, frame, &mut out, &mut self.told);
        if let FrameVerdict::Transmit { len, .. } = verdict {
            out.truncate(len);
        }
        (verdict, out)
    }

    fn compare_memory(&mut self, kernel: &mut Kernel) -> Result<(), TestCaseError> {
        for flow in flows() {
            let at = flow as usize;
            prop_assert_eq!(
                timeless(kernel.counters(flow).unwrap()),
                timeless(self.flows[at].counters)
            );
            prop_assert_eq!(kernel.incidents(flow).unwrap(), self.incidents[at]);
        }
        prop_assert_eq!(
            without_strangers(kernel.events().unwrap()),
            without_strangers(std::mem::take(&mut self.told))
        );
        Ok(())
    }
}

/// Both look at the clock for themselves: of what comes from it, only whether it is there.
fn timeless(counters: FlowCounters) -> FlowCounters {
    FlowCounters {
        last_seen_ns: u64::from(counters.last_seen_ns != 0),
        longest_pause_us: 0,
        jitter: 0,
        ..counters
    }
}

/// How many of these the program tells is limited for the CPU, not the flow.
fn without_strangers(events: Vec<Event>) -> Vec<Event> {
    events
        .into_iter()
        .filter(|event| event.kind != KIND_SOURCE_MISMATCH)
        .map(|event| Event {
            time_ns: 0,
            ..event
        })
        .collect()
}

fn ethertype(frame: &[u8]) -> &[u8] {
    let tagged = [TAG_802_1Q, TAG_802_1AD].map(u16::to_be_bytes);
    let at = if tagged.iter().any(|tag| frame[12..14] == *tag) {
        16
    } else {
        12
    };
    &frame[at..at + 2]
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
        FrameVerdict::Transmit { .. } => "redirect",
    }
}

fn meeting() -> impl Strategy<Value = Meeting> {
    family().prop_flat_map(|family| prop_oneof![2 => chaos(family), 1 => stream(family)])
}

/// Anything at all.
fn chaos(family: Family) -> BoxedStrategy<Meeting> {
    (
        vec(frame(family), 1..4),
        entry(family),
        any_next_hop(),
        proptest::bool::weighted(0.8),
    )
        .prop_map(|(frames, entry, next_hop, has_worker)| Meeting {
            frames,
            entry,
            next_hop,
            has_worker,
        })
        .boxed()
}

/// What a flow is for, so that it has something to remember.
fn stream(family: Family) -> BoxedStrategy<Meeting> {
    let packet = (packet(family), payload()).prop_map(move |(packet, payload)| Packet {
        source: family.peer(),
        destination: family.arrival(),
        hops: 64,
        payload,
        ..packet
    });
    let frames = vec(packet.prop_map(|packet| packet.build()), 2..10);
    (frames, entry(family), any_next_hop())
        .prop_map(|(frames, entry, next_hop)| Meeting {
            frames,
            entry: FlowEntry {
                action: ACTION_FORWARD,
                flags: FLAG_CHECK_SOURCE,
                next_hop: NEXT_HOP,
                ceiling: 0,
                ..entry
            },
            next_hop: NextHop {
                mtu: 0,
                ifindex: OTHER_INTERFACE,
                ..next_hop
            },
            has_worker: true,
        })
        .boxed()
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
    let types = select(vec![0u8, 0, 0, 0x80, 8, 101]);
    prop_oneof![
        9 => (types, 0u16..6, 0u32..3, vec(any::<u8>(), 0..400))
            .prop_map(|(payload_type, sequence, ssrc, voice)| rtp(payload_type, sequence, ssrc / 2, &voice)),
        3 => digit(),
        2 => any::<u32>().prop_map(sender_report),
        1 => (0u8..128, vec(any::<u8>(), 0..40)).prop_map(|(first, rest)| [&[first], &rest[..]].concat()),
        1 => vec(any::<u8>(), 0..40),
    ]
}

/// A telephone event behind CSRC list and header extension, perhaps cut.
fn digit() -> impl Strategy<Value = Vec<u8>> {
    let header = (0u8..4, weighted(0.5, 0u16..5), 0u16..3);
    let event = (0u8..20, any::<[u8; 3]>(), weighted(0.2, 0usize..40));
    (header, event).prop_map(|((csrcs, extension, sequence), (code, rest, cut))| {
        let mut packet = rtp(101, sequence, 0, &[]);
        packet[0] |= csrcs;
        packet.extend(vec![9; 4 * usize::from(csrcs)]);
        if let Some(words) = extension {
            packet[0] |= 0x10;
            packet.extend([0xbe, 0xde]);
            packet.extend(words.to_be_bytes());
            packet.extend(vec![7; 4 * usize::from(words)]);
        }
        packet.push(code);
        packet.extend(rest);
        packet.truncate(cut.unwrap_or(packet.len()));
        packet
    })
}

fn entry(family: Family) -> impl Strategy<Value = FlowEntry> {
    let other = family.translating_entry();
    let target = select(vec![
        (family.entry().local_address, family.target()),
        (family.entry().local_address, family.target()),
        (other.local_address, family.other().target()),
        (other.local_address, family.other().target()),
        (family.entry().local_address, family.other().target()),
        (200, family.target()),
    ]);
    let flags = select(vec![
        FLAG_CHECK_SOURCE,
        FLAG_CHECK_SOURCE,
        0,
        FLAG_RAW,
        FLAG_RTCP,
    ]);
    (
        prop_oneof![6 => Just(ACTION_FORWARD), 2 => Just(ACTION_WORKER), 1 => 0u8..4],
        prop_oneof![4 => flags, 1 => 0u8..16],
        select(vec![NEXT_HOP, NEXT_HOP, NEXT_HOP, NEXT_HOP, 900]),
        any::<u8>(),
        any::<[u8; 2]>(),
        any::<[u8; 2]>(),
        target,
        select(vec![0u16, 0, 1, 2]),
        select(vec![101u8, 101, NO_TELEPHONE_EVENT]),
    )
        .prop_map(
            move |(
                action,
                flags,
                next_hop,
                dscp,
                local_port,
                remote_port,
                (local_address, target),
                ceiling,
                telephone_event,
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
                    ceiling,
                    telephone_event,
                    clock_khz: 8,
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
