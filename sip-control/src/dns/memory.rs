//! What lookups have found, for as long as it holds; and after that, while nobody answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::LookupError;
use super::records::{Found, Kind, Record};

/// How long expired records go on after a lookup that failed.
const STALE_KEPT: Duration = Duration::from_secs(10);
/// Each call to a name that does not exist would ask again, a burst of calls all at once.
pub(super) const FAILURE_KEPT: Duration = Duration::from_secs(1);
/// More names than trunks have is a sign of names made up by peers.
const MOST_KEPT: usize = 4096;

pub(super) type Question = (String, Kind);
pub(super) type Outcome = Result<Vec<Record>, LookupError>;
pub(super) type AskingLock = tokio::sync::Mutex<()>;

/// What is known of a name.
struct Entry {
    until: Instant,
    /// `None`: it was never asked for.
    outcome: Option<Outcome>,
    /// Held by the one who asks.
    asking: Arc<AskingLock>,
}

/// Shared by those who ask.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<HashMap<Question, Entry>>>);

impl Memory {
    /// What the last lookup found, if it still holds.
    pub(super) fn remembered(&self, question: &Question) -> Option<Outcome> {
        let kept = self.kept();
        let entry = kept.get(question)?;
        let holds = entry.until > Instant::now();
        entry.outcome.clone().filter(|_| holds)
    }

    /// What the last lookup that was answered found, even that there is nothing, although it does
    /// not hold any more.
    pub(super) fn last_known(&self, question: &Question) -> Option<Vec<Record>> {
        let kept = self.kept();
        kept.get(question)?.outcome.clone()?.ok()
    }

    /// The lock under which that is asked.
    pub(super) fn asking(&self, question: &Question) -> Arc<AskingLock> {
        let mut kept = self.kept();
        if kept.len() >= MOST_KEPT && !kept.contains_key(question) {
            kept.clear();
        }
        let entry = kept.entry(question.clone()).or_insert_with(|| Entry {
            until: Instant::now(),
            outcome: None,
            asking: Arc::default(),
        });
        Arc::clone(&entry.asking)
    }

    /// Keeps what was found, or else what was found before; answers what is kept.
    pub(super) fn remember(&self, question: &Question, found: Result<Found, String>) -> Outcome {
        let now = Instant::now();
        let (outcome, until) = match found {
            Ok((records, until)) => (Ok(records), until),
            Err(reason) => {
                let name = question.0.clone();
                let error = LookupError::Failed { name, reason };
                (Err(error), now + FAILURE_KEPT)
            }
        };
        let mut kept = self.kept();
        let Some(entry) = kept.get_mut(question) else {
            return outcome;
        };
        match (&outcome, &entry.outcome) {
            (Err(error), Some(Ok(known))) => {
                tracing::warn!("{error}; what was last known is used");
                entry.until = now + STALE_KEPT;
                Ok(known.clone())
            }
            _ => {
                (entry.until, entry.outcome) = (until, Some(outcome.clone()));
                outcome
            }
        }
    }

    /// Nobody has answered so far: what was last known goes on.
    pub(super) fn go_on(&self, question: &Question) {
        if let Some(entry) = self.kept().get_mut(question) {
            entry.until = Instant::now() + STALE_KEPT;
        }
    }

    /// As if everything had been found long ago.
    #[cfg(test)]
    pub(super) fn expire(&self) {
        for entry in self.kept().values_mut() {
            entry.until = Instant::now();
        }
    }

    #[cfg(test)]
    pub(super) fn holds_until(&self, question: &Question) -> Instant {
        self.kept()[question].until
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Question, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
