//! What the XDP program leaves in its maps: counters, events, fields that bpftool names,
//! words in the tracing build.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use media_common::event::{KIND_DIGIT, KIND_FIRST_PACKET, KIND_SOURCE_MISMATCH, KIND_SSRC_CHANGE};
use media_common::flow::{FLAG_CHECK_SOURCE, FLAG_RAW, FLAG_RTCP_MUX, FlowEntry, ip_to_mapped};
use media_common::maps;
use media_common::quality::{FlowCounters, FlowIncidents};
use trunkline_tests::privilege::require_root;
use trunkline_tests::xdp::kernel::{INGRESS, Kernel, object_path};
use trunkline_tests::xdp::packet::{Packet, rtp, sender_report};
use trunkline_tests::xdp::scene::{
    FLOWS, Family, NEXT_HOPS, OTHER_INTERFACE, kernel, media_addresses, next_hop,
};

#[test]
fn a_flow_counts_its_packets() {
    if !require_root("a run of the XDP program") {
        return;
    }
    let mut kernel = kernel().unwrap();
    kernel.set_flow(3, Family::V4.entry()).unwrap();
    kernel.set_next_hop(5, next_hop()).unwrap();
    for _ in 0..3 {
        kernel.run(&Family::V4.packet().build()).unwrap();
    }
    kernel
        .run(
            &Packet {
                hops: 1,
                ..Family::V4.packet()
            }
            .build(),
        )
        .unwrap();
    let counters = kernel.counters(3).unwrap();
    assert_eq!(
        (counters.packets, counters.bytes, counters.dropped),
        (3, 3 * 172, 1)
    );
    assert_ne!(counters.last_seen_ns, 0);
    assert_eq!(kernel.counters(2).unwrap(), FlowCounters::default());
    assert_eq!(kernel.counters(4).unwrap(), FlowCounters::default());
}

#[test]
fn rtcp_counts_as_a_packet_but_not_as_a_sign_of_life() {
    if !require_root("a run of the XDP program") {
        return;
    }
    let mut kernel = kernel().unwrap();
    let flags = FLAG_CHECK_SOURCE | FLAG_RTCP_MUX;
    let entry = FlowEntry {
        flags,
        ..Family::V4.entry()
    };
    kernel.set_flow(3, entry).unwrap();
    kernel.set_next_hop(5, next_hop()).unwrap();
    let report = Packet {
        payload: sender_report(7),
        ..Family::V4.packet()
    };
    kernel.run(&report.build()).unwrap();
    let counters = kernel.counters(3).unwrap();
    assert_eq!((counters.packets, counters.last_seen_ns), (1, 0));
    assert_eq!(kernel.incidents(3).unwrap().rtcp, 1);
    kernel.run(&Family::V4.packet().build()).unwrap();
    let counters = kernel.counters(3).unwrap();
    assert_eq!(counters.packets, 2);
    assert_ne!(counters.last_seen_ns, 0);
}

/// A stream with everything in it that has a counter, twenty milliseconds apart.
#[test]
fn a_flow_remembers_what_became_of_its_stream() {
    if !require_root("a run of the XDP program") {
        return;
    }
    let mut kernel = kernel().unwrap();
    let entry = FlowEntry {
        clock_khz: 8,
        ..Family::V4.entry()
    };
    kernel.set_flow(3, entry).unwrap();
    kernel.set_next_hop(5, next_hop()).unwrap();
    for sequence in [1, 2, 3, 6, 5, 5, 7] {
        let packet = Packet {
            payload: rtp(0, sequence, 9, &[0x55; 160]),
            ..Family::V4.packet()
        };
        kernel.run(&packet.build()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (counters, incidents) = (kernel.counters(3).unwrap(), kernel.incidents(3).unwrap());
    assert_eq!(
        (incidents.lost, incidents.reordered, incidents.duplicated),
        (1, 1, 1)
    );
    assert_eq!((incidents.longest_loss, incidents.ssrc_changes), (2, 0));
    assert_eq!(counters.packets, 7);
    // Half the packets were sent 20 ms later than their neighbours say; the clock is exact.
    assert!(counters.jitter > 0);
    let pause_ms = counters.longest_pause_us / 1000;
    assert!((20..500).contains(&pause_ms), "{pause_ms} ms");
}

#[test]
fn user_space_hears_of_another_source_and_of_each_digit_once() {
    if !require_root("a run of the XDP program") {
        return;
    }
    let mut kernel = kernel().unwrap();
    let entry = FlowEntry {
        telephone_event: 101,
        ..Family::V6.entry()
    };
    kernel.set_flow(35, entry).unwrap();
    kernel.set_next_hop(5, next_hop()).unwrap();
    let mut tell = |payload: Vec<u8>| {
        let packet = Packet {
            payload,
            ..Family::V6.packet()
        };
        kernel.run(&packet.build()).unwrap();
        let events = kernel.events().unwrap();
        assert!(
            events
                .iter()
                .all(|event| event.source_address == ip_to_mapped(Family::V6.peer().ip()))
        );
        events
            .iter()
            .map(|event| (event.kind, event.detail, event.ssrc))
            .collect::<Vec<_>>()
    };
    let event = |sequence: u16, began: u32, ssrc: u32, code: u8| {
        let mut packet = rtp(101, sequence, ssrc, &[code, 10, 0, 160]);
        packet[4..8].copy_from_slice(&began.to_be_bytes());
        packet
    };
    let (one, two) = (1u32.to_be_bytes(), 2u32.to_be_bytes());
    assert_eq!(tell(rtp(0, 1, 1, &[0; 160])), [(KIND_FIRST_PACKET, 0, one)]);
    assert_eq!(tell(event(2, 320, 1, 5)), [(KIND_DIGIT, 5, one)]);
    assert_eq!(tell(event(3, 320, 1, 5)), []);
    assert_eq!(tell(event(4, 320, 1, 5)), [], "its end is sent again");
    assert_eq!(tell(event(5, 1600, 1, 11)), [(KIND_DIGIT, 11, one)]);
    assert_eq!(tell(event(6, 3200, 1, 17)), [], "no digit");
    assert_eq!(
        tell(rtp(0, 900, 2, &[0; 160])),
        [(KIND_SSRC_CHANGE, 0, two)]
    );
    assert_eq!(tell(rtp(0, 901, 2, &[0; 160])), []);
    let incidents = kernel.incidents(35).unwrap();
    assert_eq!((incidents.digits, incidents.ssrc_changes), (2, 1));
    assert_eq!(incidents.lost, 0);
}

#[test]
fn a_raw_flow_counts_and_is_alive_whatever_it_carries() {
    if !require_root("a run of the XDP program") {
        return;
    }
    let mut kernel = kernel().unwrap();
    let entry = FlowEntry {
        flags: FLAG_CHECK_SOURCE | FLAG_RAW,
        ..Family::V4.entry()
    };
    kernel.set_flow(3, entry).unwrap();
    kernel.set_next_hop(5, next_hop()).unwrap();
    for payload in [vec![0, 1, 3], vec![], vec![0x80; 40]] {
        let packet = Packet {
            payload,
            ..Family::V4.packet()
        };
        kernel.run(&packet.build()).unwrap();
    }
    let counters = kernel.counters(3).unwrap();
    assert_eq!((counters.packets, counters.bytes), (3, 43));
    assert_ne!(counters.last_seen_ns, 0);
    assert_eq!(kernel.incidents(3).unwrap(), FlowIncidents::default());
    let events = kernel.events().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, KIND_FIRST_PACKET);
}

#[test]
fn user_space_hears_of_the_first_packet_and_of_strangers_now_and_then() {
    if !require_root("a run of the XDP program") {
        return;
    }
    let mut kernel = kernel().unwrap();
    kernel.set_flow(3, Family::V4.entry()).unwrap();
    kernel.set_flow(35, Family::V6.entry()).unwrap();
    kernel.set_next_hop(5, next_hop()).unwrap();
    for family in [Family::V4, Family::V6, Family::V4] {
        kernel.run(&family.packet().build()).unwrap();
    }
    let events = kernel.events().unwrap();
    assert_eq!(events.len(), 2);
    for (event, family) in events.iter().zip([Family::V4, Family::V6]) {
        assert_eq!((event.kind, event.flow), (KIND_FIRST_PACKET, family.flow()));
        assert_eq!(event.source_address, ip_to_mapped(family.peer().ip()));
        assert_eq!(event.source_port, family.peer().port().to_be_bytes());
        assert_eq!(
            (event.payload_type, event.ssrc),
            (0, 0x1122_3344u32.to_be_bytes())
        );
    }

    let stranger = Packet {
        source: "203.0.113.9:4000".parse().unwrap(),
        ..Family::V4.packet()
    };
    for _ in 0..100 {
        kernel.run(&stranger.build()).unwrap();
    }
    let events = kernel.events().unwrap();
    // The 1st, 2nd, 4th, 8th, 16th, 32nd and 64th.
    assert_eq!(events.len(), 7);
    assert!(events.iter().all(|event| event.kind == KIND_SOURCE_MISMATCH
        && event.source_address == ip_to_mapped("203.0.113.9".parse().unwrap())
        && event.source_port == 4000u16.to_be_bytes()));
}

#[test]
fn bpftool_prints_a_flow_with_the_names_of_its_fields() {
    if !require_root("bpftool map dump") {
        return;
    }
    let mut kernel = kernel().unwrap();
    kernel.set_flow(3, Family::V4.entry()).unwrap();
    for (map, names) in [
        (
            maps::FLOWS,
            &[
                "expected_address",
                "remote_port",
                "payload_types",
                "next_hop",
            ][..],
        ),
        (maps::FLOWS, &["last_seen_ns", "dropped", "jitter"]),
        (maps::INCIDENTS, &["lost", "ssrc_changes"]),
        (maps::NEXT_HOPS, &["destination_mac", "vlan"]),
        (maps::MEDIA_ADDRESSES, &["port_low", "first_index"]),
    ] {
        let id = kernel.map_id(map).unwrap().to_string();
        let dump = std::process::Command::new("bpftool")
            .args(["map", "dump", "id", &id])
            .output()
            .expect("bpftool is installed by cargo xtask setup");
        let text = String::from_utf8_lossy(&dump.stdout);
        for name in names {
            assert!(
                text.contains(&format!("\"{name}\"")),
                "{map} has no {name}:\n{text}"
            );
        }
    }
}

#[test]
fn the_tracing_object_says_in_words_what_happened() {
    if !require_root("a run of the tracing XDP program") {
        return;
    }
    let object = object_path().with_file_name("trunkline-media-trace.o");
    let mut kernel = Kernel::load_from(&object, FLOWS, NEXT_HOPS).unwrap();
    kernel.set_media_addresses(media_addresses()).unwrap();
    kernel.set_flow(3, Family::V4.entry()).unwrap();
    kernel.set_next_hop(5, next_hop()).unwrap();
    kernel.set_device(OTHER_INTERFACE, INGRESS).unwrap();
    for (packet, words) in [
        (Family::V4.packet(), "sent on by interface"),
        (
            Packet {
                hops: 1,
                ..Family::V4.packet()
            },
            "its hop limit is used up",
        ),
        (
            Packet {
                protocol: 6,
                ..Family::V4.packet()
            },
            "passed to the host: not UDP",
        ),
    ] {
        kernel.run(&packet.build()).unwrap();
        let log = kernel.ring_bytes("AYA_LOGS").unwrap();
        let text = String::from_utf8_lossy(&log);
        assert!(text.contains(words), "no \"{words}\" in {text:?}");
    }
}
