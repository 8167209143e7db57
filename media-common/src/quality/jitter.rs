//! Interarrival jitter (RFC 3550 section 6.4.1).

use super::{FlowCounters, RtpSeen, RtpTerms, SEEN};

/// Fraction of a timestamp unit that [`FlowCounters::jitter`] counts in.
pub const JITTER_UNIT: u32 = 4096;
/// Packets more than so far apart say nothing of jitter: the sender was silent. Nanoseconds.
const MAX_PAUSE_NS: u64 = 1 << 31;
/// 2^28/4096 timestamp units: 8 s of a narrowband codec.
const MAX_DIFFERENCE: i64 = 1 << 28;

impl FlowCounters {
    /// RFC 3550 section 6.4.1: `J += (|D| - J) / 16`, where `D` is how much longer than the
    /// sender's clock says the packet was after the one before.
    #[inline(always)]
    pub(super) fn measure_jitter(&mut self, rtp: RtpSeen, terms: RtpTerms, pause_ns: u64) {
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

#[cfg(test)]
mod tests {
    use super::super::tests::{Fed, PTIME_NS, START_NS};
    use super::*;

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
}
