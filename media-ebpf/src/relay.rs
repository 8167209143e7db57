//! A packet's way from its frame to a decision, with the packet rewritten if it is to be
//! sent on: everything but the sending.

use media_common::counters::DropReason;
use media_common::flow::{
    ACTION_FORWARD, ACTION_NONE, ACTION_WORKER, FLAG_CHECK_SOURCE, FlowEntry, MediaAddressList,
    NextHop,
};
use media_common::rtp;

use crate::classify::{self, AddressWords};
use crate::frame::Frame;
use crate::parse::{
    Address, Datagram, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_SERVICE_VLAN, ETHERTYPE_VLAN, Ip,
    Ipv4, Ipv6, Link, Packet, PayloadHead, Ssrc, Tagged, Untagged, udp_payload,
};
use crate::rewrite;
use crate::verdict::Pass;

/// What a packet is looked up in: the maps in the kernel, arrays elsewhere.
pub trait Tables {
    fn media_addresses(&self) -> Option<&MediaAddressList>;
    fn flow(&self, index: u32) -> Option<&FlowEntry>;
    fn next_hop(&self, index: u32) -> Option<&NextHop>;
}

/// What is to be done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'t> {
    Pass(Pass),
    Drop(DropReason, Seen),
    /// To the AF_XDP worker, untouched.
    Worker(Seen),
    /// Sent to the next hop; rewritten but for the tag.
    Forward(&'t NextHop, Retag, Seen),
}

/// How a rewritten frame's VLAN tag differs from what the next hop wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retag {
    /// Not at all: the link header is written.
    Keep,
    /// A tag is to be put in; this is the type of what follows it. The link header is not
    /// written yet.
    Add(u16),
    /// The tag is to be taken out; this is the type of what follows it. The link header is
    /// not written yet.
    Remove(u16),
}

/// What counters, events and the trace need of a packet that belongs to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Index of the flow.
    pub flow: u32,
    /// UDP payload, bytes.
    pub bytes: u32,
    pub source: Address,
    /// Memory order.
    pub source_port: u16,
    /// The second byte of the payload without the marker; 0 if there is none.
    pub payload_type: u8,
    /// Zero if the payload is shorter than an RTP header.
    pub ssrc: [u8; 4],
    /// Whether it passed as RTP, not as RTCP; `false` as well for what did not pass.
    pub is_rtp: bool,
}

/// Decides, and rewrites the packet if it is to be sent on.
#[inline(always)]
pub fn decide<'t>(frame: &mut Frame<'_>, tables: &'t impl Tables) -> Decision<'t> {
    let Some(link) = frame.overlay::<Untagged, 0>() else {
        return Decision::Pass(Pass::Truncated);
    };
    match link.ethertype {
        ETHERTYPE_IPV4 => way::<Untagged, Ipv4, 14, 34, 42, 50>(frame, tables),
        ETHERTYPE_IPV6 => way::<Untagged, Ipv6, 14, 54, 62, 70>(frame, tables),
        ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN => decide_tagged(frame, tables),
        _ => Decision::Pass(Pass::NotIp),
    }
}

#[inline(always)]
fn decide_tagged<'t>(frame: &mut Frame<'_>, tables: &'t impl Tables) -> Decision<'t> {
    let Some(link) = frame.overlay::<Tagged, 0>() else {
        return Decision::Pass(Pass::Truncated);
    };
    match link.ethertype {
        ETHERTYPE_IPV4 => way::<Tagged, Ipv4, 18, 38, 46, 54>(frame, tables),
        ETHERTYPE_IPV6 => way::<Tagged, Ipv6, 18, 58, 66, 74>(frame, tables),
        _ => Decision::Pass(Pass::NotIp),
    }
}

/// For one kind of headers. Offsets are constants (of the IP header, the UDP header, the
/// payload, the SSRC within it), because the verifier follows constant ones best.
#[inline(always)]
fn way<
    't,
    L: Link,
    I: Ip,
    const IP: usize,
    const UDP: usize,
    const DATA: usize,
    const SSRC: usize,
>(
    frame: &mut Frame<'_>,
    tables: &'t impl Tables,
) -> Decision<'t> {
    const {
        assert!(IP == size_of::<L>() && UDP == IP + size_of::<I>());
        assert!(DATA == UDP + 8 && SSRC == DATA + 8);
    }
    let (seen, entry) = match find::<L, I, IP, DATA>(frame, tables) {
        Ok(found) => found,
        Err(pass) => return Decision::Pass(pass),
    };
    let mut seen = look::<DATA, SSRC>(frame, seen);
    match admit::<L, I, DATA>(frame, entry, &mut seen) {
        Err(reason) => Decision::Drop(reason, seen),
        Ok(()) => match entry.action {
            ACTION_WORKER => Decision::Worker(seen),
            ACTION_FORWARD => match forward::<L, I, UDP>(frame, tables, entry) {
                Ok((next_hop, retag)) => Decision::Forward(next_hop, retag, seen),
                Err(reason) => Decision::Drop(reason, seen),
            },
            _ => Decision::Drop(DropReason::BadEntry, seen),
        },
    }
}

/// The flow that a packet belongs to; every announced length is checked.
#[inline(always)]
fn find<'t, L: Link, I: Ip, const IP: usize, const DATA: usize>(
    frame: &mut Frame<'_>,
    tables: &'t impl Tables,
) -> Result<(Seen, &'t FlowEntry), Pass> {
    let frame_length = frame.len();
    let datagram = frame
        .overlay::<Datagram<L, I>, 0>()
        .ok_or(Pass::Truncated)?;
    let available = datagram.ip.check()?;
    let packet = frame.overlay::<Packet<L, I>, 0>().ok_or(Pass::Truncated)?;
    let bytes = udp_payload(&packet.udp, available)?;
    if DATA - 8 + available > frame_length {
        return Err(Pass::Truncated);
    }
    let list = tables.media_addresses().ok_or(Pass::NotMedia)?;
    let flow = classify::flow_index(list, packet.ip.destination(), packet.udp.destination)
        .ok_or(Pass::NotMedia)?;
    let entry = tables.flow(flow).ok_or(Pass::NotMedia)?;
    if entry.action == ACTION_NONE {
        return Err(Pass::NotMedia);
    }
    let seen = Seen {
        flow,
        bytes: bytes as u32,
        source: packet.ip.source(),
        source_port: packet.udp.source,
        payload_type: 0,
        ssrc: [0; 4],
        is_rtp: false,
    };
    Ok((seen, entry))
}

/// Adds what the payload says of itself.
#[inline(always)]
fn look<const DATA: usize, const SSRC: usize>(frame: &mut Frame<'_>, mut seen: Seen) -> Seen {
    if seen.bytes >= 2
        && let Some(head) = frame.overlay::<PayloadHead, DATA>()
    {
        seen.payload_type = head.second & 0x7f;
    }
    if seen.bytes >= rtp::RTP_HEADER as u32
        && let Some(Ssrc(ssrc)) = frame.overlay::<Ssrc, SSRC>()
    {
        seen.ssrc = *ssrc;
    }
    seen
}

/// Source, payload, hops: what every packet of a flow must pass.
#[inline(always)]
fn admit<L: Link, I: Ip, const DATA: usize>(
    frame: &mut Frame<'_>,
    entry: &FlowEntry,
    seen: &mut Seen,
) -> Result<(), DropReason> {
    if entry.flags & FLAG_CHECK_SOURCE != 0
        && (classify::expected_address(entry) != seen.source
            || u16::from_ne_bytes(entry.expected_port) != seen.source_port)
    {
        return Err(DropReason::WrongSource);
    }
    let (first, second) = match frame.overlay::<PayloadHead, DATA>() {
        Some(head) => (head.first, head.second),
        None => return Err(DropReason::Malformed),
    };
    let kind = rtp::check(entry, first, second, seen.bytes as usize)?;
    seen.is_rtp = kind == rtp::Kind::Rtp;
    let packet = frame
        .overlay::<Packet<L, I>, 0>()
        .ok_or(DropReason::Malformed)?;
    if !I::CHECKSUM_OPTIONAL && packet.udp.checksum == 0 {
        return Err(DropReason::Malformed);
    }
    if packet.ip.hops() <= 1 {
        return Err(DropReason::HopLimit);
    }
    Ok(())
}

/// Looks up where the packet goes and rewrites it for there.
#[inline(always)]
fn forward<'t, L: Link, I: Ip, const UDP: usize>(
    frame: &mut Frame<'_>,
    tables: &'t impl Tables,
    entry: &FlowEntry,
) -> Result<(&'t NextHop, Retag), DropReason> {
    let list = tables.media_addresses().ok_or(DropReason::BadEntry)?;
    let local = classify::local_address(list, entry.local_address).ok_or(DropReason::BadEntry)?;
    let next_hop = tables
        .next_hop(u32::from(entry.next_hop))
        .ok_or(DropReason::BadEntry)?;
    if !I::is_family_of(classify::media_address(local))
        || !I::is_family_of(classify::remote_address(entry))
    {
        return Err(DropReason::BadEntry);
    }
    if next_hop.ifindex == 0 {
        return Err(DropReason::NextHop);
    }
    let packet = frame
        .overlay::<Packet<L, I>, 0>()
        .ok_or(DropReason::BadEntry)?;
    let available = packet.ip.check().map_err(|_| DropReason::BadEntry)?;
    if next_hop.mtu != 0 && size_of::<I>() + available > usize::from(next_hop.mtu) {
        return Err(DropReason::TooLong);
    }
    rewrite_packet::<L, I, UDP>(frame, entry, classify::media_words(local))?;
    Ok((next_hop, readdress::<L>(frame, next_hop)?))
}

/// IP and UDP header.
#[inline(always)]
fn rewrite_packet<L: Link, I: Ip, const UDP: usize>(
    frame: &mut Frame<'_>,
    entry: &FlowEntry,
    local: AddressWords,
) -> Result<(), DropReason> {
    let packet = frame
        .overlay::<Packet<L, I>, 0>()
        .ok_or(DropReason::BadEntry)?;
    let (header, before) = (packet.udp, packet.ip.address_sum());
    let length = usize::from(u16::from_be(header.length));
    let plan = rewrite::plan(&header, before, || frame.sum::<UDP>(length));
    let plan = plan.ok_or(DropReason::TooLong)?;

    let packet = frame
        .overlay::<Packet<L, I>, 0>()
        .ok_or(DropReason::BadEntry)?;
    packet
        .ip
        .rewrite(local, classify::remote_words(entry), entry.dscp);
    let after = packet.ip.address_sum();
    let source = u16::from_ne_bytes(entry.local_port);
    let destination = u16::from_ne_bytes(entry.remote_port);
    rewrite::udp(&mut packet.udp, source, destination, after, plan);
    Ok(())
}

/// The link header, if the next hop's tagging is the packet's.
#[inline(always)]
fn readdress<L: Link>(frame: &mut Frame<'_>, next_hop: &NextHop) -> Result<Retag, DropReason> {
    let (source, destination) = classify::macs(next_hop);
    if L::TAGGED {
        let link = frame.overlay::<Tagged, 0>().ok_or(DropReason::BadEntry)?;
        if next_hop.vlan == 0 {
            return Ok(Retag::Remove(link.ethertype));
        }
        link.readdress(source, destination, next_hop.vlan);
    } else {
        let link = frame.overlay::<Untagged, 0>().ok_or(DropReason::BadEntry)?;
        if next_hop.vlan != 0 {
            return Ok(Retag::Add(link.ethertype));
        }
        link.readdress(source, destination, 0);
    }
    Ok(Retag::Keep)
}

/// Writes the link header of a frame whose tag has been put in or taken out.
///
/// Nothing if the frame is too short for one.
#[inline(always)]
pub fn write_link(frame: &mut Frame<'_>, next_hop: &NextHop, retag: Retag) -> Option<()> {
    let (source, destination) = classify::macs(next_hop);
    match retag {
        Retag::Keep => {}
        Retag::Add(ethertype) => {
            let link = frame.overlay::<Tagged, 0>()?;
            link.readdress(source, destination, next_hop.vlan);
            link.ethertype = ethertype;
        }
        Retag::Remove(ethertype) => {
            let link = frame.overlay::<Untagged, 0>()?;
            link.readdress(source, destination, 0);
            link.ethertype = ethertype;
        }
    }
    Some(())
}
