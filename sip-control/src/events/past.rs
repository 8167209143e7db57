//! Events that have left memory: in the store.

use std::pin::Pin;
use std::sync::Arc;

use super::event::Published;
use crate::store::{EventRow, JournalItem, Store, StoreError};

/// The answer to a question to the store.
pub(super) type Answer<T> = Pin<Box<dyn Future<Output = Option<T>> + Send>>;

/// Where older events are kept. Writing never waits; what is asked is `None` if it does not answer.
pub(crate) trait Past: Send + Sync {
    fn keep(&self, event: &Arc<Published>);

    /// The first events above a number, at most that many, in order.
    fn after(&self, seq: u64, limit: usize) -> Answer<Vec<Arc<Published>>>;
}

/// Nothing is older than memory.
#[cfg(test)]
pub(crate) struct NoPast;

#[cfg(test)]
impl Past for NoPast {
    fn keep(&self, _: &Arc<Published>) {}

    fn after(&self, _: u64, _: usize) -> Answer<Vec<Arc<Published>>> {
        Box::pin(std::future::ready(Some(Vec::new())))
    }
}

/// Older events as the store has them.
pub(crate) struct StoredPast(pub(crate) Store);

impl Past for StoredPast {
    fn keep(&self, event: &Arc<Published>) {
        self.0.journal(JournalItem::Event(EventRow {
            seq: event.seq,
            time_ms: event.time_ms,
            kind: event.kind.to_string(),
            call: event.call,
            trunk: event.trunk.clone(),
            body: event.body.clone(),
        }));
    }

    fn after(&self, seq: u64, limit: usize) -> Answer<Vec<Arc<Published>>> {
        let store = self.0.clone();
        Box::pin(async move {
            let read = store.read(move |reader| reader.events(seq, limit, &[], None));
            match read.await {
                Ok(page) => Some(page.events.into_iter().map(published).collect()),
                Err(StoreError::NoStore) => Some(Vec::new()),
                Err(_) => None,
            }
        })
    }
}

fn published(row: EventRow) -> Arc<Published> {
    Arc::new(Published {
        seq: row.seq,
        time_ms: row.time_ms,
        kind: row.kind.into(),
        call: row.call,
        trunk: row.trunk,
        body: row.body,
    })
}
