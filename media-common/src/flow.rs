//! The flow table: where a packet that arrives at one of our media ports goes.
//!
//! A flow is found by (local media address, local port). Local addresses are a
//! short list ([`MediaAddress`], compared in turn); each has a port range and a
//! first index, so that `index = first_index + (port - port_low)` addresses the array of
//! [`Flow`] and that of [`FlowIncidents`](crate::quality::FlowIncidents).

use core::net::{IpAddr, Ipv6Addr};

use crate::quality::{CEILING_SHIFT, FlowCounters};

/// No flow: the packet is not ours and passes to the host.
pub const ACTION_NONE: u8 = 0;
/// Rewrite and send on in the kernel. Only ever set for flows that need no cryptography.
pub const ACTION_FORWARD: u8 = 1;
/// Hand to the AF_XDP worker: re-encryption, latching.
/// There is no encoding that both names a secure leg and forwards in the kernel:
/// when no AF_XDP socket is bound the packet is dropped.
pub const ACTION_WORKER: u8 = 2;

/// [`FlowEntry::flags`]: the source must equal `expected_address` and `expected_port`.
pub const FLAG_CHECK_SOURCE: u8 = 1 << 0;
/// [`FlowEntry::flags`]: the port carries RTCP alone (no payload type check).
pub const FLAG_RTCP: u8 = 1 << 1;
/// [`FlowEntry::flags`]: RTCP may arrive on this port beside RTP (RFC 5761 section 4).
pub const FLAG_RTCP_MUX: u8 = 1 << 2;

/// [`FlowEntry::flags`]: the port carries anything, such as T.38's UDPTL: no check of version,
/// length or payload type, no quality.
pub const FLAG_RAW: u8 = 1 << 3;

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
///
/// One cache line. A write is not atomic for the kernel: an entry whose action or
/// addresses change is first written with [`ACTION_NONE`]. Entries of [`ACTION_WORKER`]
/// leave `remote_*` zero, so that not even half of one says where a secure leg's peer is.
#[repr(C, align(8))]
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
    /// RTP clock rate of the codec, kHz, for the jitter; 0 if it is not known.
    pub clock_khz: u8,
    /// Index in the next hops.
    pub next_hop: u16,
    /// Where the packet must come from, with [`FLAG_CHECK_SOURCE`].
    pub expected_port: [u8; 2],
    /// The port that the packet leaves from.
    pub local_port: [u8; 2],
    /// The port that the packet is sent to.
    pub remote_port: [u8; 2],
    /// Packets that may pass in 2^[`CEILING_SHIFT`] ns; 0 for
    /// any number.
    pub ceiling: u16,
    /// Where the packet must come from, with [`FLAG_CHECK_SOURCE`].
    pub expected_address: [u8; 16],
    /// Where the packet is sent to.
    pub remote_address: [u8; 16],
    /// Bit `n % 32` of word `n / 32` is set if RTP payload type `n` (0–127) may pass.
    pub payload_types: [u32; 4],
}

/// A flow in the table: what user space writes, and what the kernel counts.
///
/// Two cache lines side by side: all that an ordinary packet touches.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Written by user space alone.
    pub entry: FlowEntry,
    /// Written by the kernel while the flow is open; cleared by user space before that.
    pub counters: FlowCounters,
}

/// One of our own media addresses and its range of ports.
#[repr(C, align(8))]
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

/// All of our media addresses, in the order that [`FlowEntry::local_address`] counts.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaAddressList {
    /// Ended by the first whose address is all zero.
    pub addresses: [MediaAddress; MAX_MEDIA_ADDRESSES],
}

/// How to reach a remote address: kept by user space from routes and neighbours.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextHop {
    /// Index of the outgoing interface; 0 means that the next hop is not resolved.
    pub ifindex: u32,
    /// Before the source, as in the frame.
    pub destination_mac: [u8; 6],
    pub source_mac: [u8; 6],
    /// VLAN identifier to send with, 0 for none.
    pub vlan: u16,
    /// The longest IP packet that the interface takes, bytes; 0 for any.
    pub mtu: u16,
    pub _reserved: [u8; 4],
}

const _: () = {
    assert!(size_of::<FlowEntry>() == 64);
    assert!(core::mem::offset_of!(FlowEntry, expected_address) == 16);
    assert!(core::mem::offset_of!(FlowEntry, payload_types) == 48);
    assert!(core::mem::offset_of!(FlowEntry, clock_khz) == 5);
    assert!(core::mem::offset_of!(FlowEntry, ceiling) == 14);
    assert!(size_of::<Flow>() == 128);
    assert!(core::mem::offset_of!(Flow, counters) == 64);
    assert!(core::mem::offset_of!(FlowEntry, next_hop) == 6);
    assert!(core::mem::offset_of!(FlowEntry, expected_port) == 8);
    assert!(core::mem::offset_of!(FlowEntry, remote_address) == 32);
    assert!(size_of::<MediaAddress>() == 24);
    assert!(core::mem::offset_of!(MediaAddress, first_index) == 16);
    assert!(core::mem::offset_of!(MediaAddress, port_low) == 20);
    assert!(size_of::<MediaAddressList>() == 24 * MAX_MEDIA_ADDRESSES);
    assert!(core::mem::offset_of!(NextHop, destination_mac) == 4);
    assert!(core::mem::offset_of!(NextHop, source_mac) == 10);
    assert!(
        core::mem::offset_of!(FlowEntry, local_port) + 2
            == core::mem::offset_of!(FlowEntry, remote_port)
    );
    assert!(core::mem::offset_of!(NextHop, vlan) == 16);
    assert!(size_of::<NextHop>() == 24);
};

impl FlowEntry {
    /// Whether RTP payload type `payload_type` may pass.
    #[inline(always)]
    pub fn allows_payload_type(&self, payload_type: u8) -> bool {
        let word = (payload_type >> 5) & 3;
        self.payload_types[word as usize] & (1 << (payload_type & 31)) != 0
    }

    /// Lets RTP payload type `payload_type` (0–127) pass.
    pub fn allow_payload_type(&mut self, payload_type: u8) {
        let word = (payload_type >> 5) & 3;
        self.payload_types[word as usize] |= 1 << (payload_type & 31);
    }

    /// With a ceiling of that many packets per second, rounded up, so that a sender at just that
    /// rate passes; 0 for none.
    #[must_use]
    pub fn with_ceiling(mut self, packets_per_second: u32) -> FlowEntry {
        let per_window = (u64::from(packets_per_second) << CEILING_SHIFT).div_ceil(1_000_000_000);
        self.ceiling = match packets_per_second {
            0 => 0,
            _ => per_window.min(u64::from(u16::MAX)) as u16,
        };
        self
    }

    /// Whether a packet from there may pass: always, without [`FLAG_CHECK_SOURCE`].
    pub fn accepts_source(&self, address: &[u8; 16], port: [u8; 2]) -> bool {
        self.flags & FLAG_CHECK_SOURCE == 0
            || (self.expected_address == *address && self.expected_port == port)
    }
}

impl MediaAddressList {
    /// The address in use at that place of the list.
    pub fn address(&self, at: u8) -> Option<&MediaAddress> {
        let address = self.addresses.get(usize::from(at))?;
        (address.address != [0; 16]).then_some(address)
    }

    /// The index of the flow of that address and port (host byte order), if it is ours.
    pub fn index_of(&self, address: &[u8; 16], port: u16) -> Option<u32> {
        self.addresses
            .iter()
            .take_while(|media| media.address != [0; 16])
            .filter(|media| media.address == *address)
            .find_map(|media| media.index_of(port))
    }
}

impl MediaAddress {
    /// The index of the flow of that port (host byte order), if the range has it.
    #[inline(always)]
    pub fn index_of(&self, port: u16) -> Option<u32> {
        if port < self.port_low || port > self.port_high {
            return None;
        }
        Some(
            self.first_index
                .wrapping_add(u32::from(port - self.port_low)),
        )
    }
}

/// An IP address as the ABI holds it: IPv6, or IPv4-mapped.
pub fn ip_to_mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The address that [`ip_to_mapped`] made.
pub fn ip_from_mapped(address: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(address).to_canonical()
}

/// Whether this is an IPv4-mapped address.
#[inline(always)]
pub fn is_mapped(address: &[u8; 16]) -> bool {
    address[..12] == MAPPED_PREFIX
}

/// What an IPv4-mapped address begins with (RFC 4291 section 2.5.5.2).
pub const MAPPED_PREFIX: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

#[cfg(test)]
mod tests {
    use super::*;

    const V4: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

    #[test]
    fn addresses_survive_the_way_there_and_back() {
        for address in [V4, V6] {
            assert_eq!(ip_from_mapped(ip_to_mapped(address)), address);
            assert_eq!(is_mapped(&ip_to_mapped(address)), address.is_ipv4());
        }
    }

    #[test]
    fn payload_types_are_allowed_one_by_one() {
        let mut entry = FlowEntry::default();
        for payload_type in [0, 31, 32, 101, 127] {
            assert!(!entry.allows_payload_type(payload_type));
            entry.allow_payload_type(payload_type);
        }
        let allowed = (0..128).filter(|&payload_type| entry.allows_payload_type(payload_type));
        assert!(allowed.eq([0, 31, 32, 101, 127]));
    }

    #[test]
    fn a_ceiling_in_packets_per_second_is_scaled_to_the_window() {
        let ceiling = |rate| FlowEntry::default().with_ceiling(rate).ceiling;
        assert_eq!([0, 1, 200, 1_000_000].map(ceiling), [0, 2, 215, u16::MAX]);
    }

    #[test]
    fn the_source_is_checked_when_the_entry_says_so() {
        let mut entry = FlowEntry {
            expected_address: ip_to_mapped(V4),
            expected_port: 5004u16.to_be_bytes(),
            ..FlowEntry::default()
        };
        let (right, wrong) = (5004u16.to_be_bytes(), 5006u16.to_be_bytes());
        assert!(entry.accepts_source(&ip_to_mapped(V6), wrong));
        entry.flags = FLAG_CHECK_SOURCE;
        assert!(entry.accepts_source(&ip_to_mapped(V4), right));
        assert!(!entry.accepts_source(&ip_to_mapped(V4), wrong));
        assert!(!entry.accepts_source(&ip_to_mapped(V6), right));
    }

    #[test]
    fn a_flow_is_found_by_address_and_port() {
        let mut list = MediaAddressList::default();
        let range = |address, first_index, port_low, port_high| MediaAddress {
            address: ip_to_mapped(address),
            first_index,
            port_low,
            port_high,
        };
        list.addresses[0] = range(V4, 0, 10_000, 10_099);
        list.addresses[1] = range(V6, 100, 10_000, 10_099);
        list.addresses[2] = range(V4, 200, 20_000, 65_535);
        let index = |address, port| list.index_of(&ip_to_mapped(address), port);
        assert_eq!(index(V4, 10_000), Some(0));
        assert_eq!(index(V4, 10_099), Some(99));
        assert_eq!(index(V4, 10_100), None);
        assert_eq!(index(V4, 9_999), None);
        assert_eq!(index(V6, 10_001), Some(101));
        assert_eq!(index(V4, 65_535), Some(200 + 45_535));
        assert_eq!(index(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0), None);
        assert_eq!(list.address(1).map(|media| media.first_index), Some(100));
        assert_eq!(list.address(3), None);
        assert_eq!(list.address(200), None);
    }
}
