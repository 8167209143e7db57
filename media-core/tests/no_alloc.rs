//! Nothing on a packet's way allocates.
#![allow(unsafe_code)] // A global allocator that counts.
#![allow(clippy::unwrap_used)] // A test may panic.

#[path = "media/common.rs"]
pub mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{at, key, rtcp, rtp, suite_key};
use media_common::flow::NextHop;
use media_core::relay::frame::{self, MAX_HEADERS};
use media_core::relay::{Carries, Flow, FlowConfig, Outcome, Route, Source, Transform};
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use media_core::srtp::{MAX_TRAILER, SrtcpSender, SrtpSender};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

fn flow(transform: Transform) -> Flow {
    let route = Route {
        from: at("10.0.0.1:30000"),
        to: Some(at("198.51.100.7:5004")),
    };
    Flow::new(FlowConfig {
        carries: Carries::Both {
            rtp: route,
            rtcp: route,
        },
        source: Source::Latch {
            allowed: vec![(at("192.0.2.0:0").ip(), 24)],
            latched: None,
        },
        payload_types: 1,
        telephone_event: None,
        clock_khz: 8,
        max_packet_rate: 0,
        transform,
        dscp: None,
        generation: 0,
    })
}

fn packets(key: Option<MasterKey>) -> Vec<Vec<u8>> {
    let mut plain: Vec<Vec<u8>> = (0..50).map(|sequence| rtp(0, sequence)).collect();
    // Many sources: some are pushed out of the table.
    plain.extend((0..20_u32).map(|ssrc| {
        let mut packet = rtp(0, 1);
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        packet
    }));
    let Some(key) = key else {
        plain.push(rtcp());
        return plain;
    };
    let (mut sender, mut rtcp_sender) = (SrtpSender::new(key.clone()), SrtcpSender::new(key));
    let protect = |packet: &Vec<u8>| {
        let mut out = vec![0; packet.len() + MAX_TRAILER];
        let len = sender.protect(packet, &mut out).unwrap();
        out.truncate(len);
        out
    };
    let mut protected: Vec<Vec<u8>> = plain.iter().map(protect).collect();
    let mut out = vec![0; rtcp().len() + MAX_TRAILER];
    let len = rtcp_sender.protect(&rtcp(), &mut out).unwrap();
    out.truncate(len);
    protected.push(out);
    protected
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn a_relayed_or_dropped_packet_allocates_nothing() {
    let mut cases = vec![
        (Transform::Copy, packets(None)),
        (Transform::Blocked, packets(None)),
        (Transform::Encrypt { send: key(2) }, packets(None)),
        (
            Transform::Decrypt { receive: key(1) },
            packets(Some(key(1))),
        ),
        (
            Transform::Reencrypt {
                receive: key(1),
                send: key(2),
            },
            packets(Some(key(1))),
        ),
        (
            Transform::Decrypt { receive: key(9) },
            packets(Some(key(1))),
        ),
    ];
    for suite in Suite::ALL.iter().copied() {
        let key = |byte| suite_key(suite, byte);
        cases.push((
            Transform::Reencrypt {
                receive: key(1),
                send: key(2),
            },
            packets(Some(key(1))),
        ));
    }
    for (transform, packets) in cases {
        let what = format!("{transform:?}");
        let forwards =
            !matches!(&transform, Transform::Blocked) && transform.receive() != Some(&key(9));
        let mut flow = flow(transform);
        let (now_ns, peer, stranger) =
            (1_000_000_000, at("192.0.2.1:4000"), at("203.0.113.1:4000"));
        let mut out = [0; 2048];
        let mut forwarded = 0;
        let count = allocations(|| {
            for packet in &packets {
                flow.relay(now_ns, stranger, packet, &mut out);
                let outcome = flow.relay(now_ns, peer, packet, &mut out);
                forwarded += usize::from(matches!(outcome, Outcome::Forward { .. }));
                flow.relay(now_ns, peer, packet, &mut out);
            }
        });
        assert_eq!(
            (count, forwarded),
            (0, if forwards { packets.len() } else { 0 }),
            "{what}"
        );
    }
}

#[test]
fn reading_and_writing_headers_allocates_nothing() {
    let next_hop = NextHop {
        ifindex: 2,
        vlan: 7,
        ..NextHop::default()
    };
    let mut out = [0; 2048];
    let mut arrived = [0; 256];
    let count = allocations(|| {
        arrived[12..14].copy_from_slice(&[0x08, 0x00]);
        arrived[14] = 0x45;
        arrived[16..18].copy_from_slice(&200_u16.to_be_bytes());
        arrived[22..24].copy_from_slice(&[64, 17]);
        arrived[38..40].copy_from_slice(&180_u16.to_be_bytes());
        let parsed = frame::parse(&arrived).unwrap();
        let payload = MAX_HEADERS..MAX_HEADERS + 172;
        let (from, to) = (at("[2001:db8::1]:30000"), at("[2001:db8::2]:5004"));
        let emitted = frame::emit(&mut out, payload, &parsed, from, to, None, &next_hop);
        assert_eq!(emitted, Ok(0..MAX_HEADERS + 172));
    });
    assert_eq!(count, 0);
}
