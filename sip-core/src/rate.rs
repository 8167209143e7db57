//! A rate that may not be exceeded: a token bucket that holds one second's worth.

use std::time::{Duration, Instant};

/// A token bucket, kept as the time at which it would be full again (the generic cell rate
/// algorithm, ITU-T I.371): two words, and it follows a rate that changes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TokenBucket {
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// Takes a token; `false`: there is none. After a quiet second `per_second` may be taken at
    /// once.
    pub(crate) fn take(&mut self, now: Instant, per_second: u32) -> bool {
        let Some(token) = Duration::from_secs(1).checked_div(per_second) else {
            return false;
        };
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        if full_at + token > now + Duration::from_secs(1) {
            return false;
        }
        self.full_at = Some(full_at + token);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut TokenBucket, now: Instant, per_second: u32, attempts: usize) -> usize {
        (0..attempts)
            .filter(|_| bucket.take(now, per_second))
            .count()
    }

    #[test]
    fn a_seconds_worth_may_come_at_once_and_then_what_trickles_in() {
        let (mut bucket, start) = (TokenBucket::default(), Instant::now());
        assert_eq!(taken(&mut bucket, start, 30, 100), 30);
        let later = start + Duration::from_millis(100);
        assert_eq!(taken(&mut bucket, later, 30, 100), 3);
        let much_later = start + Duration::from_secs(3600);
        assert_eq!(taken(&mut bucket, much_later, 30, 100), 30);
    }

    #[test]
    fn a_steady_rate_passes_and_twice_of_it_passes_half() {
        for (every_ms, passed) in [(100, 100), (50, 110)] {
            let (mut bucket, start) = (TokenBucket::default(), Instant::now());
            let at = |nth: u64| start + Duration::from_millis(nth * every_ms);
            let attempts = 10_000 / every_ms;
            let count = (0..attempts)
                .filter(|nth| bucket.take(at(*nth), 10))
                .count();
            assert!(count.abs_diff(passed) <= 1, "{count} of {attempts}");
        }
    }

    #[test]
    fn a_rate_of_one_and_of_none() {
        let (mut bucket, start) = (TokenBucket::default(), Instant::now());
        assert_eq!(taken(&mut bucket, start, 1, 3), 1);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(1), 1, 3), 1);
        assert_eq!(taken(&mut TokenBucket::default(), start, 0, 3), 0);
    }
}
