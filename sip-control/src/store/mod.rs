//! What outlives the process: the bindings of our accounts (SIG-4).
//!
//! The driver leaves changes here and never waits for the disk: a thread writes them, the latest
//! of each address-of-record only. A store that is damaged, full or gone is told of and counted;
//! phones register again, and no call minds. The start waits for it a few seconds at the most.

mod sqlite;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sip_core::registrar::{Aor, BindingRecord, Snapshot};
use tokio::sync::oneshot;

use self::sqlite::SqliteFile;
use crate::metrics::Counter;

/// After a failure the next attempt waits that long.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// At most one warning in that time.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The bindings of one address-of-record, in wall-clock time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    aor: String,
    bindings: Vec<KeptBinding>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeptBinding {
    contact: Vec<u8>,
    path: Vec<Vec<u8>>,
    call_id: String,
    sequence: u32,
    /// Milliseconds since 1970.
    expires_ms: i64,
    instance: Option<(String, u32)>,
    /// Name of the listener, and the source address.
    source: Option<(String, std::net::SocketAddr)>,
}

/// A place on a disk. Everything may block, and fail.
trait Backend: Send {
    fn load(&mut self) -> anyhow::Result<Vec<Kept>>;

    /// Puts each in the place of what was kept of its address-of-record: all, or none.
    fn replace(&mut self, changes: &[Kept]) -> anyhow::Result<()>;
}

/// Where a backend is.
trait Place: Send {
    /// Opens it; anew after a failure.
    fn open(&mut self) -> anyhow::Result<Box<dyn Backend>>;

    /// What is there, where that cannot be opened for writing: on a full disk, for one.
    fn rescue(&mut self) -> anyhow::Result<Vec<Kept>>;
}

/// What the store had, as soon as it is read.
pub(crate) struct Loading(Option<oneshot::Receiver<Vec<Snapshot>>>);

impl Loading {
    /// What it had; `None` if the disk does not answer in time.
    pub(crate) async fn within(self, patience: Duration) -> Option<Vec<Snapshot>> {
        let Some(loaded) = self.0 else {
            return Some(Vec::new());
        };
        match tokio::time::timeout(patience, loaded).await {
            Ok(kept) => Some(kept.unwrap_or_default()),
            Err(_) => None,
        }
    }
}

/// Where the driver leaves what is to be kept.
pub(crate) struct Store {
    writer: Option<(Arc<Shared>, JoinHandle<()>)>,
    errors: Arc<Counter>,
    listeners: Vec<String>,
}

#[derive(Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Default)]
struct Pending {
    /// The latest of each; bounded by the number of accounts.
    changes: HashMap<String, Kept>,
    closing: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Whoever panicked holding it left whole values behind.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Has the file opened and read. Without a path nothing is kept. `listeners` are the names, by
    /// which sources are kept.
    pub(crate) fn open(path: Option<&Path>, listeners: Vec<String>) -> (Store, Loading) {
        match path {
            Some(path) => Store::start(Box::new(SqliteFile(path.to_owned())), listeners),
            None => {
                let store = Store {
                    writer: None,
                    errors: Arc::default(),
                    listeners,
                };
                (store, Loading(None))
            }
        }
    }

    fn start(place: Box<dyn Place>, listeners: Vec<String>) -> (Store, Loading) {
        let errors = Arc::new(Counter::default());
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            shared: Arc::clone(&shared),
            place,
            backend: None,
            errors: Arc::clone(&errors),
            warned_at: None,
        };
        let (sender, loaded) = oneshot::channel();
        let names = listeners.clone();
        let spawned = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(&names, sender));
        let writer = match spawned {
            Ok(thread) => Some((shared, thread)),
            Err(error) => {
                errors.add_one();
                tracing::error!("the store cannot be used: {error}");
                None
            }
        };
        let store = Store {
            writer,
            errors,
            listeners,
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

    /// Leaves a change to be written. Never waits for the disk.
    pub(crate) fn keep(&self, snapshot: &Snapshot) {
        let Some((shared, _)) = &self.writer else {
            return;
        };
        let kept = kept(snapshot, &self.listeners);
        shared.lock().changes.insert(kept.aor.clone(), kept);
        shared.changed.notify_one();
    }

    /// Failed attempts to read or write, since the start of the process.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.value()
    }

    /// Waits until everything is written, or cannot be.
    pub(crate) fn close(self) {
        if let Some((shared, thread)) = self.writer {
            shared.lock().closing = true;
            shared.changed.notify_one();
            if thread.join().is_err() {
                tracing::error!("the writer of the store panicked");
            }
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    place: Box<dyn Place>,
    backend: Option<Box<dyn Backend>>,
    errors: Arc<Counter>,
    warned_at: Option<Instant>,
}

impl Writer {
    fn run(mut self, listeners: &[String], loaded: oneshot::Sender<Vec<Snapshot>>) {
        let kept = self.load();
        let snapshots = kept.iter().map(|kept| snapshot(kept, listeners));
        // Whoever waited may have lost patience.
        let _ = loaded.send(snapshots.collect());
        loop {
            let (changes, closing) = self.next();
            if !changes.is_empty()
                && let Err(error) = self.write(&changes)
            {
                self.failed(&error, changes, closing);
            }
            if closing {
                return;
            }
        }
    }

    fn load(&mut self) -> Vec<Kept> {
        let loaded = self.place.open().and_then(|mut backend| {
            let kept = backend.load()?;
            Ok((backend, kept))
        });
        let error = match loaded {
            Ok((backend, kept)) => {
                self.backend = Some(backend);
                return kept;
            }
            Err(error) => error,
        };
        self.errors.add_one();
        match self.place.rescue() {
            Ok(kept) => {
                tracing::error!("the store cannot be written: {error:#}; what it has is used");
                kept
            }
            Err(_) => {
                tracing::error!("the store cannot be read: {error:#}; phones must register again");
                Vec::new()
            }
        }
    }

    /// Waits for changes, or the end.
    fn next(&self) -> (Vec<Kept>, bool) {
        let mut pending = self.shared.lock();
        while pending.changes.is_empty() && !pending.closing {
            pending = self
                .shared
                .changed
                .wait(pending)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let changes = std::mem::take(&mut pending.changes);
        (changes.into_values().collect(), pending.closing)
    }

    fn write(&mut self, changes: &[Kept]) -> anyhow::Result<()> {
        let mut backend = match self.backend.take() {
            Some(backend) => backend,
            None => self.place.open()?,
        };
        // A backend that failed is opened anew.
        backend.replace(changes)?;
        self.backend = Some(backend);
        Ok(())
    }

    /// What could not be written is tried again, unless something newer has come.
    fn failed(&mut self, error: &anyhow::Error, changes: Vec<Kept>, closing: bool) {
        self.errors.add_one();
        let recently = self
            .warned_at
            .is_some_and(|warned| warned.elapsed() < WARN_EVERY);
        if !recently {
            self.warned_at = Some(Instant::now());
            tracing::warn!("the store cannot be written: {error:#}; calls go on");
        }
        if closing {
            return;
        }
        let mut pending = self.shared.lock();
        for change in changes {
            pending.changes.entry(change.aor.clone()).or_insert(change);
        }
        let until = Instant::now() + RETRY_AFTER;
        while !pending.closing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let (guard, _) = self
                .shared
                .changed
                .wait_timeout(pending, left)
                .unwrap_or_else(PoisonError::into_inner);
            pending = guard;
        }
    }
}

fn kept(snapshot: &Snapshot, listeners: &[String]) -> Kept {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let wall_ms = |at: Instant| {
        let then = wall + at.saturating_duration_since(now);
        let since = then.duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    };
    let one = |binding: &BindingRecord| KeptBinding {
        contact: binding.contact.clone(),
        path: binding.path.clone(),
        call_id: binding.call_id.clone(),
        sequence: binding.sequence,
        expires_ms: wall_ms(binding.expires),
        instance: binding.instance.clone(),
        source: binding.source.and_then(|(listener, address)| {
            let name = listeners.get(usize::from(listener.0))?;
            Some((name.clone(), address))
        }),
    };
    Kept {
        aor: snapshot.aor.as_str().to_owned(),
        bindings: snapshot.bindings.iter().map(one).collect(),
    }
}

fn snapshot(kept: &Kept, listeners: &[String]) -> Snapshot {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let wall_ms = wall.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    });
    let one = |binding: &KeptBinding| {
        let left = binding.expires_ms.saturating_sub(wall_ms);
        // The clock may have been set back: no binding lives longer than it was given.
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        BindingRecord {
            contact: binding.contact.clone(),
            path: binding.path.clone(),
            call_id: binding.call_id.clone(),
            sequence: binding.sequence,
            expires: now + left.min(sip_core::registrar::LONGEST),
            instance: binding.instance.clone(),
            source: binding.source.as_ref().and_then(|(name, address)| {
                let place = listeners.iter().position(|listener| listener == name)?;
                let id = sip_core::transport::ListenerId(u16::try_from(place).ok()?);
                Some((id, *address))
            }),
        }
    };
    let (user, domain) = kept.aor.rsplit_once('@').unwrap_or((&kept.aor, ""));
    Snapshot {
        aor: Aor::new(user, domain),
        bindings: kept.bindings.iter().map(one).collect(),
    }
}

#[cfg(test)]
mod tests;
