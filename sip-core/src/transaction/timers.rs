//! The timers of RFC 3261 table 4 and RFC 6026: their lengths, their names, and the one queue of
//! what is running.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::TransactionKey;

/// How long things take; RFC 3261 section 17.1.1.1 and table 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Estimate of the round-trip time: 500 ms.
    pub t1: Duration,
    /// Longest interval between retransmissions of a non-INVITE request or an INVITE response: 4 s.
    pub t2: Duration,
    /// Longest time that a message stays in the network: 5 s.
    pub t4: Duration,
    /// How long a client keeps acknowledging a refused INVITE over UDP: timer D, at least 32 s.
    pub d: Duration,
    /// How long the user of an INVITE server transaction may stay silent before it sends
    /// 100 Trying by itself: 200 ms (section 17.2.1).
    pub trying: Duration,
}

impl Timers {
    /// 64*T1: timers B, F, H, J, L and M, and the wait for a final response after CANCEL.
    pub fn timeout(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// The interval after `interval`, as timers E and G go: doubled, at most T2.
    pub(crate) fn backed_off(&self, interval: Duration) -> Duration {
        interval.saturating_mul(2).min(self.t2)
    }
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            d: Duration::from_secs(32),
            trying: Duration::from_millis(200),
        }
    }
}

/// What can run for a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// INVITE request retransmission, UDP only: T1, doubling.
    A,
    /// INVITE client transaction timeout: 64*T1.
    B,
    /// Wait for retransmissions of a final response to INVITE.
    D,
    /// Non-INVITE request retransmission, UDP only: T1, doubling to T2.
    E,
    /// Non-INVITE client transaction timeout: 64*T1.
    F,
    /// Retransmission of a final response to INVITE: T1, doubling to T2. For a 2xx it runs over
    /// every transport (section 13.3.1.4), for others over UDP only.
    G,
    /// Wait for ACK: 64*T1.
    H,
    /// Wait for retransmissions of ACK: T4 over UDP, else none.
    I,
    /// Wait for retransmissions of a non-INVITE request: 64*T1 over UDP, else none.
    J,
    /// Wait for retransmissions of a non-INVITE response: T4 over UDP, else none.
    K,
    /// Wait for ACK to a 2xx and for retransmissions of the INVITE: 64*T1 (RFC 6026).
    L,
    /// Wait for further 2xx to an INVITE: 64*T1 (RFC 6026).
    M,
    /// 100 Trying is due (section 17.2.1).
    Trying,
    /// An INVITE that was cancelled must have had its final response: 64*T1 (section 9.1).
    Cancelled,
}

/// Every running timer, in order of its end.
///
/// Starting, stopping and finding the first are all logarithmic; a stopped timer leaves nothing
/// behind, so the queue is never longer than the timers that run.
#[derive(Debug, Default)]
pub(super) struct TimerQueue {
    by_time: BTreeSet<(Instant, TransactionKey, Timer)>,
    by_owner: BTreeMap<(TransactionKey, Timer), Instant>,
}

impl TimerQueue {
    /// Starts the timer, or starts it anew.
    pub(super) fn start(&mut self, owner: TransactionKey, timer: Timer, end: Instant) {
        self.stop(owner, timer);
        self.by_owner.insert((owner, timer), end);
        self.by_time.insert((end, owner, timer));
    }

    pub(super) fn stop(&mut self, owner: TransactionKey, timer: Timer) {
        if let Some(end) = self.by_owner.remove(&(owner, timer)) {
            self.by_time.remove(&(end, owner, timer));
        }
    }

    pub(super) fn stop_all(&mut self, owner: TransactionKey) {
        while let Some((&(_, timer), _)) = self
            .by_owner
            .range((owner, Timer::A)..=(owner, Timer::Cancelled))
            .next()
        {
            self.stop(owner, timer);
        }
    }

    /// The end of the timer that ends first.
    pub(super) fn first(&self) -> Option<Instant> {
        self.by_time.first().map(|&(end, _, _)| end)
    }

    /// Takes one timer that has ended.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(TransactionKey, Timer)> {
        let &(end, owner, timer) = self.by_time.first()?;
        if end > now {
            return None;
        }
        self.stop(owner, timer);
        Some((owner, timer))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ClientKey, ServerKey};
    use super::*;

    const CLIENT: TransactionKey = TransactionKey::Client(ClientKey(1));
    const SERVER: TransactionKey = TransactionKey::Server(ServerKey(1));

    #[test]
    fn timers_end_in_order_whoever_owns_them() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut queue = TimerQueue::default();
        queue.start(CLIENT, Timer::B, at(30));
        queue.start(SERVER, Timer::H, at(20));
        queue.start(CLIENT, Timer::A, at(10));
        assert_eq!(queue.first(), Some(at(10)));
        assert_eq!(queue.pop(at(9)), None);
        assert_eq!(queue.pop(at(100)), Some((CLIENT, Timer::A)));
        assert_eq!(queue.pop(at(100)), Some((SERVER, Timer::H)));
        assert_eq!(queue.pop(at(100)), Some((CLIENT, Timer::B)));
        assert_eq!(queue.pop(at(100)), None);
        assert_eq!(queue.first(), None);
    }

    #[test]
    fn a_timer_started_anew_ends_once_at_the_later_time() {
        let start = Instant::now();
        let mut queue = TimerQueue::default();
        queue.start(CLIENT, Timer::A, start);
        queue.start(CLIENT, Timer::A, start + Duration::from_secs(1));
        assert_eq!(queue.pop(start), None);
        assert_eq!(queue.by_time.len(), 1);
    }

    #[test]
    fn stopping_all_timers_of_a_transaction_leaves_the_others() {
        let start = Instant::now();
        let mut queue = TimerQueue::default();
        for timer in [Timer::A, Timer::B, Timer::M, Timer::Cancelled] {
            queue.start(CLIENT, timer, start);
            queue.start(SERVER, timer, start);
        }
        queue.stop_all(CLIENT);
        assert_eq!(queue.by_time.len(), 4);
        assert!(std::iter::from_fn(|| queue.pop(start)).all(|(owner, _)| owner == SERVER));
    }

    #[test]
    fn intervals_double_up_to_t2() {
        let timers = Timers::default();
        let mut interval = timers.t1;
        let mut seen = vec![];
        for _ in 0..5 {
            seen.push(interval.as_millis());
            interval = timers.backed_off(interval);
        }
        assert_eq!(seen, [500, 1000, 2000, 4000, 4000]);
    }
}
