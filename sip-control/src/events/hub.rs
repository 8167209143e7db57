//! The stream of events (OPS-3): each gets a number, the latest stay in memory, all go to the
//! store, and whoever subscribed gets those that it wants.
//!
//! [`Hub::publish`] only numbers an event and leaves it behind: it costs the loop of signalling well
//! under two microseconds, however many listen. A task of its own (`pump`) writes them as JSON, a
//! batch at a time, and wakes the subscribers. These take from memory or the store at their own
//! pace: one that is slow holds nothing but its place, and costs the others nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, watch};

use super::event::{Event, Published, kind};
use super::flood::Floods;
use super::past::Past;
use super::ring::Ring;
use super::subscription::{Filter, Subscription};

/// Events that wait to be written out; beyond it they are lost, counted, and told as a gap.
const WAITING: usize = 16_384;
/// After a batch: events come late by no more, and do not each wake everybody.
const REST: Duration = Duration::from_millis(10);
/// More of it for each subscriber, so that waking them takes a bounded share of the CPU.
const REST_OF_EACH: Duration = Duration::from_micros(50);
/// A subscriber that is so far behind counts as stalled.
pub(super) const STALLED_BEHIND: u64 = 1000;

/// Numbers events and hands them round.
pub(crate) struct Hub {
    intake: Mutex<Intake>,
    /// Held while a batch is handed on.
    handing: Mutex<()>,
    /// Wakes the pump.
    wake: Notify,
    pub(super) ring: RwLock<Ring>,
    /// The number of the last event in memory; subscribers wait for it.
    pub(super) latest: watch::Sender<u64>,
    pub(super) past: Arc<dyn Past>,
    /// Up to where each subscriber has got.
    subscribers: Mutex<HashMap<u64, Arc<AtomicU64>>>,
    next_subscriber: AtomicU64,
    closed: AtomicBool,
    first: u64,
}

/// Where publishers and the pump meet.
struct Intake {
    next: u64,
    waiting: VecDeque<(u64, SystemTime, Event)>,
    floods: Floods,
    lost: u64,
    left_out: u64,
}

/// How many listen, and what was not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct HubHealth {
    /// The number of the last event.
    pub(crate) latest: u64,
    /// Subscribers, webhooks included.
    pub(crate) clients: usize,
    /// Those of them that are far behind.
    pub(crate) stalled: usize,
    /// Events that got a number, but were lost because too many waited.
    pub(crate) lost: u64,
    /// Events of floods that got none.
    pub(crate) left_out: u64,
    /// What the latest events take in memory.
    pub(crate) memory_bytes: usize,
}

impl Hub {
    /// `first` is the number of the first event; `past` has those before it.
    pub(crate) fn new(first: u64, past: Arc<dyn Past>) -> Arc<Hub> {
        Arc::new(Hub {
            intake: Mutex::new(Intake {
                next: first,
                waiting: VecDeque::new(),
                floods: Floods::default(),
                lost: 0,
                left_out: 0,
            }),
            handing: Mutex::default(),
            wake: Notify::new(),
            ring: RwLock::new(Ring::starting_at(first)),
            latest: watch::Sender::new(first.saturating_sub(1)),
            past,
            subscribers: Mutex::default(),
            next_subscriber: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            first,
        })
    }

    /// Numbers an event and has it told. Never waits. Returns the number; 0 for an event of a flood
    /// that is left out.
    pub(crate) fn publish(&self, event: impl Into<Event>) -> u64 {
        let event = event.into();
        let mut intake = self.lock();
        let seq = intake.take(event, Instant::now());
        drop(intake);
        // Costs nothing but an atomic operation while the pump has not run since the last.
        self.wake.notify_one();
        seq
    }

    /// Those above `after`, and then each as it happens; `None`: only those from now on.
    pub(crate) fn subscribe(self: &Arc<Hub>, after: Option<u64>, filter: Filter) -> Subscription {
        let at = Arc::new(AtomicU64::new(after.unwrap_or_else(|| self.latest())));
        let id = self.next_subscriber.fetch_add(1, Ordering::Relaxed);
        self.subscribers().insert(id, Arc::clone(&at));
        Subscription::new(Arc::clone(self), id, at, filter)
    }

    /// The number of the last event that can be read.
    pub(crate) fn latest(&self) -> u64 {
        *self.latest.borrow()
    }

    /// The number of the first event of this process.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Up to `limit` of the latest that the filter lets through, oldest first: from memory.
    pub(crate) fn recent(&self, limit: usize, filter: &Filter) -> Vec<Arc<Published>> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let newest = ring.newest_first().filter(|event| filter.wants(event));
        let mut recent: Vec<_> = newest.take(limit).cloned().collect();
        drop(ring);
        recent.reverse();
        recent
    }

    pub(crate) fn health(&self) -> HubHealth {
        let latest = self.latest();
        let (clients, stalled) = {
            let subscribers = self.subscribers();
            let behind = |at: &&Arc<AtomicU64>| {
                latest.saturating_sub(at.load(Ordering::Relaxed)) >= STALLED_BEHIND
            };
            (
                subscribers.len(),
                subscribers.values().filter(behind).count(),
            )
        };
        let memory_bytes = {
            let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
            ring.bytes()
        };
        let intake = self.lock();
        HubHealth {
            latest,
            clients,
            stalled,
            lost: intake.lost,
            left_out: intake.left_out,
            memory_bytes,
        }
    }

    /// Hands events on until [`Hub::close`]: a task of its own.
    pub(crate) async fn pump(self: Arc<Hub>) {
        while !self.closed.load(Ordering::Relaxed) {
            let woken = self.wake.notified();
            if self.floods_are_waiting() {
                let _ = tokio::time::timeout(Duration::from_secs(1), woken).await;
            } else {
                woken.await;
            }
            self.hand_on();
            let subscribers = u32::try_from(self.subscribers().len()).unwrap_or(u32::MAX);
            tokio::time::sleep(REST + REST_OF_EACH.saturating_mul(subscribers)).await;
        }
    }

    /// Ends the pump; what waits is handed on, and to the store.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.wake.notify_one();
        self.hand_on();
    }

    /// Gives what waits to memory, the store and the subscribers.
    pub(super) fn hand_on(&self) {
        // One batch at a time: the order of numbers is that of memory.
        let _handing = self.handing.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = self.take_waiting();
        let Some((last, ..)) = waiting.back() else {
            return;
        };
        let last = *last;
        let published = |(seq, time, event)| Arc::new(Published::new(seq, time, event));
        let batch: Vec<_> = waiting.into_iter().map(published).collect();
        for event in &batch {
            self.past.keep(event);
        }
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        for event in batch {
            ring.push(event);
        }
        drop(ring);
        self.latest.send_replace(last);
    }

    fn take_waiting(&self) -> VecDeque<(u64, SystemTime, Event)> {
        let now = Instant::now();
        let mut intake = self.lock();
        for (of, count) in intake.floods.take_left_out(now) {
            let text = format!("{count} more events {of} than are told");
            let event = Event::new(kind::EVENTS_LEFT_OUT, text)
                .with("kind", of)
                .with("count", count);
            intake.take(event, now);
        }
        // As many will come until the next time: room is made once.
        let next = VecDeque::with_capacity(intake.waiting.len());
        std::mem::replace(&mut intake.waiting, next)
    }

    /// What the pump does, for tests without a runtime.
    #[cfg(test)]
    pub(crate) fn hand_on_for_tests(&self) {
        self.hand_on();
    }

    pub(super) fn leave(&self, subscriber: u64) {
        self.subscribers().remove(&subscriber);
    }

    fn floods_are_waiting(&self) -> bool {
        self.lock().floods.are_waiting()
    }

    fn lock(&self) -> MutexGuard<'_, Intake> {
        // Whoever panicked holding it left whole values behind.
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribers(&self) -> MutexGuard<'_, HashMap<u64, Arc<AtomicU64>>> {
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intake {
    fn take(&mut self, event: Event, now: Instant) -> u64 {
        if !self.floods.admit(event.kind, now) {
            self.left_out += 1;
            return 0;
        }
        self.number(event)
    }

    fn number(&mut self, event: Event) -> u64 {
        let seq = self.next;
        self.next += 1;
        if self.waiting.len() < WAITING {
            self.waiting.push_back((seq, SystemTime::now(), event));
        } else {
            self.lost += 1;
        }
        seq
    }
}

#[cfg(test)]
mod tests;
