//! How long things are kept, by a clock that a jump of the system's does not deceive.

use std::time::{Duration, Instant};

use super::backend::Retention;
use crate::clock::unix_ms;
use crate::config::StoreSettings;

/// Answers to requests with an idempotency key.
const KEEP_ANSWERS: Duration = Duration::from_secs(86_400);
/// For so long the system's clock must have shown a later time before anything is deleted by it.
const BELIEVE_AFTER: Duration = Duration::from_secs(86_400);
/// Clocks are set by less than this all the time.
const TOLERANCE_MS: i64 = 60_000;

pub(super) fn retention(settings: &StoreSettings, now_ms: i64) -> Retention {
    let before = |keep: Duration| now_ms.saturating_sub(milliseconds(keep));
    Retention {
        calls_before_ms: before(settings.keep_calls),
        events_before_ms: before(settings.keep_events),
        audit_before_ms: before(settings.keep_audit),
        answers_before_ms: before(KEEP_ANSWERS),
        max_bytes: settings.max_bytes,
        clock_ms: now_ms,
    }
}

/// The time that things are deleted by. A system's clock that is ahead would have everything deleted
/// at once: it is believed only after a day of showing so. One that is behind deletes nothing, and is
/// followed at once.
#[derive(Debug)]
pub(super) struct RetentionClock {
    ms: i64,
    read: Instant,
    ahead_since: Option<Instant>,
}

impl RetentionClock {
    /// `known_ms`: a time that has been for certain.
    pub(super) fn new(known_ms: Option<i64>) -> RetentionClock {
        RetentionClock::at(Instant::now(), unix_ms(), known_ms)
    }

    fn at(now: Instant, wall_ms: i64, known_ms: Option<i64>) -> RetentionClock {
        RetentionClock {
            ms: known_ms.map_or(wall_ms, |known| known.min(wall_ms)),
            read: now,
            ahead_since: None,
        }
    }

    pub(super) fn now_ms(&mut self) -> i64 {
        self.read(Instant::now(), unix_ms())
    }

    fn read(&mut self, now: Instant, wall_ms: i64) -> i64 {
        let passed = milliseconds(now.saturating_duration_since(self.read));
        let expected = self.ms.saturating_add(passed);
        self.read = now;
        if wall_ms <= expected.saturating_add(TOLERANCE_MS) {
            self.ahead_since = None;
            self.ms = wall_ms;
            return self.ms;
        }
        let since = *self.ahead_since.get_or_insert(now);
        self.ms = match now.saturating_duration_since(since) >= BELIEVE_AFTER {
            true => wall_ms,
            false => expected,
        };
        self.ms
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const HOUR_MS: i64 = 3_600_000;
    const YEAR_MS: i64 = 365 * 24 * HOUR_MS;

    #[test]
    fn a_clock_that_jumps_ahead_deletes_nothing_for_a_day() {
        let start = Instant::now();
        let mut clock = RetentionClock::at(start, YEAR_MS, None);
        assert_eq!(
            clock.read(start + HOUR, YEAR_MS + HOUR_MS),
            YEAR_MS + HOUR_MS
        );
        let ahead = |hours: i64| 11 * YEAR_MS + hours * HOUR_MS;
        assert_eq!(
            clock.read(start + 2 * HOUR, ahead(2)),
            YEAR_MS + 2 * HOUR_MS
        );
        assert_eq!(
            clock.read(start + 25 * HOUR, ahead(25)),
            YEAR_MS + 25 * HOUR_MS
        );
        // It was not a mistake, then.
        assert_eq!(clock.read(start + 27 * HOUR, ahead(27)), ahead(27));
        assert_eq!(clock.read(start + 28 * HOUR, ahead(28)), ahead(28));
    }

    #[test]
    fn a_clock_that_is_set_right_again_is_followed_at_once() {
        let start = Instant::now();
        let mut clock = RetentionClock::at(start, YEAR_MS, None);
        clock.read(start + HOUR, 5 * YEAR_MS);
        assert_eq!(
            clock.read(start + 2 * HOUR, YEAR_MS + 2 * HOUR_MS),
            YEAR_MS + 2 * HOUR_MS
        );
        assert_eq!(clock.read(start + 3 * HOUR, 9), 9);
        // To be ahead begins anew each time.
        clock.read(start + 4 * HOUR, 5 * YEAR_MS);
        assert!(clock.read(start + 27 * HOUR, 5 * YEAR_MS) < YEAR_MS);
    }

    #[test]
    fn a_machine_that_starts_with_a_wrong_clock_deletes_nothing_for_a_day() {
        let start = Instant::now();
        let mut clock = RetentionClock::at(start, 20 * YEAR_MS, Some(3 * YEAR_MS));
        assert_eq!(
            clock.read(start + HOUR, 20 * YEAR_MS + HOUR_MS),
            3 * YEAR_MS + HOUR_MS
        );
        let later = 20 * YEAR_MS + 26 * HOUR_MS;
        assert_eq!(clock.read(start + 26 * HOUR, later), later);
    }
}
