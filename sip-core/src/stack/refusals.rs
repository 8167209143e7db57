//! Which refusals leave a record and an event. A flood of them, which anybody can send, must not
//! fill a disk: what goes beyond is counted, and the next one that is told says how many.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::rate::TokenBucket;
use crate::refusal::Refusal;

/// Of calls that no trunk is known for, of wrong credentials, and of calls turned away in overload.
const STRANGERS_PER_SECOND: u32 = 20;
/// Of calls of trunks.
const KNOWN_PER_SECOND: u32 = 200;

/// Tells a bounded number of refusals per second.
#[derive(Debug, Default)]
pub(super) struct Told {
    strangers: TokenBucket,
    known: TokenBucket,
    /// Since the last one that was told.
    untold: u64,
}

impl Told {
    /// `None`: this one is only counted. Otherwise how many were not told before it.
    pub(super) fn admit(&mut self, now: Instant, is_stranger: bool) -> Option<u64> {
        let is_told = if is_stranger {
            self.strangers.take(now, STRANGERS_PER_SECOND)
        } else {
            self.known.take(now, KNOWN_PER_SECOND)
        };
        if is_told {
            return Some(std::mem::take(&mut self.untold));
        }
        self.untold += 1;
        None
    }
}

/// Which limits are reached, each since when nothing was refused for it any more.
#[derive(Debug, Default)]
pub(super) struct LimitsTold(HashMap<String, Instant>);

impl LimitsTold {
    /// Something is refused for that limit: whether that is news.
    pub(super) fn admit(&mut self, now: Instant, limit: &str) -> bool {
        self.0.retain(|_, latest| now < *latest + QUIET);
        self.0.insert(limit.to_owned(), now).is_none()
    }
}

/// Without a refusal, and a limit is not reached any more.
const QUIET: Duration = Duration::from_secs(10);

/// Whether whoever is refused has not proven to be of a trunk: anybody can send that many.
pub(super) fn is_strangers(refusal: &Refusal, trunk_is_known: bool) -> bool {
    !trunk_is_known || [Refusal::CREDENTIALS, Refusal::AUTH_THROTTLED].contains(refusal)
}

/// For the event of one that was told.
pub(super) fn note(untold: u64) -> String {
    match untold {
        0 => String::new(),
        more => format!(" ({more} more before it were only counted)"),
    }
}
