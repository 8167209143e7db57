//! Generator, drop, bare redirect, sink.
#![allow(unsafe_code)] // Packet and map memory, sections and the panic handler.

use aya_ebpf::bindings::{TC_ACT_OK, TC_ACT_SHOT, xdp_action};
use aya_ebpf::btf_maps::{Array, DevMap, PerCpuArray};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::{btf_map, classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use bench_ebpf::{
    ADDRESSES, BUCKETS, Generator, HEADER_BYTES, HEADER_WORDS, MAX_FLOWS, PATIENCE, SEQUENCE,
    STATES, Sink, State, TIMESTAMP, UDP_CHECKSUM, UDP_DESTINATION, UDP_SOURCE, UNITS, bucket,
};

#[btf_map]
static BENCH_OUT: DevMap<1> = DevMap::new();
#[btf_map]
static BENCH_GEN: Array<Generator, 1> = Array::new();
#[btf_map]
static BENCH_STATE: Array<State, STATES> = Array::new();
#[btf_map]
static BENCH_COUNTS: PerCpuArray<Sink, 1> = PerCpuArray::new();

const MACS: usize = 6;
const ETHERTYPE: usize = 6;
/// TTL and protocol.
const PROTOCOL: usize = 11;

/// Live frames come back as the forwarder left them: every header is written on every run.
#[xdp]
fn bench_generate(ctx: XdpContext) -> u32 {
    let (Some(headers), Some(generator)) = (
        words::<HEADER_WORDS>(ctx.data(), ctx.data_end()),
        BENCH_GEN.get(0),
    ) else {
        return xdp_action::XDP_ABORTED;
    };
    let Some(state) = state(generator.state) else {
        return xdp_action::XDP_ABORTED;
    };
    let flow = draw(&mut state.random, generator.flows);
    let (address, within) = match flow < generator.per_address {
        true => (0, flow),
        false => (ADDRESSES - 1, flow.wrapping_sub(generator.per_address)),
    };
    if generator.interval_ns != 0 {
        keep_pace(state, generator.interval_ns);
    }
    let sequence = &mut state.sequences[flow as usize & (MAX_FLOWS - 1)];
    *sequence = sequence.wrapping_add(1);

    let offset = within.wrapping_mul(generator.port_step);
    let from = (generator.source_low.wrapping_add(offset) as u16).to_be();
    let to = (generator.port_low.wrapping_add(offset) as u16).to_be();
    let timestamp = u32::from(*sequence).wrapping_mul(UNITS);
    let (high, low) = (
        ((timestamp >> 16) as u16).to_be(),
        (timestamp as u16).to_be(),
    );
    let number = sequence.to_be();
    *headers = generator.templates[address];
    headers[UDP_SOURCE] = from;
    headers[UDP_DESTINATION] = to;
    headers[SEQUENCE] = number;
    headers[TIMESTAMP] = high;
    headers[TIMESTAMP + 1] = low;
    let mut sum = generator.sums[address];
    for word in [from, to, number, high, low] {
        sum = sum.wrapping_add(u32::from(word));
    }
    sum = (sum & 0xffff).wrapping_add(sum >> 16);
    sum = (sum & 0xffff).wrapping_add(sum >> 16);
    headers[UDP_CHECKSUM] = match !(sum as u16) {
        0 => 0xffff,
        checksum => checksum,
    };
    redirect()
}

#[xdp]
fn bench_drop(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_DROP
}

/// As little as a forwarder can do.
#[xdp]
fn bench_bare(ctx: XdpContext) -> u32 {
    let (Some(macs), Some(generator)) =
        (words::<MACS>(ctx.data(), ctx.data_end()), BENCH_GEN.get(0))
    else {
        return xdp_action::XDP_ABORTED;
    };
    *macs = generator.macs;
    redirect()
}

#[xdp]
fn bench_sink(ctx: XdpContext) -> u32 {
    match take(ctx.data(), ctx.data_end()) {
        true => xdp_action::XDP_DROP,
        false => xdp_action::XDP_PASS,
    }
}

#[classifier]
fn bench_tc_drop(_ctx: TcContext) -> i32 {
    TC_ACT_SHOT as i32
}

#[classifier]
fn bench_tc_sink(ctx: TcContext) -> i32 {
    match take(ctx.data(), ctx.data_end()) {
        true => TC_ACT_SHOT as i32,
        false => TC_ACT_OK as i32,
    }
}

#[inline(always)]
fn redirect() -> u32 {
    match BENCH_OUT.redirect(0, u64::from(xdp_action::XDP_ABORTED)) {
        Ok(action) | Err(action) => action,
    }
}

/// Waits until the next packet is due; what is late is sent at once.
#[inline(always)]
fn keep_pace(state: &mut State, interval_ns: u32) {
    // SAFETY: a helper without arguments.
    let mut now = unsafe { bpf_ktime_get_ns() };
    // At the begin of a run: the last packet of the one before is long ago.
    if now.wrapping_sub(state.next_ns) as i64 > 50_000_000 {
        state.next_ns = now;
    }
    for _ in 0..PATIENCE {
        if now >= state.next_ns {
            break;
        }
        // SAFETY: as above.
        now = unsafe { bpf_ktime_get_ns() };
    }
    state.next_ns = state.next_ns.wrapping_add(u64::from(interval_ns));
}

/// A flow at random: xorshift, then the high half of the product.
#[inline(always)]
fn draw(random: &mut u64, flows: u32) -> u32 {
    let mut x = *random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *random = x;
    ((x & 0xffff_ffff).wrapping_mul(u64::from(flows)) >> 32) as u32
}

/// Whether it is one of ours, which is counted.
#[inline(always)]
fn take(data: usize, end: usize) -> bool {
    let Some(headers) = words::<HEADER_WORDS>(data, end) else {
        return false;
    };
    let is_udp = u16::from_be(headers[PROTOCOL]) & 0xff == 17;
    if headers[ETHERTYPE] != 0x0800_u16.to_be() || !is_udp {
        return false;
    }
    let Some(sink) = BENCH_COUNTS.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: this CPU's own slot, and the program does not preempt itself.
    let sink = unsafe { &mut *sink };
    sink.packets = sink.packets.wrapping_add(1);
    if sink.is_timed != 0 {
        let sent = u32::from(u16::from_be(headers[TIMESTAMP])) << 16
            | u32::from(u16::from_be(headers[TIMESTAMP + 1]));
        // SAFETY: a helper without arguments.
        let now = unsafe { bpf_ktime_get_ns() } as u32;
        // Kernel 6.18 refuses the index otherwise ("R6 unbounded memory access"): LLVM 22 knows
        // its range and leaves the mask out, which the verifier would need to know it too.
        let at = core::hint::black_box(bucket(now.wrapping_sub(sent))) & (BUCKETS - 1);
        sink.histogram[at] = sink.histogram[at].wrapping_add(1);
    }
    true
}

#[inline(always)]
fn state(at: u32) -> Option<&'static mut State> {
    // SAFETY: one generator runs at a time, pinned to one CPU, and nothing else touches the state.
    BENCH_STATE
        .get_ptr_mut(at)
        .map(|state| unsafe { &mut *state })
}

/// The frame's first words, if it has as many.
#[inline(always)]
fn words<const WORDS: usize>(data: usize, end: usize) -> Option<&'static mut [u16; WORDS]> {
    const { assert!(2 * WORDS <= HEADER_BYTES) }
    if data + 2 * WORDS > end {
        return None;
    }
    // SAFETY: compared with the end just now; the kernel lends us the packet for the run, and it
    // begins at an even address.
    Some(unsafe { &mut *(data as *mut [u16; WORDS]) })
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: the verifier refuses a program that could panic.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
