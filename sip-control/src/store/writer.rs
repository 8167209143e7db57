//! The thread that writes: what waits, in batches; changes that somebody waits for; and, when
//! nothing else is to do, away with what is too old.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sip_core::registrar::Snapshot;
use tokio::sync::oneshot;

use super::backend::{
    Backend, Batch, Contents, Failure, FailureKind, NotChanged, Opened, Place, Reserved, Tended,
};
use super::bindings::{self, Kept};
use super::entry::StoreError;
use super::health::StoreState;
use super::journal::JournalItem;
use super::retention::RetentionClock;
use super::shared::{Order, Shared};
use super::{Loaded, Pace};
use crate::config::StoreSettings;

/// Numbers that are reserved ahead of those given out.
const BLOCK: u64 = 1000;

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) place: Arc<dyn Place>,
    pub(super) settings: StoreSettings,
    pub(super) pace: Pace,
    pub(super) backend: Option<Box<dyn Backend>>,
    /// What the file has reserved, as far as this process knows.
    pub(super) reserved: Reserved,
    pub(super) failures: u32,
    /// Nothing is tried before.
    pub(super) retry_at: Option<Instant>,
    pub(super) clock: RetentionClock,
    pub(super) tend_at: Instant,
    pub(super) sweep_at: Instant,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        place: Arc<dyn Place>,
        settings: StoreSettings,
        pace: Pace,
    ) -> Writer {
        let now = Instant::now();
        Writer {
            shared,
            place,
            settings,
            pace,
            backend: None,
            reserved: Reserved::default(),
            failures: 0,
            retry_at: None,
            clock: RetentionClock::new(None),
            tend_at: now,
            sweep_at: now + pace.sweep,
        }
    }

    pub(super) fn run(mut self, listeners: &[String], loaded: oneshot::Sender<Loaded>) {
        let (contents, complete) = self.load();
        let bindings = contents.bindings.iter();
        // Whoever waited may have lost patience.
        let _ = loaded.send(Loaded {
            bindings: bindings
                .map(|kept| bindings::snapshot(kept, listeners))
                .collect::<Vec<Snapshot>>(),
            entries: contents.entries,
            complete,
        });
        self.write(Vec::new(), Vec::new());
        loop {
            self.shared.condition.asks(None);
            let work = self
                .shared
                .wait(self.pace.linger, self.retry_at, self.house_at());
            self.shared.condition.asks(Some(Instant::now()));
            self.look_at_check(work.check);
            for order in work.orders {
                self.change(order);
            }
            let failed = !self.write(work.bindings, work.items);
            if work.closing && (failed || !self.has_more()) {
                return;
            }
            self.keep_house();
        }
    }

    fn load(&mut self) -> (Contents, bool) {
        let loaded = self.open().and_then(|mut backend| {
            let contents = backend.load()?;
            self.backend = Some(backend);
            Ok(contents)
        });
        let error = match loaded {
            Ok(contents) => {
                self.shared.condition.works();
                self.begin_numbers(&contents);
                return (contents, true);
            }
            Err(error) => error,
        };
        self.failed(StoreState::Gone, &error);
        match self.place.rescue() {
            Ok(contents) => {
                tracing::error!("the store cannot be written: {error}; what it has is used");
                self.begin_numbers(&contents);
                (contents, true)
            }
            Err(_) => {
                tracing::error!(
                    "the store cannot be read: {error}; phones must register again, and trunks \
                     that only it has are not there"
                );
                (Contents::default(), false)
            }
        }
    }

    /// After those that the store says were given out. If what it said is damaged, nobody knows.
    fn begin_numbers(&mut self, contents: &Contents) {
        self.clock = RetentionClock::new(contents.clock_ms);
        match self.shared.condition.has_put_aside() && contents.reserved == Reserved::default() {
            true => self.shared.numbers.first(),
            false => self.shared.numbers.begin_after(contents.reserved),
        };
    }

    fn open(&mut self) -> Result<Box<dyn Backend>, Failure> {
        let opened = self.place.open()?;
        Ok(self.take(opened))
    }

    /// Everything of the file before is void.
    fn take(&mut self, opened: Opened) -> Box<dyn Backend> {
        self.reserved = Reserved::default();
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
        if !opened.is_checked {
            self.shared.want_check();
        }
        if let Some(aside) = opened.put_aside {
            let why = format!("it was damaged; what is left of it is {}", aside.display());
            self.shared.condition.put_aside(&aside, &why);
            tracing::error!(
                "{}: damaged; put aside as {}, and begun anew",
                self.place.name(),
                aside.display()
            );
        }
        opened.backend
    }

    /// When to look after the file: not while it fails anyway.
    pub(super) fn house_at(&self) -> Instant {
        let at = self.tend_at.min(self.sweep_at);
        self.retry_at.map_or(at, |retry| retry.max(at))
    }

    fn has_more(&self) -> bool {
        let pending = self.shared.lock();
        !pending.journal.is_empty() || !pending.bindings.is_empty()
    }

    /// The backend, open and in its place.
    pub(super) fn backend(&mut self) -> Result<&mut Box<dyn Backend>, Failure> {
        if let Some(backend) = &mut self.backend {
            let tended = backend.tend()?;
            if tended != Tended::Well {
                self.reserved = Reserved::default();
                self.shared.generation.fetch_add(1, Ordering::SeqCst);
                self.tell_tended(tended);
            }
        } else {
            let backend = self.open()?;
            self.backend = Some(backend);
        }
        let missing = || Failure::broken("it is not open");
        self.backend.as_mut().ok_or_else(missing)
    }

    fn tell_tended(&self, tended: Tended) {
        let name = self.place.name();
        let told = match tended {
            Tended::Rewritten => "the file was deleted; it has been written again",
            _ => {
                "another file was put in its place; its configuration is used after the next start"
            }
        };
        self.shared.condition.noted(told);
        tracing::error!("{name}: {told}");
    }

    /// Whether it is written now.
    pub(super) fn write(&mut self, bindings: Vec<Kept>, items: Vec<JournalItem>) -> bool {
        let reserved = self.reservation(items.len());
        if bindings.is_empty() && items.is_empty() && (reserved.is_none() || self.is_resting()) {
            return true;
        }
        let batch = Batch {
            bindings: &bindings,
            items: &items,
            reserved,
        };
        let written = self.backend().and_then(|backend| backend.write(&batch));
        match written {
            Ok(()) => {
                self.succeeded(reserved);
                self.shared.dealt_with(&items);
                true
            }
            Err(failure) if failure.kind == FailureKind::Unwritable => {
                self.shared.condition.noted(&failure.text);
                self.write_each(&bindings, &items)
            }
            Err(failure) => {
                self.shared.put_back(bindings, items);
                self.recover(&failure);
                false
            }
        }
    }

    /// One of them can never be written: it must not keep the others.
    fn write_each(&mut self, bindings: &[Kept], items: &[JournalItem]) -> bool {
        let one = |writer: &mut Writer, batch: Batch<'_>| {
            let written = writer.backend().and_then(|backend| backend.write(&batch));
            if written.is_err() {
                writer.shared.condition.lost.fetch_add(1, Ordering::Relaxed);
            }
        };
        for kept in bindings.chunks(1) {
            let bindings = Batch {
                bindings: kept,
                ..Batch::default()
            };
            one(self, bindings);
        }
        for item in items.chunks(1) {
            let items = Batch {
                items: item,
                ..Batch::default()
            };
            one(self, items);
        }
        self.shared.dealt_with(items);
        true
    }

    fn succeeded(&mut self, reserved: Option<Reserved>) {
        if let Some(reserved) = reserved {
            self.reserved = reserved;
        }
        self.failures = 0;
        self.retry_at = None;
        self.shared.condition.works();
    }

    /// What is to be reserved now, if half a block is gone. Numbers are given out faster than they
    /// come here: more of them ahead if many come.
    fn reservation(&self, items: usize) -> Option<Reserved> {
        let highest = self.shared.numbers.highest()?;
        let is_far = |highest: u64, reserved: u64| highest.saturating_add(BLOCK / 2) < reserved;
        if is_far(highest.event, self.reserved.event) && is_far(highest.call, self.reserved.call) {
            return None;
        }
        let ahead = BLOCK.max(u64::try_from(items).unwrap_or(0).saturating_mul(8));
        Some(Reserved {
            event: highest.event.saturating_add(ahead),
            call: highest.call.saturating_add(ahead),
        })
    }

    fn is_resting(&self) -> bool {
        self.retry_at.is_some_and(|at| at > Instant::now())
    }

    fn failed(&mut self, state: StoreState, failure: &Failure) {
        self.shared.condition.failed(state, &failure.text);
        let rest = self.pace.retry * 2_u32.saturating_pow(self.failures);
        self.retry_at = Some(Instant::now() + rest.min(self.pace.longest_retry));
        self.failures = (self.failures + 1).min(16);
    }

    /// After a failure to write.
    pub(super) fn recover(&mut self, failure: &Failure) {
        let state = match (failure.kind, &self.backend) {
            (FailureKind::Damaged, _) => return self.begin_anew(),
            (FailureKind::Gone, _) | (_, None) => StoreState::Gone,
            (_, Some(_)) => StoreState::Degraded,
        };
        if failure.kind == FailureKind::Broken {
            self.backend = None;
        }
        self.failed(state, failure);
    }

    pub(super) fn begin_anew(&mut self) {
        self.backend = None;
        match self.place.begin_anew() {
            Ok(opened) => {
                let backend = self.take(opened);
                self.backend = Some(backend);
                self.failures = 0;
                self.retry_at = None;
            }
            Err(failure) => self.failed(StoreState::Gone, &failure),
        }
    }

    /// Somebody waits for it: it is tried at once, however it went before.
    fn change(&mut self, order: Order) {
        if order.reply.is_closed() {
            return;
        }
        let changed = self
            .backend()
            .map_err(NotChanged::from)
            .and_then(|backend| backend.change(&order.changes, &order.audit));
        let answer = match changed {
            Ok(entries) => {
                self.succeeded(None);
                Ok(entries)
            }
            Err(NotChanged::Refused(error)) => Err(error),
            Err(NotChanged::Failed(failure)) => {
                self.recover(&failure);
                Err(StoreError::Unavailable(failure.text))
            }
        };
        // Whoever asked may have gone.
        let _ = order.reply.send(answer);
    }
}
