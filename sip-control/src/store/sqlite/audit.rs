//! Who did what, and what requests with an idempotency key were answered with.

use rusqlite::{Connection, Row, params};
use serde_json::Value;

use crate::store::journal::{AnswerRow, AuditEntry};

pub(super) fn insert(connection: &Connection, entry: &AuditEntry) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO audit (time_ms, who, role, source, action, object, detail, outcome) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    insert
        .execute(params![
            entry.time_ms,
            entry.who,
            entry.role,
            entry.from,
            entry.action,
            entry.object,
            entry.detail.to_string(),
            entry.outcome,
        ])
        .map(drop)
}

/// The latest first.
pub(super) fn page(
    connection: &Connection,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, AuditEntry)>> {
    let mut select = connection.prepare_cached(
        "SELECT id, time_ms, who, role, source, action, object, detail, outcome FROM audit \
         WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = select.query_map((before.unwrap_or(i64::MAX), limit), entry)?;
    rows.collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<(i64, AuditEntry)> {
    let detail: String = row.get(7)?;
    let entry = AuditEntry {
        time_ms: row.get(1)?,
        who: row.get(2)?,
        role: row.get(3)?,
        from: row.get(4)?,
        action: row.get(5)?,
        object: row.get(6)?,
        detail: serde_json::from_str(&detail).unwrap_or(Value::Null),
        outcome: row.get(8)?,
    };
    Ok((row.get(0)?, entry))
}

pub(super) fn insert_answer(connection: &Connection, answer: &AnswerRow) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO answer VALUES (?1, ?2, ?3, ?4, ?5)")?;
    insert
        .execute(params![
            answer.key,
            answer.time_ms,
            answer.fingerprint,
            answer.status,
            answer.body,
        ])
        .map(drop)
}

pub(super) fn answer(connection: &Connection, key: &str) -> rusqlite::Result<Option<AnswerRow>> {
    let mut select = connection.prepare_cached(
        "SELECT key, time_ms, fingerprint, status, body FROM answer WHERE key = ?1",
    )?;
    let mut rows = select.query([key])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(AnswerRow {
        key: row.get(0)?,
        time_ms: row.get(1)?,
        fingerprint: row.get(2)?,
        status: row.get(3)?,
        body: row.get(4)?,
    }))
}
