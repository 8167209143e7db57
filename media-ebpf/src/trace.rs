//! The tracing build says in words what happened to each packet.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::info;
use media_common::counters::DropReason;
use media_ebpf::relay::{Decision, Seen};
use media_ebpf::verdict::{Pass, Verdict};

/// One line for the packet.
#[inline(always)]
pub fn say(ctx: &XdpContext, decision: &Decision<'_>, verdict: Verdict) {
    match decision {
        Decision::Pass(_) => {
            info!(
                ctx,
                "{} bytes: {}",
                ctx.data_end().wrapping_sub(ctx.data()),
                words(verdict)
            );
        }
        Decision::Forward(next_hop, _, seen) => {
            say_seen(ctx, seen, verdict);
            info!(
                ctx,
                "flow {}: next hop is interface {}", seen.flow, next_hop.ifindex
            );
        }
        Decision::Drop(_, seen) | Decision::Worker(seen) => say_seen(ctx, seen, verdict),
    }
}

#[inline(always)]
fn say_seen(ctx: &XdpContext, seen: &Seen, verdict: Verdict) {
    let mut source = [0u8; 16];
    source[..8].copy_from_slice(&seen.source[0].to_ne_bytes());
    source[8..].copy_from_slice(&seen.source[1].to_ne_bytes());
    info!(
        ctx,
        "flow {} from {:i} port {}, payload type {}, {} bytes: {}",
        seen.flow,
        source,
        u16::from_be(seen.source_port),
        seen.payload_type,
        seen.bytes,
        words(verdict)
    );
}

fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Redirect => "sent on by another interface",
        Verdict::Transmit => "sent back out of the interface it came by",
        Verdict::Worker => "handed to the AF_XDP worker",
        Verdict::Pass(pass) => pass_words(pass),
        Verdict::Drop(reason) => drop_words(reason),
    }
}

fn pass_words(pass: Pass) -> &'static str {
    match pass {
        Pass::NotIp => "passed to the host, neither IPv4 nor IPv6",
        Pass::IpOptions => "passed to the host, IPv4 options",
        Pass::ExtensionHeader => "passed to the host, IPv6 extension header",
        Pass::Fragment => "passed to the host, a fragment",
        Pass::NotUdp => "passed to the host, not UDP",
        Pass::Truncated => "passed to the host, shorter than it says",
        Pass::NotMedia => "passed to the host, not an allocated media port",
    }
}

fn drop_words(reason: DropReason) -> &'static str {
    match reason {
        DropReason::WrongSource => "dropped, it is not from the peer",
        DropReason::Malformed => "dropped, neither RTP nor RTCP",
        DropReason::PayloadType => "dropped, its payload type was not negotiated",
        DropReason::HopLimit => "dropped, its hop limit is used up",
        DropReason::XskUnbound => "dropped, no AF_XDP socket is bound at its queue",
        DropReason::NextHop => "dropped, the next hop is not resolved",
        DropReason::BadEntry => "dropped, its flow entry names something that does not exist",
        DropReason::TooLong => "dropped, too long for the outgoing interface",
        // The rest are the worker's.
        _ => "dropped",
    }
}
