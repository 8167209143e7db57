//! What a store must be able to do. SQLite is the one there is; a shared one fits behind the same
//! traits.

use std::path::{Path, PathBuf};

use super::bindings::Kept;
use super::entry::{Change, Entry, StoreError};
use super::journal::{AuditEntry, JournalItem};
use super::reader::Reader;

/// Where a store is. Everything may block, and fail.
pub(super) trait Place: Send + Sync {
    /// For people.
    fn name(&self) -> String;

    /// Opens it for writing; anew after a failure. What is damaged beyond use is put aside.
    fn open(&self) -> Result<Opened, Failure>;

    /// Puts what is there aside, and begins anew with what of it can be read.
    fn begin_anew(&self) -> Result<Opened, Failure>;

    /// What is there, where that cannot be opened for writing: on a full disk, for one.
    fn rescue(&self) -> Result<Contents, Failure>;

    /// Whether all of it is sound. That takes as long as reading it.
    fn is_sound(&self) -> Result<bool, Failure>;

    /// A connection that reads beside the one that writes.
    fn reader(&self) -> Result<Box<dyn Reader + Send>, Failure>;

    /// Copies all of it as it is at one moment to a file, and tells its length. The file is there
    /// whole, or not at all.
    fn backup(&self, to: &Path) -> Result<u64, Failure>;
}

pub(super) struct Opened {
    pub(super) backend: Box<dyn Backend>,
    /// Where what was damaged is now.
    pub(super) put_aside: Option<PathBuf>,
    /// All of it is known to be sound.
    pub(super) is_checked: bool,
}

/// The one connection that writes. Everything may block, and fail.
pub(super) trait Backend: Send {
    fn load(&mut self) -> Result<Contents, Failure>;

    /// All of it, or nothing.
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Failure>;

    /// Makes the changes and writes who made them: all, or nothing. They are on the disk when this
    /// returns. The entries as they are then, of each change in order.
    fn change(&mut self, changes: &[Change], audit: &AuditEntry) -> Result<Vec<Entry>, NotChanged>;

    /// Deletes some of what is kept for too long.
    fn sweep(&mut self, retention: &Retention) -> Result<Swept, Failure>;

    /// Looks whether what is written can be found again, and mends it if not.
    fn tend(&mut self) -> Result<Tended, Failure> {
        Ok(Tended::Well)
    }

    /// What it takes of the disk.
    fn bytes(&self) -> u64;
}

/// What is needed at the start.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) bindings: Vec<Kept>,
    pub(super) entries: Vec<Entry>,
    pub(super) reserved: Reserved,
    /// When it was last cleaned up: the latest time that the clock is known to have shown.
    pub(super) clock_ms: Option<i64>,
}

/// Numbers that may have been given out: those up to these, themselves included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reserved {
    pub(super) event: u64,
    pub(super) call: u64,
}

/// What is written in one go.
#[derive(Default)]
pub(super) struct Batch<'a> {
    /// Each takes the place of what was kept of its address-of-record.
    pub(super) bindings: &'a [Kept],
    pub(super) items: &'a [JournalItem],
    /// On the disk when the batch is written; never taken back.
    pub(super) reserved: Option<Reserved>,
}

/// What goes: all that is older, and of calls and events the oldest, until the rest fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Retention {
    pub(super) calls_before_ms: i64,
    pub(super) events_before_ms: i64,
    pub(super) audit_before_ms: i64,
    pub(super) answers_before_ms: i64,
    pub(super) max_bytes: Option<u64>,
    /// The time by which this was reckoned, which is kept.
    pub(super) clock_ms: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    pub(super) deleted: i64,
    /// There is more to delete.
    pub(super) more: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tended {
    Well,
    /// It was deleted; all of it has been written again.
    Rewritten,
    /// Another one was put in its place, which is used now.
    Replaced,
}

/// What a change came to.
#[derive(Debug)]
pub(super) enum NotChanged {
    Refused(StoreError),
    Failed(Failure),
}

impl From<Failure> for NotChanged {
    fn from(failure: Failure) -> NotChanged {
        NotChanged::Failed(failure)
    }
}

/// Why the store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// No room, or somebody else holds it: as it is, it may work again.
    Passing,
    /// It must be opened anew.
    Broken,
    /// It is not where it was. The connection still has what was in it, and is kept for that.
    Gone,
    /// What it holds is damaged.
    Damaged,
    /// What was to be written cannot be, ever.
    Unwritable,
}

impl Failure {
    pub(super) fn new(kind: FailureKind, text: impl Into<String>) -> Failure {
        let text = text.into();
        Failure { kind, text }
    }

    pub(super) fn broken(text: impl Into<String>) -> Failure {
        Failure::new(FailureKind::Broken, text)
    }

    pub(super) fn within(self, what: &str) -> Failure {
        Failure::new(self.kind, format!("{what}: {}", self.text))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        StoreError::Unavailable(failure.text)
    }
}
