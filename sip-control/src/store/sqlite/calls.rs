//! Calls that have ended: what lists and searches need, and beside it the whole record (OPS-2).

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, params};
use serde_json::Value;

use super::{to_i64, to_u64};
use crate::store::journal::{CallRow, Outcome};

/// What is kept of one URI or Call-ID for searches.
const SEARCHED_BYTES: usize = 256;
/// Call-IDs of one call that are found: two legs, and targets that were tried.
const CALL_IDS: usize = 12;

/// In the order that [`row`] reads.
pub(super) const COLUMNS: &str = "call, start_ms, answer_ms, end_ms, from_uri, to_uri, \
    caller_trunk, callee_trunk, status, code, ended_by, mos_min, record";

pub(super) fn insert(connection: &Connection, call: &CallRow) -> rusqlite::Result<()> {
    let (number, ids) = (to_i64(call.call), call_ids(&call.record));
    let mut text = format!("{}\n{}", searched(&call.from), searched(&call.to));
    for id in &ids {
        text.push('\n');
        text.push_str(id);
    }
    let mut list =
        connection.prepare_cached("INSERT OR REPLACE INTO call VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    list.execute(params![
        call.start_ms,
        number,
        outcome_number(call.outcome()),
        call.caller_trunk,
        call.callee_trunk,
        text,
    ])?;
    let mut word =
        connection.prepare_cached("INSERT OR REPLACE INTO call_word VALUES (?1, ?2, ?3)")?;
    for found in words(&text) {
        word.execute(params![found, call.start_ms, number])?;
    }
    insert_record(connection, call)
}

fn insert_record(connection: &Connection, call: &CallRow) -> rusqlite::Result<()> {
    let mut record = connection.prepare_cached(
        "INSERT OR REPLACE INTO call_record \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    record
        .execute(params![
            to_i64(call.call),
            call.start_ms,
            call.answer_ms,
            call.end_ms,
            call.from,
            call.to,
            call.caller_trunk,
            call.callee_trunk,
            call.status,
            call.code,
            call.ended_by,
            call.mos_min,
            call.record,
            call.quality,
            call.ladder,
        ])
        .map(drop)
}

/// The call of that number, with everything.
pub(super) fn one(
    connection: &Connection,
    call: u64,
    start_ms: Option<i64>,
) -> rusqlite::Result<Option<CallRow>> {
    let select = format!(
        "SELECT {COLUMNS}, quality, ladder FROM call_record \
         WHERE call = ?1 AND (?2 IS NULL OR start_ms = ?2)"
    );
    let mut select = connection.prepare_cached(&select)?;
    let mut rows = select.query((to_i64(call), start_ms))?;
    let Some(found) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(CallRow {
        quality: found.get(13)?,
        ladder: found.get(14)?,
        ..row(found)?
    }))
}

/// Deletes the call of that start and number.
pub(super) fn delete(connection: &Connection, start_ms: i64, call: i64) -> rusqlite::Result<()> {
    let key = (start_ms, call);
    let mut select =
        connection.prepare_cached("SELECT text FROM call WHERE start_ms = ?1 AND call = ?2")?;
    let text: String = select.query_row(key, |row| row.get(0)).unwrap_or_default();
    let mut word = connection
        .prepare_cached("DELETE FROM call_word WHERE word = ?1 AND start_ms = ?2 AND call = ?3")?;
    for found in words(&text) {
        word.execute(params![found, start_ms, call])?;
    }
    let mut record =
        connection.prepare_cached("DELETE FROM call_record WHERE start_ms = ?1 AND call = ?2")?;
    record.execute(key)?;
    let mut list =
        connection.prepare_cached("DELETE FROM call WHERE start_ms = ?1 AND call = ?2")?;
    list.execute(key).map(drop)
}

/// Without quality and ladder.
pub(super) fn row(row: &Row<'_>) -> rusqlite::Result<CallRow> {
    let ended_by: String = row.get(10)?;
    Ok(CallRow {
        call: to_u64(row.get(0)?),
        start_ms: row.get(1)?,
        answer_ms: row.get(2)?,
        end_ms: row.get(3)?,
        from: row.get(4)?,
        to: row.get(5)?,
        caller_trunk: row.get(6)?,
        callee_trunk: row.get(7)?,
        status: row.get(8)?,
        code: row.get(9)?,
        ended_by: match ended_by.as_str() {
            "caller" => "caller",
            "callee" => "callee",
            _ => "trunkline",
        },
        mos_min: row.get(11)?,
        record: row.get(12)?,
        ladder: None,
        quality: None,
    })
}

pub(super) fn outcome_number(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Answered => 0,
        Outcome::Refused => 1,
        Outcome::Failed => 2,
    }
}

/// The Call-IDs of a record: of both legs, and of the targets that were tried.
fn call_ids(record: &str) -> BTreeSet<String> {
    let record: Value = serde_json::from_str(record).unwrap_or_default();
    let legs = [&record["caller"], &record["callee"]];
    let targets = record["targets"].as_array().into_iter().flatten();
    legs.into_iter()
        .chain(targets)
        .filter_map(|holder| holder["call_id"].as_str())
        .map(searched)
        .filter(|id| !id.is_empty())
        .take(CALL_IDS)
        .collect()
}

/// As it is searched for: not too long, in lower case, on one line.
fn searched(text: &str) -> String {
    let mut end = text.len().min(SEARCHED_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_ascii_lowercase().replace('\n', " ")
}

/// What of a call's text is found as a whole: the users of its URIs, and its Call-IDs.
fn words(text: &str) -> BTreeSet<&str> {
    let mut lines = text.split('\n');
    let users = lines.by_ref().take(2).filter_map(user);
    let users: Vec<&str> = users.collect();
    users.into_iter().chain(lines).collect()
}

fn user(uri: &str) -> Option<&str> {
    let after_scheme = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let user = match after_scheme.split_once('@') {
        Some((user, _)) => user,
        // `tel:` has no host (RFC 3966), a SIP URI need not have a user.
        None if uri.starts_with("tel:") => after_scheme,
        None => return None,
    };
    let user = user.split([';', ':']).next().unwrap_or(user);
    Some(word(user)).filter(|user| !user.is_empty())
}

/// A number is the same with `+` and without.
pub(super) fn word(text: &str) -> &str {
    text.strip_prefix('+').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_call_ids_are_the_words_of_a_call() {
        let text = "sip:+4930123;phone-context=x@h.example;user=phone\nsips:alice:pw@h\na@b\nc";
        let found: Vec<&str> = words(text).into_iter().collect();
        assert_eq!(found, ["4930123", "a@b", "alice", "c"]);
        assert_eq!(user("tel:+1-201;x=y"), Some("1-201"));
        assert_eq!(user("sip:host.example"), None);
        assert_eq!(user("sip:+@host"), None);
    }

    #[test]
    fn whatever_a_record_is_its_call_ids_are_read_or_not() {
        let record = r#"{"caller":{"call_id":"A@h"},"callee":null,
            "targets":[{"call_id":"B"},{"call_id":null},{"call_id":"a@H"}]}"#;
        let found: Vec<String> = call_ids(record).into_iter().collect();
        assert_eq!(found, ["a@h", "b"]);
        for odd in ["", "[]", "{", r#"{"targets":7,"caller":[]}"#, "null"] {
            assert!(call_ids(odd).is_empty());
        }
        assert_eq!(searched(&"ä".repeat(200)).len(), 256);
    }
}
