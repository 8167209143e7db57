//! The scene of the cases: a peer, our two addresses of each family, and where the media goes.

use std::net::SocketAddr;

use anyhow::Result;
use media_common::flow::{
    ACTION_FORWARD, DSCP_KEEP, FLAG_CHECK_SOURCE, FlowEntry, MediaAddress, MediaAddressList,
    NO_TELEPHONE_EVENT, NextHop, ip_to_mapped,
};

use super::kernel::{INGRESS, Kernel, unbound_xdp_socket};
use super::packet::{Packet, rtp};

/// A key of the device map; the interface behind it is the loopback.
pub const OTHER_INTERFACE: u32 = 77;
/// The next hop.
pub const ROUTER: [u8; 6] = [2, 0, 0, 0, 1, 1];
/// The interface that packets leave by.
pub const OURS: [u8; 6] = [2, 0, 0, 0, 1, 2];
/// Where media arrives, at each address.
pub const PORT: u16 = 20_000;
/// Sixteen ports at each of four addresses.
pub const FLOWS: u32 = 64;
pub const NEXT_HOPS: u32 = 16;
/// The next hop that the entries name.
pub const NEXT_HOP: u16 = 5;

/// The two families that every case may run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    /// The address of this family.
    pub fn address(self, text_v4: &str, text_v6: &str, port: u16) -> SocketAddr {
        let text = if self == Family::V4 { text_v4 } else { text_v6 };
        SocketAddr::new(text.parse().expect("an address of the scene"), port)
    }

    /// Who sends.
    pub fn peer(self) -> SocketAddr {
        self.address("192.0.2.10", "2001:db8:1::10", 5004)
    }

    /// Where it arrives.
    pub fn arrival(self) -> SocketAddr {
        self.address("192.0.2.1", "2001:db8:1::1", PORT)
    }

    /// Where it leaves.
    pub fn departure(self) -> SocketAddr {
        self.address("198.51.100.1", "2001:db8:2::1", 30_002)
    }

    /// Where it goes.
    pub fn target(self) -> SocketAddr {
        self.address("198.51.100.20", "2001:db8:2::20", 40_004)
    }

    /// PCMU from the peer.
    pub fn packet(self) -> Packet {
        Packet::udp(
            self.peer(),
            self.arrival(),
            rtp(0, 7, 0x1122_3344, &[0x55; 160]),
        )
    }

    /// That packet as it leaves.
    pub fn relayed(self) -> Packet {
        Packet {
            source: self.departure(),
            destination: self.target(),
            source_mac: OURS,
            destination_mac: ROUTER,
            hops: 63,
            ..self.packet()
        }
    }

    /// PCMU and telephone-event as 101, from the peer to the target.
    pub fn entry(self) -> FlowEntry {
        let mut entry = FlowEntry {
            action: ACTION_FORWARD,
            flags: FLAG_CHECK_SOURCE,
            local_address: if self == Family::V4 { 1 } else { 3 },
            dscp: DSCP_KEEP,
            telephone_event: NO_TELEPHONE_EVENT,
            next_hop: NEXT_HOP,
            expected_port: self.peer().port().to_be_bytes(),
            expected_address: ip_to_mapped(self.peer().ip()),
            local_port: self.departure().port().to_be_bytes(),
            remote_port: self.target().port().to_be_bytes(),
            remote_address: ip_to_mapped(self.target().ip()),
            ..FlowEntry::default()
        };
        entry.allow_payload_type(0);
        entry.allow_payload_type(101);
        entry
    }

    /// The other one.
    pub fn other(self) -> Family {
        if self == Family::V4 {
            Family::V6
        } else {
            Family::V4
        }
    }

    /// [`Family::packet`] as it leaves in the other family (RFC 7915): no flow label, and DF set
    /// and no identification.
    pub fn translated(self) -> Packet {
        Packet {
            source: self.other().departure(),
            destination: self.other().target(),
            flow_label: 0,
            identification: 0,
            fragment: 0x4000,
            ..self.relayed()
        }
    }

    /// As [`Family::entry`], but to the target of the other family.
    pub fn translating_entry(self) -> FlowEntry {
        let other = self.other().entry();
        FlowEntry {
            local_address: other.local_address,
            remote_address: other.remote_address,
            ..self.entry()
        }
    }

    /// Index of the flow that [`Family::packet`] belongs to.
    pub fn flow(self) -> u32 {
        if self == Family::V4 { 3 } else { 35 }
    }
}

/// Arrival and departure of both families, sixteen ports each.
pub fn media_addresses() -> MediaAddressList {
    let mut list = MediaAddressList::default();
    let range = |address: SocketAddr, first_index| MediaAddress {
        address: ip_to_mapped(address.ip()),
        first_index,
        port_low: PORT - 3,
        port_high: PORT + 12,
    };
    list.addresses[0] = range(Family::V4.arrival(), 0);
    list.addresses[1] = range(Family::V4.departure(), 16);
    list.addresses[2] = range(Family::V6.arrival(), 32);
    list.addresses[3] = range(Family::V6.departure(), 48);
    list
}

/// By another interface, without a tag.
pub fn next_hop() -> NextHop {
    NextHop {
        ifindex: OTHER_INTERFACE,
        source_mac: OURS,
        destination_mac: ROUTER,
        ..NextHop::default()
    }
}

/// The program with the scene in its maps, but for flows and the next hop.
pub fn kernel() -> Result<Kernel> {
    let mut kernel = Kernel::load(FLOWS, NEXT_HOPS)?;
    kernel.set_media_addresses(media_addresses())?;
    kernel.set_device(OTHER_INTERFACE, INGRESS)?;
    kernel.set_socket(0, unbound_xdp_socket()?)?;
    Ok(kernel)
}
