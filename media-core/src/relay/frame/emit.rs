//! Headers around a payload that a worker has written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use media_common::counters::DropReason;
use media_common::flow::NextHop;

use super::checksum::{fold, sum};
use super::ethernet::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use super::parse::{Carried, PROTOCOL_UDP, UdpFrame};

/// Room that the longest headers take: Ethernet, VLAN tag, IPv6, UDP; bytes.
pub const MAX_HEADERS: usize = 14 + 4 + 40 + 8;

/// Writes Ethernet, IP and UDP headers before `out[payload]` and returns where the frame lies.
///
/// `payload` is where the relayed packet was written, at [`MAX_HEADERS`] or later, so that
/// every combination of family and VLAN fits before it. `arrived` gives what is carried
/// over: hop limit (less one), ECN, the DSCP unless `dscp` sets one, and, if the family
/// stays, identification and DF or flow label. The UDP checksum is computed in full.
///
/// # Errors
/// `HopLimit` if it is used up; `NextHop` if the next hop is not resolved; `TooLong` if
/// the packet exceeds the next hop's MTU or what its length fields hold, or `payload` leaves
/// no room for the headers; `BadEntry` if `from` and `to` are of different families.
pub fn emit(
    out: &mut [u8],
    payload: Range<usize>,
    arrived: &UdpFrame,
    from: SocketAddr,
    to: SocketAddr,
    dscp: Option<u8>,
    next_hop: &NextHop,
) -> Result<Range<usize>, DropReason> {
    if arrived.hop_limit <= 1 {
        return Err(DropReason::HopLimit);
    }
    if next_hop.ifindex == 0 {
        return Err(DropReason::NextHop);
    }
    let udp_len = payload.len() + 8;
    let traffic_class = match dscp {
        Some(dscp) => dscp << 2 | arrived.traffic_class & ECN_MASK,
        None => arrived.traffic_class,
    };
    let udp_at = payload.start.checked_sub(8).ok_or(DropReason::TooLong)?;
    let (ip_at, ethertype) = match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let at = udp_at.checked_sub(20).ok_or(DropReason::TooLong)?;
            let header = v4_header(source, destination, udp_len, traffic_class, arrived)?;
            out.get_mut(at..udp_at)
                .ok_or(DropReason::TooLong)?
                .copy_from_slice(&header);
            (at, ETHERTYPE_IPV4)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let at = udp_at.checked_sub(40).ok_or(DropReason::TooLong)?;
            let header = v6_header(source, destination, udp_len, traffic_class, arrived)?;
            out.get_mut(at..udp_at)
                .ok_or(DropReason::TooLong)?
                .copy_from_slice(&header);
            (at, ETHERTYPE_IPV6)
        }
        _ => return Err(DropReason::BadEntry),
    };
    let datagram = out
        .get_mut(udp_at..payload.end)
        .ok_or(DropReason::TooLong)?;
    write_udp(datagram, from, to)?;
    if next_hop.mtu != 0 && payload.end - ip_at > usize::from(next_hop.mtu) {
        return Err(DropReason::TooLong);
    }
    let start = write_ethernet(out, ip_at, ethertype, next_hop)?;
    Ok(start..payload.end)
}

/// RFC 791 section 3.1; `ip_payload` is the length of what follows, bytes.
pub(super) fn v4_header(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ip_payload: usize,
    traffic_class: u8,
    arrived: &UdpFrame,
) -> Result<[u8; 20], DropReason> {
    let total = u16::try_from(ip_payload + 20).map_err(|_| DropReason::TooLong)?;
    // A datagram from IPv6 is not fragmented on its way, and with DF set it needs no identification
    // (RFC 6864 section 4.1).
    let (identification, dont_fragment) = match arrived.carried {
        Carried::V4 {
            identification,
            dont_fragment,
        } => (identification, dont_fragment),
        Carried::V6 { .. } => (0, true),
    };
    let mut header = [0; 20];
    header[0] = 0x45;
    header[1] = traffic_class;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[4..6].copy_from_slice(&identification.to_be_bytes());
    header[6] = if dont_fragment { 0x40 } else { 0 };
    header[8] = arrived.hop_limit - 1;
    header[9] = PROTOCOL_UDP;
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let checksum = !fold(sum(&header));
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    Ok(header)
}

/// RFC 8200 section 3; `ip_payload` is the length of what follows, bytes.
pub(super) fn v6_header(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    ip_payload: usize,
    traffic_class: u8,
    arrived: &UdpFrame,
) -> Result<[u8; 40], DropReason> {
    let len = u16::try_from(ip_payload).map_err(|_| DropReason::TooLong)?;
    let flow_label = match arrived.carried {
        Carried::V6 { flow_label } => flow_label,
        Carried::V4 { .. } => 0,
    };
    let mut header = [0; 40];
    header[..4]
        .copy_from_slice(&(6 << 28 | u32::from(traffic_class) << 20 | flow_label).to_be_bytes());
    header[4..6].copy_from_slice(&len.to_be_bytes());
    header[6] = PROTOCOL_UDP;
    header[7] = arrived.hop_limit - 1;
    header[8..24].copy_from_slice(&source.octets());
    header[24..40].copy_from_slice(&destination.octets());
    Ok(header)
}

/// RFC 768; `datagram` is header and payload.
fn write_udp(datagram: &mut [u8], from: SocketAddr, to: SocketAddr) -> Result<(), DropReason> {
    let len = u16::try_from(datagram.len()).map_err(|_| DropReason::TooLong)?;
    datagram[0..2].copy_from_slice(&from.port().to_be_bytes());
    datagram[2..4].copy_from_slice(&to.port().to_be_bytes());
    datagram[4..6].copy_from_slice(&len.to_be_bytes());
    datagram[6..8].fill(0);
    let total = address_sum(from.ip())
        + address_sum(to.ip())
        + u64::from(PROTOCOL_UDP)
        + u64::from(len)
        + sum(datagram);
    // 0 on the wire means "no checksum".
    let checksum = match !fold(total) {
        0 => 0xffff,
        checksum => checksum,
    };
    datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
    Ok(())
}

/// Writes the Ethernet header before `ip_at`; answers where it begins.
fn write_ethernet(
    out: &mut [u8],
    ip_at: usize,
    ethertype: u16,
    next_hop: &NextHop,
) -> Result<usize, DropReason> {
    let header = ethernet::header(ethertype, next_hop);
    let start = ip_at.checked_sub(header.len()).ok_or(DropReason::TooLong)?;
    out.get_mut(start..ip_at)
        .ok_or(DropReason::TooLong)?
        .copy_from_slice(&header);
    Ok(start)
}

pub(super) fn address_sum(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => sum(&address.octets()),
        IpAddr::V6(address) => sum(&address.octets()),
    }
}

const ECN_MASK: u8 = 0x03;
