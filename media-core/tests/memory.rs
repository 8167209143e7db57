//! What a call of media state costs in memory, heap and all.
#![allow(unsafe_code)] // A global allocator that counts.
#![allow(clippy::unwrap_used)] // A test may panic.

#[allow(dead_code)] // Not all of it is needed here.
#[path = "media/common.rs"]
pub mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{at, rtcp, rtp, suite_key};
use media_core::relay::{Carries, Flow, FlowConfig, Outcome, Route, Source, Transform};
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use media_core::srtp::{MAX_TRAILER, SrtcpSender, SrtpSender};

struct Counting;

thread_local! {
    /// Bytes that live on the heap, with the 16 that the system's allocator adds to each block.
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

const OVERHEAD: usize = 16;

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.with(|live| live.set(live.get() + layout.size() + OVERHEAD));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.with(|live| live.set(live.get().saturating_sub(layout.size() + OVERHEAD)));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// RTP and RTCP of one direction, from one leg's key to the other's.
fn direction(receive: MasterKey, send: MasterKey) -> [FlowConfig; 2] {
    let route = Route {
        from: at("10.0.0.1:30000"),
        to: Some(at("198.51.100.7:5004")),
    };
    [Carries::Rtp(route), Carries::Rtcp(route)].map(|carries| FlowConfig {
        carries,
        source: Source::Latch {
            allowed: vec![(at("192.0.2.0:0").ip(), 24)],
            latched: None,
        },
        payload_types: 1,
        telephone_event: None,
        clock_khz: 8,
        max_packet_rate: 0,
        transform: Transform::Reencrypt {
            receive: receive.clone(),
            send: send.clone(),
        },
        dscp: None,
        generation: 0,
    })
}

fn call(suite: Suite, generation: u8) -> [FlowConfig; 4] {
    let key = |byte| suite_key(suite, byte + generation).with_mki(&[0, 0, 0, 1]);
    let [first, second] = direction(key(1), key(2));
    let [third, fourth] = direction(key(3), key(4));
    [first, second, third, fourth]
}

/// A packet of each of many sources, and RTCP, relayed by the flows that they are of.
fn talk(flows: &mut [Flow], receive: [MasterKey; 2]) {
    let (now, peer) = (1_000_000, at("192.0.2.1:4000"));
    for (pair, key) in flows.chunks_mut(2).zip(receive) {
        let mut out = [0; 2048];
        let mut sender = SrtpSender::new(key.clone());
        for ssrc in 0..30_u32 {
            let mut packet = rtp(0, 1);
            packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
            let mut buffer = [0; 400];
            let len = sender.protect(&packet, &mut buffer).unwrap();
            let outcome = pair[0].relay(now, peer, &buffer[..len], &mut out);
            assert!(matches!(outcome, Outcome::Forward { .. }), "{outcome:?}");
        }
        let mut buffer = [0; 64 + MAX_TRAILER];
        let len = SrtcpSender::new(key).protect(&rtcp(), &mut buffer).unwrap();
        let outcome = pair[1].relay(now, peer, &buffer[..len], &mut out);
        assert!(matches!(outcome, Outcome::Forward { .. }), "{outcome:?}");
    }
}

/// Two legs with SRTP under different keys, RTP and RTCP apart: the most that a call can need.
#[test]
fn a_call_needs_less_than_12_kib_with_every_suite() {
    for suite in Suite::ALL {
        let before = LIVE.with(Cell::get);
        let mut flows: Vec<Flow> = Vec::with_capacity(4);
        flows.extend(call(*suite, 0).map(Flow::new));
        let key = |byte| suite_key(*suite, byte).with_mki(&[0, 0, 0, 1]);
        talk(&mut flows, [key(1), key(3)]);
        let used = LIVE.with(Cell::get) - before;
        assert!(used < 12 << 10, "{used} bytes with {suite:?}");
        // The count is of something: each of the flows holds expanded keys and sources.
        assert!(used > 4 * 1024, "{used} bytes with {suite:?}");

        // After a new key the past of the one before is kept: it may be taken back.
        for (flow, config) in flows.iter_mut().zip(call(*suite, 10)) {
            flow.update(config);
        }
        let key = |byte| suite_key(*suite, byte).with_mki(&[0, 0, 0, 1]);
        talk(&mut flows, [key(11), key(13)]);
        let with_both = LIVE.with(Cell::get) - before;
        assert!(
            with_both < 15 << 10,
            "{with_both} bytes with {suite:?} after a new key"
        );
        drop(flows);
        assert_eq!(LIVE.with(Cell::get), before, "nothing is left of a call");
        println!(
            "{}: {used} bytes, {with_both} after a new key",
            suite.name()
        );
    }
}
