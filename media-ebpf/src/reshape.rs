//! Headers that leave longer or shorter than they came: a VLAN tag put in or taken out, the other
//! IP version, or both at once.

use media_common::checksum::Sum;
use media_common::flow::NextHop;

use crate::classify::{self, Address};
use crate::frame::Frame;
use crate::parse::{
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ip as _, Ipv4, Ipv6, Link, PROTOCOL_UDP, Tagged, Untagged,
};

/// What is written before the UDP header once there is room.
pub struct Reshape<'t> {
    next_hop: &'t NextHop,
    /// The IP header, if it is another one.
    ip: Option<NewIp>,
    ethertype: u16,
    /// By how many bytes the frame begins later (or, negative, earlier) than it does.
    pub delta: i32,
}

/// An IP header of the other family.
pub(crate) struct NewIp {
    pub(crate) source: Address,
    pub(crate) destination: Address,
    /// DSCP and ECN.
    pub(crate) class: u8,
    /// TTL or hop limit.
    pub(crate) hops: u8,
    /// Bytes.
    pub(crate) payload_length: u16,
    pub(crate) is_v4: bool,
}

impl<'t> Reshape<'t> {
    /// `udp` is where the UDP header begins now.
    #[inline(always)]
    pub(crate) fn to_other_family(udp: usize, ip: NewIp, next_hop: &'t NextHop) -> Reshape<'t> {
        let ip_length = if ip.is_v4 { 20 } else { 40 };
        let link_length = if next_hop.vlan == 0 { 14 } else { 18 };
        let ethertype = if ip.is_v4 {
            ETHERTYPE_IPV4
        } else {
            ETHERTYPE_IPV6
        };
        Reshape {
            next_hop,
            ip: Some(ip),
            ethertype,
            delta: (udp as i32).wrapping_sub(link_length + ip_length),
        }
    }

    /// From link header `L` to the one that the next hop wants.
    #[inline(always)]
    pub(crate) fn to_other_tagging<L: Link>(ethertype: u16, next_hop: &'t NextHop) -> Reshape<'t> {
        Reshape {
            next_hop,
            ip: None,
            ethertype,
            delta: if L::TAGGED { TAG } else { -TAG },
        }
    }

    /// Writes the headers of a frame that begins where it is to.
    ///
    /// Nothing if the frame is too short for them.
    #[inline(always)]
    pub fn write(&self, frame: &mut Frame<'_>) -> Option<()> {
        if self.next_hop.vlan == 0 {
            let link = frame.overlay::<Untagged, 0>()?;
            link.readdress(classify::macs(self.next_hop), 0);
            link.ethertype = self.ethertype;
            self.write_ip::<14>(frame)
        } else {
            let link = frame.overlay::<Tagged, 0>()?;
            link.readdress(classify::macs(self.next_hop), self.next_hop.vlan);
            link.ethertype = self.ethertype;
            self.write_ip::<18>(frame)
        }
    }

    #[inline(always)]
    fn write_ip<const AT: usize>(&self, frame: &mut Frame<'_>) -> Option<()> {
        match &self.ip {
            None => {}
            Some(ip) if ip.is_v4 => *frame.overlay::<Ipv4, AT>()? = ip.to_v4(),
            Some(ip) => *frame.overlay::<Ipv6, AT>()? = ip.to_v6(),
        }
        Some(())
    }
}

impl NewIp {
    /// RFC 7915 section 5.1, but for DF: it is always set. The packet is then atomic and needs no
    /// identification (RFC 6864 section 4.1), which we would have to keep unique.
    #[inline(always)]
    fn to_v4(&self) -> Ipv4 {
        let mut header = Ipv4 {
            version_ihl: 0x45,
            tos: self.class,
            total_length: self.payload_length.wrapping_add(20).to_be(),
            identification: 0,
            fragment: 0x4000u16.to_be(),
            ttl: self.hops,
            protocol: PROTOCOL_UDP,
            checksum: 0,
            source: self.source.v4(),
            destination: self.destination.v4(),
        };
        header.checksum = Sum::default()
            .word(u16::from_ne_bytes([0x45, self.class]))
            .word(header.total_length)
            .word(header.fragment)
            .word(u16::from_ne_bytes([self.hops, PROTOCOL_UDP]))
            .with(header.address_sum())
            .checksum();
        header
    }

    /// RFC 7915 section 4.1: the TOS as traffic class, flow label 0.
    #[inline(always)]
    fn to_v6(&self) -> Ipv6 {
        Ipv6 {
            version_class: [0x60 | self.class >> 4, self.class << 4],
            flow_label: 0,
            payload_length: self.payload_length.to_be(),
            next_header: PROTOCOL_UDP,
            hop_limit: self.hops,
            source: self.source,
            destination: self.destination,
        }
    }
}

/// Length of a VLAN tag, bytes.
const TAG: i32 = 4;
