//! The few packets that user space hears of one by one.
#![allow(unsafe_code)] // Kernel helpers and map values.

use aya_ebpf::helpers::bpf_ktime_get_coarse_ns;
use media_common::event::Event;
use media_ebpf::relay::Seen;

use crate::maps::{EVENTS, REPORT_BUDGET};

/// `CLOCK_MONOTONIC` in steps of the timer tick: far cheaper than the exact clock, and exact
/// enough for when a flow was last seen.
#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: the helper has no arguments; in the kernel since 5.11.
    unsafe { bpf_ktime_get_coarse_ns() }
}

/// Whether this CPU may report another mismatch.
#[inline(always)]
pub fn may_report(now_ns: u64) -> bool {
    let Some(budget) = REPORT_BUDGET.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: this CPU's own slot; the program does not preempt itself.
    unsafe { &mut *budget }.take(now_ns)
}

/// Puts an event into the ring; if that is full, user space has worse problems.
#[inline(always)]
pub fn report(kind: u8, now_ns: u64, seen: &Seen) {
    let Some(mut entry) = EVENTS.reserve_untyped::<Event>(0) else {
        return;
    };
    let mut source_address = [0; 16];
    source_address[..8].copy_from_slice(&seen.source[0].to_ne_bytes());
    source_address[8..].copy_from_slice(&seen.source[1].to_ne_bytes());
    entry.write(Event {
        time_ns: now_ns,
        flow: seen.flow,
        kind,
        payload_type: seen.payload_type,
        source_port: seen.source_port.to_ne_bytes(),
        source_address,
        ssrc: seen.ssrc,
        detail: 0,
    });
    entry.submit(0);
}
