//! Next hops as the workers see them: a table that control writes, and a copy for each worker.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use media_common::flow::NextHop;

/// The table.
pub(super) struct SharedHops {
    generation: AtomicU64,
    hops: Mutex<Vec<NextHop>>,
}

/// A worker's copy.
pub(super) struct HopCache {
    shared: Arc<SharedHops>,
    generation: u64,
    hops: Vec<NextHop>,
}

impl SharedHops {
    /// With nothing resolved.
    pub(super) fn new(capacity: u16) -> SharedHops {
        SharedHops {
            generation: AtomicU64::new(0),
            hops: Mutex::new(vec![NextHop::default(); usize::from(capacity)]),
        }
    }

    /// An index beyond the table changes nothing.
    pub(super) fn set(&self, index: u16, value: NextHop) {
        let mut hops = self.hops.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hop) = hops.get_mut(usize::from(index)) {
            *hop = value;
            self.generation.fetch_add(1, Ordering::Release);
        }
    }
}

impl HopCache {
    pub(super) fn new(shared: Arc<SharedHops>) -> HopCache {
        let hops = shared
            .hops
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // Generation 0 of the copy with whatever the table was: the first renewal copies again.
        HopCache {
            generation: 0,
            hops,
            shared,
        }
    }

    /// Copies the table if it has changed; once per batch, not per packet.
    pub(super) fn renew(&mut self) {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation != self.generation {
            self.hops.clone_from(
                &self
                    .shared
                    .hops
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            self.generation = generation;
        }
    }

    pub(super) fn get(&self, index: u16) -> NextHop {
        self.hops
            .get(usize::from(index))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_follows_the_table_when_it_is_renewed() {
        let hop = |ifindex| NextHop {
            ifindex,
            ..NextHop::default()
        };
        let shared = Arc::new(SharedHops::new(4));
        shared.set(1, hop(7));
        let mut cache = HopCache::new(Arc::clone(&shared));
        assert_eq!(cache.get(1), hop(7), "a new copy is current");
        shared.set(2, hop(8));
        shared.set(9, hop(9));
        assert_eq!(cache.get(2), hop(0), "unchanged until renewed");
        cache.renew();
        assert_eq!((cache.get(1), cache.get(2)), (hop(7), hop(8)));
        assert_eq!(
            cache.get(9),
            hop(0),
            "no such next hop is an unresolved one"
        );
    }
}
