//! Every map of the program; sizes marked *loader* are set by user space.
#![allow(unsafe_code)] // The loader finds maps by their section and symbol.

use aya_ebpf::btf_maps::{Array, DevMapHash, HashMap, PerCpuArray, RingBuf, XskMap};
use aya_ebpf::macros::btf_map;
use media_common::counters::Verdicts as VerdictCounters;
use media_common::flow::{Flow, MediaAddressList, NextHop};
use media_common::maps::{DEFAULT_FLOWS, DEFAULT_NEXT_HOPS, EVENTS_BYTES, MAX_DEVICES, MAX_QUEUES};
use media_common::quality::FlowIncidents;

use media_ebpf::budget::ReportBudget;
use media_ebpf::clock::Clock;

/// `BPF_F_MMAPABLE`: user space reads counters without a system call. It also makes the
/// values begin at a page, so that an entry is exactly one cache line.
const MMAPABLE: usize = 1 << 10;

/// Our own addresses and their port ranges.
#[btf_map]
pub static MEDIA_ADDRESSES: Array<MediaAddressList, 1> = Array::new();

/// Where packets of a local port go and what has passed, by flow index (loader).
#[btf_map]
pub static FLOWS: Array<Flow, DEFAULT_FLOWS, MMAPABLE> = Array::new();

/// What happens to a flow now and then, by flow index (loader).
#[btf_map]
pub static INCIDENTS: Array<FlowIncidents, DEFAULT_FLOWS, MMAPABLE> = Array::new();

/// Interfaces and MACs, kept by user space (loader).
#[btf_map]
pub static NEXT_HOPS: Array<NextHop, DEFAULT_NEXT_HOPS> = Array::new();

/// Interfaces to send by. A hash by interface index: user space then has no slots to keep, and
/// with a handful of interfaces the look-up is one bucket.
#[btf_map]
pub static DEVICES: DevMapHash<MAX_DEVICES> = DevMapHash::new();

/// From interface index to the slot of its queue 0 in [`XSKS`].
#[btf_map]
pub static QUEUES: HashMap<u32, u32, MAX_QUEUES> = HashMap::new();

/// AF_XDP sockets of the workers.
#[btf_map]
pub static XSKS: XskMap<MAX_QUEUES> = XskMap::new();

/// Packets by verdict.
#[btf_map]
pub static VERDICTS: PerCpuArray<VerdictCounters, 1> = PerCpuArray::new();

/// Rare things for user space.
#[btf_map]
pub static EVENTS: RingBuf<(), EVENTS_BYTES> = RingBuf::new();

/// How many source mismatches this CPU may still report.
#[btf_map]
pub static REPORT_BUDGET: PerCpuArray<ReportBudget, 1> = PerCpuArray::new();

/// When this CPU last read the clock.
#[btf_map]
pub static CLOCK: PerCpuArray<Clock, 1> = PerCpuArray::new();
