//! Names and sizes of the maps, and of the program, in the eBPF object.
//!
//! A size marked *loader* is only the default: user space sets it when it loads the object.

/// The program in the object.
pub const PROGRAM: &str = "trunkline_media";

/// One [`MediaAddressList`](crate::flow::MediaAddressList).
pub const MEDIA_ADDRESSES: &str = "MEDIA_ADDRESSES";
/// Array of [`Flow`](crate::flow::Flow) by flow index; can be mapped into memory.
/// Size: loader, the ports of all media addresses.
pub const FLOWS: &str = "FLOWS";
/// Array of [`FlowIncidents`](crate::quality::FlowIncidents) by flow index; can be mapped into
/// memory. Size: loader, that of [`FLOWS`].
pub const INCIDENTS: &str = "INCIDENTS";
/// Array of [`NextHop`](crate::flow::NextHop) by [`FlowEntry::next_hop`](crate::flow::FlowEntry::next_hop).
/// Size: loader.
pub const NEXT_HOPS: &str = "NEXT_HOPS";
/// Devices to send through: `DEVMAP_HASH` keyed by interface index.
pub const DEVICES: &str = "DEVICES";
/// Hash from interface index to the slot of the interface's queue 0 in [`XSKS`].
pub const QUEUES: &str = "QUEUES";
/// AF_XDP sockets: slot [`QUEUES`]`[interface] + queue`.
pub const XSKS: &str = "XSKS";
/// One [`Verdicts`](crate::counters::Verdicts) per CPU.
pub const VERDICTS: &str = "VERDICTS";
/// Ring buffer of [`Event`](crate::event::Event).
pub const EVENTS: &str = "EVENTS";

/// Flows of an object whose loader sets no size.
pub const DEFAULT_FLOWS: usize = 1024;
/// Next hops of an object whose loader sets no size.
pub const DEFAULT_NEXT_HOPS: usize = 1024;
/// Interfaces that packets may leave by or workers may listen on.
pub const MAX_DEVICES: usize = 64;
/// Receive queues of all interfaces together.
pub const MAX_QUEUES: usize = 256;
/// Bytes of [`EVENTS`].
pub const EVENTS_BYTES: usize = 256 * 1024;
