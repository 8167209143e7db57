//! Between those who leave things to be written and the thread that writes them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::backend::Reserved;
use super::bindings::Kept;
use super::entry::{Change, Entry, StoreError};
use super::health::Condition;
use super::journal::{AuditEntry, JournalItem};
use crate::clock::unix_ms;

/// What may wait to be written. Beyond it the newest are lost, so that what is missing is one run
/// and what is kept joins what was written before.
pub(super) const JOURNAL_BYTES: usize = 64 << 20;
/// Who did what may wait a little longer.
pub(super) const AUDIT_BYTES: usize = JOURNAL_BYTES + (1 << 20);
/// Written in one transaction.
pub(super) const BATCH: usize = 512;

#[derive(Default)]
pub(super) struct Shared {
    pub(super) pending: Mutex<Pending>,
    pub(super) changed: Condvar,
    pub(super) condition: Condition,
    pub(super) numbers: Numbers,
    /// Of the file: readers of another one are of no use any more.
    pub(super) generation: AtomicU64,
    /// How many things of the journal are dealt with, one way or the other.
    pub(super) done: watch::Sender<u64>,
}

#[derive(Default)]
pub(super) struct Pending {
    /// The latest of each; bounded by the number of accounts.
    pub(super) bindings: HashMap<String, Kept>,
    pub(super) journal: VecDeque<JournalItem>,
    /// Of the journal and what of it is being written.
    pub(super) journal_bytes: usize,
    pub(super) in_flight: usize,
    /// When the first of the journal came.
    pub(super) since: Option<Instant>,
    /// Everything that ever waited.
    pub(super) queued: u64,
    /// Somebody waits for the journal to be written.
    pub(super) hurry: bool,
    pub(super) orders: VecDeque<Order>,
    pub(super) check: Check,
    pub(super) closing: bool,
}

/// What there is to do.
pub(super) struct Work {
    pub(super) orders: Vec<Order>,
    pub(super) bindings: Vec<Kept>,
    pub(super) items: Vec<JournalItem>,
    pub(super) check: Check,
    pub(super) closing: bool,
}

/// Whether the whole file is sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Check {
    #[default]
    Idle,
    /// A reader has met something odd.
    Wanted,
    Running,
    Damaged,
}

/// A change that somebody waits for.
pub(super) struct Order {
    pub(super) changes: Vec<Change>,
    pub(super) audit: AuditEntry,
    pub(super) reply: oneshot::Sender<Result<Vec<Entry>, StoreError>>,
}

impl Pending {
    /// When what waits is to be written; not before `retry_at`, unless this is the end.
    fn batch_at(
        &self,
        now: Instant,
        linger: Duration,
        retry_at: Option<Instant>,
    ) -> Option<Instant> {
        let has_journal = !self.journal.is_empty();
        if self.closing {
            return Some(now);
        }
        let at = if !self.bindings.is_empty()
            || self.hurry && has_journal
            || self.journal.len() >= BATCH
        {
            now
        } else if has_journal {
            self.since.unwrap_or(now) + linger
        } else {
            return None;
        };
        Some(retry_at.map_or(at, |retry| at.max(retry)))
    }

    fn take(&mut self, now: Instant, with_batch: bool) -> Work {
        let mut work = Work {
            orders: self.orders.drain(..).collect(),
            bindings: Vec::new(),
            items: Vec::new(),
            check: self.check,
            closing: self.closing,
        };
        if with_batch {
            work.bindings = std::mem::take(&mut self.bindings).into_values().collect();
            self.in_flight = self.journal.len().min(BATCH);
            work.items = self.journal.drain(..self.in_flight).collect();
            self.since = (!self.journal.is_empty()).then_some(now);
            self.hurry &= !self.journal.is_empty();
        }
        work
    }
}

impl Shared {
    /// Waits for something to do. The journal gathers for as long as `linger`; nothing is written before
    /// `retry_at`; there is something to do at `house_at` in any case.
    pub(super) fn wait(
        &self,
        linger: Duration,
        retry_at: Option<Instant>,
        house_at: Instant,
    ) -> Work {
        let mut pending = self.lock();
        loop {
            let now = Instant::now();
            let batch_at = pending.batch_at(now, linger, retry_at);
            let is_due = batch_at.is_some_and(|at| at <= now);
            let is_asked = !pending.orders.is_empty()
                || matches!(pending.check, Check::Wanted | Check::Damaged);
            if is_due || is_asked || house_at <= now {
                return pending.take(now, is_due);
            }
            let until = batch_at.map_or(house_at, |at| at.min(house_at));
            let (guard, _) = self
                .changed
                .wait_timeout(pending, until.saturating_duration_since(now))
                .unwrap_or_else(PoisonError::into_inner);
            pending = guard;
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Pending> {
        // Whoever panicked holding it left whole values behind.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, kept: Kept) {
        self.lock().bindings.insert(kept.aor.clone(), kept);
        self.changed.notify_one();
    }

    pub(super) fn journal(&self, item: JournalItem) {
        self.numbers.saw(&item);
        let bytes = item.bytes();
        let bound = match item {
            JournalItem::Audit(_) => AUDIT_BYTES,
            _ => JOURNAL_BYTES,
        };
        let mut pending = self.lock();
        if pending.closing || pending.journal_bytes + bytes > bound {
            drop(pending);
            self.condition.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        pending.journal_bytes += bytes;
        pending.queued += 1;
        pending.journal.push_back(item);
        let waiting = pending.journal.len();
        if waiting == 1 {
            pending.since = Some(Instant::now());
        }
        drop(pending);
        // Between the two the writer knows when to look.
        if waiting == 1 || waiting == BATCH {
            self.changed.notify_one();
        }
    }

    /// Whether it was taken.
    pub(super) fn order(&self, order: Order) -> bool {
        let mut pending = self.lock();
        if pending.closing {
            return false;
        }
        pending.orders.push_back(order);
        drop(pending);
        self.changed.notify_one();
        true
    }

    /// What of the journal was in flight is written, or never will be.
    pub(super) fn dealt_with(&self, items: &[JournalItem]) {
        let bytes: usize = items.iter().map(JournalItem::bytes).sum();
        let mut pending = self.lock();
        pending.journal_bytes = pending.journal_bytes.saturating_sub(bytes);
        pending.in_flight = 0;
        drop(pending);
        let count = u64::try_from(items.len()).unwrap_or(0);
        self.done.send_modify(|done| *done += count);
    }

    /// What could not be written waits again, before what came later. Newer bindings stay.
    pub(super) fn put_back(&self, bindings: Vec<Kept>, items: Vec<JournalItem>) {
        let mut pending = self.lock();
        for kept in bindings {
            pending.bindings.entry(kept.aor.clone()).or_insert(kept);
        }
        pending.in_flight = 0;
        for item in items.into_iter().rev() {
            pending.journal.push_front(item);
        }
        if !pending.journal.is_empty() {
            pending.since.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn waiting(&self) -> u64 {
        let pending = self.lock();
        u64::try_from(pending.journal.len() + pending.in_flight).unwrap_or(u64::MAX)
    }

    pub(super) fn want_check(&self) {
        let mut pending = self.lock();
        if pending.check == Check::Idle {
            pending.check = Check::Wanted;
            drop(pending);
            self.changed.notify_one();
        }
    }
}

/// The numbers of events and calls: from which on this process gives them, and how far it is.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    first: Mutex<Option<Reserved>>,
    event: AtomicU64,
    call: AtomicU64,
}

impl Numbers {
    /// From which numbers on this process counts. Where nobody knows what was given out before, that
    /// is the time in milliseconds since 1970: no process before can have come so far.
    pub(super) fn first(&self) -> Reserved {
        let now = u64::try_from(unix_ms()).unwrap_or(1);
        self.begin_after(Reserved {
            event: now,
            call: now,
        })
    }

    /// Begins after these, unless it has begun already.
    pub(super) fn begin_after(&self, reserved: Reserved) -> Reserved {
        *self.lock().get_or_insert_with(|| {
            self.event.fetch_max(reserved.event, Ordering::Relaxed);
            self.call.fetch_max(reserved.call, Ordering::Relaxed);
            Reserved {
                event: reserved.event.saturating_add(1),
                call: reserved.call.saturating_add(1),
            }
        })
    }

    fn saw(&self, item: &JournalItem) {
        let call = match item {
            JournalItem::Event(event) => {
                self.event.fetch_max(event.seq, Ordering::Relaxed);
                event.call
            }
            JournalItem::Call(call) => Some(call.call),
            JournalItem::Audit(_) | JournalItem::Answer(_) | JournalItem::Mark(_) => None,
        };
        if let Some(call) = call {
            self.call.fetch_max(call, Ordering::Relaxed);
        }
    }

    /// The highest that are known to be given out; `None` before it is known from which on.
    pub(super) fn highest(&self) -> Option<Reserved> {
        let has_begun = self.lock().is_some();
        has_begun.then(|| Reserved {
            event: self.event.load(Ordering::Relaxed),
            call: self.call.load(Ordering::Relaxed),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Reserved>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
