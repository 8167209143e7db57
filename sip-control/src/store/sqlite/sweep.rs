//! Deletes what is kept for too long, some at a time: between two batches of that, what waits is
//! written.

use rusqlite::{Connection, Transaction};

use super::{calls, raise_meta, set_meta, to_u64};
use crate::store::backend::{Retention, Swept};

/// Calls have rows in several tables.
const CALLS: i64 = 100;
const ROWS: i64 = 1000;
/// Pages given back to the disk at a time.
const PAGES: u64 = 256;
/// That much of the file may be free before it is cut: it will be filled again.
const FREE_SHARE: u64 = 8;

pub(super) fn sweep(connection: &mut Connection, retention: &Retention) -> rusqlite::Result<Swept> {
    let transaction = connection.transaction()?;
    let mut swept = Swept::default();
    for (deleted, most) in [
        (old_calls(&transaction, retention.calls_before_ms)?, CALLS),
        (old_events(&transaction, retention.events_before_ms)?, ROWS),
        (old(&transaction, "audit", retention.audit_before_ms)?, ROWS),
        (
            old(&transaction, "answer", retention.answers_before_ms)?,
            ROWS,
        ),
    ] {
        swept.deleted += deleted;
        swept.more |= deleted >= most;
    }
    if swept.deleted == 0
        && let Some(max_bytes) = retention.max_bytes
        && Pages::of(&transaction)?.used_bytes() > max_bytes
    {
        swept.deleted = oldest(&transaction)?;
        swept.more = swept.deleted > 0;
    }
    set_meta(&transaction, "clock_ms", retention.clock_ms)?;
    transaction.commit()?;
    swept.more |= give_back(connection, retention.max_bytes)?;
    Ok(swept)
}

fn old_calls(transaction: &Transaction<'_>, before_ms: i64) -> rusqlite::Result<i64> {
    let mut select = transaction.prepare_cached(
        "SELECT start_ms, call FROM call WHERE start_ms < ?1 ORDER BY start_ms, call LIMIT ?2",
    )?;
    let keys = select.query_map((before_ms, CALLS), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let keys: Vec<(i64, i64)> = keys.collect::<rusqlite::Result<_>>()?;
    for (start_ms, call) in &keys {
        calls::delete(transaction, *start_ms, *call)?;
    }
    Ok(i64::try_from(keys.len()).unwrap_or(0))
}

/// Readers are told up to which number events may be gone.
fn old_events(transaction: &Transaction<'_>, before_ms: i64) -> rusqlite::Result<i64> {
    let mut select = transaction.prepare_cached(
        "SELECT seq FROM event WHERE time_ms < ?1 ORDER BY time_ms, seq LIMIT ?2",
    )?;
    let numbers = select.query_map((before_ms, ROWS), |row| row.get(0))?;
    let numbers: Vec<i64> = numbers.collect::<rusqlite::Result<_>>()?;
    let mut delete = transaction.prepare_cached("DELETE FROM event WHERE seq = ?1")?;
    for number in &numbers {
        delete.execute([number])?;
    }
    if let Some(highest) = numbers.iter().max() {
        raise_meta(transaction, "events_gone", *highest)?;
    }
    Ok(i64::try_from(numbers.len()).unwrap_or(0))
}

/// Of a table that is in order of `time_ms`.
fn old(transaction: &Transaction<'_>, table: &str, before_ms: i64) -> rusqlite::Result<i64> {
    let key = match table {
        "audit" => "id",
        _ => "key",
    };
    let delete = format!(
        "DELETE FROM {table} WHERE {key} IN \
         (SELECT {key} FROM {table} WHERE time_ms < ?1 ORDER BY time_ms LIMIT ?2)"
    );
    let deleted = transaction
        .prepare_cached(&delete)?
        .execute((before_ms, ROWS))?;
    Ok(i64::try_from(deleted).unwrap_or(0))
}

/// What is oldest, calls and events up to the same time. Who did what stays for its time.
fn oldest(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let call = time_of(transaction, "call", "start_ms", CALLS)?;
    let event = time_of(transaction, "event", "time_ms", ROWS)?;
    let Some(until) = call.into_iter().chain(event).min() else {
        return Ok(0);
    };
    let before_ms = until.saturating_add(1);
    Ok(old_calls(transaction, before_ms)? + old_events(transaction, before_ms)?)
}

/// The time of the row of that place from the oldest on, or of the last if there are fewer.
fn time_of(
    transaction: &Transaction<'_>,
    table: &str,
    column: &str,
    place: i64,
) -> rusqlite::Result<Option<i64>> {
    let select = format!(
        "SELECT max({column}) FROM (SELECT {column} FROM {table} ORDER BY {column} LIMIT ?1)"
    );
    let mut select = transaction.prepare_cached(&select)?;
    select.query_row([place], |row| row.get(0))
}

/// Gives free room back to the disk, if there is much of it or the file is too large; whether there
/// is more to give.
fn give_back(connection: &Connection, max_bytes: Option<u64>) -> rusqlite::Result<bool> {
    let pages = Pages::of(connection)?;
    let is_too_large = max_bytes.is_some_and(|max| pages.bytes() > max);
    let is_mostly_free = pages.free > PAGES && pages.free > pages.all / FREE_SHARE;
    if pages.free == 0 || !is_too_large && !is_mostly_free {
        return Ok(false);
    }
    // A row for each page.
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    // A file of the first version that could not be prepared gives nothing back.
    Ok(Pages::of(connection)?.all < pages.all)
}

/// What the file consists of.
struct Pages {
    all: u64,
    free: u64,
    size: u64,
}

impl Pages {
    fn of(connection: &Connection) -> rusqlite::Result<Pages> {
        let number = |name: &str| -> rusqlite::Result<u64> {
            let value = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
            Ok(to_u64(value))
        };
        Ok(Pages {
            all: number("page_count")?,
            free: number("freelist_count")?,
            size: number("page_size")?,
        })
    }

    fn bytes(&self) -> u64 {
        self.all.saturating_mul(self.size)
    }

    fn used_bytes(&self) -> u64 {
        self.all.saturating_sub(self.free).saturating_mul(self.size)
    }
}
