//! The system's clock, against the one that nobody sets. What lasts is measured by the latter, so that a
//! jump touches no call; but times of records, of events and of certificates are the former's.

use std::time::{Duration, Instant, SystemTime};

use crate::events::{Event, kind};

/// Clocks are corrected by less than this all the time, and a look may be late between its two
/// readings.
const TOLERANCE: Duration = Duration::from_secs(10);
/// For so long a step is a problem, unless it is taken back. Then the new time is the time.
const PROBLEM_FOR: Duration = Duration::from_secs(3600);

/// Watches the clock.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    /// The look before.
    looked: Option<(Instant, SystemTime)>,
    /// How far the clock was set since the time that is trusted, and when it was set last.
    step: Step,
    stepped: Option<Instant>,
}

/// Forward, or back: never both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    forward: Duration,
    back: Duration,
}

impl Step {
    fn between(expected: SystemTime, found: SystemTime) -> Step {
        match found.duration_since(expected) {
            Ok(forward) => Step {
                forward,
                ..Step::default()
            },
            Err(earlier) => Step {
                back: earlier.duration(),
                ..Step::default()
            },
        }
    }

    fn and(self, other: Step) -> Step {
        let forward = self.forward + other.forward;
        let back = self.back + other.back;
        Step {
            forward: forward.saturating_sub(back),
            back: back.saturating_sub(forward),
        }
    }

    fn is_small(self) -> bool {
        self.forward.max(self.back) <= TOLERANCE
    }

    /// As people say it.
    fn words(self) -> String {
        match self.back.is_zero() {
            true => format!("forward by {} s", self.forward.as_secs()),
            false => format!("back by {} s", self.back.as_secs()),
        }
    }

    /// Seconds; negative if it went back.
    fn seconds(self) -> i64 {
        let seconds = |of: Duration| i64::try_from(of.as_secs()).unwrap_or(i64::MAX);
        seconds(self.forward) - seconds(self.back)
    }
}

impl ClockWatch {
    /// What is to be told, if the clock was set since the look before.
    pub(super) fn look(&mut self, now: Instant, wall: SystemTime) -> Option<Event> {
        let (before, wall_before) = self.looked.replace((now, wall))?;
        let passed = now.saturating_duration_since(before);
        let step = Step::between(wall_before.checked_add(passed)?, wall);
        if step.is_small() {
            return None;
        }
        self.step = self.lasting(now).and(step);
        self.stepped = Some(now);
        let text = format!(
            "the system's clock went {}: it was set, or the machine slept",
            step.words()
        );
        tracing::warn!("{text}");
        Some(Event::new(kind::CLOCK_SET, text).with("by_s", step.seconds()))
    }

    /// In words, as long as the clock is not what it was, or is believed.
    pub(super) fn problem(&self, now: Instant) -> Option<String> {
        let step = self.lasting(now);
        (!step.is_small()).then(|| {
            format!(
                "went {}: times of records and events, and what expires, are by the new time; calls go on",
                step.words()
            )
        })
    }

    fn lasting(&self, now: Instant) -> Step {
        let is_recent = |stepped: Instant| now.saturating_duration_since(stepped) < PROBLEM_FOR;
        match self.stepped.is_some_and(is_recent) {
            true => self.step,
            false => Step::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_secs(5);
    const DAY: Duration = Duration::from_secs(86_400);

    struct Clocks {
        watch: ClockWatch,
        now: Instant,
        wall: SystemTime,
    }

    impl Clocks {
        fn new() -> Clocks {
            let mut clocks = Clocks {
                watch: ClockWatch::default(),
                now: Instant::now(),
                wall: SystemTime::UNIX_EPOCH + DAY * 20_000,
            };
            assert!(clocks.look().is_none());
            clocks
        }

        /// A look later; what is told, in seconds.
        fn look(&mut self) -> Option<i64> {
            self.now += LOOK;
            self.wall += LOOK;
            let event = self.watch.look(self.now, self.wall)?;
            event.data["by_s"].as_i64()
        }

        fn problem(&self) -> Option<String> {
            self.watch.problem(self.now)
        }
    }

    #[test]
    fn a_step_is_told_once_and_is_a_problem_until_it_is_taken_back() {
        let mut clocks = Clocks::new();
        clocks.wall += DAY;
        assert_eq!(clocks.look(), Some(86_400));
        assert_eq!(clocks.look(), None);
        assert!(
            clocks
                .problem()
                .unwrap()
                .starts_with("went forward by 86400 s")
        );
        clocks.wall -= DAY * 2;
        assert_eq!(clocks.look(), Some(-172_800));
        assert!(
            clocks
                .problem()
                .unwrap()
                .starts_with("went back by 86400 s")
        );
        clocks.wall += DAY + Duration::from_secs(3);
        assert_eq!(clocks.look(), Some(86_403));
        assert_eq!(clocks.problem(), None);
    }

    #[test]
    fn a_new_time_is_believed_after_an_hour() {
        let mut clocks = Clocks::new();
        clocks.wall -= DAY;
        assert_eq!(clocks.look(), Some(-86_400));
        clocks.now += PROBLEM_FOR;
        clocks.wall += PROBLEM_FOR;
        assert_eq!(clocks.look(), None);
        assert_eq!(clocks.problem(), None);
        // What happens then is a matter of its own.
        clocks.wall += DAY;
        assert_eq!(clocks.look(), Some(86_400));
        assert!(clocks.problem().unwrap().contains("forward by 86400 s"));
    }

    #[test]
    fn small_corrections_are_nobodys_business() {
        let mut clocks = Clocks::new();
        for _ in 0..100 {
            clocks.wall += Duration::from_secs(9);
            assert_eq!(clocks.look(), None);
            clocks.wall -= Duration::from_secs(9);
            assert_eq!(clocks.look(), None);
        }
        assert_eq!(clocks.problem(), None);
    }
}
