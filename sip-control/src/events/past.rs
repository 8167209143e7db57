//! Events that have left memory: in the store.

use std::pin::Pin;
use std::sync::Arc;

use super::event::Published;

/// The answer to a question to the store.
pub(super) type Answer<T> = Pin<Box<dyn Future<Output = Option<T>> + Send>>;

/// Where older events are kept. Writing never waits; what is asked is `None` if it does not answer.
pub(crate) trait Past: Send + Sync {
    fn keep(&self, event: &Arc<Published>);

    /// The first events above a number, at most that many, in order.
    fn after(&self, seq: u64, limit: usize) -> Answer<Vec<Arc<Published>>>;
}

/// Without a store nothing is older than memory.
pub(crate) struct NoPast;

impl Past for NoPast {
    fn keep(&self, _: &Arc<Published>) {}

    fn after(&self, _: u64, _: usize) -> Answer<Vec<Arc<Published>>> {
        Box::pin(std::future::ready(Some(Vec::new())))
    }
}
