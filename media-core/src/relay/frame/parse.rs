//! Ethernet, at most one VLAN tag, IPv4 or IPv6, UDP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use super::ethernet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_SERVICE_VLAN, ETHERTYPE_VLAN};

/// Why a frame is none of ours: the `pass_*` counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassReason {
    NotIp,
    IpOptions,
    ExtensionHeader,
    Fragment,
    NotUdp,
    Truncated,
    NotMedia,
}

/// A frame with a UDP datagram, its headers read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpFrame {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// DSCP and ECN: the TOS or traffic class byte.
    pub traffic_class: u8,
    /// IPv4: identification and the DF bit. IPv6: the flow label.
    pub carried: Carried,
    /// Length of the IP packet by its header, bytes.
    pub ip_len: usize,
    /// Where the IP header begins.
    pub ip_at: usize,
    /// Where the UDP header begins.
    pub udp_at: usize,
    /// The UDP payload, without padding of the frame.
    pub payload: Range<usize>,
}

impl UdpFrame {
    /// The UDP checksum of the `frame` that this was read from.
    pub(super) fn udp_checksum(&self, frame: &[u8]) -> u16 {
        u16::from_be_bytes([frame[self.udp_at + 6], frame[self.udp_at + 7]])
    }
}

/// What a header of the same family keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    V4 {
        identification: u16,
        dont_fragment: bool,
    },
    V6 {
        flow_label: u32,
    },
}

/// Reads the headers of `frame`; never looks at what UDP carries.
pub fn parse(frame: &[u8]) -> Result<UdpFrame, PassReason> {
    let ethertype = u16_at(frame, 12)?;
    let (ethertype, ip_at) = match ethertype {
        ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN => (u16_at(frame, 16)?, 18),
        other => (other, 14),
    };
    match ethertype {
        ETHERTYPE_IPV4 => parse_v4(frame, ip_at),
        ETHERTYPE_IPV6 => parse_v6(frame, ip_at),
        _ => Err(PassReason::NotIp),
    }
}

/// RFC 791 section 3.1.
fn parse_v4(frame: &[u8], ip_at: usize) -> Result<UdpFrame, PassReason> {
    let header: &[u8; 20] = chunk_at(frame, ip_at)?;
    match (header[0] >> 4, header[0] & 0x0f) {
        (4, 5) => {}
        (4, 6..) => return Err(PassReason::IpOptions),
        (4, _) => return Err(PassReason::Truncated),
        _ => return Err(PassReason::NotIp),
    }
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    if fragment & 0x3fff != 0 {
        return Err(PassReason::Fragment);
    }
    if header[9] != PROTOCOL_UDP {
        return Err(PassReason::NotUdp);
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let ip_payload = total.checked_sub(20).ok_or(PassReason::Truncated)?;
    let udp = parse_udp(frame, ip_at + 20, ip_payload)?;
    let address = |at: usize| {
        IpAddr::V4(Ipv4Addr::new(
            header[at],
            header[at + 1],
            header[at + 2],
            header[at + 3],
        ))
    };
    Ok(UdpFrame {
        source: SocketAddr::new(address(12), udp.source_port),
        destination: SocketAddr::new(address(16), udp.destination_port),
        hop_limit: header[8],
        traffic_class: header[1],
        carried: Carried::V4 {
            identification: u16::from_be_bytes([header[4], header[5]]),
            dont_fragment: fragment & 0x4000 != 0,
        },
        ip_len: total,
        ip_at,
        udp_at: ip_at + 20,
        payload: udp.payload,
    })
}

/// RFC 8200 section 3.
fn parse_v6(frame: &[u8], ip_at: usize) -> Result<UdpFrame, PassReason> {
    let header: &[u8; 40] = chunk_at(frame, ip_at)?;
    let first = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
    if first >> 28 != 6 {
        return Err(PassReason::NotIp);
    }
    match header[6] {
        PROTOCOL_UDP => {}
        NEXT_FRAGMENT => return Err(PassReason::Fragment),
        NEXT_HOP_BY_HOP | NEXT_ROUTING | NEXT_ESP | NEXT_AH | NEXT_DESTINATION => {
            return Err(PassReason::ExtensionHeader);
        }
        _ => return Err(PassReason::NotUdp),
    }
    let ip_payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let udp = parse_udp(frame, ip_at + 40, ip_payload)?;
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&header[at..at + 16]);
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    Ok(UdpFrame {
        source: SocketAddr::new(address(8), udp.source_port),
        destination: SocketAddr::new(address(24), udp.destination_port),
        hop_limit: header[7],
        traffic_class: (first >> 20) as u8,
        carried: Carried::V6 {
            flow_label: first & 0x000f_ffff,
        },
        ip_len: ip_payload + 40,
        ip_at,
        udp_at: ip_at + 40,
        payload: udp.payload,
    })
}

struct Udp {
    source_port: u16,
    destination_port: u16,
    payload: Range<usize>,
}

/// RFC 768; `ip_payload` is what the IP header says follows it.
fn parse_udp(frame: &[u8], at: usize, ip_payload: usize) -> Result<Udp, PassReason> {
    let header: &[u8; 8] = chunk_at(frame, at)?;
    let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if len < 8 || len > ip_payload || at + ip_payload > frame.len() {
        return Err(PassReason::Truncated);
    }
    Ok(Udp {
        source_port: u16::from_be_bytes([header[0], header[1]]),
        destination_port: u16::from_be_bytes([header[2], header[3]]),
        payload: at + 8..at + len,
    })
}

fn u16_at(frame: &[u8], at: usize) -> Result<u16, PassReason> {
    chunk_at(frame, at).map(|bytes| u16::from_be_bytes(*bytes))
}

fn chunk_at<const N: usize>(frame: &[u8], at: usize) -> Result<&[u8; N], PassReason> {
    frame
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .ok_or(PassReason::Truncated)
}

pub(super) const PROTOCOL_UDP: u8 = 17;

// Extension headers (RFC 8200 section 4, RFC 4302, RFC 4303).
const NEXT_HOP_BY_HOP: u8 = 0;
const NEXT_ROUTING: u8 = 43;
const NEXT_FRAGMENT: u8 = 44;
const NEXT_ESP: u8 = 50;
const NEXT_AH: u8 = 51;
const NEXT_DESTINATION: u8 = 60;
