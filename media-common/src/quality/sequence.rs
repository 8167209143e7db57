//! Sequence numbers: what of a flow is in order, lost, late, a duplicate, or begins anew
//! (RFC 3550 appendix A.1).

use super::{FlowCounters, FlowIncidents, RtpSeen, SEEN};

/// Sequence numbers that [`FlowCounters::window`] remembers.
pub const WINDOW: u32 = 64;
/// A step ahead by as many is not loss: the sender began anew (RFC 3550 appendix A.1).
pub const MAX_DROPOUT: u16 = 3000;
/// A step back by as many is not reordering: the sender began anew (RFC 3550 appendix A.1).
pub const MAX_MISORDER: u16 = 100;

impl FlowCounters {
    /// The first packet of a source.
    #[inline(always)]
    pub(super) fn begin(&mut self, rtp: RtpSeen) {
        // One cycle on: what is late by a little still has a number above zero.
        self.highest = 1 << 16 | u32::from(rtp.sequence);
        self.window = 1;
        self.timestamp = rtp.timestamp;
        self.ssrc = rtp.ssrc;
        self.payload_type = rtp.payload_type | SEEN;
    }

    /// Sequence numbers that are not the next one.
    #[inline(always)]
    pub(super) fn judge(&mut self, ahead: u16, sequence: u16, incidents: &mut FlowIncidents) {
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
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fed;

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
}
