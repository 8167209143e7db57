//! The quality of a direction of a call (MED-4), from what the kernel and the relay counted.
//!
//! Both count by [`media_common::quality`]; a direction that began in a worker and went on in the
//! kernel has a half of each, and what is told of it is both together.

mod codec;
mod e_model;

use media_common::quality::{FlowCounters, FlowIncidents, JITTER_UNIT};

pub use codec::{Codec, Coding, Impairment};
pub use e_model::{Mos, rating};

use crate::rtcp::ReportsSeen;

/// What one direction of a stream was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// RTP packets sent on; RTCP is not among them.
    pub rtp: u64,
    /// RTP packets that were skipped and did not come later.
    pub lost: u64,
    /// RTP packets that came after one with a higher sequence number.
    pub reordered: u64,
    /// RTP packets that came again.
    pub duplicated: u64,
    /// Most packets that were skipped in a row.
    pub longest_loss: u32,
    /// Longest time between two RTP packets, microseconds. Silence suppression makes such pauses
    /// too.
    pub longest_pause_us: u32,
    /// Interarrival jitter (RFC 3550 section 6.4.1), microseconds, as it was last; `None` if the
    /// codec's clock is not known.
    pub jitter_us: Option<u32>,
    /// Times that another source spoke.
    pub ssrc_changes: u64,
    /// Times that a source began anew with other sequence numbers.
    pub restarts: u64,
    /// Telephone events (RFC 4733).
    pub digits: u64,
    /// When the last packet came, `CLOCK_MONOTONIC`, nanoseconds; 0 for never.
    pub last_seen_ns: u64,
}

/// What the endpoint that receives a direction says of it, in its RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarEnd {
    /// Lost of the packets since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Since the beginning; duplicates make it less than 0.
    pub cumulative_lost: i32,
    /// `None` if the codec's clock is not known.
    pub jitter_us: Option<u32>,
    /// From us to it and back; `None` if its reports do not tell.
    pub round_trip_us: Option<u32>,
}

impl Quality {
    /// Of the half that one relay counted.
    pub fn of(counters: &FlowCounters, incidents: &FlowIncidents, codec: Codec) -> Quality {
        Quality {
            rtp: counters.packets.saturating_sub(incidents.rtcp.into()),
            lost: incidents.lost.into(),
            reordered: incidents.reordered.into(),
            duplicated: incidents.duplicated.into(),
            longest_loss: incidents.longest_loss,
            longest_pause_us: counters.longest_pause_us,
            jitter_us: in_us(u64::from(counters.jitter), JITTER_UNIT, codec.clock_khz),
            ssrc_changes: incidents.ssrc_changes.into(),
            restarts: incidents.restarts.into(),
            digits: incidents.digits.into(),
            last_seen_ns: counters.last_seen_ns,
        }
    }

    /// Both halves together. Jitter is that of the half that was heard last.
    #[must_use]
    pub fn and(self, other: Quality) -> Quality {
        let last = if other.last_seen_ns > self.last_seen_ns {
            other
        } else {
            self
        };
        Quality {
            rtp: self.rtp + other.rtp,
            lost: self.lost + other.lost,
            reordered: self.reordered + other.reordered,
            duplicated: self.duplicated + other.duplicated,
            longest_loss: self.longest_loss.max(other.longest_loss),
            longest_pause_us: self.longest_pause_us.max(other.longest_pause_us),
            jitter_us: last.jitter_us,
            ssrc_changes: self.ssrc_changes + other.ssrc_changes,
            restarts: self.restarts + other.restarts,
            digits: self.digits + other.digits,
            last_seen_ns: last.last_seen_ns,
        }
    }

    /// Lost of the packets that were sent, 0 to 1.
    pub fn share_lost(&self) -> f64 {
        let came = self.rtp.saturating_sub(self.duplicated);
        match came + self.lost {
            0 => 0.0,
            sent => self.lost as f64 / sent as f64,
        }
    }

    /// An estimate of what a listener would say, by the E-model; `None` without packets, and for
    /// codecs that nothing is published of.
    ///
    /// `round_trips_us` are the ways from us to each end and back, where they are known. One way
    /// from mouth to ear is half of each, a packet of 20 ms, and a jitter buffer of twice the
    /// jitter, at least [`SMALLEST_BUFFER_US`]: what stands in the endpoints is not known.
    pub fn mos(&self, codec: Codec, round_trips_us: [Option<u32>; 2]) -> Option<Mos> {
        let impairment = codec.coding.impairment().filter(|_| self.rtp > 0)?;
        let ways: u64 = round_trips_us
            .iter()
            .flatten()
            .map(|us| u64::from(*us) / 2)
            .sum();
        let jitter = u64::from(self.jitter_us.unwrap_or(0));
        let delay_us = ways + PACKET_US + (2 * jitter).max(SMALLEST_BUFFER_US);
        let r = rating(impairment, self.share_lost(), delay_us as f64 / 1000.0);
        Some(Mos::of_rating(r))
    }
}

/// Speech that a packet usually holds (RFC 3551 section 4.2), microseconds.
const PACKET_US: u64 = 20_000;
/// Below this no jitter buffer is expected, microseconds.
pub const SMALLEST_BUFFER_US: u64 = 20_000;

impl FarEnd {
    /// What the receiver of a direction reports. `receiver` are the reports of the end that the
    /// direction goes to, `sender` those of the end that it comes from.
    pub fn of(receiver: &ReportsSeen, sender: &ReportsSeen, codec: Codec) -> Option<FarEnd> {
        let report = receiver.received()?;
        Some(FarEnd {
            fraction_lost: report.fraction_lost,
            cumulative_lost: report.cumulative_lost,
            jitter_us: in_us(u64::from(report.jitter), 1, codec.clock_khz),
            round_trip_us: receiver
                .round_trip_ns(sender)
                .and_then(|ns| u32::try_from(ns / 1000).ok()),
        })
    }
}

/// Timestamp units, in fractions of one, as microseconds.
fn in_us(units: u64, fractions: u32, clock_khz: u8) -> Option<u32> {
    let per_ms = u64::from(fractions) * u64::from(clock_khz);
    let us = (units * 1000).checked_div(per_ms)?;
    Some(u32::try_from(us).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PCMU: Codec = Codec {
        coding: Coding::G711,
        clock_khz: 8,
    };

    fn half(packets: u64, lost: u32, jitter_ms: u32, last_seen_ns: u64) -> Quality {
        let counters = FlowCounters {
            packets,
            jitter: jitter_ms * 8 * JITTER_UNIT,
            longest_pause_us: jitter_ms * 2000,
            last_seen_ns,
            ..FlowCounters::default()
        };
        let incidents = FlowIncidents {
            lost,
            longest_loss: lost,
            rtcp: 10,
            ..FlowIncidents::default()
        };
        Quality::of(&counters, &incidents, PCMU)
    }

    #[test]
    fn med_4_the_halves_of_kernel_and_relay_are_one_direction() {
        let (first, then) = (half(110, 5, 40, 1_000), half(910, 15, 3, 2_000));
        for quality in [first.and(then), then.and(first)] {
            assert_eq!((quality.rtp, quality.lost), (1000, 20));
            assert_eq!(
                (quality.longest_loss, quality.longest_pause_us),
                (15, 80_000)
            );
            assert_eq!(quality.jitter_us, Some(3_000), "of the later half");
        }
        assert_eq!(first.and(Quality::default()).jitter_us, Some(40_000));
    }

    #[test]
    fn med_4_a_clean_call_is_rated_well_and_each_fault_costs() {
        let clean = half(1010, 0, 0, 1);
        let mos = |quality: Quality, trips| quality.mos(PCMU, trips).unwrap().as_f64();
        let none = [None; 2];
        assert_eq!(mos(clean, none), 4.41);
        let lossy = mos(half(1010, 53, 0, 1), none);
        assert!((3.9..4.1).contains(&lossy), "5 % of loss: {lossy}");
        let late = mos(clean, [Some(400_000), Some(200_000)]);
        assert!((3.5..4.0).contains(&late), "340 ms one way: {late}");
        let jittery = mos(half(1010, 0, 150, 1), none);
        assert!(jittery < 4.0, "a buffer of 300 ms: {jittery}");
    }

    #[test]
    fn nothing_is_said_of_a_direction_without_packets_or_a_codec_without_values() {
        assert_eq!(Quality::default().mos(PCMU, [None; 2]), None);
        let other = Codec::named("opus", 48_000);
        assert_eq!(half(1010, 0, 0, 1).mos(other, [None; 2]), None);
        let unclocked = Codec::named("PCMU", 0);
        let counters = FlowCounters::default();
        let quality = Quality::of(&counters, &FlowIncidents::default(), unclocked);
        assert_eq!(quality.jitter_us, None);
    }
}
