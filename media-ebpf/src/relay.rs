//! A packet's way from its frame to a verdict, with the packet rewritten if it is to be
//! sent on: everything but what only the kernel can do, which is behind [`Kernel`].

use media_common::counters::DropReason;
use media_common::event::Event;
use media_common::flow::{
    ACTION_FORWARD, ACTION_NONE, ACTION_WORKER, FLAG_CHECK_SOURCE, FlowEntry, MediaAddressList,
    NextHop,
};
use media_common::quality::{FlowCounters, FlowIncidents};
use media_common::rtp;

use crate::classify::{self, Address};
use crate::count;
use crate::forward::forward;
use crate::frame::Frame;
use crate::parse::{
    Datagram, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_SERVICE_VLAN, ETHERTYPE_VLAN, Ip, Ipv4,
    Ipv6, Link, Packet, PayloadHead, Tagged, Untagged, udp_payload,
};
use crate::reshape::Reshape;
use crate::verdict::{Pass, Verdict};

/// What a packet is looked up in, and what becomes of it: maps and helpers in the kernel, arrays
/// elsewhere.
pub trait Kernel<'t> {
    fn media_addresses(&mut self) -> Option<&'t MediaAddressList>;
    fn flow(&mut self, index: u32) -> Option<(&'t FlowEntry, &'t mut FlowCounters)>;
    fn incidents(&mut self, index: u32) -> Option<&mut FlowIncidents>;
    fn next_hop(&mut self, index: u32) -> Option<&'t NextHop>;
    /// `CLOCK_MONOTONIC`, nanoseconds.
    fn now_ns(&mut self) -> u64;
    /// Has the packet sent by that interface once the program ends; `None` if there is no such
    /// interface.
    fn depart(&mut self, ifindex: u32) -> Option<Verdict>;
    /// Has the packet handed to the AF_XDP worker of its queue; `None` if there is none.
    fn hand_to_worker(&mut self) -> Option<Verdict>;
    /// Whether there is room for one more report of a stranger.
    fn may_report(&mut self, now_ns: u64) -> bool;
    /// Tells user space.
    fn tell(&mut self, event: Event);
}

/// What becomes of a packet.
pub struct Outcome<'t> {
    pub verdict: Verdict,
    /// The headers change their length and are to be written: [`Reshape::write`].
    pub reshape: Option<Reshape<'t>>,
    /// The flow that it belongs to, if it does to one.
    pub seen: Option<Seen>,
}

/// What the trace says of a packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Index of the flow.
    pub flow: u32,
    pub source: Address,
    /// Memory order.
    pub source_port: u16,
    /// The second byte of the payload without the marker; 0 if there is none.
    pub payload_type: u8,
    /// The interface that it leaves by; 0 if it does not.
    pub interface: u32,
}

/// A packet and the flow that it belongs to.
pub(crate) struct Underway<'t> {
    pub(crate) flow: u32,
    pub(crate) entry: &'t FlowEntry,
    pub(crate) counters: &'t mut FlowCounters,
    pub(crate) addresses: &'t MediaAddressList,
    /// When it arrived.
    pub(crate) now_ns: u64,
    /// UDP payload, bytes.
    pub(crate) bytes: usize,
    /// IP payload, bytes.
    pub(crate) available: usize,
    /// The interface that it leaves by; 0 until that is known.
    pub(crate) interface: u32,
}

/// Decides, counts in the flow, and rewrites the packet if it is to be sent on.
#[inline(always)]
pub fn relay<'t>(frame: &mut Frame<'_>, kernel: &mut impl Kernel<'t>) -> Outcome<'t> {
    let Some(link) = frame.overlay::<Untagged, 0>() else {
        return Outcome::pass(Pass::Truncated);
    };
    match link.ethertype {
        ETHERTYPE_IPV4 => way::<Untagged, Ipv4, 34, 42, 44>(frame, kernel),
        ETHERTYPE_IPV6 => way::<Untagged, Ipv6, 54, 62, 64>(frame, kernel),
        ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN => relay_tagged(frame, kernel),
        _ => Outcome::pass(Pass::NotIp),
    }
}

#[inline(always)]
fn relay_tagged<'t>(frame: &mut Frame<'_>, kernel: &mut impl Kernel<'t>) -> Outcome<'t> {
    let Some(link) = frame.overlay::<Tagged, 0>() else {
        return Outcome::pass(Pass::Truncated);
    };
    match link.ethertype {
        ETHERTYPE_IPV4 => way::<Tagged, Ipv4, 38, 46, 48>(frame, kernel),
        ETHERTYPE_IPV6 => way::<Tagged, Ipv6, 58, 66, 68>(frame, kernel),
        _ => Outcome::pass(Pass::NotIp),
    }
}

/// For one kind of headers. Offsets are constants (of the UDP header, the payload, what follows
/// its first two bytes), because the verifier follows constant ones best.
#[inline(always)]
fn way<'t, L: Link, I: Ip, const UDP: usize, const DATA: usize, const REST: usize>(
    frame: &mut Frame<'_>,
    kernel: &mut impl Kernel<'t>,
) -> Outcome<'t> {
    const {
        assert!(UDP == size_of::<L>() + size_of::<I>());
        assert!(DATA == UDP + 8 && REST == DATA + 2);
    }
    let mut underway = match find::<L, I, DATA>(frame, kernel) {
        Ok(underway) => underway,
        Err(pass) => return Outcome::pass(pass),
    };
    let seen = see::<L, I, DATA>(frame, &underway);
    match pass_on::<L, I, UDP, DATA, REST>(frame, kernel, &mut underway) {
        Ok((verdict, reshape)) => Outcome {
            verdict,
            reshape,
            seen: Some(Seen {
                interface: underway.interface,
                ..seen
            }),
        },
        Err(reason) => {
            count::dropped::<L, I, DATA>(frame, kernel, &mut underway, reason);
            Outcome {
                verdict: Verdict::Drop(reason),
                reshape: None,
                seen: Some(seen),
            }
        }
    }
}

/// The flow that a packet belongs to; every announced length is checked.
#[inline(always)]
fn find<'t, L: Link, I: Ip, const DATA: usize>(
    frame: &mut Frame<'_>,
    kernel: &mut impl Kernel<'t>,
) -> Result<Underway<'t>, Pass> {
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
    let addresses = kernel.media_addresses().ok_or(Pass::NotMedia)?;
    let flow = classify::flow_index(addresses, packet.ip.destination(), packet.udp.destination)
        .ok_or(Pass::NotMedia)?;
    let now_ns = kernel.now_ns();
    let (entry, counters) = kernel.flow(flow).ok_or(Pass::NotMedia)?;
    if entry.action == ACTION_NONE {
        return Err(Pass::NotMedia);
    }
    Ok(Underway {
        flow,
        entry,
        counters,
        addresses,
        now_ns,
        bytes,
        available,
        interface: 0,
    })
}

/// For the trace; without it the compiler leaves this out.
#[inline(always)]
fn see<L: Link, I: Ip, const DATA: usize>(frame: &mut Frame<'_>, underway: &Underway<'_>) -> Seen {
    let mut seen = Seen {
        flow: underway.flow,
        source: Address::default(),
        source_port: 0,
        payload_type: 0,
        interface: 0,
    };
    if let Some(packet) = frame.overlay::<Packet<L, I>, 0>() {
        (seen.source, seen.source_port) = (packet.ip.source(), packet.udp.source);
    }
    if underway.bytes >= 2
        && let Some(head) = frame.overlay::<PayloadHead, DATA>()
    {
        seen.payload_type = head.second & 0x7f;
    }
    seen
}

/// Checks it and sends it on.
#[inline(always)]
fn pass_on<'t, L: Link, I: Ip, const UDP: usize, const DATA: usize, const REST: usize>(
    frame: &mut Frame<'_>,
    kernel: &mut impl Kernel<'t>,
    underway: &mut Underway<'t>,
) -> Result<(Verdict, Option<Reshape<'t>>), DropReason> {
    let kind = admit::<L, I, DATA>(frame, underway)?;
    match (underway.entry.action, kind) {
        (ACTION_FORWARD, Some(kind)) => {
            forward::<L, I, UDP, DATA, REST>(frame, kernel, underway, kind)
        }
        (ACTION_WORKER, _) | (_, None) => {
            let verdict = kernel.hand_to_worker().ok_or(DropReason::XskUnbound)?;
            Ok((verdict, None))
        }
        _ => Err(DropReason::BadEntry),
    }
}

/// Source, payload, hops, ceiling: what every packet of a flow must pass. `None` for what is the
/// worker's to name, whatever the flow's action (RFC 7983).
#[inline(always)]
fn admit<L: Link, I: Ip, const DATA: usize>(
    frame: &mut Frame<'_>,
    underway: &mut Underway<'_>,
) -> Result<Option<rtp::Kind>, DropReason> {
    let entry = underway.entry;
    let packet = frame
        .overlay::<Packet<L, I>, 0>()
        .ok_or(DropReason::Malformed)?;
    if entry.flags & FLAG_CHECK_SOURCE != 0
        && classify::expected(entry) != (packet.ip.source(), packet.udp.source)
    {
        return Err(DropReason::WrongSource);
    }
    let (hops, checksum) = (packet.ip.hops(), packet.udp.checksum);
    let (first, second) = match frame.overlay::<PayloadHead, DATA>() {
        Some(head) => (head.first, head.second),
        // Too short for anything but a flow that carries anything.
        None => (0, 0),
    };
    let kind = match rtp::check(entry, first, second, underway.bytes) {
        Ok(kind) => Some(kind),
        Err(DropReason::Stun | DropReason::Dtls) => None,
        Err(reason) => return Err(reason),
    };
    // RFC 768, but RFC 8200 section 8.1.
    if !I::IS_V4 && checksum == 0 {
        return Err(DropReason::Malformed);
    }
    if hops <= 1 {
        return Err(DropReason::HopLimit);
    }
    if !underway.counters.admit(entry.ceiling, underway.now_ns) {
        return Err(DropReason::Ceiling);
    }
    Ok(kind)
}

impl Outcome<'_> {
    #[inline(always)]
    fn pass(pass: Pass) -> Self {
        Outcome {
            verdict: Verdict::Pass(pass),
            reshape: None,
            seen: None,
        }
    }
}
