//! From a destination to a flow, and addresses as the program compares and writes them.

use media_common::checksum::Sum;
use media_common::flow::{FlowEntry, MediaAddress, MediaAddressList, NextHop};

use crate::parse::Macs;

/// An address, IPv4-mapped or IPv6: two words of memory order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, packed)]
pub struct Address(pub u64, pub u64);

impl Address {
    /// From the ABI.
    #[inline(always)]
    pub fn from_bytes(bytes: &[u8; 16]) -> Address {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
        Address(
            u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        )
    }

    /// To the ABI.
    #[inline(always)]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&{ self.0 }.to_ne_bytes());
        bytes[8..].copy_from_slice(&{ self.1 }.to_ne_bytes());
        bytes
    }

    /// The IPv4-mapped address (RFC 4291 section 2.5.5.2) of one in memory order.
    #[inline(always)]
    pub fn from_v4(address: u32) -> Address {
        Address(0, MAPPED | u64::from(address) << V4_SHIFT)
    }

    /// The IPv4 address in memory order, if it is a mapped one.
    #[inline(always)]
    pub fn v4(self) -> u32 {
        (self.1 >> V4_SHIFT) as u32
    }

    /// Whether it is an IPv4-mapped address.
    #[inline(always)]
    pub fn is_v4(self) -> bool {
        self.0 == 0 && self.1 & MAPPED_MASK == MAPPED
    }

    #[inline(always)]
    pub fn sum(self) -> Sum {
        Sum::default().four(self.0).four(self.1)
    }
}

/// The second word of an IPv4-mapped address whose IPv4 part is zero.
const MAPPED: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
const MAPPED_MASK: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
const V4_SHIFT: u32 = if cfg!(target_endian = "little") {
    32
} else {
    0
};

/// The index of the flow of that address and port (memory order), if it is ours.
///
/// The list is short and compared in turn: that is faster than a hash, and the common case
/// is the first entry.
#[inline(always)]
pub fn flow_index(list: &MediaAddressList, address: Address, port: u16) -> Option<u32> {
    let port = u16::from_be(port);
    for media in &list.addresses {
        let ours = Address::from_bytes(&media.address);
        if ours == Address(0, 0) {
            return None;
        }
        if ours == address
            && let Some(index) = media.index_of(port)
        {
            return Some(index);
        }
    }
    None
}

/// The media address that packets of the flow leave from.
#[inline(always)]
pub fn local_address(list: &MediaAddressList, at: u8) -> Option<Address> {
    let media: &MediaAddress = list.addresses.get(usize::from(at))?;
    let address = Address::from_bytes(&media.address);
    (address != Address(0, 0)).then_some(address)
}

/// Where packets of the flow must come from: address, and port in memory order.
#[inline(always)]
pub fn expected(entry: &FlowEntry) -> (Address, u16) {
    (
        Address::from_bytes(&entry.expected_address),
        u16::from_ne_bytes(entry.expected_port),
    )
}

/// The next hop's MAC and ours, to write.
#[inline(always)]
pub fn macs(next_hop: &NextHop) -> Macs {
    let [a, b, c, d, e, f] = next_hop.destination_mac;
    let [g, h, i, j, k, l] = next_hop.source_mac;
    Macs(
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u32::from_ne_bytes([i, j, k, l]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_list_in_the_abi() {
        let mut list = MediaAddressList::default();
        let range = |last: u8, first_index, port_low, port_high| MediaAddress {
            address: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last],
            first_index,
            port_low,
            port_high,
        };
        list.addresses[0] = range(1, 0, 10_000, 10_009);
        list.addresses[1] = range(2, 10, 10_000, 10_009);
        list.addresses[2] = range(1, 20, 65_530, 65_535);
        for last in 0..4 {
            let address = Address::from_v4(u32::from_ne_bytes([10, 0, 0, last]));
            for port in [0u16, 9_999, 10_000, 10_009, 10_010, 65_529, 65_530, 65_535] {
                assert_eq!(
                    flow_index(&list, address, port.to_be()),
                    list.index_of(&address.to_bytes(), port),
                    "10.0.0.{last}:{port}"
                );
            }
        }
        for at in [0, 2, 3, 15, 16, 255] {
            assert_eq!(
                local_address(&list, at).map(Address::to_bytes),
                list.address(at).map(|media| media.address)
            );
        }
    }
}
