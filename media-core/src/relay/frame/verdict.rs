//! What the XDP program must answer, said again in the plainest way.
//!
//! The order of decisions is that of [`media_common`]. Nothing of the program's code is used:
//! headers are read by [`parse`](super::parse()), written field by field, and checksums are
//! computed over whole headers where the program updates them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use media_common::counters::DropReason;
use media_common::flow::{
    ACTION_FORWARD, ACTION_NONE, ACTION_WORKER, DSCP_KEEP, FLAG_CHECK_SOURCE, FLAG_RTCP,
    FLAG_RTCP_MUX, FlowEntry, MediaAddress, NextHop, ip_to_mapped,
};

use super::checksum::{fold, sum};
use super::ethernet;
use super::parse::{PROTOCOL_UDP, PassReason, UdpFrame, parse};
use crate::rtcp::{self, RtcpHeader};
use crate::rtp::RtpHeader;

/// The tables that the program looks things up in, as plain lists.
#[derive(Clone, Copy, Debug)]
pub struct FrameTables<'a> {
    pub media_addresses: &'a [MediaAddress],
    pub flows: &'a [FlowEntry],
    pub next_hops: &'a [NextHop],
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameVerdict {
    /// None of ours: to the host, untouched.
    Pass(PassReason),
    Drop(DropReason),
    /// To the AF_XDP worker, untouched.
    Worker,
    /// `out[..len]` leaves by the interface.
    Transmit {
        len: usize,
        ifindex: u32,
    },
}

/// Decides about `frame` and writes the frame that leaves, if one does, to `out`.
pub fn decide(tables: &FrameTables<'_>, frame: &[u8], out: &mut [u8]) -> FrameVerdict {
    let packet = match parse(frame) {
        Ok(packet) => packet,
        Err(reason) => return FrameVerdict::Pass(reason),
    };
    let Some(entry) = tables.flow(packet.destination) else {
        return FrameVerdict::Pass(PassReason::NotMedia);
    };
    if let Err(reason) = admit(entry, &packet, frame) {
        return FrameVerdict::Drop(reason);
    }
    match entry.action {
        ACTION_WORKER => FrameVerdict::Worker,
        ACTION_FORWARD => {
            forward(tables, entry, &packet, frame, out).unwrap_or_else(FrameVerdict::Drop)
        }
        _ => FrameVerdict::Drop(DropReason::BadEntry),
    }
}

impl<'a> FrameTables<'a> {
    fn flow(&self, destination: SocketAddr) -> Option<&'a FlowEntry> {
        let address = ip_to_mapped(destination.ip());
        let port = destination.port();
        let media = self
            .media_addresses
            .iter()
            .take_while(|media| media.address != [0; 16])
            .find(|media| {
                media.address == address && (media.port_low..=media.port_high).contains(&port)
            })?;
        let index = media.first_index as usize + usize::from(port - media.port_low);
        self.flows
            .get(index)
            .filter(|entry| entry.action != ACTION_NONE)
    }

    fn local(&self, at: u8) -> Option<IpAddr> {
        let media = self.media_addresses.get(usize::from(at))?;
        (media.address != [0; 16]).then(|| Ipv6Addr::from(media.address).to_canonical())
    }
}

/// Source, payload, hops.
fn admit(entry: &FlowEntry, packet: &UdpFrame, frame: &[u8]) -> Result<(), DropReason> {
    if entry.flags & FLAG_CHECK_SOURCE != 0 {
        let port = u16::from_be_bytes(entry.expected_port);
        if ip_to_mapped(packet.source.ip()) != entry.expected_address
            || packet.source.port() != port
        {
            return Err(DropReason::WrongSource);
        }
    }
    let payload = &frame[packet.payload.clone()];
    if entry.flags & FLAG_RTCP != 0 || entry.flags & FLAG_RTCP_MUX != 0 && rtcp::is_rtcp(payload) {
        RtcpHeader::parse(payload).ok_or(DropReason::Malformed)?;
    } else {
        let header = RtpHeader::parse(payload).ok_or(DropReason::Malformed)?;
        let [a, b, c, d] = entry.payload_types.map(u128::from);
        if (a | b << 32 | c << 64 | d << 96) >> header.payload_type & 1 == 0 {
            return Err(DropReason::PayloadType);
        }
    }
    if packet.destination.is_ipv6() && packet.udp_checksum(frame) == 0 {
        return Err(DropReason::Malformed);
    }
    if packet.hop_limit <= 1 {
        return Err(DropReason::HopLimit);
    }
    Ok(())
}

fn forward(
    tables: &FrameTables<'_>,
    entry: &FlowEntry,
    packet: &UdpFrame,
    frame: &[u8],
    out: &mut [u8],
) -> Result<FrameVerdict, DropReason> {
    let local = tables
        .local(entry.local_address)
        .ok_or(DropReason::BadEntry)?;
    let next_hop = tables
        .next_hops
        .get(usize::from(entry.next_hop))
        .ok_or(DropReason::BadEntry)?;
    let remote = Ipv6Addr::from(entry.remote_address).to_canonical();
    let is_v4 = packet.destination.is_ipv4();
    if local.is_ipv4() != is_v4 || remote.is_ipv4() != is_v4 {
        return Err(DropReason::BadEntry);
    }
    if next_hop.ifindex == 0 {
        return Err(DropReason::NextHop);
    }
    if next_hop.mtu != 0 && packet.ip_len > usize::from(next_hop.mtu) {
        return Err(DropReason::TooLong);
    }
    let from = SocketAddr::new(local, u16::from_be_bytes(entry.local_port));
    let to = SocketAddr::new(remote, u16::from_be_bytes(entry.remote_port));

    let link = ethernet::header(packet.ethertype(), next_hop);
    let rest = &frame[packet.ip_at..];
    let len = link.len() + rest.len();
    let out = out.get_mut(..len).ok_or(DropReason::TooLong)?;
    out[..link.len()].copy_from_slice(&link);
    let ip = &mut out[link.len()..];
    ip.copy_from_slice(rest);
    let udp_at = packet.udp_at - packet.ip_at;
    if is_v4 {
        rewrite_v4(&mut ip[..udp_at], from.ip(), to.ip(), entry.dscp);
    } else {
        rewrite_v6(&mut ip[..udp_at], from.ip(), to.ip(), entry.dscp);
    }
    let udp_len = packet.payload.len() + 8;
    rewrite_udp(&mut ip[udp_at..udp_at + udp_len], packet, from, to);
    Ok(FrameVerdict::Transmit {
        len,
        ifindex: next_hop.ifindex,
    })
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
    } else if checksum == 0 {
        0
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
