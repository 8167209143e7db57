//! Sending: to another interface, back out of the same one, or to the AF_XDP worker.
#![allow(unsafe_code)] // Kernel helpers and the context.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::bpf_xdp_adjust_head;
use aya_ebpf::programs::XdpContext;
use media_common::counters::DropReason;
use media_common::flow::NextHop;
use media_ebpf::frame::Frame;
use media_ebpf::relay::{Retag, write_link};
use media_ebpf::verdict::{Verdict, XDP_DROP};

use crate::maps::{DEVICES, QUEUES, XSKS};

const TAG_LENGTH: i32 = 4;

/// The frame as it lies in the context now.
#[inline(always)]
pub fn frame(ctx: &XdpContext) -> Frame<'_> {
    // SAFETY: the kernel lends us the packet for the run of the program; nothing else is made
    // of these pointers while the frame lives, and `adjust_head` is only called between frames.
    unsafe { Frame::new(ctx.data() as *mut u8, ctx.data_end() as *mut u8) }
}

/// Sends a rewritten packet to its next hop.
#[inline(always)]
pub fn forward(ctx: &XdpContext, next_hop: &NextHop, retag: Retag) -> Verdict {
    if retag != Retag::Keep && change_tag(ctx, next_hop, retag).is_none() {
        return Verdict::Drop(DropReason::TooLong);
    }
    if next_hop.ifindex as usize == ctx.ingress_ifindex() {
        return Verdict::Transmit;
    }
    match DEVICES.redirect(next_hop.ifindex, u64::from(XDP_DROP)) {
        Ok(_) => Verdict::Redirect,
        Err(_) => Verdict::Drop(DropReason::BadEntry),
    }
}

#[inline(always)]
fn change_tag(ctx: &XdpContext, next_hop: &NextHop, retag: Retag) -> Option<()> {
    let delta = if matches!(retag, Retag::Add(_)) {
        -TAG_LENGTH
    } else {
        TAG_LENGTH
    };
    // SAFETY: the context is the program's own; no pointer into the packet outlives this call.
    if unsafe { bpf_xdp_adjust_head(ctx.as_ptr().cast(), delta) } != 0 {
        return None;
    }
    write_link(&mut frame(ctx), next_hop, retag)
}

/// Hands a packet to the worker of its receive queue. The fallback is to drop: a packet that
/// needs a worker must never go on without one.
#[inline(always)]
pub fn worker(ctx: &XdpContext) -> Verdict {
    let ingress = ctx.ingress_ifindex() as u32;
    // SAFETY: the value is read at once; user space does not remove interfaces while packets flow,
    // and if it did the slot would only be empty.
    let Some(base) = (unsafe { QUEUES.get(ingress) }) else {
        return Verdict::Drop(DropReason::XskUnbound);
    };
    let slot = base.wrapping_add(ctx.rx_queue_index());
    match XSKS.redirect(slot, u64::from(XDP_DROP)) {
        Ok(_) => Verdict::Worker,
        Err(_) => Verdict::Drop(DropReason::XskUnbound),
    }
}
