//! When each token was used last: in memory at once, in the store now and then, so that it is known
//! after a restart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Manager;
use super::tokens::TokenView;
use crate::clock::unix_ms;
use crate::store::{JournalItem, MarkRow};

/// A token that is used all the time is written so often.
const WRITE_EVERY_MS: i64 = 60_000;

/// What is known of each token, by its id.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<String, Use>>);

#[derive(Clone, Copy, Debug, Default)]
struct Use {
    last_ms: Option<i64>,
    /// What the store has, as far as this process knows.
    written_ms: Option<i64>,
    /// The store was asked.
    is_recalled: bool,
}

impl Uses {
    /// Whether it is time to write it.
    fn note(&self, id: &str, now_ms: i64) -> bool {
        let mut uses = self.lock();
        if !uses.contains_key(id) {
            uses.insert(id.to_owned(), Use::default());
        }
        let Some(of_token) = uses.get_mut(id) else {
            return false;
        };
        of_token.last_ms = Some(now_ms);
        // A clock that was set back is followed.
        let is_due = of_token.written_ms.is_none_or(|written| {
            now_ms < written || now_ms.saturating_sub(written) >= WRITE_EVERY_MS
        });
        if is_due {
            of_token.written_ms = Some(now_ms);
        }
        is_due
    }

    pub(super) fn last(&self, id: &str) -> Option<i64> {
        self.lock().get(id).and_then(|of_token| of_token.last_ms)
    }

    /// Those that the store was not asked of yet.
    fn not_recalled(&self, ids: Vec<String>) -> Vec<String> {
        let uses = self.lock();
        let is_new = |id: &String| uses.get(id).is_none_or(|of_token| !of_token.is_recalled);
        ids.into_iter().filter(is_new).collect()
    }

    /// What the store has of a token.
    fn recall(&self, id: String, stored_ms: Option<i64>) {
        let mut uses = self.lock();
        let of_token = uses.entry(id).or_default();
        of_token.is_recalled = true;
        // What this process has seen is later.
        of_token.last_ms = of_token.last_ms.or(stored_ms);
    }

    /// Those that the store does not have as they are.
    fn take_unwritten(&self) -> Vec<(String, i64)> {
        let mut unwritten = Vec::new();
        for (id, of_token) in self.lock().iter_mut() {
            if let Some(last) = of_token.last_ms
                && of_token.written_ms.is_some_and(|written| written != last)
            {
                of_token.written_ms = Some(last);
                unwritten.push((id.clone(), last));
            }
        }
        unwritten
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Manager {
    /// A token is used. Never waits.
    pub(crate) fn note_use(&self, id: &str) {
        let now_ms = unix_ms();
        if self.uses.note(id, now_ms) {
            self.leave_use(id, Some(now_ms));
        }
    }

    /// Every token, with its last use whichever process saw that.
    pub(crate) async fn tokens_with_use(self: &Arc<Self>) -> Vec<TokenView> {
        let ids = self.tokens().into_iter().map(|token| token.id).collect();
        let ids = self.uses.not_recalled(ids);
        if !ids.is_empty() {
            let read = self.store.read(move |reader| {
                let recalled = ids.into_iter().map(|id| {
                    let stored = reader.mark(&mark(&id))?;
                    Ok((id, stored))
                });
                recalled.collect::<Result<Vec<_>, _>>()
            });
            // A store that does not answer is asked again the next time.
            for (id, stored) in read.await.unwrap_or_default() {
                let stored = stored.and_then(|ms| i64::try_from(ms).ok());
                self.uses.recall(id, stored);
            }
        }
        self.tokens()
    }

    /// Writes what is not written yet: before the store is closed.
    pub(crate) fn write_uses(&self) {
        for (id, last_ms) in self.uses.take_unwritten() {
            self.leave_use(&id, Some(last_ms));
        }
    }

    /// A token is no more.
    pub(super) fn forget_use(&self, id: &str) {
        self.uses.lock().remove(id);
        self.leave_use(id, None);
    }

    fn leave_use(&self, id: &str, last_ms: Option<i64>) {
        self.store.journal(JournalItem::Mark(MarkRow {
            name: mark(id),
            value: last_ms.and_then(|ms| u64::try_from(ms).ok()),
        }));
    }
}

fn mark(id: &str) -> String {
    format!("token {id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_used_all_the_time_is_written_once_a_minute_and_at_the_end() {
        let uses = Uses::default();
        let start = 1_700_000_000_000;
        let written = (0..1200).filter(|tenth| uses.note("a", start + tenth * 100));
        assert_eq!(written.count(), 2);
        assert_eq!(uses.last("a"), Some(start + 119_900));
        assert_eq!(uses.take_unwritten(), [("a".to_owned(), start + 119_900)]);
        assert_eq!(uses.take_unwritten(), []);
    }

    #[test]
    fn what_the_store_remembers_counts_until_the_token_is_used_again() {
        let uses = Uses::default();
        assert_eq!(uses.not_recalled(vec!["a".to_owned()]), ["a"]);
        uses.recall("a".to_owned(), Some(5));
        assert!(uses.not_recalled(vec!["a".to_owned()]).is_empty());
        assert_eq!((uses.last("a"), uses.take_unwritten()), (Some(5), vec![]));
        uses.note("a", 70);
        uses.recall("a".to_owned(), Some(5));
        assert_eq!(uses.last("a"), Some(70));
    }
}
