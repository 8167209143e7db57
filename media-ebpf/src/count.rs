//! What a flow remembers of a packet, and what user space hears of it.

use media_common::counters::DropReason;
use media_common::event::{
    Event, KIND_DIGIT, KIND_FIRST_PACKET, KIND_SOURCE_MISMATCH, KIND_SSRC_CHANGE, is_reported,
};
use media_common::flow::{FLAG_RAW, FLAG_RTCP};
use media_common::quality::{Notice, RtpSeen, RtpTerms};
use media_common::rtp::{self, Kind};

use crate::frame::Frame;
use crate::parse::{Four, Ip, Link, Packet, PayloadHead, RtpRest};
use crate::relay::{Kernel, Underway};

/// Counts a packet that is sent on; it is not rewritten yet.
#[inline(always)]
pub(crate) fn sent<'t, L: Link, I: Ip, const DATA: usize, const REST: usize>(
    frame: &mut Frame<'_>,
    kernel: &mut impl Kernel<'t>,
    underway: &mut Underway<'t>,
    kind: Kind,
) {
    let is_first = underway.counters.packets == 0;
    let counters = &mut *underway.counters;
    counters.packets = counters.packets.wrapping_add(1);
    counters.bytes = counters.bytes.wrapping_add(underway.bytes as u64);
    match kind {
        Kind::Rtp => observe::<L, I, DATA, REST>(frame, kernel, underway),
        Kind::Rtcp => {
            if let Some(incidents) = kernel.incidents(underway.flow) {
                incidents.rtcp = incidents.rtcp.wrapping_add(1);
            }
            // Beside RTP, it is the first packet of that which counts.
            if is_first && underway.entry.flags & FLAG_RTCP != 0 {
                tell::<L, I, DATA>(frame, kernel, underway, KIND_FIRST_PACKET, 0);
            }
        }
        Kind::Raw => {
            counters.last_seen_ns = underway.now_ns;
            if is_first {
                tell::<L, I, DATA>(frame, kernel, underway, KIND_FIRST_PACKET, 0);
            }
        }
    }
}

/// Counts a packet that is dropped.
#[inline(always)]
pub(crate) fn dropped<'t, L: Link, I: Ip, const DATA: usize>(
    frame: &mut Frame<'_>,
    kernel: &mut impl Kernel<'t>,
    underway: &mut Underway<'t>,
    reason: DropReason,
) {
    let counters = &mut *underway.counters;
    counters.dropped = counters.dropped.wrapping_add(1);
    let dropped = counters.dropped;
    if let Some(incidents) = kernel.incidents(underway.flow) {
        incidents.count_drop(reason);
    }
    if reason == DropReason::WrongSource
        && is_reported(dropped)
        && kernel.may_report(underway.now_ns)
    {
        tell::<L, I, DATA>(frame, kernel, underway, KIND_SOURCE_MISMATCH, 0);
    }
}

#[inline(always)]
fn observe<'t, L: Link, I: Ip, const DATA: usize, const REST: usize>(
    frame: &mut Frame<'_>,
    kernel: &mut impl Kernel<'t>,
    underway: &mut Underway<'t>,
) {
    let Some(rest) = frame.overlay::<RtpRest, REST>() else {
        return;
    };
    let (sequence, timestamp, ssrc) = (rest.sequence, rest.timestamp, rest.ssrc);
    let Some(head) = frame.overlay::<PayloadHead, DATA>() else {
        return;
    };
    let (first, payload_type) = (head.first, head.second & 0x7f);
    let entry = underway.entry;
    let seen = RtpSeen {
        sequence: u16::from_be(sequence),
        timestamp: u32::from_be(timestamp),
        ssrc: u32::from_be(ssrc),
        payload_type,
    };
    let terms = RtpTerms {
        clock_khz: entry.clock_khz,
        telephone_event: entry.telephone_event,
    };
    let flow = underway.flow;
    let notice = underway
        .counters
        .observe(seen, terms, underway.now_ns, || kernel.incidents(flow));
    match notice {
        Notice::None => {}
        Notice::First => tell::<L, I, DATA>(frame, kernel, underway, KIND_FIRST_PACKET, 0),
        Notice::SsrcChange => tell::<L, I, DATA>(frame, kernel, underway, KIND_SSRC_CHANGE, 0),
    }
    if payload_type == entry.telephone_event
        && let Some(code) = digit::<DATA>(frame, first, underway.bytes)
        && let Some(incidents) = kernel.incidents(flow)
        && incidents.is_new_digit(seen.timestamp)
    {
        tell::<L, I, DATA>(frame, kernel, underway, KIND_DIGIT, u32::from(code));
    }
}

/// The code of a telephone event (RFC 4733 section 2.3) that is a digit. The payload lies behind
/// CSRC list and header extension (RFC 3550 sections 5.1 and 5.3.1); `bytes` is the length of the
/// whole packet.
#[inline(always)]
fn digit<const DATA: usize>(frame: &Frame<'_>, first: u8, bytes: usize) -> Option<u8> {
    let mut at = rtp::RTP_HEADER + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        if at + 4 > bytes {
            return None;
        }
        let Four([_, _, high, low]) = frame.read_behind::<Four, DATA>(at)?;
        at += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    }
    if at + rtp::TELEPHONE_EVENT > bytes || at > MAX_BEHIND {
        return None;
    }
    let Four([code, ..]) = frame.read_behind::<Four, DATA>(at)?;
    (code <= rtp::MAX_DIGIT).then_some(code)
}

/// As far as a frame without fragments reaches.
const MAX_BEHIND: usize = 0xfff;

/// Tells user space of a packet that is not rewritten yet.
#[inline(always)]
fn tell<'t, L: Link, I: Ip, const DATA: usize>(
    frame: &mut Frame<'_>,
    kernel: &mut impl Kernel<'t>,
    underway: &Underway<'t>,
    kind: u8,
    detail: u32,
) {
    let mut event = Event {
        time_ns: underway.now_ns,
        flow: underway.flow,
        kind,
        detail,
        ..Event::default()
    };
    if let Some(packet) = frame.overlay::<Packet<L, I>, 0>() {
        event.source_address = packet.ip.source().to_bytes();
        event.source_port = { packet.udp.source }.to_ne_bytes();
    }
    if underway.bytes >= 2
        && let Some(head) = frame.overlay::<PayloadHead, DATA>()
    {
        event.payload_type = head.second & 0x7f;
    }
    if underway.bytes >= rtp::RTP_HEADER
        && underway.entry.flags & (FLAG_RTCP | FLAG_RAW) == 0
        && let Some(Four(ssrc)) = frame.read_behind::<Four, DATA>(8)
    {
        event.ssrc = ssrc;
    }
    kernel.tell(event);
}
