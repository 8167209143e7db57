//! Failed authentications by source: each one is answered later than the one before.
//!
//! Only failures with a nonce that we gave to that very source count, so that nobody can have
//! another's address slowed down by forging it. While several answers to a source are held back,
//! what else it tries is not even looked at: opening many attempts at once gains nothing.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The answer to the first failure; each further one waits twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// Well within the 32 s that a client waits (RFC 3261 section 17.1.2.2, timer F).
const LONGEST_DELAY: Duration = Duration::from_secs(16);
/// After that time without a failure a source is as good as any.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// Answers held back for one source.
const MAX_HELD: u32 = 4;
/// Sources remembered; beyond it the one that has been quiet longest is forgotten.
const CAPACITY: usize = 10_000;

/// What one more failure makes of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In a row, this one included.
    pub(crate) count: u32,
    /// When to answer it.
    pub(crate) delay: Duration,
}

#[derive(Default)]
pub(crate) struct Throttle {
    sources: HashMap<IpAddr, Source>,
    by_age: BTreeSet<(Instant, IpAddr)>,
}

struct Source {
    failures: u32,
    last: Instant,
    held: u32,
}

impl Throttle {
    /// Whether so many answers to `source` are held back that no more is taken of it.
    pub(crate) fn is_full(&self, source: IpAddr) -> bool {
        let source = self.sources.get(&block(source));
        source.is_some_and(|source| source.held >= MAX_HELD)
    }

    /// Whether a failure of `source` is remembered.
    pub(crate) fn has_failed(&self, source: IpAddr) -> bool {
        self.sources.contains_key(&block(source))
    }

    /// Another failure; its answer is held back until [`Throttle::release`].
    pub(crate) fn fail(&mut self, now: Instant, source: IpAddr) -> Failure {
        let block = block(source);
        let known = self.sources.remove(&block);
        if let Some(known) = &known {
            self.by_age.remove(&(known.last, block));
        }
        let (failures, held) = match known {
            Some(known) if now.saturating_duration_since(known.last) < FORGET_AFTER => {
                (known.failures, known.held)
            }
            Some(known) => (0, known.held),
            None => (0, 0),
        };
        let failures = failures.saturating_add(1);
        if self.sources.len() >= CAPACITY
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.sources.remove(&oldest);
        }
        self.by_age.insert((now, block));
        self.sources.insert(
            block,
            Source {
                failures,
                last: now,
                held: held + 1,
            },
        );
        let doublings = (failures - 1).min(16);
        Failure {
            count: failures,
            delay: (FIRST_DELAY * (1 << doublings)).min(LONGEST_DELAY),
        }
    }

    /// An answer to `source` was sent.
    pub(crate) fn release(&mut self, source: IpAddr) {
        if let Some(source) = self.sources.get_mut(&block(source)) {
            source.held = source.held.saturating_sub(1);
        }
    }
}

/// An IPv6 subscriber has a /64 at least, and any address in it.
fn block(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_waits_longer_until_all_is_forgotten() {
        let mut now = Instant::now();
        let mut throttle = Throttle::default();
        let source = IpAddr::from([192, 0, 2, 1]);
        for expected in [500, 1000, 2000, 4000, 8000, 16_000, 16_000] {
            let failure = throttle.fail(now, source);
            assert_eq!(failure.delay, Duration::from_millis(expected));
            throttle.release(source);
            now += Duration::from_secs(20);
        }
        let stranger = throttle.fail(now, IpAddr::from([192, 0, 2, 2]));
        assert_eq!((stranger.count, stranger.delay), (1, FIRST_DELAY));
        now += FORGET_AFTER;
        assert_eq!(throttle.fail(now, source).count, 1);
    }

    #[test]
    fn a_source_with_many_answers_held_back_must_wait() {
        let now = Instant::now();
        let mut throttle = Throttle::default();
        let source: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        for _ in 0..MAX_HELD {
            assert!(!throttle.is_full(source));
            throttle.fail(now, source);
        }
        assert!(throttle.is_full(neighbour), "the same subscriber");
        assert!(!throttle.is_full("2001:db8:0:1::1".parse().unwrap()));
        throttle.release(source);
        assert!(!throttle.is_full(source));
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut throttle = Throttle::default();
        for address in 0..=CAPACITY as u32 {
            throttle.fail(
                now + Duration::from_millis(address.into()),
                IpAddr::from(address.to_be_bytes()),
            );
        }
        assert_eq!(throttle.sources.len(), CAPACITY);
        assert_eq!(throttle.by_age.len(), CAPACITY);
        assert_eq!(
            throttle.fail(now, IpAddr::from([0, 0, 0, 0])).count,
            1,
            "the oldest is gone"
        );
    }
}
