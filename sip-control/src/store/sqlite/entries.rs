//! Entries of the configuration, and how they change.

use rusqlite::{Connection, Row, TransactionBehavior, params};
use serde_json::Value;

use super::audit;
use crate::clock::unix_ms;
use crate::store::backend::NotChanged;
use crate::store::entry::{Change, Entry, Expected, Kind, StoreError};
use crate::store::journal::AuditEntry;

const COLUMNS: &str = "kind, name, position, body, version, updated_ms";

pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
    let select = format!("SELECT {COLUMNS} FROM entry ORDER BY kind, position, name");
    readable(connection.prepare(&select)?.query([])?)
}

pub(super) fn of_kind(connection: &Connection, kind: Kind) -> rusqlite::Result<Vec<Entry>> {
    let select = format!("SELECT {COLUMNS} FROM entry WHERE kind = ?1 ORDER BY position, name");
    readable(connection.prepare_cached(&select)?.query([kind.name()])?)
}

/// Every row, but those that cannot be read.
fn readable(mut rows: rusqlite::Rows<'_>) -> rusqlite::Result<Vec<Entry>> {
    let mut all = Vec::new();
    let mut unreadable = 0_u32;
    while let Some(row) = rows.next()? {
        match entry(row) {
            Some(entry) => all.push(entry),
            None => unreadable += 1,
        }
    }
    if unreadable > 0 {
        tracing::error!("{unreadable} entries of the configuration are damaged, and left out");
    }
    Ok(all)
}

fn entry(row: &Row<'_>) -> Option<Entry> {
    let kind: String = row.get(0).ok()?;
    let body: String = row.get(3).ok()?;
    Some(Entry {
        kind: Kind::of_name(&kind)?,
        name: row.get(1).ok()?,
        position: row.get(2).ok()?,
        body: serde_json::from_str(&body).ok()?,
        version: row.get(4).ok()?,
        updated_ms: row.get(5).ok()?,
    })
}

/// All of the changes, and the record of who made them, or nothing.
pub(super) fn change(
    connection: &mut Connection,
    changes: &[Change],
    audit: &AuditEntry,
) -> Result<Vec<Entry>, NotChanged> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut changed = Vec::new();
    for change in changes {
        let step = Step {
            connection: &transaction,
            version: next_version(&transaction)?,
            now_ms: unix_ms(),
        };
        changed.extend(step.apply(change)?);
    }
    audit::insert(&transaction, audit)?;
    transaction.commit()?;
    Ok(changed)
}

/// Puts entries as they are where there are none of their names: those of a file that was damaged.
pub(super) fn take_over(connection: &Connection, entries: &[Entry]) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for entry in entries {
        insert.execute(params![
            entry.kind.name(),
            entry.name,
            entry.position,
            entry.body.to_string(),
            entry.version,
            entry.updated_ms,
        ])?;
        super::raise_meta(connection, "version", entry.version)?;
    }
    Ok(())
}

/// Versions are counted over all entries, so that one that is made anew under an old name is never
/// taken for the old one.
fn next_version(connection: &Connection) -> rusqlite::Result<i64> {
    let mut next = connection.prepare_cached(
        "INSERT INTO meta VALUES ('version', 1) \
         ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
    )?;
    next.query_row([], |row| row.get(0))
}

/// One change, within the transaction.
struct Step<'a> {
    connection: &'a Connection,
    version: i64,
    now_ms: i64,
}

/// What is there of that name.
struct Found {
    position: i64,
    version: i64,
}

impl Step<'_> {
    fn apply(&self, change: &Change) -> Result<Vec<Entry>, NotChanged> {
        match change {
            Change::Put {
                kind,
                name,
                position,
                body,
                expected,
            } => {
                let found = self.expect(*kind, name, *expected, false)?;
                let position = self.place(*kind, name, *position, found.as_ref())?;
                self.put(*kind, name, position, body)?;
                self.one(*kind, name)
            }
            Change::Delete {
                kind,
                name,
                expected,
            } => {
                self.expect(*kind, name, *expected, true)?;
                let delete = "DELETE FROM entry WHERE kind = ?1 AND name = ?2";
                self.execute(delete, params![kind.name(), name])?;
                Ok(Vec::new())
            }
            Change::Reorder { kind, names } => {
                self.reorder(*kind, names)?;
                Ok(of_kind(self.connection, *kind)?)
            }
        }
    }

    /// What is there, if it is as expected. `must_be`: something has to be there.
    fn expect(
        &self,
        kind: Kind,
        name: &str,
        expected: Expected,
        must_be: bool,
    ) -> Result<Option<Found>, NotChanged> {
        let found = self.find(kind, name)?;
        let problem = match (&found, expected) {
            (Some(_), Expected::Absent) => Some(StoreError::Exists),
            (Some(found), Expected::Version(version)) if found.version != version => {
                Some(StoreError::Stale {
                    found: found.version,
                })
            }
            (None, Expected::Version(_)) => Some(StoreError::Missing),
            (None, _) if must_be => Some(StoreError::Missing),
            _ => None,
        };
        match problem {
            Some(problem) => Err(NotChanged::Refused(problem)),
            None => Ok(found),
        }
    }

    fn find(&self, kind: Kind, name: &str) -> rusqlite::Result<Option<Found>> {
        let mut select = self
            .connection
            .prepare_cached("SELECT position, version FROM entry WHERE kind = ?1 AND name = ?2")?;
        let mut rows = select.query((kind.name(), name))?;
        let found = |row: &Row<'_>| {
            Ok(Found {
                position: row.get(0)?,
                version: row.get(1)?,
            })
        };
        rows.next()?.map(found).transpose()
    }

    /// Where it is to stand; others make room.
    fn place(
        &self,
        kind: Kind,
        name: &str,
        wanted: Option<i64>,
        found: Option<&Found>,
    ) -> rusqlite::Result<i64> {
        match (wanted, found) {
            (Some(wanted), _) => {
                let make_room = "UPDATE entry SET position = position + 1, version = ?4, \
                    updated_ms = ?5 WHERE kind = ?1 AND position >= ?2 AND name <> ?3 AND EXISTS \
                    (SELECT 1 FROM entry WHERE kind = ?1 AND position = ?2 AND name <> ?3)";
                self.execute(
                    make_room,
                    params![kind.name(), wanted, name, self.version, self.now_ms],
                )?;
                Ok(wanted)
            }
            (None, Some(found)) => Ok(found.position),
            (None, None) => {
                let last = "SELECT coalesce(max(position) + 1, 0) FROM entry WHERE kind = ?1";
                let mut last = self.connection.prepare_cached(last)?;
                last.query_row([kind.name()], |row| row.get(0))
            }
        }
    }

    fn put(&self, kind: Kind, name: &str, position: i64, body: &Value) -> rusqlite::Result<()> {
        let put = "INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
            ON CONFLICT (kind, name) DO UPDATE SET position = excluded.position, \
            body = excluded.body, version = excluded.version, updated_ms = excluded.updated_ms";
        let body = body.to_string();
        self.execute(
            put,
            params![kind.name(), name, position, body, self.version, self.now_ms],
        )
    }

    fn reorder(&self, kind: Kind, names: &[String]) -> Result<(), NotChanged> {
        let mut rest = of_kind(self.connection, kind)?;
        let mut ordered = Vec::with_capacity(rest.len());
        for name in names {
            let place = rest
                .iter()
                .position(|entry| entry.name.eq_ignore_ascii_case(name))
                .ok_or(NotChanged::Refused(StoreError::Missing))?;
            ordered.push(rest.remove(place));
        }
        ordered.extend(rest);
        let place = "UPDATE entry SET position = ?3, version = ?4, updated_ms = ?5 \
            WHERE kind = ?1 AND name = ?2 AND position <> ?3";
        for (position, entry) in (0_i64..).zip(&ordered) {
            let values = params![kind.name(), entry.name, position, self.version, self.now_ms];
            self.execute(place, values)?;
        }
        Ok(())
    }

    fn one(&self, kind: Kind, name: &str) -> Result<Vec<Entry>, NotChanged> {
        let select = format!("SELECT {COLUMNS} FROM entry WHERE kind = ?1 AND name = ?2");
        let mut select = self.connection.prepare_cached(&select)?;
        Ok(readable(select.query((kind.name(), name))?)?)
    }

    fn execute(&self, change: &str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
        let mut change = self.connection.prepare_cached(change)?;
        change.execute(values).map(drop)
    }
}
