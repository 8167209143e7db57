//! What a flow counts, and the quality of the RTP that passes through it: one definition for the
//! XDP program and for the relay in user space, which both call [`FlowCounters::observe`].
//!
//! Packets are those that the flow sends on, in the order in which they arrive. Sequence numbers
//! are extended and judged after RFC 3550 appendix A.1, with a window of the last
//! [`WINDOW`] numbers that tells a late packet from a second one:
//!
//! ```text
//!   highest - 63 ……… highest          ahead by 1: in order      by 2 and more: lost, for now
//!   └──── window (bit n: highest - n) ┘   in the window: late (not lost after all), or a duplicate
//! ```
//!
//! What changes with every packet is one cache line, [`FlowCounters`]; what changes rarely is
//! another, [`FlowIncidents`], so that a packet in order does not touch it.

mod ceiling;
mod incidents;
mod jitter;
mod sequence;
#[cfg(test)]
mod tests;

pub use self::ceiling::CEILING_SHIFT;
pub use self::incidents::FlowIncidents;
pub use self::jitter::JITTER_UNIT;
pub use self::sequence::{MAX_DROPOUT, MAX_MISORDER, WINDOW};

/// 71 minutes: what microseconds of 32 bits hold, nanoseconds.
const MAX_COUNTED_PAUSE_NS: u64 = u32::MAX as u64 * 1000;

/// What changes with every packet of a flow: one cache line.
///
/// In the kernel, packets of a flow come by one receive queue, whose CPU is the only writer.
/// For flows that a worker relays, the kernel counts only what it drops itself, and the worker
/// keeps counters of its own in this form.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Packets sent on, RTCP included.
    pub packets: u64,
    /// UDP payload bytes sent on.
    pub bytes: u64,
    /// `CLOCK_MONOTONIC` of the last RTP packet (or of any, in a raw flow), nanoseconds; 0 before
    /// there was one. RTCP does not move this: the media timeout goes by it.
    pub last_seen_ns: u64,
    /// Packets dropped, for any reason.
    pub dropped: u64,
    /// Bit `n`: the packet of sequence number `highest - n` has come.
    pub window: u64,
    /// Highest sequence number, extended by the cycles since the source was first seen.
    pub highest: u32,
    /// Timestamp of the packet before, host byte order.
    pub timestamp: u32,
    /// Source of the packet before, host byte order.
    pub ssrc: u32,
    /// Interarrival jitter (RFC 3550 section 6.4.1), in 1/[`JITTER_UNIT`] of a timestamp unit.
    pub jitter: u32,
    /// Longest time between two RTP packets, microseconds.
    pub longest_pause_us: u32,
    /// Packets in the window of the ceiling.
    pub ceiling_packets: u16,
    /// Low bits of the number of that window.
    pub ceiling_window: u8,
    /// Payload type of the packet before; with [`SEEN`] once there was one.
    pub payload_type: u8,
}

/// [`FlowCounters::payload_type`]: an RTP packet has been seen.
pub const SEEN: u8 = 0x80;

const _: () = {
    assert!(size_of::<FlowCounters>() == 64);
    assert!(core::mem::offset_of!(FlowCounters, window) == 32);
    assert!(core::mem::offset_of!(FlowCounters, longest_pause_us) == 56);
    assert!(core::mem::offset_of!(FlowCounters, payload_type) == 63);
};

/// What the quality of a flow is made of, in one RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpSeen {
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Without the marker.
    pub payload_type: u8,
}

/// What the flow's entry says about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtpTerms {
    /// RTP clock rate of the flow's codec, kHz; 0: jitter is not measured.
    pub clock_khz: u8,
    /// Payload type of telephone-event, whose timestamps stand still (RFC 4733 section 2.2.2).
    pub telephone_event: u8,
}

/// What user space is to hear of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nothing.
    None,
    /// It is the first RTP packet of the flow.
    First,
    /// Another source speaks.
    SsrcChange,
}

impl FlowCounters {
    /// Counts one RTP packet that arrived at `now_ns` (`CLOCK_MONOTONIC`) and is sent on.
    ///
    /// `incidents` finds the flow's other line; it is called only if that changes.
    #[inline(always)]
    pub fn observe<'a>(
        &mut self,
        rtp: RtpSeen,
        terms: RtpTerms,
        now_ns: u64,
        incidents: impl FnOnce() -> Option<&'a mut FlowIncidents>,
    ) -> Notice {
        let pause_ns = now_ns.saturating_sub(self.last_seen_ns);
        self.last_seen_ns = now_ns;
        if self.payload_type & SEEN == 0 {
            self.begin(rtp);
            return Notice::First;
        }
        // Multiplied here and divided rarely.
        if pause_ns > u64::from(self.longest_pause_us) * 1000 {
            self.longest_pause_us = if pause_ns < MAX_COUNTED_PAUSE_NS {
                (pause_ns / 1000) as u32
            } else {
                u32::MAX
            };
        }
        if rtp.ssrc != self.ssrc {
            self.begin(rtp);
            if let Some(incidents) = incidents() {
                incidents.ssrc_changes = incidents.ssrc_changes.wrapping_add(1);
                incidents.forget_digit(rtp.timestamp);
            }
            return Notice::SsrcChange;
        }
        self.measure_jitter(rtp, terms, pause_ns);
        self.timestamp = rtp.timestamp;
        self.payload_type = rtp.payload_type | SEEN;
        let ahead = rtp.sequence.wrapping_sub(self.highest as u16);
        if ahead == 1 {
            self.highest = self.highest.wrapping_add(1);
            self.window = self.window << 1 | 1;
        } else if let Some(incidents) = incidents() {
            self.judge(ahead, rtp.sequence, incidents);
        }
        Notice::None
    }
}
