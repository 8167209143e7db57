//! The entry point: decide, send, count.
#![allow(unsafe_code)] // Map values, sections and the panic handler.

use aya_ebpf::helpers::{bpf_jiffies64, bpf_ktime_get_ns};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use media_common::counters::DropReason;
use media_common::event::Event;
use media_common::flow::{FlowEntry, MediaAddressList, NextHop};
use media_common::quality::{FlowCounters, FlowIncidents};
use media_ebpf::relay::{Kernel, relay};
use media_ebpf::verdict::Verdict;

use crate::maps::{
    CLOCK, EVENTS, FLOWS, INCIDENTS, MEDIA_ADDRESSES, NEXT_HOPS, REPORT_BUDGET, VERDICTS,
};
use crate::redirect;

#[xdp]
pub fn trunkline_media(ctx: XdpContext) -> u32 {
    let outcome = relay(&mut redirect::frame(&ctx), &mut Maps { ctx: &ctx });
    let mut verdict = outcome.verdict;
    if let Some(reshape) = &outcome.reshape
        && redirect::reshape(&ctx, reshape).is_none()
    {
        // The driver leaves less room before a frame than XDP asks of it.
        verdict = Verdict::Drop(DropReason::TooLong);
    }
    if let Some(verdicts) = VERDICTS.get_ptr_mut(0) {
        // SAFETY: this CPU's own slot; the program does not preempt itself.
        verdict.count(unsafe { &mut *verdicts });
    }
    #[cfg(feature = "trace")]
    crate::trace::say(&ctx, &outcome, verdict);
    verdict.code()
}

/// The maps and helpers, as the program's arithmetic sees them.
struct Maps<'c> {
    ctx: &'c XdpContext,
}

impl<'t> Kernel<'t> for Maps<'_> {
    #[inline(always)]
    fn media_addresses(&mut self) -> Option<&'t MediaAddressList> {
        MEDIA_ADDRESSES.get(0)
    }

    /// A flow's packets come by one receive queue, whose CPU is the only writer; after a change of
    /// queue two may for a moment overwrite each other's last count, which costs one packet's.
    #[inline(always)]
    fn flow(&mut self, index: u32) -> Option<(&'t FlowEntry, &'t mut FlowCounters)> {
        let flow = FLOWS.get_ptr_mut(index)?;
        // SAFETY: map values live as long as the program; see above for who writes the counters,
        // and this is the only look-up in a run.
        Some(unsafe { (&(*flow).entry, &mut (*flow).counters) })
    }

    #[inline(always)]
    fn incidents(&mut self, index: u32) -> Option<&mut FlowIncidents> {
        // SAFETY: as for `flow`; the reference ends before the next look-up.
        INCIDENTS
            .get_ptr_mut(index)
            .map(|incidents| unsafe { &mut *incidents })
    }

    #[inline(always)]
    fn next_hop(&mut self, index: u32) -> Option<&'t NextHop> {
        NEXT_HOPS.get(index)
    }

    #[inline(always)]
    fn now_ns(&mut self) -> u64 {
        // SAFETY: the helper has no arguments.
        let exact = || unsafe { bpf_ktime_get_ns() };
        let Some(clock) = CLOCK.get_ptr_mut(0) else {
            return exact();
        };
        // SAFETY: the helper has no arguments, and the kernel makes a load of it.
        let tick = unsafe { bpf_jiffies64() };
        // SAFETY: this CPU's own slot; the program does not preempt itself.
        unsafe { &mut *clock }.now_ns(tick, exact)
    }

    #[inline(always)]
    fn depart(&mut self, ifindex: u32) -> Option<Verdict> {
        redirect::depart(self.ctx, ifindex)
    }

    #[inline(always)]
    fn hand_to_worker(&mut self) -> Option<Verdict> {
        redirect::hand_to_worker(self.ctx)
    }

    #[inline(always)]
    fn may_report(&mut self, now_ns: u64) -> bool {
        let Some(budget) = REPORT_BUDGET.get_ptr_mut(0) else {
            return false;
        };
        // SAFETY: this CPU's own slot; the program does not preempt itself.
        unsafe { &mut *budget }.take(now_ns)
    }

    /// If the ring is full, user space has worse problems.
    #[inline(always)]
    fn tell(&mut self, event: Event) {
        if let Some(mut entry) = EVENTS.reserve_untyped::<Event>(0) {
            entry.write(event);
            entry.submit(0);
        }
    }
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
