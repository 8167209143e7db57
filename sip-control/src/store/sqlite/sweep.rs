//! Deletes what is kept for too long, some at a time: between two batches of that, what waits is
//! written. A batch is as much as can be done in a moment, however fast the disk is.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction};

use super::{calls, raise_meta, set_meta, to_u64};
use crate::store::backend::{Retention, Swept};

/// Nobody who wants something written waits for longer, or not by much: a step is gone through to
/// its end.
const BATCH: Duration = Duration::from_millis(25);
/// Of a step. Calls have rows in several tables.
const CALLS: i64 = 100;
const ROWS: i64 = 1000;
/// That much of the file may be free before it is cut, and so many pages: it will be filled again.
const FREE_SHARE: u64 = 8;
const FREE_PAGES: u64 = 256;

pub(super) fn sweep(connection: &mut Connection, retention: &Retention) -> rusqlite::Result<Swept> {
    let until = Instant::now() + BATCH;
    let transaction = connection.transaction()?;
    let mut swept = Swept::default();
    loop {
        let step = step(&transaction, retention)?;
        swept.deleted += step.deleted;
        swept.more = step.more;
        if !step.more || Instant::now() >= until {
            break;
        }
    }
    set_meta(&transaction, "clock_ms", retention.clock_ms)?;
    transaction.commit()?;
    if !swept.more {
        swept.more = give_back(connection, retention.max_bytes, until)?;
    }
    if !swept.more {
        cut(connection)?;
    }
    Ok(swept)
}

/// What is too old; if nothing is, and all of it is too much, what is oldest.
fn step(transaction: &Transaction<'_>, retention: &Retention) -> rusqlite::Result<Swept> {
    let mut swept = Swept::default();
    for (deleted, most) in [
        (old_calls(transaction, retention.calls_before_ms)?, CALLS),
        (old_events(transaction, retention.events_before_ms)?, ROWS),
        (old(transaction, "audit", retention.audit_before_ms)?, ROWS),
        (
            old(transaction, "answer", retention.answers_before_ms)?,
            ROWS,
        ),
    ] {
        swept.deleted += deleted;
        swept.more |= deleted >= most;
    }
    if swept.deleted == 0
        && let Some(max_bytes) = retention.max_bytes
        && Pages::of(transaction)?.used_bytes() > max_bytes
    {
        swept.deleted = oldest(transaction)?;
        swept.more = swept.deleted > 0;
    }
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
    let highest = "SELECT max(seq), max(time_ms), count(*) FROM \
        (SELECT seq, time_ms FROM event WHERE time_ms < ?1 ORDER BY time_ms, seq LIMIT ?2)";
    let (highest, latest, found): (Option<i64>, Option<i64>, i64) = transaction
        .prepare_cached(highest)?
        .query_row((before_ms, ROWS), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let (Some(highest), Some(latest)) = (highest, latest) else {
        return Ok(0);
    };
    let delete = "DELETE FROM event WHERE seq IN \
        (SELECT seq FROM event WHERE time_ms <= ?1 ORDER BY time_ms, seq LIMIT ?2)";
    transaction
        .prepare_cached(delete)?
        .execute((latest, found))?;
    raise_meta(transaction, "events_gone", highest)?;
    Ok(found)
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

/// Gives free room back, if there is much of it or the file is too large; whether there is more to
/// give.
fn give_back(
    connection: &Connection,
    max_bytes: Option<u64>,
    until: Instant,
) -> rusqlite::Result<bool> {
    let pages = Pages::of(connection)?;
    let is_too_large = max_bytes.is_some_and(|max| pages.bytes() > max);
    let is_mostly_free = pages.free > FREE_PAGES && pages.free > pages.all / FREE_SHARE;
    if pages.free == 0 || !is_too_large && !is_mostly_free {
        return Ok(false);
    }
    let mut vacuum = connection.prepare_cached("PRAGMA incremental_vacuum")?;
    let mut rows = vacuum.query([])?;
    // A row for each page; what was given back until then stays so.
    while rows.next()?.is_some() && Instant::now() < until {}
    drop(rows);
    let left = Pages::of(connection)?;
    // A file of the first version that could not be prepared gives nothing back.
    Ok(left.all < pages.all && left.free > 0)
}

/// What was given back leaves the log for the file, which is as long as before until then. Whoever
/// reads is not disturbed; if that keeps it from being done, the next sweep does it.
fn cut(connection: &Connection) -> rusqlite::Result<()> {
    let length = connection
        .path()
        .and_then(|path| std::fs::metadata(path).ok())
        .map_or(0, |found| found.len());
    if length > Pages::of(connection)?.bytes() {
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    }
    Ok(())
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
