//! What the benches' own kernel programs and user space share: the generator's settings, the
//! sink's counters, and the names in the object.
//!
//! None of it is in the shipped program. The object has a generator of RTP (for
//! `BPF_PROG_TEST_RUN` with live frames), the two things that it is compared with (a drop and a
//! bare redirect), and a sink that counts and measures the time that packets were on their way.
#![no_std]

/// Words of 16 bits of the headers that the generator writes: Ethernet, IPv4, UDP, RTP.
pub const HEADER_WORDS: usize = 27;
/// Those headers, bytes.
pub const HEADER_BYTES: usize = 2 * HEADER_WORDS;
/// Words of the headers, from the first: where the fields lie that differ from packet to packet.
pub const UDP_SOURCE: usize = 17;
/// UDP destination port.
pub const UDP_DESTINATION: usize = 18;
/// UDP checksum.
pub const UDP_CHECKSUM: usize = 20;
/// RTP sequence number.
pub const SEQUENCE: usize = 22;
/// RTP timestamp, two words.
pub const TIMESTAMP: usize = 23;

/// Media addresses that the generator sends to at most.
pub const ADDRESSES: usize = 2;
/// Flows that it has sequence numbers for. A power of two.
pub const MAX_FLOWS: usize = 1 << 17;
/// Independent memories of the generator.
pub const STATES: usize = 2;
/// RTP timestamp units per packet: 20 ms of PCMU.
pub const UNITS: u32 = 160;

/// Names in the object.
pub mod name {
    /// XDP: writes every header and redirects into [`OUT`].
    pub const GENERATE: &str = "bench_generate";
    /// XDP: drops.
    pub const DROP: &str = "bench_drop";
    /// XDP: writes the MACs and redirects into [`OUT`].
    pub const BARE: &str = "bench_bare";
    /// XDP: counts, measures and drops IPv4 UDP.
    pub const SINK: &str = "bench_sink";
    /// TC: drops.
    pub const TC_DROP: &str = "bench_tc_drop";
    /// TC: what [`SINK`] does.
    pub const TC_SINK: &str = "bench_tc_sink";
    /// Device map with one slot.
    pub const OUT: &str = "BENCH_OUT";
    /// One [`Generator`](crate::Generator).
    pub const GENERATOR: &str = "BENCH_GEN";
    /// [`STATES`](crate::STATES) of [`State`](crate::State).
    pub const STATE: &str = "BENCH_STATE";
    /// One [`Sink`](crate::Sink) per CPU.
    pub const SINK_MAP: &str = "BENCH_COUNTS";
}

/// What the generator sends, and the MACs that the bare redirect writes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Generator {
    /// The headers for each media address, as they lie in memory; the fields that differ from
    /// packet to packet are zero.
    pub templates: [[u16; HEADER_WORDS]; ADDRESSES],
    /// Sum of the words of the pseudo-header, the UDP header, the template's RTP header and the
    /// payload, native words; below 2^26.
    pub sums: [u32; ADDRESSES],
    /// Flows to choose from.
    pub flows: u32,
    /// Flows of each address; the first has the lowest port.
    pub per_address: u32,
    /// Destination port of an address's first flow, host byte order.
    pub port_low: u32,
    /// Source port of an address's first flow, host byte order.
    pub source_low: u32,
    /// From one flow's ports to the next one's.
    pub port_step: u32,
    /// From one packet to the next, nanoseconds; 0 for as fast as it goes.
    pub interval_ns: u32,
    /// Which [`State`] to use: a forwarder that looks at sequence numbers has one of its own, so
    /// that it does not see gaps where others had their turn.
    pub state: u32,
    /// Destination and source that the bare redirect writes.
    pub macs: [u16; 6],
}

/// Readings of the clock that the generator waits for at most, some 30 ns each: it keeps a pace
/// of 50,000 packets per second and more.
pub const PATIENCE: usize = 1000;

/// What the generator remembers.
#[repr(C)]
pub struct State {
    /// Of the xorshift that draws the flow; never 0.
    pub random: u64,
    /// When the next packet is due, `CLOCK_MONOTONIC`.
    pub next_ns: u64,
    /// Next sequence number of each flow.
    pub sequences: [u16; MAX_FLOWS],
}

/// Steps of the histogram in each power of two.
pub const STEPS: u32 = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Buckets of the histogram: for every `u32` of nanoseconds, and up to a power of two.
pub const BUCKETS: usize = (((32 - STEP_BITS as usize) + 1) * STEPS as usize).next_power_of_two();

/// What arrived.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Sink {
    /// IPv4 UDP packets.
    pub packets: u64,
    /// Whether the RTP timestamp is the low half of `CLOCK_MONOTONIC` in nanoseconds at the time
    /// of sending, and goes into the histogram.
    pub is_timed: u64,
    /// Packets by the time that they were on their way: see [`bucket`].
    pub histogram: [u64; BUCKETS],
}

/// The bucket of a time in nanoseconds: exact below [`STEPS`], from there on of a width of
/// 1/[`STEPS`] of the power of two below.
#[inline(always)]
pub fn bucket(ns: u32) -> usize {
    if ns < STEPS {
        return ns as usize;
    }
    let exponent = 31 - ns.leading_zeros();
    let step = (ns >> (exponent - STEP_BITS)) & (STEPS - 1);
    ((exponent - STEP_BITS + 1) * STEPS + step) as usize
}

/// The middle of a bucket, nanoseconds.
pub fn bucket_middle(bucket: usize) -> f64 {
    let (row, step) = (bucket as u32 / STEPS, bucket as u32 % STEPS);
    if row == 0 {
        return f64::from(step);
    }
    let width = f64::from(row - 1).exp2_int();
    (f64::from(STEPS + step) + 0.5) * width
}

/// Powers of two without the standard library.
trait Exp2 {
    fn exp2_int(self) -> f64;
}

impl Exp2 for f64 {
    fn exp2_int(self) -> f64 {
        (0..self as u32).fold(1.0, |power, _| power * 2.0)
    }
}

const _: () = {
    assert!(size_of::<Generator>().is_multiple_of(4));
    assert!(size_of::<Sink>() == 8 * (2 + BUCKETS));
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_bucket_whose_middle_is_near() {
        let mut last = 0;
        for ns in (0..31).flat_map(|power| [1_u32 << power, (1 << power) + (1 << power) / 3]) {
            let at = bucket(ns);
            assert!(at >= last && at < BUCKETS, "{ns}");
            last = at;
            let off = (bucket_middle(at) - f64::from(ns)).abs();
            assert!(off <= f64::from(ns) / f64::from(STEPS), "{ns}: {off}");
        }
        assert!(bucket(u32::MAX) < BUCKETS);
    }
}
