//! Sending: to another interface, back out of the same one, or to the AF_XDP worker.
#![allow(unsafe_code)] // Kernel helpers and the context.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::bpf_xdp_adjust_head;
use aya_ebpf::programs::XdpContext;
use media_ebpf::frame::Frame;
use media_ebpf::reshape::Reshape;
use media_ebpf::verdict::{Verdict, XDP_DROP};

use crate::maps::{DEVICES, QUEUES, XSKS};

/// The frame as it lies in the context now.
#[inline(always)]
pub fn frame(ctx: &XdpContext) -> Frame<'_> {
    // SAFETY: the kernel lends us the packet for the run of the program; nothing else is made
    // of these pointers while the frame lives, and `adjust_head` is only called between frames.
    unsafe { Frame::new(ctx.data() as *mut u8, ctx.data_end() as *mut u8) }
}

/// Has the packet sent by that interface.
#[inline(always)]
pub fn depart(ctx: &XdpContext, ifindex: u32) -> Option<Verdict> {
    if ifindex as usize == ctx.ingress_ifindex() {
        return Some(Verdict::Transmit);
    }
    let sent = DEVICES.redirect(ifindex, u64::from(XDP_DROP));
    sent.is_ok().then_some(Verdict::Redirect)
}

/// Moves the beginning of the frame and writes its headers there.
#[inline(always)]
pub fn reshape(ctx: &XdpContext, reshape: &Reshape<'_>) -> Option<()> {
    // SAFETY: the context is the program's own; no pointer into the packet outlives this call.
    if unsafe { bpf_xdp_adjust_head(ctx.as_ptr().cast(), reshape.delta) } != 0 {
        return None;
    }
    reshape.write(&mut frame(ctx))
}

/// Has the packet handed to the worker of its receive queue. The fallback is to drop: a packet
/// that needs a worker must never go on without one.
#[inline(always)]
pub fn hand_to_worker(ctx: &XdpContext) -> Option<Verdict> {
    let ingress = ctx.ingress_ifindex() as u32;
    // SAFETY: the value is read at once; user space does not remove interfaces while packets flow,
    // and if it did the slot would only be empty.
    let base = unsafe { QUEUES.get(ingress) }?;
    let slot = base.wrapping_add(ctx.rx_queue_index());
    let handed = XSKS.redirect(slot, u64::from(XDP_DROP));
    handed.is_ok().then_some(Verdict::Worker)
}
