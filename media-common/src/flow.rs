//! The flow table: where a packet that arrives at one of our media ports goes.
//!
//! A flow is found by (local media address, local port). Local addresses are a
//! short list ([`MediaAddress`], compared in turn); each has a port range and a
//! first index, so that `index = first_index + (port - port_low)` addresses both
//! the array of [`FlowEntry`] and the array of [`FlowCounters`].

/// No flow: the packet is not ours and passes to the host.
pub const ACTION_NONE: u8 = 0;
/// Rewrite and send on in the kernel. Only ever set for flows that need no cryptography.
pub const ACTION_FORWARD: u8 = 1;
/// Hand to the AF_XDP worker: re-encryption, latching, address family change.
/// There is no encoding that both names a secure leg and forwards in the kernel:
/// when no AF_XDP socket is bound the packet is dropped.
pub const ACTION_WORKER: u8 = 2;

/// [`FlowEntry::flags`]: the source must equal `expected_address` and `expected_port`.
pub const FLAG_CHECK_SOURCE: u8 = 1 << 0;
/// [`FlowEntry::flags`]: the port carries RTCP alone (no payload type check).
pub const FLAG_RTCP: u8 = 1 << 1;
/// [`FlowEntry::flags`]: RTCP may arrive on this port beside RTP (RFC 5761 section 4).
pub const FLAG_RTCP_MUX: u8 = 1 << 2;

/// [`FlowEntry::dscp`]: leave the packet's own DSCP.
pub const DSCP_KEEP: u8 = 0xff;
/// [`FlowEntry::telephone_event`]: the flow has no telephone-event payload type.
pub const NO_TELEPHONE_EVENT: u8 = 0xff;

/// How many media addresses the program compares at most.
pub const MAX_MEDIA_ADDRESSES: usize = 16;

/// One direction of one media component: the packets that arrive at one local port.
///
/// IPv4 addresses are IPv4-mapped (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2).
/// Ports are in network byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowEntry {
    /// `ACTION_*`.
    pub action: u8,
    /// `FLAG_*`.
    pub flags: u8,
    /// Index in the media addresses of the address that the packet leaves from.
    pub local_address: u8,
    /// DSCP to set (0–63) or [`DSCP_KEEP`].
    pub dscp: u8,
    /// Payload type of telephone-event (RFC 4733) or [`NO_TELEPHONE_EVENT`].
    pub telephone_event: u8,
    pub _reserved: u8,
    /// Index in the next hops.
    pub next_hop: u16,
    /// Where the packet must come from, with [`FLAG_CHECK_SOURCE`].
    pub expected_port: [u8; 2],
    /// The port that the packet leaves from.
    pub local_port: [u8; 2],
    /// The port that the packet is sent to.
    pub remote_port: [u8; 2],
    pub _reserved2: [u8; 2],
    /// Where the packet must come from, with [`FLAG_CHECK_SOURCE`].
    pub expected_address: [u8; 16],
    /// Where the packet is sent to.
    pub remote_address: [u8; 16],
    /// Bit `n % 32` of word `n / 32` is set if RTP payload type `n` (0–127) may pass.
    pub payload_types: [u32; 4],
}

/// What the kernel, or the worker for flows of [`ACTION_WORKER`], counts for a flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Packets sent on.
    pub packets: u64,
    /// UDP payload bytes sent on.
    pub bytes: u64,
    /// `CLOCK_MONOTONIC` of the last packet sent on, nanoseconds.
    pub last_seen_ns: u64,
    /// Packets of this flow that were dropped, for any reason.
    pub dropped: u64,
}

/// One of our own media addresses and its range of ports.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaAddress {
    /// IPv4-mapped or IPv6; all zero ends the list.
    pub address: [u8; 16],
    /// Index of `port_low` in the flow table.
    pub first_index: u32,
    /// Host byte order, inclusive.
    pub port_low: u16,
    /// Host byte order, inclusive.
    pub port_high: u16,
}

/// How to reach a remote address: kept by user space from routes and neighbours.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextHop {
    /// Index of the outgoing interface; 0 means that the next hop is not resolved.
    pub ifindex: u32,
    pub source_mac: [u8; 6],
    pub destination_mac: [u8; 6],
    /// VLAN identifier to send with, 0 for none.
    pub vlan: u16,
    pub _reserved: [u8; 6],
}

const _: () = {
    assert!(size_of::<FlowEntry>() == 64);
    assert!(core::mem::offset_of!(FlowEntry, expected_address) == 16);
    assert!(core::mem::offset_of!(FlowEntry, payload_types) == 48);
    assert!(size_of::<FlowCounters>() == 32);
    assert!(size_of::<MediaAddress>() == 24);
    assert!(size_of::<NextHop>() == 24);
};

impl FlowEntry {
    /// Whether RTP payload type `payload_type` may pass.
    #[inline(always)]
    pub fn allows_payload_type(&self, payload_type: u8) -> bool {
        let word = (payload_type >> 5) & 3;
        self.payload_types[word as usize] & (1 << (payload_type & 31)) != 0
    }
}
