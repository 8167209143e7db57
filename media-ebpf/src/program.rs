//! The entry point: decide, send, count.
#![allow(unsafe_code)] // Map values, sections and the panic handler.

use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use media_common::counters::DropReason;
use media_common::event::{KIND_FIRST_PACKET, KIND_SOURCE_MISMATCH, is_reported};
use media_common::flow::{FlowEntry, MediaAddressList, NextHop};
use media_common::quality::{FlowCounters, FlowIncidents};
use media_ebpf::relay::{Decision, Seen, Tables, decide};
use media_ebpf::verdict::Verdict;

use crate::maps::{FLOWS, INCIDENTS, MEDIA_ADDRESSES, NEXT_HOPS, VERDICTS};
use crate::{events, redirect};

#[xdp]
pub fn trunkline_media(ctx: XdpContext) -> u32 {
    let decision = decide(&mut redirect::frame(&ctx), &Maps);
    let verdict = match decision {
        Decision::Pass(pass) => Verdict::Pass(pass),
        Decision::Drop(reason, ref seen) => {
            count_drop(reason, seen);
            Verdict::Drop(reason)
        }
        Decision::Worker(ref seen) => {
            let verdict = redirect::worker(&ctx);
            if let Verdict::Drop(reason) = verdict {
                count_drop(reason, seen);
            }
            verdict
        }
        Decision::Forward(next_hop, retag, ref seen) => {
            let verdict = redirect::forward(&ctx, next_hop, retag);
            match verdict {
                Verdict::Drop(reason) => count_drop(reason, seen),
                _ => count_sent(seen),
            }
            verdict
        }
    };
    if let Some(verdicts) = VERDICTS.get_ptr_mut(0) {
        // SAFETY: this CPU's own slot; the program does not preempt itself.
        verdict.count(unsafe { &mut *verdicts });
    }
    #[cfg(feature = "trace")]
    crate::trace::say(&ctx, &decision, verdict);
    verdict.code()
}

/// The maps, as the program's arithmetic sees them.
struct Maps;

impl Tables for Maps {
    #[inline(always)]
    fn media_addresses(&self) -> Option<&MediaAddressList> {
        MEDIA_ADDRESSES.get(0)
    }

    #[inline(always)]
    fn flow(&self, index: u32) -> Option<&FlowEntry> {
        FLOWS.get(index).map(|flow| &flow.entry)
    }

    #[inline(always)]
    fn next_hop(&self, index: u32) -> Option<&NextHop> {
        NEXT_HOPS.get(index)
    }
}

#[inline(always)]
fn count_sent(seen: &Seen) {
    let Some(counters) = counters(seen.flow) else {
        return;
    };
    let now_ns = events::now_ns();
    if counters.packets == 0 {
        events::report(KIND_FIRST_PACKET, now_ns, seen);
    }
    counters.packets = counters.packets.wrapping_add(1);
    counters.bytes = counters.bytes.wrapping_add(u64::from(seen.bytes));
    if seen.is_rtp {
        counters.last_seen_ns = now_ns;
    }
}

#[inline(always)]
fn count_drop(reason: DropReason, seen: &Seen) {
    let Some(counters) = counters(seen.flow) else {
        return;
    };
    counters.dropped = counters.dropped.wrapping_add(1);
    if let Some(incidents) = incidents(seen.flow) {
        incidents.count_drop(reason);
    }
    if reason == DropReason::WrongSource && is_reported(counters.dropped) {
        let now_ns = events::now_ns();
        if events::may_report(now_ns) {
            events::report(KIND_SOURCE_MISMATCH, now_ns, seen);
        }
    }
}

/// A flow's packets come by one receive queue, whose CPU is the only writer; after a change of
/// queue two may for a moment overwrite each other's last count, which costs one packet's.
#[inline(always)]
fn counters(flow: u32) -> Option<&'static mut FlowCounters> {
    // SAFETY: map values live as long as the program; see above for who writes.
    FLOWS
        .get_ptr_mut(flow)
        .map(|flow| unsafe { &mut (*flow).counters })
}

/// As for [`counters`].
#[inline(always)]
fn incidents(flow: u32) -> Option<&'static mut FlowIncidents> {
    // SAFETY: as above.
    INCIDENTS
        .get_ptr_mut(flow)
        .map(|incidents| unsafe { &mut *incidents })
}

/// The kernel's tracing and time helpers want a licence that it knows.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: the verifier refuses a program that could panic.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
