//! Headers as they lie in the frame: Ethernet, at most one VLAN tag, IPv4 or IPv6, UDP.
//!
//! All 16-bit fields hold the bytes as they are in memory; numbers are read with
//! `u16::from_be`.
#![allow(unsafe_code)] // `Overlay` is promised for each header here.

use media_common::checksum::Sum;

use crate::classify::Address;
use crate::frame::Overlay;
use crate::verdict::Pass;

/// IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800u16.to_be();
/// IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86ddu16.to_be();
/// IEEE 802.1Q tag.
pub const ETHERTYPE_VLAN: u16 = 0x8100u16.to_be();
/// IEEE 802.1ad service tag.
pub const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8u16.to_be();

pub(crate) const PROTOCOL_UDP: u8 = 17;
const UDP_HEADER: usize = 8;

/// Destination and source MAC, as frame and next hop hold them.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub struct Macs(pub u64, pub u32);

/// Ethernet without a tag.
#[repr(C, packed)]
pub struct Untagged {
    pub macs: Macs,
    pub ethertype: u16,
}

/// Ethernet with one VLAN tag.
#[repr(C, packed)]
pub struct Tagged {
    pub macs: Macs,
    pub tag_type: u16,
    /// Priority, drop eligibility and VLAN identifier.
    pub tag: u16,
    pub ethertype: u16,
}

/// RFC 791 section 3.1, without options.
///
/// ```text
/// |Version|  IHL  |Type of Service|          Total Length         |
/// |         Identification        |Flags|      Fragment Offset    |
/// |  Time to Live |    Protocol   |         Header Checksum       |
/// |                       Source Address                          |
/// |                    Destination Address                        |
/// ```
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub struct Ipv4 {
    pub version_ihl: u8,
    pub tos: u8,
    pub total_length: u16,
    pub identification: u16,
    pub fragment: u16,
    pub ttl: u8,
    pub protocol: u8,
    pub checksum: u16,
    pub source: u32,
    pub destination: u32,
}

/// RFC 8200 section 3.
///
/// ```text
/// |Version| Traffic Class |           Flow Label                  |
/// |         Payload Length        |  Next Header  |   Hop Limit   |
/// |                        Source Address, 128 bits               |
/// |                     Destination Address, 128 bits             |
/// ```
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub struct Ipv6 {
    pub version_class: [u8; 2],
    pub flow_label: u16,
    pub payload_length: u16,
    pub next_header: u8,
    pub hop_limit: u8,
    pub source: Address,
    pub destination: Address,
}

/// RFC 768.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub struct Udp {
    pub source: u16,
    pub destination: u16,
    pub length: u16,
    pub checksum: u16,
}

/// Link and IP header.
#[repr(C)]
pub struct Datagram<L, I> {
    pub link: L,
    pub ip: I,
}

/// All headers before the UDP payload.
#[repr(C)]
pub struct Packet<L, I> {
    pub link: L,
    pub ip: I,
    pub udp: Udp,
}

/// The first two bytes of the UDP payload.
#[repr(C, packed)]
pub struct PayloadHead {
    pub first: u8,
    pub second: u8,
}

/// RTP's fixed header behind these two bytes (RFC 3550 section 5.1).
#[repr(C, packed)]
pub struct RtpRest {
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

/// Four bytes: the head of RTP's header extension (RFC 3550 section 5.3.1), or a telephone event
/// (RFC 4733 section 2.3).
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub struct Four(pub [u8; 4]);

// SAFETY: for all of them: packed, and any bytes are integers.
unsafe impl Overlay for Untagged {}
// SAFETY: see above.
unsafe impl Overlay for Tagged {}
// SAFETY: see above.
unsafe impl Overlay for Ipv4 {}
// SAFETY: see above.
unsafe impl Overlay for Ipv6 {}
// SAFETY: see above.
unsafe impl Overlay for PayloadHead {}
// SAFETY: see above.
unsafe impl Overlay for RtpRest {}
// SAFETY: see above.
unsafe impl Overlay for Four {}
// SAFETY: see above; links and IP headers are such types.
unsafe impl<L: Link, I: Ip> Overlay for Datagram<L, I> {}
// SAFETY: see above; links and IP headers are such types.
unsafe impl<L: Link, I: Ip> Overlay for Packet<L, I> {}

const _: () = {
    assert!(size_of::<Untagged>() == 14);
    assert!(size_of::<Tagged>() == 18);
    assert!(size_of::<Ipv4>() == 20);
    assert!(size_of::<Ipv6>() == 40);
    assert!(size_of::<Udp>() == UDP_HEADER);
    assert!(size_of::<Packet<Tagged, Ipv6>>() == 66);
};

/// A link header.
pub trait Link: Overlay {
    /// Whether it has a VLAN tag.
    const TAGGED: bool;

    fn ethertype(&self) -> u16;

    /// Addresses it to the next hop, within VLAN `vlan` if it is tagged.
    fn readdress(&mut self, macs: Macs, vlan: u16);
}

impl Link for Untagged {
    const TAGGED: bool = false;

    #[inline(always)]
    fn ethertype(&self) -> u16 {
        self.ethertype
    }

    #[inline(always)]
    fn readdress(&mut self, macs: Macs, _vlan: u16) {
        self.macs = macs;
    }
}

impl Link for Tagged {
    const TAGGED: bool = true;

    #[inline(always)]
    fn ethertype(&self) -> u16 {
        self.ethertype
    }

    #[inline(always)]
    fn readdress(&mut self, macs: Macs, vlan: u16) {
        self.macs = macs;
        self.tag_type = ETHERTYPE_VLAN;
        self.tag = vlan.to_be();
    }
}

/// An IP header.
pub trait Ip: Overlay {
    /// Whether it is IPv4.
    const IS_V4: bool;

    /// Length of the IP payload in bytes, if it is a UDP datagram in one piece.
    fn check(&self) -> Result<usize, Pass>;
    fn source(&self) -> Address;
    fn destination(&self) -> Address;
    /// Sum of both addresses.
    fn address_sum(&self) -> Sum;
    /// TTL or hop limit.
    fn hops(&self) -> u8;
    /// TOS or traffic class: DSCP and ECN.
    fn class(&self) -> u8;
    /// Replaces both addresses (which are of its family), takes one from the hops, sets the DSCP
    /// unless it is [`DSCP_KEEP`](media_common::flow::DSCP_KEEP), and keeps the header's
    /// checksum right. `change` is the new addresses' sum without the old ones'.
    fn rewrite(&mut self, source: Address, destination: Address, change: Sum, dscp: u8);
}

impl Ip for Ipv4 {
    const IS_V4: bool = true;

    #[inline(always)]
    fn check(&self) -> Result<usize, Pass> {
        match self.version_ihl {
            0x45 => {}
            0x46..=0x4f => return Err(Pass::IpOptions),
            0x40..=0x44 => return Err(Pass::Truncated),
            _ => return Err(Pass::NotIp),
        }
        // More fragments, or not the first one.
        if self.fragment & 0x3fffu16.to_be() != 0 {
            return Err(Pass::Fragment);
        }
        if self.protocol != PROTOCOL_UDP {
            return Err(Pass::NotUdp);
        }
        let total = usize::from(u16::from_be(self.total_length));
        total.checked_sub(size_of::<Ipv4>()).ok_or(Pass::Truncated)
    }

    #[inline(always)]
    fn source(&self) -> Address {
        Address::from_v4(self.source)
    }

    #[inline(always)]
    fn destination(&self) -> Address {
        Address::from_v4(self.destination)
    }

    #[inline(always)]
    fn address_sum(&self) -> Sum {
        Sum::default().pair(self.source).pair(self.destination)
    }

    #[inline(always)]
    fn hops(&self) -> u8 {
        self.ttl
    }

    #[inline(always)]
    fn class(&self) -> u8 {
        self.tos
    }

    #[inline(always)]
    fn rewrite(&mut self, source: Address, destination: Address, change: Sum, dscp: u8) {
        crate::rewrite::ipv4(self, source, destination, change, dscp);
    }
}

impl Ip for Ipv6 {
    const IS_V4: bool = false;

    #[inline(always)]
    fn check(&self) -> Result<usize, Pass> {
        if self.version_class[0] >> 4 != 6 {
            return Err(Pass::NotIp);
        }
        match self.next_header {
            PROTOCOL_UDP => Ok(usize::from(u16::from_be(self.payload_length))),
            44 => Err(Pass::Fragment),
            // Hop-by-hop, routing, destination options (RFC 8200 section 4), ESP (RFC 4303),
            // AH (RFC 4302).
            0 | 43 | 60 | 50 | 51 => Err(Pass::ExtensionHeader),
            _ => Err(Pass::NotUdp),
        }
    }

    #[inline(always)]
    fn source(&self) -> Address {
        self.source
    }

    #[inline(always)]
    fn destination(&self) -> Address {
        self.destination
    }

    #[inline(always)]
    fn address_sum(&self) -> Sum {
        self.source.sum().with(self.destination.sum())
    }

    #[inline(always)]
    fn hops(&self) -> u8 {
        self.hop_limit
    }

    #[inline(always)]
    fn class(&self) -> u8 {
        let [first, second] = self.version_class;
        first << 4 | second >> 4
    }

    #[inline(always)]
    fn rewrite(&mut self, source: Address, destination: Address, _change: Sum, dscp: u8) {
        crate::rewrite::ipv6(self, source, destination, dscp);
    }
}

/// Length of the UDP payload, bytes: `available` is what the IP header says follows it.
#[inline(always)]
pub fn udp_payload(udp: &Udp, available: usize) -> Result<usize, Pass> {
    let length = usize::from(u16::from_be(udp.length));
    if length < UDP_HEADER || length > available {
        return Err(Pass::Truncated);
    }
    Ok(length - UDP_HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4() -> Ipv4 {
        Ipv4 {
            version_ihl: 0x45,
            tos: 0,
            total_length: 48u16.to_be(),
            identification: 0,
            fragment: 0x4000u16.to_be(),
            ttl: 64,
            protocol: 17,
            checksum: 0,
            source: 0x0a00_0001u32.to_be(),
            destination: 0xc000_0207u32.to_be(),
        }
    }

    fn ipv6(next_header: u8) -> Ipv6 {
        Ipv6 {
            version_class: [0x60, 0],
            flow_label: 0,
            payload_length: 28u16.to_be(),
            next_header,
            hop_limit: 64,
            source: Address::default(),
            destination: Address::from_bytes(&V6),
        }
    }

    const V6: [u8; 16] = [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8];

    #[test]
    fn addresses_are_those_of_the_abi() {
        let mapped: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7];
        assert_eq!(ipv4().destination().to_bytes(), mapped);
        assert!(ipv4().destination().is_v4());
        assert_eq!(ipv6(17).destination().to_bytes(), V6);
        assert!(!ipv6(17).destination().is_v4());
        assert!(!Address::default().is_v4());
    }

    #[test]
    fn what_is_not_a_whole_udp_datagram_over_plain_ipv4_is_named() {
        assert_eq!(ipv4().check(), Ok(28));
        for (header, expected) in [
            (
                Ipv4 {
                    version_ihl: 0x46,
                    ..ipv4()
                },
                Pass::IpOptions,
            ),
            (
                Ipv4 {
                    version_ihl: 0x44,
                    ..ipv4()
                },
                Pass::Truncated,
            ),
            (
                Ipv4 {
                    version_ihl: 0x65,
                    ..ipv4()
                },
                Pass::NotIp,
            ),
            (
                Ipv4 {
                    fragment: 0x2000u16.to_be(),
                    ..ipv4()
                },
                Pass::Fragment,
            ),
            (
                Ipv4 {
                    fragment: 0x0001u16.to_be(),
                    ..ipv4()
                },
                Pass::Fragment,
            ),
            (
                Ipv4 {
                    protocol: 6,
                    ..ipv4()
                },
                Pass::NotUdp,
            ),
            (
                Ipv4 {
                    total_length: 19u16.to_be(),
                    ..ipv4()
                },
                Pass::Truncated,
            ),
        ] {
            assert_eq!(header.check(), Err(expected));
        }
    }

    #[test]
    fn what_is_not_a_whole_udp_datagram_over_plain_ipv6_is_named() {
        assert_eq!(ipv6(17).check(), Ok(28));
        for (next_header, expected) in [
            (0, Pass::ExtensionHeader),
            (43, Pass::ExtensionHeader),
            (60, Pass::ExtensionHeader),
            (50, Pass::ExtensionHeader),
            (51, Pass::ExtensionHeader),
            (44, Pass::Fragment),
            (58, Pass::NotUdp),
            (59, Pass::NotUdp),
        ] {
            assert_eq!(ipv6(next_header).check(), Err(expected), "{next_header}");
        }
        assert_eq!(
            Ipv6 {
                version_class: [0x45, 0],
                ..ipv6(17)
            }
            .check(),
            Err(Pass::NotIp)
        );
    }

    #[test]
    fn udp_length_governs_and_must_fit() {
        let udp = |length: u16| Udp {
            source: 0,
            destination: 0,
            length: length.to_be(),
            checksum: 0,
        };
        assert_eq!(udp_payload(&udp(8), 28), Ok(0));
        assert_eq!(udp_payload(&udp(20), 28), Ok(12));
        assert_eq!(udp_payload(&udp(28), 28), Ok(20));
        assert_eq!(udp_payload(&udp(29), 28), Err(Pass::Truncated));
        assert_eq!(udp_payload(&udp(7), 28), Err(Pass::Truncated));
    }
}
