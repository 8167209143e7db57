//! What can be read of a file that cannot be used as it is.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::is_in_use;
use super::{BUSY, bindings, entries, identity, meta, to_u64};
use crate::store::backend::{Contents, Reserved};

/// What signalling starts with.
pub(super) fn contents(connection: &Connection) -> rusqlite::Result<Contents> {
    let bindings = bindings::all(connection)?;
    if !connection.table_exists(None, "entry")? {
        // Of the first version.
        return Ok(Contents {
            bindings,
            ..Contents::default()
        });
    }
    Ok(Contents {
        bindings,
        entries: entries::all(connection)?,
        reserved: reserved(connection)?,
        clock_ms: meta(connection, "clock_ms")?,
    })
}

/// The highest numbers that may have been given out: those that were reserved; and those that are
/// there, in case that what was reserved could not be written.
fn reserved(connection: &Connection) -> rusqlite::Result<Reserved> {
    let highest = |name: &str, select: &str| -> rusqlite::Result<u64> {
        let there: Option<i64> = connection.query_row(select, [], |row| row.get(0))?;
        Ok(to_u64(meta(connection, name)?.max(there).unwrap_or(0)))
    };
    Ok(Reserved {
        event: highest("event_reserved", "SELECT max(seq) FROM event")?,
        call: highest("call_reserved", "SELECT max(call) FROM call_record")?,
    })
}

/// As much as there is of a file that is damaged: each part by itself.
pub(super) fn remains(path: &Path) -> Contents {
    let Ok(connection) = open_damaged(path) else {
        return Contents::default();
    };
    let remains = Contents {
        bindings: bindings::all(&connection).unwrap_or_default(),
        entries: entries::all(&connection).unwrap_or_default(),
        reserved: reserved(&connection).unwrap_or_default(),
        clock_ms: meta(&connection, "clock_ms").unwrap_or_default(),
    };
    drop(connection);
    identity::remove_empty_log(path);
    remains
}

/// Its log is read, and it stays as it is.
fn open_damaged(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// SQLite needs room beside the file even to read it: for the index of its log (`-shm`), which
/// processes share. Whoever has the file alone keeps that in memory; and of a file that is said
/// not to change, no log is read at all.
pub(super) fn read_only(path: &Path) -> rusqlite::Result<Contents> {
    match alone(path) {
        Err(error) if !is_in_use(&error) => immutable(path),
        rescued => rescued,
    }
}

fn alone(path: &Path) -> rusqlite::Result<Contents> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    contents(&connection)
}

fn immutable(path: &Path) -> rusqlite::Result<Contents> {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    contents(&Connection::open_with_flags(uri + "?immutable=1", flags)?)
}
