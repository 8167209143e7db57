//! How good a direction of a call was over time: in as many samples as memory allows.

use serde::Serialize;

/// Samples of the latest time, for lists.
pub(crate) const RECENT: usize = 30;
/// Most samples of a direction; with more of them two become one.
const MOST_SAMPLES: usize = 720;
/// However many directions there are, each may keep so many.
const FEWEST_SAMPLES: usize = 60;
/// What the samples of all calls may take together.
pub(super) const BUDGET_BYTES: usize = 64 << 20;

/// What passed in a direction between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Interval {
    /// Milliseconds since the call was first seen.
    pub(super) at_ms: u64,
    /// In hundredths; 0 without packets.
    pub(super) mos: u16,
    /// RTP packets that came, and those that did not.
    pub(super) packets: u64,
    pub(super) lost: u64,
    pub(super) jitter_us: u32,
}

/// One sample, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    at_100ms: u32,
    packets: u32,
    lost: u32,
    jitter_100us: u16,
    mos: u16,
}

/// One sample, as the API tells it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct QualitySample {
    /// Milliseconds since the start of the call.
    pub(crate) at_ms: u64,
    /// `None` while no packets came.
    pub(crate) mos: Option<f64>,
    pub(crate) loss_percent: f64,
    pub(crate) jitter_ms: f64,
    pub(crate) packets: u32,
}

/// The samples of one direction.
#[derive(Debug)]
pub(super) struct History {
    samples: Vec<Sample>,
    /// How many intervals make a sample.
    stride: u32,
    /// Of the sample that is being made.
    gathered: u32,
    /// MOS of the latest intervals, in hundredths, in a circle.
    recent: [u16; RECENT],
    recent_count: usize,
}

impl Default for History {
    fn default() -> History {
        History {
            samples: Vec::new(),
            stride: 1,
            gathered: 0,
            recent: [0; RECENT],
            recent_count: 0,
        }
    }
}

/// How many samples a direction may keep while there are that many.
pub(super) fn most_samples(directions: usize) -> usize {
    let of_each = BUDGET_BYTES / size_of::<Sample>() / directions.max(1);
    of_each.clamp(FEWEST_SAMPLES, MOST_SAMPLES)
}

impl History {
    /// Adds what passed since the last look; keeps no more than `most` samples.
    pub(super) fn push(&mut self, interval: Interval, most: usize) {
        self.recent[self.recent_count % RECENT] = interval.mos;
        self.recent_count += 1;
        let sample = Sample::of(&interval);
        match self.samples.last_mut() {
            Some(last) if self.gathered > 0 && self.gathered < self.stride => {
                *last = last.and(sample);
                self.gathered += 1;
            }
            _ => {
                if self.samples.len() >= most {
                    self.halve();
                }
                self.samples.push(sample);
                self.gathered = 1;
            }
        }
    }

    /// Two samples become one, and each to come is of twice the time.
    fn halve(&mut self) {
        let halved = self.samples.chunks(2).map(|pair| match pair {
            [first, second] => first.and(*second),
            _ => pair[0],
        });
        self.samples = halved.collect();
        self.stride = self.stride.saturating_mul(2);
        self.gathered = self.stride;
    }

    /// How many intervals are in one sample.
    pub(super) fn stride(&self) -> u32 {
        self.stride
    }

    /// MOS of the latest intervals, oldest first.
    pub(super) fn recent(&self) -> Vec<Option<f64>> {
        let count = self.recent_count.min(RECENT);
        let first = self.recent_count - count;
        let places = first..self.recent_count;
        places
            .map(|place| mos(self.recent[place % RECENT]))
            .collect()
    }

    pub(super) fn samples(&self) -> Vec<QualitySample> {
        self.samples.iter().map(Sample::told).collect()
    }

    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<History>() + self.samples.capacity() * size_of::<Sample>()
    }
}

impl Sample {
    fn of(interval: &Interval) -> Sample {
        let bounded = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        Sample {
            at_100ms: bounded(interval.at_ms / 100),
            packets: bounded(interval.packets),
            lost: bounded(interval.lost),
            jitter_100us: u16::try_from(interval.jitter_us / 100).unwrap_or(u16::MAX),
            mos: interval.mos,
        }
    }

    /// Both, at the time of the later: the mean of what was heard, the worse of what disturbed it.
    fn and(self, later: Sample) -> Sample {
        let mos = match (self.mos, later.mos) {
            (0, mos) | (mos, 0) => mos,
            (one, other) => u16::midpoint(one, other),
        };
        Sample {
            at_100ms: later.at_100ms,
            packets: self.packets.saturating_add(later.packets),
            lost: self.lost.saturating_add(later.lost),
            jitter_100us: self.jitter_100us.max(later.jitter_100us),
            mos,
        }
    }

    fn told(&self) -> QualitySample {
        let sent = u64::from(self.packets) + u64::from(self.lost);
        let loss = match sent {
            0 => 0.0,
            sent => f64::from(self.lost) * 100.0 / sent as f64,
        };
        QualitySample {
            at_ms: u64::from(self.at_100ms) * 100,
            mos: mos(self.mos),
            loss_percent: (loss * 100.0).round() / 100.0,
            jitter_ms: f64::from(self.jitter_100us) / 10.0,
            packets: self.packets,
        }
    }
}

/// Of hundredths.
fn mos(hundredths: u16) -> Option<f64> {
    (hundredths > 0).then(|| f64::from(hundredths) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(number: u64) -> Interval {
        Interval {
            at_ms: number * 5000,
            mos: 440,
            packets: 250,
            lost: number % 2,
            jitter_us: 1000,
        }
    }

    #[test]
    fn a_day_is_kept_in_as_many_samples_as_fit() {
        let mut history = History::default();
        for number in 1..=17_280 {
            history.push(interval(number), MOST_SAMPLES);
        }
        let samples = history.samples();
        assert!((MOST_SAMPLES / 2..=MOST_SAMPLES).contains(&samples.len()));
        let packets: u64 = samples.iter().map(|sample| u64::from(sample.packets)).sum();
        assert_eq!(packets, 17_280 * 250, "nothing is left out");
        assert!(samples.iter().all(|sample| sample.mos == Some(4.4)));
        assert!(samples.windows(2).all(|pair| pair[0].at_ms < pair[1].at_ms));
        assert_eq!(samples.last().unwrap().at_ms, 17_280 * 5000);
        assert_eq!(history.recent().len(), RECENT);
    }

    #[test]
    fn ten_thousand_long_calls_stay_within_the_budget() {
        let most = most_samples(20_000);
        let mut history = History::default();
        for number in 1..=5000 {
            history.push(interval(number), most);
        }
        // A vector grows to no more than twice of what it holds.
        assert!(
            history.bytes() * 20_000 <= 2 * BUDGET_BYTES,
            "{}",
            history.bytes()
        );
        assert_eq!(most_samples(2), MOST_SAMPLES);
        assert_eq!(most_samples(10_000_000), FEWEST_SAMPLES);
    }

    #[test]
    fn silence_is_no_bad_quality() {
        let mut history = History::default();
        history.push(
            Interval {
                at_ms: 5000,
                ..Interval::default()
            },
            MOST_SAMPLES,
        );
        history.push(interval(2), MOST_SAMPLES);
        assert_eq!(history.recent(), [None, Some(4.4)]);
        let first = history.samples()[0];
        assert_eq!((first.mos, first.loss_percent), (None, 0.0));
        history.halve();
        assert_eq!(history.samples()[0].mos, Some(4.4));
    }
}
