//! How long a worker, or a thread of the socket relay, rests between batches.
//!
//! A wake-up costs as much as several packets. When packets come one by one, each would pay
//! for one, and the CPU that delivers it for waking another. So a worker that finds packets
//! lets the next ones gather for a fixed time without asking to be woken, and takes them in
//! one batch: the more there are, the less each costs. When they come farther apart than
//! that, waiting to be woken is the cheaper way. A worker that falls behind does not rest.

use std::time::Duration;

/// How long packets may gather: most of the delay that a worker may add.
pub(super) const GATHER: Duration = Duration::from_micros(350);

/// What to do before the next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// More is waiting already.
    None,
    /// Sleep that long, whatever arrives.
    Gather(Duration),
    /// Sleep until a packet arrives.
    UntilPacket,
}

/// What the last batches say about the next.
#[derive(Default)]
pub(super) struct Pace {
    last_packets_ns: Option<u64>,
}

impl Pace {
    /// `packets` were relayed by `now_ns` of a steady clock; `is_full` if one socket gave as many as a batch may have.
    pub(super) fn after(&mut self, packets: usize, is_full: bool, now_ns: u64) -> Rest {
        if is_full {
            self.last_packets_ns = Some(now_ns);
            return Rest::None;
        }
        if packets == 0 {
            return Rest::UntilPacket;
        }
        let gap = self
            .last_packets_ns
            .replace(now_ns)
            .map(|last_ns| Duration::from_nanos(now_ns.saturating_sub(last_ns)));
        match gap {
            Some(gap) if gap < 2 * GATHER => Rest::Gather(GATHER),
            _ => Rest::UntilPacket,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rests(gaps_us: &[u64], packets: usize) -> Vec<Rest> {
        let mut now_ns = 0;
        let mut pace = Pace::default();
        gaps_us
            .iter()
            .map(|gap| {
                now_ns += gap * 1000;
                pace.after(packets, false, now_ns)
            })
            .collect()
    }

    #[test]
    fn packets_that_come_quickly_are_let_gather() {
        assert_eq!(
            rests(&[0, 50, 400, 400], 1)[1..],
            [Rest::Gather(GATHER); 3],
            "and go on to, at the pace of its own sleep"
        );
    }

    #[test]
    fn packets_that_come_slowly_are_relayed_as_they_come() {
        assert_eq!(
            rests(&[0, 10_000, 5_000, 20_000], 1),
            [Rest::UntilPacket; 4]
        );
    }

    #[test]
    fn a_worker_with_nothing_to_do_sleeps() {
        let mut pace = Pace::default();
        pace.after(1, false, 1);
        pace.after(1, false, 2);
        assert_eq!(pace.after(0, false, 3), Rest::UntilPacket);
    }

    #[test]
    fn a_worker_that_falls_behind_does_not_rest() {
        let mut pace = Pace::default();
        assert_eq!(pace.after(64, true, 1), Rest::None);
    }
}
