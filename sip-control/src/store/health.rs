//! How the store is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock::unix_ms;
use crate::metrics::Counter;

/// At most one warning in that time.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// Nothing that is asked of a disk takes longer, but of one that does not answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// How the store is, as health and the console tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct StoreHealth {
    pub(crate) state: StoreState,
    pub(crate) path: Option<String>,
    /// Failed attempts to read or write, since the start of the process.
    pub(crate) errors: u64,
    /// Things that are not written yet.
    pub(crate) journal_waiting: u64,
    /// Things that never will be, because too many waited.
    pub(crate) journal_lost: u64,
    /// On the disk.
    pub(crate) bytes: u64,
    pub(crate) last_error: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) last_error_ms: Option<i64>,
    /// Where a damaged file was moved to, in this process.
    pub(crate) put_aside: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreState {
    /// None is configured.
    #[default]
    None,
    Ok,
    /// The latest attempt to write has failed, or takes very long, or a damaged file was put aside
    /// since the start.
    Degraded,
    /// It cannot be opened, or its file is gone.
    Gone,
}

/// What the threads of the store know of it, together.
#[derive(Debug, Default)]
pub(super) struct Condition {
    pub(super) errors: Counter,
    pub(super) lost: AtomicU64,
    pub(super) bytes: AtomicU64,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    state: StoreState,
    last_error: Option<(String, i64)>,
    put_aside: Option<String>,
    warned_at: Option<Instant>,
    /// Since when the disk has not answered what it was asked last.
    asked_at: Option<Instant>,
    /// Since when what was lost was not told in the log.
    lost_told: u64,
}

impl Condition {
    fn told(&self) -> MutexGuard<'_, Told> {
        // Whoever panicked holding it left whole values behind.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has failed: counted, kept, and said, but not again and again.
    pub(super) fn failed(&self, state: StoreState, error: &str) {
        self.errors.add_one();
        let mut told = self.told();
        let is_news = told.state != state;
        told.state = state;
        told.last_error = Some((error.to_owned(), unix_ms()));
        let recently = told.warned_at.is_some_and(|at| at.elapsed() < WARN_EVERY);
        if is_news || !recently {
            told.warned_at = Some(Instant::now());
            tracing::warn!("the store cannot be written: {error}; calls go on");
        }
    }

    /// Something has failed that does not say how the store is.
    pub(super) fn noted(&self, error: &str) {
        self.errors.add_one();
        self.told().last_error = Some((error.to_owned(), unix_ms()));
    }

    pub(super) fn works(&self) {
        let mut told = self.told();
        let state = match told.put_aside {
            Some(_) => StoreState::Degraded,
            None => StoreState::Ok,
        };
        if matches!(told.state, StoreState::Degraded | StoreState::Gone) && told.warned_at.is_some()
        {
            let lost = self.lost.load(Ordering::Relaxed);
            let lost_since = lost.saturating_sub(told.lost_told);
            told.lost_told = lost;
            told.warned_at = None;
            tracing::info!(lost = lost_since, "the store can be written again");
        }
        told.state = state;
    }

    /// The disk is asked something from now on, or has answered.
    pub(super) fn asks(&self, now: Option<Instant>) {
        self.told().asked_at = now;
    }

    /// A damaged file was moved out of the way.
    pub(super) fn put_aside(&self, to: &std::path::Path, why: &str) {
        self.errors.add_one();
        let mut told = self.told();
        told.state = StoreState::Degraded;
        told.last_error = Some((why.to_owned(), unix_ms()));
        told.put_aside = Some(to.display().to_string());
    }

    pub(super) fn has_put_aside(&self) -> bool {
        self.told().put_aside.is_some()
    }

    pub(super) fn report(&self, path: Option<String>, journal_waiting: u64) -> StoreHealth {
        let told = self.told();
        let silent = told.asked_at.map(|asked| asked.elapsed());
        let silent = silent.filter(|silent| *silent >= ANSWERS_WITHIN);
        let (last_error, last_error_ms) = match silent {
            Some(silent) => {
                let text = format!("the disk has not answered for {} s", silent.as_secs());
                (Some(text), Some(unix_ms()))
            }
            None => told.last_error.clone().unzip(),
        };
        StoreHealth {
            state: match (told.state, silent) {
                (StoreState::Ok, Some(_)) => StoreState::Degraded,
                (state, _) => state,
            },
            path,
            errors: self.errors.value(),
            journal_waiting,
            journal_lost: self.lost.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            last_error,
            last_error_ms,
            put_aside: told.put_aside.clone(),
        }
    }
}
