//! The bytes of a frame that is sent on.

use std::net::{IpAddr, SocketAddr};

use media_common::counters::DropReason;
use media_common::flow::{DSCP_KEEP, NextHop};

use super::checksum::{fold, sum};
use super::emit::{v4_header, v6_header};
use super::ethernet::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use super::parse::{PROTOCOL_UDP, UdpFrame};

/// Where a packet goes, and how.
pub(super) struct Departure<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// DSCP to set or [`DSCP_KEEP`].
    pub(super) dscp: u8,
    pub(super) next_hop: &'a NextHop,
}

impl Departure<'_> {
    /// Length of the IP packet that leaves, bytes.
    pub(super) fn ip_len(&self, packet: &UdpFrame) -> usize {
        let header = if self.to.is_ipv4() { 20 } else { 40 };
        header + ip_payload(packet)
    }

    /// Writes what leaves to `out`; answers how long it is.
    pub(super) fn write(
        &self,
        packet: &UdpFrame,
        frame: &[u8],
        out: &mut [u8],
    ) -> Result<usize, DropReason> {
        let header = self.ip_header(packet, &frame[packet.ip_at..packet.udp_at])?;
        let mut rest = frame[packet.udp_at..].to_vec();
        let udp_len = packet.payload.len() + 8;
        rewrite_udp(&mut rest[..udp_len], packet, self.from, self.to);
        let ethertype = if self.to.is_ipv4() {
            ETHERTYPE_IPV4
        } else {
            ETHERTYPE_IPV6
        };
        let link = ethernet::header(ethertype, self.next_hop);
        let all = [&link[..], &header, &rest].concat();
        out.get_mut(..all.len())
            .ok_or(DropReason::TooLong)?
            .copy_from_slice(&all);
        Ok(all.len())
    }

    /// Rewritten within a family, and made anew, as a worker does, for the other.
    fn ip_header(&self, packet: &UdpFrame, header: &[u8]) -> Result<Vec<u8>, DropReason> {
        let mut header = header.to_vec();
        let class = match self.dscp {
            DSCP_KEEP => packet.traffic_class,
            dscp => dscp << 2 | packet.traffic_class & 0x03,
        };
        match (packet.destination.is_ipv4(), self.from.ip(), self.to.ip()) {
            (true, IpAddr::V4(_), IpAddr::V4(_)) => {
                rewrite_v4(&mut header, self.from.ip(), self.to.ip(), self.dscp);
                Ok(header)
            }
            (false, IpAddr::V6(_), IpAddr::V6(_)) => {
                rewrite_v6(&mut header, self.from.ip(), self.to.ip(), self.dscp);
                Ok(header)
            }
            (_, IpAddr::V4(from), IpAddr::V4(to)) => {
                Ok(v4_header(from, to, ip_payload(packet), class, packet)?.to_vec())
            }
            (_, IpAddr::V6(from), IpAddr::V6(to)) => {
                Ok(v6_header(from, to, ip_payload(packet), class, packet)?.to_vec())
            }
            _ => Err(DropReason::BadEntry),
        }
    }
}

/// Length of what follows the IP header, by that, bytes.
fn ip_payload(packet: &UdpFrame) -> usize {
    packet.ip_len - (packet.udp_at - packet.ip_at)
}

fn rewrite_v4(header: &mut [u8], from: IpAddr, to: IpAddr, dscp: u8) {
    let checksum = u16::from_be_bytes([header[10], header[11]]);
    header[10..12].fill(0);
    let before = sum(header);
    if dscp != DSCP_KEEP {
        header[1] = dscp << 2 | header[1] & 0x03;
    }
    header[8] -= 1;
    write_address(&mut header[12..16], from);
    write_address(&mut header[16..20], to);
    let checksum = updated(checksum, before, sum(header));
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
}

fn rewrite_v6(header: &mut [u8], from: IpAddr, to: IpAddr, dscp: u8) {
    if dscp != DSCP_KEEP {
        let first = u16::from_be_bytes([header[0], header[1]]);
        let first = first & !(0x3f << 6) | u16::from(dscp & 0x3f) << 6;
        header[..2].copy_from_slice(&first.to_be_bytes());
    }
    header[7] -= 1;
    write_address(&mut header[8..24], from);
    write_address(&mut header[24..40], to);
}

/// The rule for checksums that a virtual interface has left half done: the field then holds
/// the sum of the pseudo-header, not complemented.
fn rewrite_udp(datagram: &mut [u8], packet: &UdpFrame, from: SocketAddr, to: SocketAddr) {
    let checksum = u16::from_be_bytes([datagram[6], datagram[7]]);
    let len = datagram.len() as u64;
    let pseudo = |source: IpAddr, destination: IpAddr| {
        address_sum(source) + address_sum(destination) + u64::from(PROTOCOL_UDP) + len
    };
    let pseudo_before = pseudo(packet.source.ip(), packet.destination.ip());
    let pseudo_after = pseudo(from.ip(), to.ip());
    datagram[6..8].fill(0);
    let before = sum(datagram);
    datagram[0..2].copy_from_slice(&from.port().to_be_bytes());
    datagram[2..4].copy_from_slice(&to.port().to_be_bytes());
    let after = sum(datagram);
    let checksum = if checksum == fold(pseudo_before) {
        never_zero(!fold(pseudo_after + after))
    } else if checksum == 0 && to.is_ipv4() {
        0
    } else if checksum == 0 {
        // RFC 8200 section 8.1: over IPv6 there must be one.
        never_zero(!fold(pseudo_after + after))
    } else {
        never_zero(updated(
            checksum,
            pseudo_before + before,
            pseudo_after + after,
        ))
    };
    datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
}

/// RFC 1624 equation 3 over everything at once: `~(~HC + ~m + m')`. A wrong checksum stays
/// as wrong as it was.
///
/// `-m` is taken as what completes `m`, folded, to all ones; unchanged words cancel out.
fn updated(checksum: u16, before: u64, after: u64) -> u16 {
    !fold(u64::from(!checksum) + u64::from(!fold(before)) + after)
}

/// 0 would mean "no checksum" (RFC 768).
fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

fn write_address(out: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(address) => out.copy_from_slice(&address.octets()),
        IpAddr::V6(address) => out.copy_from_slice(&address.octets()),
    }
}

fn address_sum(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => sum(&address.octets()),
        IpAddr::V6(address) => sum(&address.octets()),
    }
}
