//! The tables, and how a file of an earlier version becomes one of this.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;

use super::error::failure;
use crate::store::backend::{Failure, FailureKind};

/// What each version has more than the one before; the first is version 1.
const VERSIONS: [&str; 2] = [BINDINGS, OPERATING];

const BINDINGS: &str = "
    CREATE TABLE binding (
        aor TEXT NOT NULL,
        contact BLOB NOT NULL,
        path BLOB NOT NULL,          -- one to a line
        call_id TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL, -- since 1970
        instance TEXT,
        reg_id INTEGER,
        listener TEXT,               -- by name
        source TEXT
    );
    CREATE INDEX binding_aor ON binding (aor);
";

const OPERATING: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

    CREATE TABLE entry (
        kind TEXT NOT NULL,
        name TEXT NOT NULL COLLATE NOCASE,
        position INTEGER NOT NULL,
        body TEXT NOT NULL,          -- JSON
        version INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL,
        PRIMARY KEY (kind, name)
    ) WITHOUT ROWID;

    -- What lists are made of and searches look at: little, and in order of time.
    CREATE TABLE call (
        start_ms INTEGER NOT NULL,
        call INTEGER NOT NULL,
        outcome INTEGER NOT NULL,
        caller_trunk TEXT COLLATE NOCASE,
        callee_trunk TEXT COLLATE NOCASE,
        text TEXT NOT NULL,          -- From, To and Call-IDs, in lower case, one to a line
        PRIMARY KEY (start_ms, call)
    ) WITHOUT ROWID;
    CREATE INDEX call_outcome ON call (outcome, start_ms, call);
    CREATE INDEX call_caller_trunk ON call (caller_trunk, start_ms, call);
    CREATE INDEX call_callee_trunk ON call (callee_trunk, start_ms, call);

    -- Whole users and Call-IDs.
    CREATE TABLE call_word (
        word TEXT NOT NULL,
        start_ms INTEGER NOT NULL,
        call INTEGER NOT NULL,
        PRIMARY KEY (word, start_ms, call)
    ) WITHOUT ROWID;

    CREATE TABLE call_record (
        call INTEGER PRIMARY KEY,
        start_ms INTEGER NOT NULL,
        answer_ms INTEGER,
        end_ms INTEGER NOT NULL,
        from_uri TEXT NOT NULL,
        to_uri TEXT NOT NULL,
        caller_trunk TEXT,
        callee_trunk TEXT,
        status INTEGER NOT NULL,
        code INTEGER,
        ended_by TEXT NOT NULL,
        mos_min REAL,
        record TEXT NOT NULL,        -- JSON
        quality TEXT,                -- JSON
        ladder TEXT                  -- JSON
    );

    CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        time_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        call INTEGER,
        trunk TEXT,
        body TEXT NOT NULL           -- JSON
    );
    CREATE INDEX event_time ON event (time_ms);
    CREATE INDEX event_kind ON event (kind, seq);
    CREATE INDEX event_call ON event (call, seq) WHERE call IS NOT NULL;

    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        role TEXT NOT NULL,
        source TEXT NOT NULL,
        action TEXT NOT NULL,
        object TEXT NOT NULL,
        detail TEXT NOT NULL,        -- JSON
        outcome TEXT NOT NULL
    );
    CREATE INDEX audit_time ON audit (time_ms);

    CREATE TABLE answer (
        key TEXT PRIMARY KEY,
        time_ms INTEGER NOT NULL,
        fingerprint TEXT NOT NULL,
        status INTEGER NOT NULL,
        body TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX answer_time ON answer (time_ms);
";

/// Below that the whole file is looked through before it is used: a moment's work. Of a larger one
/// only what signalling starts with, and the rest beside everything else.
const CHECKED_AT_ONCE_BYTES: u64 = 32 << 20;
const NEEDED_AT_START: [&str; 3] = ["binding", "entry", "meta"];

/// Finds damage before anything relies on the file; whether all of it was looked through.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<bool, Failure> {
    let length = std::fs::metadata(path).map_or(0, |found| found.len());
    let is_small = length <= CHECKED_AT_ONCE_BYTES;
    let has = |table: &&&str| connection.table_exists(None, **table).unwrap_or(false);
    let tables = NEEDED_AT_START.iter().filter(|_| !is_small).filter(has);
    let whole = is_small.then(|| "1".to_owned()).into_iter();
    for part in whole.chain(tables.map(|table| format!("'{table}'"))) {
        if !is_sound(connection, &part).map_err(failure)? {
            return Err(Failure::new(FailureKind::Damaged, "the file is damaged"));
        }
    }
    Ok(is_small)
}

/// Whether what `part` names is sound: a table, or everything, as in `PRAGMA quick_check`.
pub(super) fn is_sound(connection: &Connection, part: &str) -> rusqlite::Result<bool> {
    let check = format!("PRAGMA quick_check({part})");
    let told: String = connection.query_row(&check, [], |row| row.get(0))?;
    Ok(told == "ok")
}

/// Brings the tables up to today's version.
pub(super) fn migrate(connection: &Connection, path: &Path) -> Result<(), Failure> {
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failure)?;
    let newest = VERSIONS.len();
    let Some(version) = usize::try_from(found).ok().filter(|found| *found <= newest) else {
        let text = format!("the file is of version {found}; expected {newest} or less");
        return Err(Failure::broken(text));
    };
    if version == 1 {
        prepare_version_2(connection, path)?;
    }
    for (made, tables) in VERSIONS.iter().enumerate().skip(version) {
        let make = format!(
            "BEGIN; {tables} PRAGMA user_version = {}; COMMIT;",
            made + 1
        );
        if let Err(error) = connection.execute_batch(&make) {
            // There may be no transaction to roll back.
            let _ = connection.execute_batch("ROLLBACK");
            return Err(failure(error).within("its tables cannot be made"));
        }
    }
    Ok(())
}

/// A file that was made for bindings could not give room back, and had no secrets.
fn prepare_version_2(connection: &Connection, path: &Path) -> Result<(), Failure> {
    connection
        .execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")
        .map_err(failure)?;
    let private = std::fs::Permissions::from_mode(0o600);
    if let Err(error) = std::fs::set_permissions(path, private) {
        tracing::warn!(
            "{}: others may read it, and it will hold secrets: {error}",
            path.display()
        );
    }
    Ok(())
}
