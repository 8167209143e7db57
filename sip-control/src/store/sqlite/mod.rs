//! The store as an SQLite file: readers and one writer at once (WAL), a crash loses at most the last
//! moments of what is written behind.
//!
//! `place` is the file: found damaged, put aside, deleted under us, backed up. `schema` makes the
//! tables; the others are one of them each.

mod audit;
mod bindings;
mod calls;
mod entries;
mod error;
mod events;
mod identity;
mod place;
mod rescue;
mod schema;
mod search;
mod sweep;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use self::error::failure;
use self::identity::FileIdentity;
pub(super) use self::place::SqliteFile;
use super::backend::{
    Backend, Batch, Contents, Failure, FailureKind, NotChanged, Retention, Swept, Tended,
};
use super::entry::{Change, Entry, Kind, StoreError};
use super::journal::{AnswerRow, AuditEntry, CallRow, JournalItem, MarkRow};
use super::reader::{CallQuery, EventPage, KeptCall, Page, Reader};

/// How long another process may hold the file.
const BUSY: Duration = Duration::from_secs(2);
/// Of the file, in memory: the index of words is written all over.
const WRITER_CACHE_KIB: i64 = 16 << 10;
/// The log is cut back to that after a burst.
const LOG_BYTES: i64 = 16 << 20;

/// The connection that writes.
pub(super) struct Sqlite {
    connection: Connection,
    path: PathBuf,
    identity: FileIdentity,
    /// All of it was looked through when it was opened.
    is_checked: bool,
}

impl Sqlite {
    /// Opens the file, or makes it; the tables are those of today then.
    fn open(path: &Path) -> Result<Sqlite, Failure> {
        identity::create(path);
        let connection = Connection::open(path).map_err(failure)?;
        connection.busy_timeout(BUSY).map_err(failure)?;
        // Has a meaning only before there are tables.
        pragma(&connection, "auto_vacuum", "INCREMENTAL")?;
        pragma(&connection, "journal_mode", "WAL")?;
        pragma(&connection, "synchronous", "NORMAL")?;
        pragma(&connection, "cache_size", &format!("-{WRITER_CACHE_KIB}"))?;
        pragma(&connection, "journal_size_limit", &LOG_BYTES.to_string())?;
        connection.set_prepared_statement_cache_capacity(64);
        let is_checked = schema::check(&connection, path)?;
        schema::migrate(&connection, path)?;
        Ok(Sqlite {
            identity: FileIdentity::of(path)?,
            connection,
            path: path.to_owned(),
            is_checked,
        })
    }

    /// What is committed from now on is on the disk when the commit returns, or is not for a moment.
    fn set_durable(&self, durable: bool) -> Result<(), Failure> {
        let level = if durable { "FULL" } else { "NORMAL" };
        pragma(&self.connection, "synchronous", level)
    }

    /// Makes the file again out of what this connection still has of it.
    fn write_again(&mut self) -> Result<(), Failure> {
        let gone = |failure: Failure| {
            let text = format!("the file was deleted, and cannot be written again: {failure}");
            Failure::new(FailureKind::Gone, text)
        };
        place::copy(&self.connection, &self.path, identity::remove_log).map_err(gone)?;
        let new = Sqlite::open(&self.path).map_err(gone)?;
        // SQLite sees that the file of the old connection is another one, and leaves this one's log.
        *self = new;
        Ok(())
    }
}

impl Backend for Sqlite {
    fn load(&mut self) -> Result<Contents, Failure> {
        rescue::contents(&self.connection).map_err(failure)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Failure> {
        let is_durable = batch.reserved.is_some();
        if is_durable {
            self.set_durable(true)?;
        }
        let written = write(&mut self.connection, batch).map_err(failure);
        if is_durable {
            self.set_durable(false)?;
        }
        written
    }

    fn change(&mut self, changes: &[Change], audit: &AuditEntry) -> Result<Vec<Entry>, NotChanged> {
        self.set_durable(true)?;
        let changed = entries::change(&mut self.connection, changes, audit);
        self.set_durable(false)?;
        changed
    }

    fn sweep(&mut self, retention: &Retention) -> Result<Swept, Failure> {
        sweep::sweep(&mut self.connection, retention).map_err(failure)
    }

    fn tend(&mut self) -> Result<Tended, Failure> {
        if self.identity.is_in_place(&self.path) {
            return Ok(Tended::Well);
        }
        if self.identity.is_replaced(&self.path) {
            // Its log would be taken for that of the new file.
            self.identity.remove_own_log(&self.path);
            *self = Sqlite::open(&self.path)?;
            return Ok(Tended::Replaced);
        }
        self.write_again()?;
        Ok(Tended::Rewritten)
    }

    fn bytes(&self) -> u64 {
        identity::bytes(&self.path)
    }
}

/// All of a batch in one transaction.
fn write(connection: &mut Connection, batch: &Batch<'_>) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    bindings::replace(&transaction, batch.bindings)?;
    for item in batch.items {
        match item {
            JournalItem::Call(call) => calls::insert(&transaction, call)?,
            JournalItem::Event(event) => events::insert(&transaction, event)?,
            JournalItem::Audit(entry) => audit::insert(&transaction, entry)?,
            JournalItem::Answer(answer) => audit::insert_answer(&transaction, answer)?,
            JournalItem::Mark(mark) => set_mark(&transaction, mark)?,
        }
    }
    if let Some(reserved) = batch.reserved {
        raise_meta(&transaction, "event_reserved", to_i64(reserved.event))?;
        raise_meta(&transaction, "call_reserved", to_i64(reserved.call))?;
    }
    transaction.commit()
}

/// A connection that reads.
pub(super) struct SqliteReader(Connection);

impl Reader for SqliteReader {
    fn entries(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        Ok(entries::of_kind(&self.0, kind)?)
    }

    fn calls(&self, query: &CallQuery) -> Result<Page<KeptCall>, StoreError> {
        Ok(search::page(&self.0, query)?)
    }

    fn call(&self, call: u64, start_ms: Option<i64>) -> Result<Option<CallRow>, StoreError> {
        Ok(calls::one(&self.0, call, start_ms)?)
    }

    fn events(
        &self,
        after: u64,
        limit: usize,
        kinds: &[String],
        call: Option<u64>,
    ) -> Result<EventPage, StoreError> {
        Ok(events::page(&self.0, after, limit, kinds, call)?)
    }

    fn audit(
        &self,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<(i64, AuditEntry)>, StoreError> {
        Ok(audit::page(&self.0, before, limit)?)
    }

    fn idempotent(&self, key: &str) -> Result<Option<AnswerRow>, StoreError> {
        Ok(audit::answer(&self.0, key)?)
    }

    fn mark(&self, name: &str) -> Result<Option<u64>, StoreError> {
        Ok(meta(&self.0, &mark_name(name))?.map(to_u64))
    }
}

fn pragma(connection: &Connection, name: &str, value: &str) -> Result<(), Failure> {
    connection
        .execute_batch(&format!("PRAGMA {name} = {value}"))
        .map_err(failure)
}

/// A number that is kept by a name.
fn meta(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut select = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    let mut rows = select.query([name])?;
    rows.next()?.map(|row| row.get(0)).transpose()
}

fn raise_meta(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    let mut raise = connection.prepare_cached(
        "INSERT INTO meta VALUES (?1, ?2) \
         ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
    )?;
    raise.execute((name, value)).map(drop)
}

fn set_meta(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    let mut set = connection.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?;
    set.execute((name, value)).map(drop)
}

fn set_mark(connection: &Connection, mark: &MarkRow) -> rusqlite::Result<()> {
    let name = mark_name(&mark.name);
    match mark.value {
        Some(value) => set_meta(connection, &name, to_i64(value)),
        None => {
            let mut delete = connection.prepare_cached("DELETE FROM meta WHERE name = ?1")?;
            delete.execute([name]).map(drop)
        }
    }
}

/// Apart from the numbers that are the store's own.
fn mark_name(name: &str) -> String {
    format!("mark {name}")
}

/// SQLite's integers are signed.
fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn to_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
