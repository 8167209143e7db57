//! The tracing build says in words what happened to each packet.
//!
//! Every line has its whole text in its own format string: with a text chosen at run time
//! the verifier follows aya-log's copy of it byte by byte for every length, and gives up
//! ("BPF program is too large", Linux 6.18, aya-log-ebpf 0.2.0).
//! The levels are those of aya-log: what a flow does is `info`, the host's traffic `debug`.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::{debug, info};
use media_common::counters::DropReason;
use media_ebpf::relay::{Decision, Seen};
use media_ebpf::verdict::{Pass, Verdict};

/// One line for the packet.
#[inline(always)]
pub fn say(ctx: &XdpContext, decision: &Decision<'_>, verdict: Verdict) {
    match (decision, verdict) {
        (Decision::Pass(pass), _) => say_pass(ctx, *pass),
        (Decision::Forward(next_hop, _, seen), Verdict::Redirect) => {
            let (address, port) = (source(seen), source_port(seen));
            let interface = next_hop.ifindex;
            info!(
                ctx,
                "flow {} from {:i}:{}: sent on by interface {}",
                seen.flow,
                address,
                port,
                interface
            );
        }
        (Decision::Forward(_, _, seen), Verdict::Transmit) => {
            let (address, port) = (source(seen), source_port(seen));
            info!(
                ctx,
                "flow {} from {:i}:{}: sent on by the interface it came by",
                seen.flow,
                address,
                port
            );
        }
        (Decision::Worker(seen), Verdict::Worker) => {
            let (address, port) = (source(seen), source_port(seen));
            info!(
                ctx,
                "flow {} from {:i}:{}: handed to the AF_XDP worker", seen.flow, address, port
            );
        }
        (
            Decision::Drop(_, seen) | Decision::Forward(_, _, seen) | Decision::Worker(seen),
            Verdict::Drop(reason),
        ) => say_drop(ctx, seen, reason),
        _ => {}
    }
}

#[inline(always)]
fn say_pass(ctx: &XdpContext, pass: Pass) {
    match pass {
        Pass::NotIp => debug!(ctx, "passed to the host: neither IPv4 nor IPv6"),
        Pass::IpOptions => debug!(ctx, "passed to the host: IPv4 options"),
        Pass::ExtensionHeader => debug!(ctx, "passed to the host: IPv6 extension header"),
        Pass::Fragment => debug!(ctx, "passed to the host: a fragment"),
        Pass::NotUdp => debug!(ctx, "passed to the host: not UDP"),
        Pass::Truncated => debug!(ctx, "passed to the host: shorter than it says"),
        Pass::NotMedia => debug!(ctx, "passed to the host: not an allocated media port"),
    }
}

#[inline(always)]
fn say_drop(ctx: &XdpContext, seen: &Seen, reason: DropReason) {
    let (flow, address, port) = (seen.flow, source(seen), source_port(seen));
    match reason {
        DropReason::WrongSource => {
            info!(
                ctx,
                "flow {} from {:i}:{}: dropped, it is not from the peer", flow, address, port
            );
        }
        DropReason::Malformed => {
            info!(
                ctx,
                "flow {} from {:i}:{}: dropped, neither RTP nor RTCP", flow, address, port
            );
        }
        DropReason::PayloadType => {
            let payload_type = seen.payload_type;
            info!(
                ctx,
                "flow {} from {:i}:{}: dropped, payload type {} was not negotiated",
                flow,
                address,
                port,
                payload_type
            );
        }
        DropReason::HopLimit => {
            info!(
                ctx,
                "flow {} from {:i}:{}: dropped, its hop limit is used up", flow, address, port
            );
        }
        DropReason::XskUnbound => {
            info!(
                ctx,
                "flow {} from {:i}:{}: dropped, no AF_XDP socket is bound at its queue",
                flow,
                address,
                port
            );
        }
        DropReason::NextHop => {
            info!(
                ctx,
                "flow {} from {:i}:{}: dropped, the next hop is not resolved", flow, address, port
            );
        }
        DropReason::BadEntry => {
            info!(
                ctx,
                "flow {} from {:i}:{}: dropped, its entry names something that does not exist",
                flow,
                address,
                port
            );
        }
        DropReason::TooLong => {
            info!(
                ctx,
                "flow {} from {:i}:{}: dropped, too long for the outgoing interface",
                flow,
                address,
                port
            );
        }
        // The rest are the worker's.
        _ => {}
    }
}

#[inline(always)]
fn source(seen: &Seen) -> [u8; 16] {
    let mut address = [0; 16];
    address[..8].copy_from_slice(&seen.source[0].to_ne_bytes());
    address[8..].copy_from_slice(&seen.source[1].to_ne_bytes());
    address
}

#[inline(always)]
fn source_port(seen: &Seen) -> u16 {
    u16::from_be(seen.source_port)
}
