//! How long a call has been without RTP.

use std::time::{Duration, Instant};

/// Measures one call's silence, and says each time that it has lasted for the timeout again.
pub(super) struct Silence {
    /// The last time that RTP had come, or that signalling changed the session.
    since: Instant,
    /// When RTP was last heard, as the relays say it.
    heard_ns: u64,
    /// Signalling does not end every call that is reported: one that is not answered may be
    /// silent. So one report is not the last.
    reported: Option<Instant>,
}

impl Silence {
    pub(super) fn new(now: Instant) -> Silence {
        Silence {
            since: now,
            heard_ns: 0,
            reported: None,
        }
    }

    /// Silence until now does not count: the call was answered, resumed or changed.
    pub(super) fn restart(&mut self, now: Instant) {
        (self.since, self.reported) = (now, None);
    }

    /// Takes when RTP was last heard; how long there have been none, each time that another
    /// `timeout` of it has passed. Nothing is counted while nobody is `expected` to speak.
    pub(super) fn observe(
        &mut self,
        now: Instant,
        heard_ns: u64,
        expected: bool,
        timeout: Duration,
    ) -> Option<Duration> {
        if heard_ns != self.heard_ns || !expected {
            self.heard_ns = heard_ns;
            self.restart(now);
            return None;
        }
        let counted_from = self.reported.unwrap_or(self.since);
        if now.saturating_duration_since(counted_from) < timeout {
            return None;
        }
        self.reported = Some(now);
        Some(now.saturating_duration_since(self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    /// Seconds at which silence is reported and how many seconds of it, when one looks each
    /// second; `count` gives the packets and whether somebody is expected to speak.
    fn reports(
        silence: &mut Silence,
        seconds: std::ops::RangeInclusive<u64>,
        start: Instant,
        count: impl Fn(u64) -> (u64, bool),
    ) -> Vec<(u64, u64)> {
        seconds
            .filter_map(|second| {
                let (heard_ns, expected) = count(second);
                let now = start + Duration::from_secs(second);
                let silent_for = silence.observe(now, heard_ns, expected, TIMEOUT)?;
                Some((second, silent_for.as_secs()))
            })
            .collect()
    }

    #[test]
    fn silence_is_reported_again_each_time_it_has_lasted_for_the_timeout() {
        let start = Instant::now();
        let reports = reports(&mut Silence::new(start), 1..=180, start, |_| (0, true));
        assert_eq!(reports, [(60, 60), (120, 120), (180, 180)]);
    }

    #[test]
    fn a_packet_and_a_hold_start_over() {
        let start = Instant::now();
        let packets = |second: u64| (second.min(70), true);
        let hold = |second| (0, second > 70);
        assert_eq!(
            reports(&mut Silence::new(start), 1..=140, start, packets),
            [(130, 60)]
        );
        assert_eq!(
            reports(&mut Silence::new(start), 1..=140, start, hold),
            [(130, 60)]
        );
    }

    #[test]
    fn a_call_answered_late_has_the_whole_timeout_to_speak() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        let silent = |_| (0, true);
        assert_eq!(reports(&mut silence, 1..=59, start, silent), []);
        silence.restart(start + Duration::from_secs(59));
        assert_eq!(reports(&mut silence, 60..=130, start, silent), [(119, 60)]);
    }
}
