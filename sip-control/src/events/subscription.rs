//! One listener's way through the events: those it missed from the store, then memory, then each as
//! it happens. Numbers that are gone are told as a gap.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::event::Published;
use super::hub::Hub;

/// Events that are taken at once from memory or the store.
const BATCH: usize = 256;
/// A store that is busy is asked again so often, with that time between.
const ATTEMPTS: u32 = 4;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(250);

/// Which events somebody wants: those that meet every condition that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Empty: every kind.
    pub(crate) kinds: Vec<String>,
    pub(crate) call: Option<u64>,
    pub(crate) trunk: Option<String>,
}

impl Filter {
    pub(crate) fn wants(&self, event: &Published) -> bool {
        let of_kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| **kind == *event.kind);
        let of_call = self.call.is_none_or(|call| event.call == Some(call));
        let of_trunk = self.trunk.is_none() || self.trunk == event.trunk;
        of_kind && of_call && of_trunk
    }
}

/// What a subscriber gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Event(Arc<Published>),
    /// The events of these numbers, both ends included, cannot be given: retention has removed them,
    /// or they were never written. Where `to` is below [`Hub::first`], they are of a process before.
    Gap {
        from: u64,
        to: u64,
    },
    /// The subscriber had everything once, and was so slow since that memory has passed it: it had
    /// better leave, and come back with its last number. Asked on all the same, it gets what the
    /// store has. One that still catches up is not told so, however slow it is: it reads from the
    /// store anyway, costs nobody anything but its place, and coming back would begin the same
    /// anew.
    Stalled,
}

/// A listener; it is counted as long as it lives.
pub(crate) struct Subscription {
    hub: Arc<Hub>,
    id: u64,
    /// The last number that was taken or passed over.
    at: Arc<AtomicU64>,
    filter: Filter,
    ready: VecDeque<Item>,
    news: watch::Receiver<u64>,
    /// It had everything once.
    was_up_to_date: bool,
}

impl Subscription {
    pub(super) fn new(hub: Arc<Hub>, id: u64, at: Arc<AtomicU64>, filter: Filter) -> Subscription {
        let news = hub.latest.subscribe();
        Subscription {
            hub,
            id,
            at,
            filter,
            ready: VecDeque::new(),
            news,
            was_up_to_date: false,
        }
    }

    /// The next item, as soon as there is one. Safe to cancel: nothing is lost.
    pub(crate) async fn next(&mut self) -> Item {
        loop {
            self.news.mark_unchanged();
            if let Some(item) = self.next_ready().await {
                return item;
            }
            // The sender lives as long as the hub, which this holds.
            let _ = self.news.changed().await;
        }
    }

    /// The next item of what has happened so far; `None`: there is none.
    pub(crate) async fn next_ready(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            let at = self.at();
            let latest = self.hub.latest();
            if at > latest {
                // A number of a daemon that had another store, or none.
                self.pass(latest);
                return Some(Item::Gap {
                    from: latest + 1,
                    to: at,
                });
            }
            let (from_memory, before) = {
                let ring = self.hub.ring.read().unwrap_or_else(PoisonError::into_inner);
                (ring.after(at, BATCH), ring.before())
            };
            match from_memory {
                Some(events) if events.is_empty() => {
                    // Numbers at the end may have been lost.
                    if latest > at {
                        self.pass(latest);
                        return Some(Item::Gap {
                            from: at + 1,
                            to: latest,
                        });
                    }
                    self.was_up_to_date = true;
                    return None;
                }
                Some(events) => self.take(events),
                None if std::mem::take(&mut self.was_up_to_date) => return Some(Item::Stalled),
                None => self.take_from_store(at, before).await,
            }
        }
    }

    /// The last number that was taken or passed over: where to go on from later.
    pub(crate) fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    fn pass(&self, seq: u64) {
        self.at.store(seq, Ordering::Relaxed);
    }

    /// Takes events in order of their numbers; numbers between that are missing are a gap.
    fn take(&mut self, events: Vec<Arc<Published>>) {
        for event in events {
            let at = self.at();
            if event.seq > at + 1 {
                let (from, to) = (at + 1, event.seq - 1);
                self.ready.push_back(Item::Gap { from, to });
            }
            self.pass(event.seq);
            if self.filter.wants(&event) {
                self.ready.push_back(Item::Event(event));
            }
        }
    }

    /// `before` is the last number that memory does not have.
    async fn take_from_store(&mut self, at: u64, before: u64) {
        for attempt in 1..=ATTEMPTS {
            let Some(mut events) = self.hub.past.after(at, BATCH).await else {
                if attempt < ATTEMPTS {
                    tokio::time::sleep(BETWEEN_ATTEMPTS).await;
                }
                continue;
            };
            events.retain(|event| event.seq <= before && event.seq > at);
            if events.is_empty() {
                break;
            }
            return self.take(events);
        }
        let from = at + 1;
        self.pass(before);
        self.ready.push_back(Item::Gap { from, to: before });
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.leave(self.id);
    }
}
