//! Events, by number (OPS-3).

use rusqlite::{Connection, Row, params};

use super::{meta, to_i64, to_u64};
use crate::store::journal::EventRow;
use crate::store::reader::EventPage;

const COLUMNS: &str = "seq, time_ms, kind, call, trunk, body";

pub(super) fn insert(connection: &Connection, event: &EventRow) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT OR REPLACE INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    insert
        .execute(params![
            to_i64(event.seq),
            event.time_ms,
            event.kind,
            event.call.map(to_i64),
            event.trunk,
            event.body,
        ])
        .map(drop)
}

pub(super) fn page(
    connection: &Connection,
    after: u64,
    limit: usize,
    kinds: &[String],
    call: Option<u64>,
) -> rusqlite::Result<EventPage> {
    // Of one moment: between the two, some could go.
    let transaction = connection.unchecked_transaction()?;
    let events = match call {
        Some(call) => of_call(&transaction, to_i64(call), after, limit, kinds)?,
        None if kinds.is_empty() => of_any_kind(&transaction, after, limit)?,
        None => of_kinds(&transaction, after, limit, kinds)?,
    };
    let oldest = oldest(&transaction)?;
    Ok(EventPage { events, oldest })
}

fn of_any_kind(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<EventRow>> {
    let select = format!("SELECT {COLUMNS} FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    let mut select = connection.prepare_cached(&select)?;
    let rows = select.query_map((to_i64(after), limit_of(limit)), event)?;
    rows.collect()
}

/// A call has few: its kinds are picked from all of them.
fn of_call(
    connection: &Connection,
    call: i64,
    after: u64,
    limit: usize,
    kinds: &[String],
) -> rusqlite::Result<Vec<EventRow>> {
    let select = format!("SELECT {COLUMNS} FROM event WHERE call = ?1 AND seq > ?2 ORDER BY seq");
    let mut select = connection.prepare_cached(&select)?;
    let rows = select.query_map((call, to_i64(after)), event)?;
    let is_wanted = |found: &rusqlite::Result<EventRow>| {
        let of_kind = |event: &EventRow| kinds.is_empty() || kinds.contains(&event.kind);
        found.as_ref().map_or(true, of_kind)
    };
    rows.filter(is_wanted).take(limit).collect()
}

/// The numbers of each kind come in order from its index; the lowest of them are wanted.
fn of_kinds(
    connection: &Connection,
    after: u64,
    limit: usize,
    kinds: &[String],
) -> rusqlite::Result<Vec<EventRow>> {
    let mut numbers: Vec<i64> = Vec::new();
    let mut of_kind = connection.prepare_cached(
        "SELECT seq FROM event WHERE kind = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    for kind in kinds {
        let found = of_kind.query_map((kind, to_i64(after), limit_of(limit)), |row| row.get(0))?;
        for number in found {
            numbers.push(number?);
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers.truncate(limit);
    let one = format!("SELECT {COLUMNS} FROM event WHERE seq = ?1");
    let mut one = connection.prepare_cached(&one)?;
    let rows = numbers.iter().map(|number| one.query_row([number], event));
    rows.collect()
}

/// The lowest number above all that were deleted for their age.
fn oldest(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    let mut lowest = connection.prepare_cached("SELECT min(seq) FROM event")?;
    let lowest: Option<i64> = lowest.query_row([], |row| row.get(0))?;
    let gone = meta(connection, "events_gone")?.map(|gone| gone.saturating_add(1));
    Ok(gone.max(lowest).map(to_u64))
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let call: Option<i64> = row.get(3)?;
    Ok(EventRow {
        seq: to_u64(row.get(0)?),
        time_ms: row.get(1)?,
        kind: row.get(2)?,
        call: call.map(to_u64),
        trunk: row.get(4)?,
        body: row.get(5)?,
    })
}
