//! The tracing build says in words what happened to each packet.
//!
//! Every line has its whole text in its own format string: with a text chosen at run time
//! the verifier follows aya-log's copy of it byte by byte for every length, and gives up
//! ("BPF program is too large", Linux 6.18, aya-log-ebpf 0.2.0).
//! The levels are those of aya-log: what a flow does is `info`, the host's traffic `debug`.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::{debug, info};
use media_common::counters::DropReason;
use media_ebpf::relay::{Outcome, Seen};
use media_ebpf::verdict::{Pass, Verdict};

/// One line for the packet.
#[inline(always)]
pub fn say(ctx: &XdpContext, outcome: &Outcome<'_>, verdict: Verdict) {
    let Some(seen) = &outcome.seen else {
        if let Verdict::Pass(pass) = verdict {
            say_pass(ctx, pass);
        }
        return;
    };
    let (flow, address, port) = (seen.flow, source(seen), source_port(seen));
    match verdict {
        Verdict::Redirect => {
            let interface = seen.interface;
            info!(
                ctx,
                "flow {} from {:i}:{}: sent on by interface {}", flow, address, port, interface
            );
        }
        Verdict::Transmit => {
            info!(
                ctx,
                "flow {} from {:i}:{}: sent on by the interface it came by", flow, address, port
            );
        }
        Verdict::Worker => {
            info!(
                ctx,
                "flow {} from {:i}:{}: handed to the AF_XDP worker", flow, address, port
            );
        }
        Verdict::Drop(reason) => say_drop(ctx, seen, reason),
        Verdict::Pass(_) => {}
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
        DropReason::Ceiling => {
            info!(
                ctx,
                "flow {} from {:i}:{}: dropped, more packets than its ceiling allows",
                flow,
                address,
                port
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
    seen.source.to_bytes()
}

#[inline(always)]
fn source_port(seen: &Seen) -> u16 {
    u16::from_be(seen.source_port)
}
