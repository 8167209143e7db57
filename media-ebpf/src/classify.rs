//! From a destination to a flow, and a flow's addresses as packets hold them.
#![allow(unsafe_code)] // Addresses of the ABI are read as two aligned words.

use media_common::flow::{FlowEntry, MediaAddress, MediaAddressList, NextHop};

use crate::frame::{aligned_words, even_words};
use crate::parse::Address;

/// The index of the flow of that address and port (memory order), if it is ours.
///
/// The list is short and compared in turn: that is faster than a hash, and the common case
/// is the first entry.
#[inline(always)]
pub fn flow_index(list: &MediaAddressList, address: Address, port: u16) -> Option<u32> {
    let port = u16::from_be(port);
    for media in &list.addresses {
        let ours = media_address(media);
        if ours == [0; 2] {
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
pub fn local_address(list: &MediaAddressList, at: u8) -> Option<&MediaAddress> {
    let media = list.addresses.get(usize::from(at))?;
    (media_address(media) != [0; 2]).then_some(media)
}

/// Comparable form of a media address.
#[inline(always)]
pub fn media_address(media: &MediaAddress) -> Address {
    // SAFETY: `MediaAddress` is aligned to 8 and the address is its first field.
    unsafe { aligned_words(&media.address) }
}

/// Comparable form of where packets of the flow must come from.
#[inline(always)]
pub fn expected_address(entry: &FlowEntry) -> Address {
    // SAFETY: `FlowEntry` is aligned to 8 and this field lies at offset 16.
    unsafe { aligned_words(&entry.expected_address) }
}

/// Comparable form of where packets of the flow are sent to.
#[inline(always)]
pub fn remote_address(entry: &FlowEntry) -> Address {
    // SAFETY: `FlowEntry` is aligned to 8 and this field lies at offset 32.
    unsafe { aligned_words(&entry.remote_address) }
}

/// An address of the ABI as the packet holds it: the last two words are IPv4's.
pub type AddressWords = [u16; 8];
/// A MAC as the packet holds it.
pub type MacWords = [u16; 3];

/// A media address to write.
#[inline(always)]
pub fn media_words(media: &MediaAddress) -> AddressWords {
    // SAFETY: as for `media_address`.
    unsafe { even_words(&media.address) }
}

/// Where packets of the flow are sent to, to write.
#[inline(always)]
pub fn remote_words(entry: &FlowEntry) -> AddressWords {
    // SAFETY: as for `remote_address`.
    unsafe { even_words(&entry.remote_address) }
}

/// The next hop's source and destination MAC, to write.
#[inline(always)]
pub fn macs(next_hop: &NextHop) -> (MacWords, MacWords) {
    // SAFETY: `NextHop` is aligned to 4 and these fields lie at offsets 4 and 10.
    unsafe {
        (
            even_words(&next_hop.source_mac),
            even_words(&next_hop.destination_mac),
        )
    }
}

const _: () = {
    assert!(align_of::<MediaAddress>() == 8 && align_of::<FlowEntry>() == 8);
    assert!(core::mem::offset_of!(MediaAddress, address) == 0);
    assert!(align_of::<NextHop>() == 4 && core::mem::offset_of!(NextHop, source_mac) == 4);
    assert!(core::mem::offset_of!(NextHop, destination_mac) == 10);
    assert!(core::mem::offset_of!(FlowEntry, expected_address) == 16);
    assert!(core::mem::offset_of!(FlowEntry, remote_address) == 32);
};

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
            let probe = range(last, 0, 0, 0);
            for port in [0u16, 9_999, 10_000, 10_009, 10_010, 65_529, 65_530, 65_535] {
                assert_eq!(
                    flow_index(&list, media_address(&probe), port.to_be()),
                    list.index_of(&probe.address, port),
                    "10.0.0.{last}:{port}"
                );
            }
        }
        for at in [0, 2, 3, 15, 16, 255] {
            assert_eq!(local_address(&list, at), list.address(at));
        }
    }
}
