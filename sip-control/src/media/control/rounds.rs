//! The looks that control takes at every call once a second: never at all of them at once, since
//! sessions of new calls, and whoever asks something, wait meanwhile.

use std::ops::Bound::{Excluded, Unbounded};
use std::time::{Duration, Instant};

use media_core::report::MediaEvent;
use media_core::session::CallId;

use super::Control;

/// Between two looks at a call.
const ROUND: Duration = Duration::from_secs(1);
/// Calls that are looked at together: some hundred microseconds.
const TOGETHER: usize = 256;

/// How far the round has come.
pub(super) struct Rounds {
    /// The last call that was looked at; `None` before the first of a round.
    last: Option<CallId>,
    due: Instant,
}

impl Rounds {
    pub(super) fn new(now: Instant) -> Rounds {
        Rounds {
            last: None,
            due: now + ROUND,
        }
    }

    /// When the next calls are to be looked at.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The next is due so long after `now` that a round of that many calls takes its time.
    fn looked_until(&mut self, last: Option<CallId>, calls: usize, now: Instant) {
        let turns = u32::try_from(calls.div_ceil(TOGETHER).max(1)).unwrap_or(u32::MAX);
        self.last = last;
        self.due = now + ROUND / turns;
    }
}

impl Control {
    /// Looks at the next calls: for latches that nobody told of, and for silence.
    pub(super) fn look_at_some(&mut self, now: Instant) {
        let from = self.rounds.last.map_or(Unbounded, Excluded);
        let (mut looked, mut last, mut latched) = (0, None, Vec::new());
        for (id, call) in self.calls.range_mut((from, Unbounded)).take(TOGETHER) {
            (looked, last) = (looked + 1, Some(*id));
            if call.find_latches(&mut *self.carrier) {
                latched.push(*id);
            }
            let Some(timeout) = self.timeout else {
                continue;
            };
            if let Some(silent_for) = call.timed_out(now, timeout, &mut *self.carrier) {
                tracing::info!(call = id.0, ?silent_for, "media: no RTP");
                self.waiting.push_back(MediaEvent::Timeout {
                    call: *id,
                    silent_for,
                });
            }
        }
        let is_over = looked < TOGETHER;
        let last = last.filter(|_| !is_over);
        self.rounds.looked_until(last, self.calls.len(), now);
        for id in latched {
            self.apply(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_takes_a_second_however_many_calls_there_are() {
        let start = Instant::now();
        for (calls, turns) in [(0, 1), (1, 1), (256, 1), (257, 2), (10_000, 40)] {
            let mut rounds = Rounds::new(start);
            let mut now = rounds.due();
            assert_eq!(now, start + ROUND);
            for _ in 0..turns {
                rounds.looked_until(None, calls, now);
                now = rounds.due();
            }
            let taken = now - start - ROUND;
            assert!(
                taken <= ROUND && taken > ROUND - Duration::from_millis(1),
                "{calls} calls: {taken:?}"
            );
        }
    }
}
