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

use crate::counters::DropReason;

/// Sequence numbers that [`FlowCounters::window`] remembers.
pub const WINDOW: u32 = 64;
/// A step ahead by as many is not loss: the sender began anew (RFC 3550 appendix A.1).
pub const MAX_DROPOUT: u16 = 3000;
/// A step back by as many is not reordering: the sender began anew (RFC 3550 appendix A.1).
pub const MAX_MISORDER: u16 = 100;
/// Fraction of a timestamp unit that [`FlowCounters::jitter`] counts in.
pub const JITTER_UNIT: u32 = 4096;
/// Logarithm of the window that ceilings count in, nanoseconds: 1.07 s.
pub const CEILING_SHIFT: u32 = 30;
/// Packets more than so far apart say nothing of jitter: the sender was silent. Nanoseconds.
const MAX_PAUSE_NS: u64 = 1 << 31;
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

/// What changes rarely: another cache line.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowIncidents {
    /// RTP packets that were skipped and have not come since.
    pub lost: u32,
    /// RTP packets that came after one with a higher sequence number.
    pub reordered: u32,
    /// RTP packets whose sequence number had come already.
    pub duplicated: u32,
    /// Most packets that were skipped in a row.
    pub longest_loss: u32,
    /// Times that another source spoke.
    pub ssrc_changes: u32,
    /// Times that a source began anew, with a sequence number from elsewhere.
    pub restarts: u32,
    /// RTCP packets among [`FlowCounters::packets`].
    pub rtcp: u32,
    /// Telephone events (RFC 4733), each counted once.
    pub digits: u32,
    /// RTP timestamp of the last telephone event, host byte order.
    pub digit_timestamp: u32,
    /// Drops for `drop_wrong_source`.
    pub wrong_source: u32,
    /// Drops for `drop_malformed`.
    pub malformed: u32,
    /// Drops for `drop_payload_type`.
    pub wrong_payload_type: u32,
    /// Drops for `drop_ceiling`.
    pub over_ceiling: u32,
    /// Drops for any other reason, such as `drop_hop_limit`, `drop_next_hop`, `drop_too_long`
    /// and `drop_bad_entry`.
    pub unsendable: u32,
    /// Drops for `drop_xsk_unbound`.
    pub no_worker: u32,
    pub _reserved: u32,
}

const _: () = {
    assert!(size_of::<FlowCounters>() == 64);
    assert!(core::mem::offset_of!(FlowCounters, window) == 32);
    assert!(core::mem::offset_of!(FlowCounters, longest_pause_us) == 56);
    assert!(core::mem::offset_of!(FlowCounters, payload_type) == 63);
    assert!(size_of::<FlowIncidents>() == 64);
    assert!(core::mem::offset_of!(FlowIncidents, wrong_source) == 36);
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

    /// Whether one more packet is within `ceiling` packets per 2^[`CEILING_SHIFT`] ns (0: any
    /// number is); counts it if so.
    #[inline(always)]
    pub fn admit(&mut self, ceiling: u16, now_ns: u64) -> bool {
        if ceiling == 0 {
            return true;
        }
        let window = (now_ns >> CEILING_SHIFT) as u8;
        if self.ceiling_window != window {
            self.ceiling_window = window;
            self.ceiling_packets = 0;
        }
        if self.ceiling_packets >= ceiling {
            return false;
        }
        self.ceiling_packets = self.ceiling_packets.wrapping_add(1);
        true
    }

    #[inline(always)]
    fn begin(&mut self, rtp: RtpSeen) {
        // One cycle on: what is late by a little still has a number above zero.
        self.highest = 1 << 16 | u32::from(rtp.sequence);
        self.window = 1;
        self.timestamp = rtp.timestamp;
        self.ssrc = rtp.ssrc;
        self.payload_type = rtp.payload_type | SEEN;
    }

    /// Sequence numbers that are not the next one.
    #[inline(always)]
    fn judge(&mut self, ahead: u16, sequence: u16, incidents: &mut FlowIncidents) {
        if ahead != 0 && ahead < MAX_DROPOUT {
            let skipped = u32::from(ahead) - 1;
            incidents.lost = incidents.lost.wrapping_add(skipped);
            if skipped > incidents.longest_loss {
                incidents.longest_loss = skipped;
            }
            self.highest = self.highest.wrapping_add(u32::from(ahead));
            self.window = if u32::from(ahead) < WINDOW {
                self.window << (ahead & 63) | 1
            } else {
                1
            };
            return;
        }
        let behind = ahead.wrapping_neg();
        if behind >= MAX_MISORDER {
            incidents.restarts = incidents.restarts.wrapping_add(1);
            incidents.forget_digit(self.timestamp);
            self.highest = 1 << 16 | u32::from(sequence);
            self.window = 1;
            return;
        }
        if u32::from(behind) >= WINDOW {
            // Too late to tell whether it is the second of its number.
            incidents.reordered = incidents.reordered.wrapping_add(1);
            return;
        }
        let bit = 1u64 << (behind & 63);
        if self.window & bit != 0 {
            incidents.duplicated = incidents.duplicated.wrapping_add(1);
            return;
        }
        self.window |= bit;
        incidents.reordered = incidents.reordered.wrapping_add(1);
        incidents.lost = incidents.lost.saturating_sub(1);
    }

    /// RFC 3550 section 6.4.1: `J += (|D| - J) / 16`, where `D` is how much longer than the
    /// sender's clock says the packet was after the one before.
    #[inline(always)]
    fn measure_jitter(&mut self, rtp: RtpSeen, terms: RtpTerms, pause_ns: u64) {
        let is_comparable = terms.clock_khz != 0
            && rtp.payload_type | SEEN == self.payload_type
            && rtp.payload_type != terms.telephone_event
            && pause_ns < MAX_PAUSE_NS;
        if !is_comparable {
            return;
        }
        // ns × kHz is 10^-6 of a unit; 4295/2^20 makes 1/4096 of one of it, to 8 parts in a million.
        let arrived = (pause_ns
            .wrapping_mul(u64::from(terms.clock_khz))
            .wrapping_mul(4295)
            >> 20) as i64;
        let sent = i64::from(rtp.timestamp.wrapping_sub(self.timestamp) as i32) << 12;
        let difference = arrived.wrapping_sub(sent);
        let difference = if difference < 0 {
            difference.wrapping_neg()
        } else {
            difference
        };
        // A timestamp that jumps is no jitter; neither is it to overflow.
        let difference = if difference > MAX_DIFFERENCE {
            return;
        } else {
            difference
        };
        let jitter = i64::from(self.jitter);
        self.jitter = jitter.wrapping_add(difference.wrapping_sub(jitter) >> 4) as u32;
    }
}

/// 2^28/4096 timestamp units: 8 s of a narrowband codec.
const MAX_DIFFERENCE: i64 = 1 << 28;

impl FlowIncidents {
    /// Counts a packet of the flow that the program drops.
    #[inline(always)]
    pub fn count_drop(&mut self, reason: DropReason) {
        let counter = match reason {
            DropReason::WrongSource => &mut self.wrong_source,
            DropReason::Malformed => &mut self.malformed,
            DropReason::PayloadType => &mut self.wrong_payload_type,
            DropReason::Ceiling => &mut self.over_ceiling,
            DropReason::XskUnbound => &mut self.no_worker,
            _ => &mut self.unsendable,
        };
        *counter = counter.wrapping_add(1);
    }

    /// The drops by name. Those that have no counter of their own here are `drop_unsendable`.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            (DropReason::WrongSource.name(), self.wrong_source),
            (DropReason::Malformed.name(), self.malformed),
            (DropReason::PayloadType.name(), self.wrong_payload_type),
            (DropReason::Ceiling.name(), self.over_ceiling),
            (DropReason::XskUnbound.name(), self.no_worker),
            ("drop_unsendable", self.unsendable),
        ]
        .into_iter()
        .map(|(name, count)| (name, u64::from(count)))
    }

    /// Whether a packet of a telephone event with that timestamp (host byte order) is the first
    /// of its event: all packets of an event have the same one (RFC 4733 section 2.2.2).
    #[inline(always)]
    pub fn is_new_digit(&mut self, timestamp: u32) -> bool {
        let ahead = timestamp.wrapping_sub(self.digit_timestamp) as i32;
        if self.digits != 0 && ahead <= 0 {
            return false;
        }
        self.digits = self.digits.wrapping_add(1);
        self.digit_timestamp = timestamp;
        true
    }

    /// Timestamps begin anew: a digit at `timestamp` or later is new.
    #[inline(always)]
    fn forget_digit(&mut self, timestamp: u32) {
        self.digit_timestamp = timestamp.wrapping_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PCMU: RtpTerms = RtpTerms {
        clock_khz: 8,
        telephone_event: 101,
    };
    const START_NS: u64 = 1_000_000_000;
    const PTIME_NS: u64 = 20_000_000;

    /// A flow that is fed packets by place in the stream: 20 ms and 160 units apart.
    #[derive(Default)]
    struct Fed {
        counters: FlowCounters,
        incidents: FlowIncidents,
    }

    impl Fed {
        /// The stream begins near the end of a cycle of sequence numbers.
        const FIRST: u16 = 65_530;

        fn packet(place: u64) -> RtpSeen {
            RtpSeen {
                sequence: Self::FIRST.wrapping_add(place as u16),
                timestamp: (place as u32).wrapping_mul(160).wrapping_sub(500),
                ssrc: 7,
                payload_type: 0,
            }
        }

        fn see(&mut self, rtp: RtpSeen, now_ns: u64) -> Notice {
            let incidents = &mut self.incidents;
            self.counters.observe(rtp, PCMU, now_ns, || Some(incidents))
        }

        fn feed(places: impl IntoIterator<Item = u64>) -> Fed {
            let mut fed = Fed::default();
            for (turn, place) in places.into_iter().enumerate() {
                fed.see(Fed::packet(place), START_NS + turn as u64 * PTIME_NS);
            }
            fed
        }

        /// Lost, reordered, duplicated, longest loss, restarts.
        fn incidents(&self) -> [u32; 5] {
            let FlowIncidents {
                lost,
                reordered,
                duplicated,
                longest_loss,
                restarts,
                ..
            } = self.incidents;
            [lost, reordered, duplicated, longest_loss, restarts]
        }
    }

    #[test]
    fn a_stream_in_order_has_no_incident_even_over_the_end_of_the_numbers() {
        let fed = Fed::feed(0..200_000);
        assert_eq!(fed.incidents, FlowIncidents::default());
        assert_eq!(fed.counters.jitter, 0);
        assert_eq!(fed.counters.longest_pause_us, 20_000);
        assert_eq!(
            fed.counters.highest,
            (1 << 16 | u32::from(Fed::FIRST)) + 199_999
        );
    }

    #[test]
    fn incidents_are_told_apart() {
        for (what, places, expected) in [
            ("one lost", vec![0, 1, 3, 4], [1, 0, 0, 1, 0]),
            (
                "three lost in a row, then one",
                vec![0, 4, 6],
                [4, 0, 0, 3, 0],
            ),
            ("two swapped", vec![0, 2, 1, 3], [0, 1, 0, 1, 0]),
            ("one twice", vec![0, 1, 1, 2], [0, 0, 1, 0, 0]),
            ("one twice, late", vec![0, 1, 2, 3, 1, 4], [0, 0, 1, 0, 0]),
            ("late and then twice", vec![0, 2, 1, 1, 3], [0, 1, 1, 1, 0]),
            (
                "63 behind, still known",
                vec![0, 64, 1, 1],
                [62, 1, 1, 63, 0],
            ),
            ("64 behind, not known", vec![0, 65, 1], [64, 1, 0, 64, 0]),
            ("99 behind, still late", vec![0, 100, 1], [99, 1, 0, 99, 0]),
            ("100 behind, anew", vec![0, 101, 1, 2], [100, 0, 0, 100, 1]),
            ("2999 ahead, lost", vec![0, 2999], [2998, 0, 0, 2998, 0]),
            ("3000 ahead, anew", vec![0, 3000, 3001], [0, 0, 0, 0, 1]),
        ] {
            assert_eq!(Fed::feed(places).incidents(), expected, "{what}");
        }
    }

    /// Every loss, swap and repetition of a random stream is found, by a judge that remembers all.
    #[test]
    fn the_window_finds_what_a_judge_with_a_long_memory_finds() {
        let mut seed = 12_345u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        let mut sent: Vec<u64> = Vec::new();
        for place in 0..50_000 {
            match random(100) {
                0..=2 => {}
                3 => sent.extend([place, place]),
                4..=6 => sent.insert(sent.len() - sent.len().min(random(5) as usize), place),
                _ => sent.push(place),
            }
        }
        let fed = Fed::feed(sent.iter().copied());
        let (mut come, mut highest) = (std::collections::HashSet::new(), sent[0]);
        let (mut late, mut twice) = (0, 0);
        come.insert(sent[0]);
        for place in &sent[1..] {
            match come.insert(*place) {
                false => twice += 1,
                true if *place < highest => late += 1,
                true => highest = *place,
            }
        }
        // What came before the first packet was never missed, so it does not make up for a loss.
        let before_first = come.iter().filter(|place| **place < sent[0]).count() as u64;
        assert_eq!(
            before_first, 0,
            "the seed is one whose first packet is the first"
        );
        let lost = highest + 1 - sent[0] - come.len() as u64;
        let [found_lost, found_late, found_twice, ..] = fed.incidents();
        assert_eq!(
            (u64::from(found_lost), found_late, found_twice),
            (lost, late, twice)
        );
    }

    #[test]
    fn another_source_begins_anew_and_is_told() {
        let mut fed = Fed::feed(0..10);
        let other = RtpSeen {
            ssrc: 8,
            sequence: 9,
            ..Fed::packet(10)
        };
        assert_eq!(fed.see(other, START_NS + 10 * PTIME_NS), Notice::SsrcChange);
        let next = RtpSeen {
            sequence: 10,
            timestamp: other.timestamp + 160,
            ..other
        };
        assert_eq!(fed.see(next, START_NS + 11 * PTIME_NS), Notice::None);
        assert_eq!(fed.incidents.ssrc_changes, 1);
        assert_eq!(fed.incidents(), [0; 5]);
        assert_eq!(fed.counters.jitter, 0);
    }

    /// RFC 3550 section 6.4.1 in floating point, over packets that are late at random.
    #[test]
    fn jitter_is_that_of_the_rfc() {
        let mut fed = Fed::default();
        let (mut expected, mut transit) = (0f64, None);
        let mut seed = 99u64;
        for place in 0..5_000u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let now_ns = START_NS + place * PTIME_NS + (seed >> 33) % 8_000_000;
            let rtp = Fed::packet(place);
            fed.see(rtp, now_ns);
            let now = now_ns as f64 * 8_000.0 / 1e9 - (place * 160) as f64;
            if let Some(before) = transit.replace(now) {
                let difference: f64 = now - before;
                expected += (difference.abs() - expected) / 16.0;
            }
        }
        let found = f64::from(fed.counters.jitter) / f64::from(JITTER_UNIT);
        assert!((found - expected).abs() < 0.01, "{found} is not {expected}");
        assert!(
            expected > 10.0,
            "the stream was late by up to 64 units: {expected}"
        );
    }

    /// RFC 4733 section 2.2.2: packets of an event have the timestamp of its beginning.
    #[test]
    fn telephone_events_and_pauses_are_no_jitter() {
        let mut fed = Fed::feed(0..10);
        let mut now_ns = START_NS + 9 * PTIME_NS;
        for place in 10..30 {
            now_ns += PTIME_NS;
            let event = RtpSeen {
                payload_type: 101,
                timestamp: Fed::packet(10).timestamp,
                ..Fed::packet(place)
            };
            fed.see(event, now_ns);
        }
        for place in 30..40 {
            now_ns += PTIME_NS;
            fed.see(Fed::packet(place), now_ns);
        }
        now_ns += 5_000_000_000;
        fed.see(Fed::packet(40), now_ns);
        assert_eq!((fed.counters.jitter, fed.incidents()), (0, [0; 5]));
        assert_eq!(fed.counters.longest_pause_us, 5_000_000);
    }

    #[test]
    fn a_digit_is_new_once() {
        let mut incidents = FlowIncidents::default();
        let new: [bool; 7] = [0, 0, 0, 800, 800, 0, 1600].map(|at| incidents.is_new_digit(at));
        assert_eq!(new, [true, false, false, true, false, false, true]);
        assert_eq!(incidents.digits, 3);
    }

    #[test]
    fn a_digit_of_another_source_is_new_whatever_its_timestamp() {
        let mut fed = Fed::feed(0..2);
        assert!(fed.incidents.is_new_digit(4_000_000));
        let other = RtpSeen {
            ssrc: 8,
            timestamp: 1000,
            ..Fed::packet(2)
        };
        fed.see(other, START_NS + 2 * PTIME_NS);
        let new: [bool; 2] = [1000, 1000].map(|at| fed.incidents.is_new_digit(at));
        assert_eq!(new, [true, false]);
    }

    #[test]
    fn every_drop_of_a_flow_has_a_name() {
        for reason in DropReason::ALL {
            let mut incidents = FlowIncidents::default();
            incidents.count_drop(*reason);
            let names = incidents.drops().filter(|(_, count)| *count == 1);
            assert_eq!(names.count(), 1, "{reason:?}");
        }
    }

    #[test]
    fn a_ceiling_holds_within_its_window_and_opens_with_the_next() {
        let mut counters = FlowCounters::default();
        let window_ns = 1u64 << CEILING_SHIFT;
        for window in [1, 2, 7] {
            let passed = (0..1000)
                .filter(|n| counters.admit(60, window * window_ns + n * window_ns / 1000))
                .count();
            assert_eq!(passed, 60, "window {window}");
        }
        assert!((0..1000).all(|_| FlowCounters::default().admit(0, 5)));
    }

    #[test]
    fn counting_touches_incidents_only_when_something_happens() {
        let mut counters = FlowCounters::default();
        for place in 0..100 {
            counters.observe(
                Fed::packet(place),
                PCMU,
                START_NS + place * PTIME_NS,
                || -> Option<&mut FlowIncidents> { panic!("nothing has happened") },
            );
        }
    }
}
