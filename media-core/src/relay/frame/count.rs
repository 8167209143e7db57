//! What a flow remembers of a packet, and what user space hears of it.

use media_common::counters::DropReason;
use media_common::event::{
    Event, KIND_DIGIT, KIND_FIRST_PACKET, KIND_SOURCE_MISMATCH, KIND_SSRC_CHANGE, is_reported,
};
use media_common::flow::{FLAG_RAW, FLAG_RTCP, FlowEntry, ip_to_mapped};
use media_common::quality::{Notice, RtpSeen, RtpTerms};
use media_common::rtp::{MAX_DIGIT, RtpView, TELEPHONE_EVENT};

use super::parse::UdpFrame;
use super::verdict::{FrameTables, Kind};

/// A packet of a flow.
pub(super) struct Counted<'a> {
    /// Of the flow.
    pub(super) index: usize,
    pub(super) now_ns: u64,
    pub(super) packet: &'a UdpFrame,
    pub(super) payload: &'a [u8],
}

impl Counted<'_> {
    /// It is sent on.
    pub(super) fn send(&self, tables: &mut FrameTables<'_>, kind: Kind, told: &mut Vec<Event>) {
        let entry = tables.flows[self.index].entry;
        let counters = &mut tables.flows[self.index].counters;
        let is_first = counters.packets == 0;
        counters.packets += 1;
        counters.bytes += self.payload.len() as u64;
        match kind {
            Kind::Rtp => return self.observe(tables, &entry, told),
            Kind::Rtcp => tables.incidents[self.index].rtcp += 1,
            Kind::Raw | Kind::StunOrDtls => counters.last_seen_ns = self.now_ns,
        }
        if is_first && entry.flags & (FLAG_RTCP | FLAG_RAW) != 0 {
            told.push(self.event(&entry, KIND_FIRST_PACKET, 0));
        }
    }

    fn observe(&self, tables: &mut FrameTables<'_>, entry: &FlowEntry, told: &mut Vec<Event>) {
        let Some(view) = RtpView::parse_fixed(self.payload) else {
            return;
        };
        let seen = RtpSeen {
            sequence: view.sequence(),
            timestamp: view.timestamp(),
            ssrc: view.ssrc(),
            payload_type: view.payload_type(),
        };
        let terms = RtpTerms {
            clock_khz: entry.clock_khz,
            telephone_event: entry.telephone_event,
        };
        let counters = &mut tables.flows[self.index].counters;
        let incidents = &mut tables.incidents[self.index];
        match counters.observe(seen, terms, self.now_ns, || Some(&mut *incidents)) {
            Notice::None => {}
            Notice::First => told.push(self.event(entry, KIND_FIRST_PACKET, 0)),
            Notice::SsrcChange => told.push(self.event(entry, KIND_SSRC_CHANGE, 0)),
        }
        if let Some(code) = self.digit(entry)
            && incidents.is_new_digit(seen.timestamp)
        {
            told.push(self.event(entry, KIND_DIGIT, code.into()));
        }
    }

    /// RFC 4733 section 2.3: the event's code is the payload's first byte.
    fn digit(&self, entry: &FlowEntry) -> Option<u8> {
        let view = RtpView::parse(self.payload)?;
        let [code, _, _, _] = *view.payload().first_chunk::<TELEPHONE_EVENT>()?;
        (view.payload_type() == entry.telephone_event && code <= MAX_DIGIT).then_some(code)
    }

    /// It is dropped.
    pub(super) fn drop(
        &self,
        tables: &mut FrameTables<'_>,
        reason: DropReason,
        told: &mut Vec<Event>,
    ) {
        let flow = &mut tables.flows[self.index];
        flow.counters.dropped += 1;
        tables.incidents[self.index].count_drop(reason);
        if reason == DropReason::WrongSource && is_reported(flow.counters.dropped) {
            told.push(self.event(&flow.entry, KIND_SOURCE_MISMATCH, 0));
        }
    }

    fn event(&self, entry: &FlowEntry, kind: u8, detail: u32) -> Event {
        let is_rtp = entry.flags & (FLAG_RTCP | FLAG_RAW) == 0;
        let ssrc = match self.payload {
            [_, _, _, _, _, _, _, _, a, b, c, d, ..] if is_rtp => [*a, *b, *c, *d],
            _ => [0; 4],
        };
        Event {
            time_ns: self.now_ns,
            flow: self.index as u32,
            kind,
            payload_type: self.payload.get(1).map_or(0, |second| second & 0x7f),
            source_port: self.packet.source.port().to_be_bytes(),
            source_address: ip_to_mapped(self.packet.source.ip()),
            ssrc,
            detail,
        }
    }
}
