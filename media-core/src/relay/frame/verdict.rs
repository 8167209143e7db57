//! What the XDP program must answer, said again in the plainest way.
//!
//! The order of decisions is that of [`media_common`]. Nothing of the program's code is used but
//! the one definition of quality, which both share with the relay: headers are read by
//! [`parse`](super::parse()), written field by field, and checksums are computed over whole headers
//! where the program updates them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use media_common::counters::DropReason;
use media_common::event::Event;
use media_common::flow::{
    ACTION_FORWARD, ACTION_NONE, ACTION_WORKER, FLAG_CHECK_SOURCE, FLAG_RAW, FLAG_RTCP,
    FLAG_RTCP_MUX, Flow, FlowEntry, MediaAddress, NextHop, ip_to_mapped,
};
use media_common::quality::FlowIncidents;

use super::count::Counted;
use super::parse::{PassReason, UdpFrame, parse};
use super::rewrite::Departure;
use crate::rtcp::{self, RtcpHeader};
use crate::rtp::RtpHeader;

/// The tables that the program looks things up in, as plain lists.
#[derive(Debug)]
pub struct FrameTables<'a> {
    pub media_addresses: &'a [MediaAddress],
    /// What is counted, is counted here.
    pub flows: &'a mut [Flow],
    /// As many as `flows`.
    pub incidents: &'a mut [FlowIncidents],
    pub next_hops: &'a [NextHop],
    /// Indices of the interfaces that packets may leave by.
    pub interfaces: &'a [u32],
    /// Whether a worker has a socket at the queue.
    pub has_worker: bool,
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

/// What a packet of a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rtp,
    Rtcp,
    Raw,
    /// The worker's to name (RFC 7983).
    StunOrDtls,
}

/// Decides about `frame`, which arrived at `now_ns`, counts it in its flow, and writes the frame
/// that leaves, if one does, to `out`. What user space hears of goes to `told`; source mismatches
/// without the limit that the program has for each CPU.
pub fn decide(
    tables: &mut FrameTables<'_>,
    now_ns: u64,
    frame: &[u8],
    out: &mut [u8],
    told: &mut Vec<Event>,
) -> FrameVerdict {
    let packet = match parse(frame) {
        Ok(packet) => packet,
        Err(reason) => return FrameVerdict::Pass(reason),
    };
    let Some(index) = tables.flow(packet.destination) else {
        return FrameVerdict::Pass(PassReason::NotMedia);
    };
    let counted = Counted {
        index,
        now_ns,
        packet: &packet,
        payload: &frame[packet.payload.clone()],
    };
    let verdict = pass_on(tables, &counted, frame, out, told);
    verdict.unwrap_or_else(|reason| {
        counted.drop(tables, reason, told);
        FrameVerdict::Drop(reason)
    })
}

fn pass_on(
    tables: &mut FrameTables<'_>,
    counted: &Counted<'_>,
    frame: &[u8],
    out: &mut [u8],
    told: &mut Vec<Event>,
) -> Result<FrameVerdict, DropReason> {
    let packet = counted.packet;
    let flow = &mut tables.flows[counted.index];
    let entry = flow.entry;
    let kind = admit(&entry, packet, frame)?;
    if !flow.counters.admit(entry.ceiling, counted.now_ns) {
        return Err(DropReason::Ceiling);
    }
    match (entry.action, kind) {
        (_, Kind::StunOrDtls) | (ACTION_WORKER, _) if tables.has_worker => Ok(FrameVerdict::Worker),
        (_, Kind::StunOrDtls) | (ACTION_WORKER, _) => Err(DropReason::XskUnbound),
        (ACTION_FORWARD, kind) => {
            let departure = tables.departure(&entry, packet)?;
            let ifindex = departure.next_hop.ifindex;
            let len = departure.write(packet, frame, out)?;
            counted.send(tables, kind, told);
            Ok(FrameVerdict::Transmit { len, ifindex })
        }
        _ => Err(DropReason::BadEntry),
    }
}

impl<'a> FrameTables<'a> {
    fn flow(&self, destination: SocketAddr) -> Option<usize> {
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
        let flow = self.flows.get(index)?;
        (flow.entry.action != ACTION_NONE).then_some(index)
    }

    fn local(&self, at: u8) -> Option<IpAddr> {
        let media = self.media_addresses.get(usize::from(at))?;
        (media.address != [0; 16]).then(|| Ipv6Addr::from(media.address).to_canonical())
    }

    fn departure(&self, entry: &FlowEntry, packet: &UdpFrame) -> Result<Departure<'a>, DropReason> {
        let local = self
            .local(entry.local_address)
            .ok_or(DropReason::BadEntry)?;
        let next_hop = self
            .next_hops
            .get(usize::from(entry.next_hop))
            .ok_or(DropReason::BadEntry)?;
        let remote = Ipv6Addr::from(entry.remote_address).to_canonical();
        if local.is_ipv4() != remote.is_ipv4() {
            return Err(DropReason::BadEntry);
        }
        if next_hop.ifindex == 0 {
            return Err(DropReason::NextHop);
        }
        let departure = Departure {
            from: SocketAddr::new(local, u16::from_be_bytes(entry.local_port)),
            to: SocketAddr::new(remote, u16::from_be_bytes(entry.remote_port)),
            dscp: entry.dscp,
            next_hop,
        };
        if next_hop.mtu != 0 && departure.ip_len(packet) > usize::from(next_hop.mtu) {
            return Err(DropReason::TooLong);
        }
        if !self.interfaces.contains(&next_hop.ifindex) {
            return Err(DropReason::BadEntry);
        }
        Ok(departure)
    }
}

/// Source, payload, hops.
fn admit(entry: &FlowEntry, packet: &UdpFrame, frame: &[u8]) -> Result<Kind, DropReason> {
    if entry.flags & FLAG_CHECK_SOURCE != 0 {
        let port = u16::from_be_bytes(entry.expected_port);
        if ip_to_mapped(packet.source.ip()) != entry.expected_address
            || packet.source.port() != port
        {
            return Err(DropReason::WrongSource);
        }
    }
    let kind = kind(entry, &frame[packet.payload.clone()])?;
    if packet.destination.is_ipv6() && packet.udp_checksum(frame) == 0 {
        return Err(DropReason::Malformed);
    }
    if packet.hop_limit <= 1 {
        return Err(DropReason::HopLimit);
    }
    Ok(kind)
}

fn kind(entry: &FlowEntry, payload: &[u8]) -> Result<Kind, DropReason> {
    if entry.flags & FLAG_RAW != 0 {
        return Ok(Kind::Raw);
    }
    if let [0..=3 | 20..=63, _, ..] = payload {
        return Ok(Kind::StunOrDtls);
    }
    if entry.flags & FLAG_RTCP != 0 || entry.flags & FLAG_RTCP_MUX != 0 && rtcp::is_rtcp(payload) {
        RtcpHeader::parse(payload).ok_or(DropReason::Malformed)?;
        return Ok(Kind::Rtcp);
    }
    let header = RtpHeader::parse(payload).ok_or(DropReason::Malformed)?;
    let [a, b, c, d] = entry.payload_types.map(u128::from);
    if (a | b << 32 | c << 64 | d << 96) >> header.payload_type & 1 == 0 {
        return Err(DropReason::PayloadType);
    }
    Ok(Kind::Rtp)
}
