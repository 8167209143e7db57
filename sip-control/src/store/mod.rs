//! What outlives the process: bindings (SIG-4), the configuration that is changed at run time, calls
//! that have ended (OPS-2), events (OPS-3), and who did what.
//!
//! Nobody who serves calls waits for the disk. What happens is left in [`Store::journal`] and
//! [`Store::keep`], and a thread writes it behind, in batches. So much may wait and no more; what comes
//! then is lost and counted. Changes of the configuration are on the disk when [`Store::change`]
//! returns. Reading has connections of its own.
//!
//! A store that is full, locked, damaged or gone is told of in [`Store::health`], and tried again with
//! growing pauses; calls do not mind. A damaged file is put aside and a new one begun with what can be
//! read of its configuration; one that is deleted under us is written again from what we still hold open.

mod backend;
mod bindings;
mod entry;
mod health;
mod journal;
mod reader;
mod readers;
mod retention;
mod shared;
mod sqlite;
mod upkeep;
mod writer;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sip_core::registrar::{Aor, Snapshot};
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::backend::{Failure, FailureKind, Place, Reserved};
pub(crate) use self::entry::{Change, Entry, Expected, Kind, StoreError};
pub(crate) use self::health::{StoreHealth, StoreState};
pub(crate) use self::journal::{
    AnswerRow, AuditEntry, CallRow, EventRow, JournalItem, MarkRow, Outcome,
};
pub(crate) use self::reader::{CallQuery, KeptCall, Reader};
use self::readers::Readers;
use self::shared::{Order, Shared};
use self::sqlite::SqliteFile;
use self::writer::Writer;
use crate::config::StoreSettings;

/// How long somebody waits for a change to be on the disk: longer than another process may hold the
/// file.
const CHANGE_PATIENCE: Duration = Duration::from_secs(10);

/// What the store had, as soon as it is read.
pub(crate) struct Loading(Option<oneshot::Receiver<Loaded>>);

/// What the store had.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) bindings: Vec<Snapshot>,
    /// By kind, each in order.
    pub(crate) entries: Vec<Entry>,
    /// Otherwise it could not be read, and nobody knows what it has.
    pub(crate) complete: bool,
}

impl Loading {
    /// What it had; `None` if the disk does not answer in time.
    pub(crate) async fn within(self, patience: Duration) -> Option<Loaded> {
        let Some(loaded) = self.0 else {
            return Some(Loaded {
                complete: true,
                ..Loaded::default()
            });
        };
        match timeout(patience, loaded).await {
            Ok(loaded) => Some(loaded.unwrap_or_default()),
            Err(_) => None,
        }
    }
}

/// The store; clones are the same one.
#[derive(Clone)]
pub(crate) struct Store {
    shared: Arc<Shared>,
    listeners: Arc<[String]>,
    kept_in: Option<KeptIn>,
}

/// Where there is one.
#[derive(Clone)]
struct KeptIn {
    place: Arc<dyn Place>,
    readers: Arc<Readers>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// How fast things go.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Things gather for so long before they are written.
    linger: Duration,
    /// After a failure; twice as long after each further one.
    retry: Duration,
    longest_retry: Duration,
    /// How often the file is looked after.
    tend: Duration,
    /// How often it is looked for what is too old.
    sweep: Duration,
    /// Between two batches of that.
    between_sweeps: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            linger: Duration::from_millis(20),
            retry: Duration::from_millis(250),
            longest_retry: Duration::from_secs(5),
            tend: Duration::from_secs(2),
            sweep: Duration::from_secs(60),
            between_sweeps: Duration::from_millis(20),
        }
    }
}

impl Store {
    /// Has the file opened and read. Without a path nothing is kept. `listeners` are the names, by
    /// which sources are kept.
    pub(crate) fn open(settings: StoreSettings, listeners: Vec<String>) -> (Store, Loading) {
        match settings.path.clone() {
            Some(path) => {
                let place = Arc::new(SqliteFile::new(path));
                Store::start(place, settings, listeners, Pace::default())
            }
            None => (Store::none(), Loading(None)),
        }
    }

    /// Keeps nothing, and has nothing.
    pub(crate) fn none() -> Store {
        let shared = Shared::default();
        shared.numbers.begin_after(Reserved::default());
        Store {
            shared: Arc::new(shared),
            listeners: Arc::default(),
            kept_in: None,
        }
    }

    /// Whether there is one.
    pub(crate) fn keeps(&self) -> bool {
        self.kept_in.is_some()
    }

    fn start(
        place: Arc<dyn Place>,
        settings: StoreSettings,
        listeners: Vec<String>,
        pace: Pace,
    ) -> (Store, Loading) {
        let shared = Arc::new(Shared::default());
        let writer = Writer::new(Arc::clone(&shared), Arc::clone(&place), settings, pace);
        let (sender, loaded) = oneshot::channel();
        let names = listeners.clone();
        let spawned = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(&names, sender));
        let thread = match spawned {
            Ok(thread) => Some(thread),
            Err(error) => {
                let problem = format!("its thread cannot be started: {error}");
                shared.condition.failed(StoreState::Gone, &problem);
                shared.lock().closing = true;
                None
            }
        };
        let store = Store {
            kept_in: Some(KeptIn {
                readers: Arc::new(Readers::new(Arc::clone(&place), Arc::clone(&shared))),
                place,
                thread: Arc::new(Mutex::new(thread)),
            }),
            shared,
            listeners: listeners.into(),
        };
        (store, Loading(Some(loaded)))
    }

    /// Removes what was kept of accounts that are no more.
    pub(crate) fn forget_others(&self, kept: &[Snapshot], accounts: &HashSet<Aor>) {
        let others = kept.iter().filter(|kept| !accounts.contains(&kept.aor));
        for other in others {
            self.keep(&Snapshot {
                aor: other.aor.clone(),
                bindings: Vec::new(),
            });
        }
    }

    /// Leaves bindings to be written. Never waits for the disk.
    pub(crate) fn keep(&self, snapshot: &Snapshot) {
        if self.kept_in.is_some() {
            self.shared.keep(bindings::kept(snapshot, &self.listeners));
        }
    }

    /// Leaves something to be written. Never waits for the disk; what is too much is lost, and
    /// counted.
    pub(crate) fn journal(&self, item: JournalItem) {
        if self.kept_in.is_some() {
            self.shared.journal(item);
        }
    }

    /// Waits until everything that was left in the journal so far is written, or lost; whether it
    /// was so in time.
    #[cfg(test)]
    pub(crate) async fn settled(&self, patience: Duration) -> bool {
        let mut done = self.shared.done.subscribe();
        let queued = {
            let mut pending = self.shared.lock();
            pending.hurry = true;
            pending.queued
        };
        self.shared.changed.notify_one();
        let settled = done.wait_for(|done| *done >= queued);
        matches!(timeout(patience, settled).await, Ok(Ok(_)))
    }

    /// Asks something, on a thread that may wait for the disk; a few at once. Without a store there is
    /// nothing.
    pub(crate) async fn read<T, F>(&self, ask: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    {
        match &self.kept_in {
            Some(kept_in) => kept_in.readers.read(ask).await,
            None => ask(&reader::Nothing),
        }
    }

    /// Makes the changes and writes who made them: all, or nothing. They are on the disk when this
    /// returns; it gives the entries as they are then, of each change in order: one of a `Put`, none of a
    /// `Delete`, all of the kind of a `Reorder`.
    pub(crate) async fn change(
        &self,
        changes: Vec<Change>,
        audit: AuditEntry,
    ) -> Result<Vec<Entry>, StoreError> {
        if self.kept_in.is_none() {
            return Err(StoreError::NoStore);
        }
        let unavailable = |problem: &str| StoreError::Unavailable(problem.to_owned());
        let (reply, answer) = oneshot::channel();
        let order = Order {
            changes,
            audit,
            reply,
        };
        if !self.shared.order(order) {
            return Err(unavailable("it is closed"));
        }
        match timeout(CHANGE_PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unavailable("it is closed")),
            Err(_) => Err(unavailable(
                "the disk does not answer; the change is made later, or not at all",
            )),
        }
    }

    /// The first number for an event of this process. All above it are its own, too: it is above all
    /// that earlier processes gave out, as far as the store knows of them. If it knows nothing, it is
    /// a number so high that none of them can have come to it.
    pub(crate) fn reserve_events(&self) -> u64 {
        self.shared.numbers.first().event
    }

    /// The same for calls.
    pub(crate) fn first_call(&self) -> u64 {
        self.shared.numbers.first().call
    }

    /// Copies everything as it is at one moment to a file, which is there whole or not at all; how
    /// many bytes it has. Only its owner may read it.
    pub(crate) async fn backup(&self, to: PathBuf) -> Result<u64, StoreError> {
        let Some(kept_in) = &self.kept_in else {
            return Err(StoreError::NoStore);
        };
        let place = Arc::clone(&kept_in.place);
        let copied = tokio::task::spawn_blocking(move || place.backup(&to)).await;
        match copied {
            Ok(Err(Failure {
                kind: FailureKind::Unwritable,
                text,
            })) => Err(StoreError::NoPlace(text)),
            Ok(copied) => Ok(copied?),
            Err(panicked) => Err(StoreError::Unavailable(panicked.to_string())),
        }
    }

    pub(crate) fn health(&self) -> StoreHealth {
        let path = self.kept_in.as_ref().map(|kept_in| kept_in.place.name());
        self.shared.condition.report(path, self.shared.waiting())
    }

    /// Failed attempts to read or write, since the start of the process.
    pub(crate) fn errors(&self) -> u64 {
        self.shared.condition.errors.value()
    }

    /// Waits until everything is written, or cannot be. Clones keep nothing from then on.
    pub(crate) fn close(self) {
        let Some(kept_in) = self.kept_in else {
            return;
        };
        self.shared.lock().closing = true;
        self.shared.changed.notify_one();
        let thread = kept_in
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer of the store panicked");
        }
        kept_in.readers.close();
    }
}

#[cfg(test)]
mod tests;
