//! When the quality of a direction is told to be low, and when to be normal again: once each, after
//! it has been so for a while.

/// How long it must have been low, or good again, milliseconds.
const LOW_FOR_MS: u64 = 10_000;
const GOOD_FOR_MS: u64 = 15_000;
/// By how much it must be above the threshold to count as good again, hundredths.
const MARGIN: u16 = 20;

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Low,
    Normal,
}

/// Watches one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alarm {
    is_low: bool,
    /// Since when it has been otherwise.
    since_ms: Option<u64>,
}

impl Alarm {
    /// `mos` and `below` in hundredths; without packets (0) nothing is known, and nothing changes.
    /// `from_ms` to `at_ms` is what it was measured over.
    pub(super) fn observe(
        &mut self,
        from_ms: u64,
        at_ms: u64,
        mos: u16,
        below: u16,
    ) -> Option<Change> {
        if mos == 0 || below == 0 {
            return None;
        }
        let is_otherwise = if self.is_low {
            mos >= below.saturating_add(MARGIN)
        } else {
            mos < below
        };
        if !is_otherwise {
            self.since_ms = None;
            return None;
        }
        let since = *self.since_ms.get_or_insert(from_ms);
        let (lasted, change) = if self.is_low {
            (GOOD_FOR_MS, Change::Normal)
        } else {
            (LOW_FOR_MS, Change::Low)
        };
        if at_ms.saturating_sub(since) < lasted {
            return None;
        }
        *self = Alarm {
            is_low: !self.is_low,
            since_ms: None,
        };
        Some(change)
    }

    pub(super) fn is_low(&self) -> bool {
        self.is_low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of values that come every five seconds.
    fn told(values: &[u16]) -> Vec<(usize, Change)> {
        let mut alarm = Alarm::default();
        let mut told = Vec::new();
        for (place, mos) in values.iter().enumerate() {
            let at_ms = 5000 * u64::try_from(place).unwrap();
            if let Some(change) = alarm.observe(at_ms, at_ms + 5000, *mos, 350) {
                told.push((place, change));
            }
        }
        told
    }

    #[test]
    fn low_quality_is_told_once_and_its_end_once() {
        let values = [
            440, 300, 440, 300, 310, 300, 280, 0, 0, 300, 360, 360, 380, 381, 400, 440, 440,
        ];
        assert_eq!(told(&values), [(4, Change::Low), (14, Change::Normal)]);
    }

    #[test]
    fn what_swings_about_the_threshold_is_told_once() {
        let values = [340, 340, 360, 340, 360, 340, 360, 360, 360, 360, 360];
        assert_eq!(told(&values), [(1, Change::Low)]);
        assert_eq!(told(&[0; 20]), []);
    }
}
