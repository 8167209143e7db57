//! How far each webhook has got, kept where it outlives the process.

use super::Answer;
use crate::store::{JournalItem, MarkRow, Store, StoreError};

/// Where places are kept.
pub(crate) trait Places: Send + Sync {
    /// The last number that was delivered, if one is known.
    fn load(&self, webhook: &str) -> Answer<Option<u64>>;

    /// Never waits.
    fn keep(&self, webhook: &str, seq: u64);

    fn forget(&self, webhook: &str);
}

/// In the store; without one nothing outlives the process.
pub(crate) struct StoredPlaces(pub(crate) Store);

impl Places for StoredPlaces {
    fn load(&self, webhook: &str) -> Answer<Option<u64>> {
        let (store, name) = (self.0.clone(), name(webhook));
        Box::pin(async move {
            match store.read(move |reader| reader.mark(&name)).await {
                Ok(place) => Some(place),
                Err(StoreError::NoStore) => Some(None),
                Err(_) => None,
            }
        })
    }

    fn keep(&self, webhook: &str, seq: u64) {
        self.leave(webhook, Some(seq));
    }

    fn forget(&self, webhook: &str) {
        self.leave(webhook, None);
    }
}

impl StoredPlaces {
    fn leave(&self, webhook: &str, value: Option<u64>) {
        let name = name(webhook);
        self.0.journal(JournalItem::Mark(MarkRow { name, value }));
    }
}

fn name(webhook: &str) -> String {
    format!("webhook {}", webhook.to_ascii_lowercase())
}
