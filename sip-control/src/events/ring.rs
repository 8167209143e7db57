//! The latest events, in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::Published;

/// Most events in memory, and most bytes of them.
pub(super) const RING_EVENTS: usize = 10_000;
const RING_BYTES: usize = 16 << 20;

/// Events by number, ascending. Numbers may be missing: those of events that were lost.
#[derive(Default)]
pub(super) struct Ring {
    events: VecDeque<Arc<Published>>,
    bytes: usize,
    /// The last number that is not here any more, or never was.
    before: u64,
}

impl Ring {
    /// Of a process whose first event has that number.
    pub(super) fn starting_at(first: u64) -> Ring {
        Ring {
            before: first.saturating_sub(1),
            ..Ring::default()
        }
    }

    pub(super) fn push(&mut self, event: Arc<Published>) {
        self.bytes += event.bytes();
        self.events.push_back(event);
        while self.events.len() > RING_EVENTS || self.bytes > RING_BYTES {
            let Some(oldest) = self.events.pop_front() else {
                return;
            };
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
            self.before = oldest.seq;
        }
    }

    /// Up to `limit` events above `seq`; `None`: some of them may not be here any more.
    pub(super) fn after(&self, seq: u64, limit: usize) -> Option<Vec<Arc<Published>>> {
        if seq < self.before {
            return None;
        }
        let from = self.events.partition_point(|event| event.seq <= seq);
        Some(self.events.range(from..).take(limit).cloned().collect())
    }

    /// The last number that is not here.
    pub(super) fn before(&self) -> u64 {
        self.before
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Arc<Published>> {
        self.events.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::events::Event;

    fn event(seq: u64) -> Arc<Published> {
        let event = Event::new("drain", "");
        Arc::new(Published::new(seq, SystemTime::now(), event))
    }

    #[test]
    fn memory_is_bounded_and_says_from_where_it_knows() {
        let mut ring = Ring::starting_at(101);
        assert_eq!(ring.after(99, 5), None, "of the process before");
        assert_eq!(ring.after(100, 5).unwrap().len(), 0);
        for seq in 101..=20_100 {
            ring.push(event(seq));
        }
        assert_eq!(ring.before(), 10_100);
        assert_eq!(ring.after(10_099, 5), None);
        let numbers =
            |events: Vec<Arc<Published>>| events.iter().map(|e| e.seq).collect::<Vec<_>>();
        assert_eq!(numbers(ring.after(10_100, 2).unwrap()), [10_101, 10_102]);
        assert_eq!(numbers(ring.after(20_099, 5).unwrap()), [20_100]);
        assert!(ring.bytes() < RING_BYTES);
    }
}
