//! The Ethernet header towards a next hop, with its VLAN tag if it has one (IEEE 802.1Q).

use std::ops::Deref;

use media_common::flow::NextHop;

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
pub(super) const ETHERTYPE_VLAN: u16 = 0x8100;
/// IEEE 802.1ad service tag: read like the other, never written.
pub(super) const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;

/// 14 bytes, or 18 with a tag.
pub(super) struct Header {
    bytes: [u8; 18],
    len: usize,
}

pub(super) fn header(ethertype: u16, next_hop: &NextHop) -> Header {
    let mut bytes = [0; 18];
    bytes[0..6].copy_from_slice(&next_hop.destination_mac);
    bytes[6..12].copy_from_slice(&next_hop.source_mac);
    let type_at = if next_hop.vlan == 0 {
        12
    } else {
        bytes[12..14].copy_from_slice(&ETHERTYPE_VLAN.to_be_bytes());
        bytes[14..16].copy_from_slice(&next_hop.vlan.to_be_bytes());
        16
    };
    bytes[type_at..type_at + 2].copy_from_slice(&ethertype.to_be_bytes());
    Header {
        bytes,
        len: type_at + 2,
    }
}

impl Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
