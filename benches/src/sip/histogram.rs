//! Delays, counted in steps of at most 3 %.

use std::time::Duration;

const STEPS_PER_DOUBLING: u32 = 32;

/// How many delays were how long.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// By [`bucket`].
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub fn add(&mut self, delay: Duration) {
        let bucket = bucket(delay.as_nanos() as u64);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
    }

    pub fn add_all(&mut self, other: &Histogram) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The delay that this share of all is not above; `None` of nothing.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(Duration::from_nanos(lower_bound(bucket + 1)));
            }
        }
        None
    }

    /// In microseconds, for a report; not a number if there is nothing.
    pub fn quantile_us(&self, share: f64) -> f64 {
        self.quantile(share)
            .map_or(f64::NAN, |delay| delay.as_secs_f64() * 1e6)
    }
}

fn bucket(ns: u64) -> usize {
    let steps = u64::from(STEPS_PER_DOUBLING);
    if ns < steps {
        return ns as usize;
    }
    let doublings = ns.ilog2() - STEPS_PER_DOUBLING.ilog2();
    let step = (ns >> doublings) - steps;
    (steps + u64::from(doublings) * steps + step) as usize
}

fn lower_bound(bucket: usize) -> u64 {
    let steps = STEPS_PER_DOUBLING as usize;
    if bucket < steps {
        return bucket as u64;
    }
    let (doublings, step) = ((bucket - steps) / steps, (bucket - steps) % steps);
    ((steps + step) as u64) << doublings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_three_percent() {
        let mut histogram = Histogram::default();
        for ms in 1..=100 {
            histogram.add(Duration::from_millis(ms));
        }
        for (share, ms) in [(0.01, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let us = histogram.quantile_us(share);
            assert!(us >= ms * 1000.0 && us < ms * 1035.0, "{share}: {us}");
        }
        assert!(Histogram::default().quantile(0.5).is_none());
    }

    #[test]
    fn buckets_follow_each_other() {
        let mut last = 0;
        for ns in 0..100_000 {
            let bucket = bucket(ns);
            assert!(bucket == last || bucket == last + 1, "{ns}");
            assert!(lower_bound(bucket) <= ns && ns < lower_bound(bucket + 1));
            last = bucket;
        }
    }
}
