//! Kernel memory of the maps, computed from what they hold: printed at start, so that an operator
//! knows it before it is missing.

use media_common::counters::Verdicts;
use media_common::flow::{Flow, MediaAddressList, NextHop};
use media_common::maps::{EVENTS_BYTES, MAX_DEVICES, MAX_QUEUES};
use media_common::quality::FlowIncidents;

use super::next_hop;

const PAGE: u64 = 4096;
/// A ring buffer has a page of its own for each end, and one for the kernel.
const RING_PAGES: u64 = 3;
/// What the kernel adds to a value of a hash: links, hash and key; and to a reference to a device or
/// a socket. Generous: these maps are small.
const ENTRY_OVERHEAD: u64 = 256;

/// Bytes of all maps of a program whose flow table has that many flows, one for each media port.
pub(super) fn of_maps(flows: u32) -> u64 {
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let array = |value: usize, entries: u64| {
        // The kernel rounds values up to 8 bytes and maps whole pages.
        let bytes = (value as u64).next_multiple_of(8) * entries;
        bytes.next_multiple_of(PAGE) + PAGE
    };
    array(size_of::<Flow>(), flows.into())
        + array(size_of::<FlowIncidents>(), flows.into())
        + array(size_of::<NextHop>(), next_hop::CAPACITY.into())
        + array(size_of::<MediaAddressList>(), 1)
        + array(size_of::<Verdicts>(), cpus)
        // Each CPU's budget of reports, two words, and clock, three.
        + array(16, cpus)
        + array(24, cpus)
        + EVENTS_BYTES as u64
        + RING_PAGES * PAGE
        + (MAX_DEVICES + 2 * MAX_QUEUES) as u64 * ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    /// Four ports for a call: RTP and RTCP on each leg.
    const PORTS_PER_CALL: u32 = 4;

    #[test]
    fn the_default_number_of_calls_fits_into_64_mib_of_kernel_memory() {
        let calls = u32::try_from(Limits::default().max_calls).unwrap();
        assert_eq!(calls, 10_000);
        let bytes = of_maps(calls * PORTS_PER_CALL);
        assert!(bytes < 64 << 20, "{bytes}");
        // Entry, counters and incidents of a port are three cache lines; the rest is small.
        let flows = u64::from(calls * PORTS_PER_CALL) * 192;
        assert!((flows..flows + (1 << 20)).contains(&bytes), "{bytes}");
    }

    #[test]
    fn memory_grows_with_the_ports_alone() {
        let (few, many) = (of_maps(65_536), of_maps(2 * 65_536));
        assert_eq!(many - few, 65_536 * 192);
    }
}
