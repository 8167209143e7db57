//! The store as an SQLite file.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, params};

use super::{Backend, Kept, KeptBinding, Place};

/// How long another process may hold the file.
const BUSY: Duration = Duration::from_secs(2);
/// Counts changes of the tables.
const VERSION: i64 = 1;
const SCHEMA: &str = "
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

/// A file, open or not.
pub(super) struct SqliteFile(pub(super) PathBuf);

impl Place for SqliteFile {
    fn open(&mut self) -> anyhow::Result<Box<dyn Backend>> {
        Ok(Box::new(Sqlite::open(&self.0)?))
    }

    /// SQLite needs room beside the file even to read it: for the index of its log (`-shm`), which
    /// processes share. Whoever has the file alone keeps that in memory; and of a file that is said
    /// not to change, no log is read at all.
    fn rescue(&mut self) -> anyhow::Result<Vec<Kept>> {
        match rescue_alone(&self.0) {
            Err(error) if !is_in_use(&error) => Ok(rescue_immutable(&self.0)?),
            rescued => Ok(rescued?),
        }
    }
}

fn rescue_alone(path: &Path) -> rusqlite::Result<Vec<Kept>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    rows(&connection)
}

fn rescue_immutable(path: &Path) -> rusqlite::Result<Vec<Kept>> {
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
    let connection = Connection::open_with_flags(uri + "?immutable=1", flags)?;
    rows(&connection)
}

fn is_in_use(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    code.is_some_and(|code| [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked].contains(&code))
}

/// Every row, but those that cannot be read.
fn rows(connection: &Connection) -> rusqlite::Result<Vec<Kept>> {
    let mut select = connection.prepare(
        "SELECT aor, contact, path, call_id, sequence, expires_ms, instance, reg_id, listener, \
         source FROM binding ORDER BY aor, rowid",
    )?;
    let mut rows = select.query([])?;
    let mut all: Vec<Kept> = Vec::new();
    let mut unreadable = 0_u32;
    while let Some(row) = rows.next()? {
        let Ok((aor, binding)) = aor_and_binding(row) else {
            unreadable += 1;
            continue;
        };
        match all.last_mut().filter(|last| last.aor == aor) {
            Some(last) => last.bindings.push(binding),
            None => all.push(Kept {
                aor,
                bindings: vec![binding],
            }),
        }
    }
    if unreadable > 0 {
        tracing::error!("{unreadable} registrations in the store are damaged, and left out");
    }
    Ok(all)
}

fn aor_and_binding(row: &Row<'_>) -> rusqlite::Result<(String, KeptBinding)> {
    Ok((row.get(0)?, binding(row)?))
}

struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Opens the file, or makes it. One that is no database, or a damaged one, is put aside: what
    /// it had comes again with the next REGISTERs.
    fn open(path: &Path) -> anyhow::Result<Sqlite> {
        match Sqlite::try_open(path) {
            Err(error) if is_damage(&error) => {
                let aside = put_aside(path)?;
                tracing::error!(
                    "{}: {error:#}; put aside as {}",
                    path.display(),
                    aside.display()
                );
                Sqlite::try_open(path)
            }
            opened => opened,
        }
    }

    fn try_open(path: &Path) -> anyhow::Result<Sqlite> {
        let what = || format!("store.path {}", path.display());
        let connection = Connection::open(path).with_context(what)?;
        connection.busy_timeout(BUSY).with_context(what)?;
        // Readers and one writer at once, and a crash loses at most the last moments.
        connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
            .with_context(what)?;
        connection
            .pragma_update(None, "synchronous", "NORMAL")
            .with_context(what)?;
        let check: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .with_context(what)?;
        if check != "ok" {
            return Err(anyhow::Error::new(Damaged).context(what()));
        }
        let version: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .with_context(what)?;
        match version {
            VERSION => {}
            0 => {
                let make = format!("BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;");
                connection.execute_batch(&make).with_context(what)?;
            }
            newer => anyhow::bail!("{}: is of version {newer}, which is newer than we", what()),
        }
        Ok(Sqlite { connection })
    }
}

impl Backend for Sqlite {
    fn load(&mut self) -> anyhow::Result<Vec<Kept>> {
        Ok(rows(&self.connection)?)
    }

    fn replace(&mut self, changes: &[Kept]) -> anyhow::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut delete = transaction.prepare_cached("DELETE FROM binding WHERE aor = ?1")?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO binding VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            for change in changes {
                delete.execute([&change.aor])?;
                for binding in &change.bindings {
                    insert.execute(params![
                        change.aor,
                        binding.contact,
                        binding.path.join(&b'\n'),
                        binding.call_id,
                        binding.sequence,
                        binding.expires_ms,
                        binding.instance.as_ref().map(|(instance, _)| instance),
                        binding.instance.as_ref().map(|(_, reg_id)| reg_id),
                        binding.source.as_ref().map(|(listener, _)| listener),
                        binding
                            .source
                            .as_ref()
                            .map(|(_, source)| source.to_string()),
                    ])?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

fn binding(row: &Row<'_>) -> rusqlite::Result<KeptBinding> {
    let path: Vec<u8> = row.get(2)?;
    let hops = path
        .split(|byte| *byte == b'\n')
        .filter(|hop| !hop.is_empty());
    let instance: Option<String> = row.get(6)?;
    let reg_id: Option<u32> = row.get(7)?;
    let listener: Option<String> = row.get(8)?;
    let source: Option<String> = row.get(9)?;
    let source = source.and_then(|source| source.parse().ok());
    Ok(KeptBinding {
        contact: row.get(1)?,
        path: hops.map(<[u8]>::to_vec).collect(),
        call_id: row.get(3)?,
        sequence: row.get(4)?,
        expires_ms: row.get(5)?,
        instance: instance.zip(reg_id),
        source: listener.zip(source),
    })
}

#[derive(Debug, thiserror::Error)]
#[error("the database is damaged")]
struct Damaged;

fn is_damage(error: &anyhow::Error) -> bool {
    let code = error
        .downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code);
    let is_code = code
        .is_some_and(|code| [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase].contains(&code));
    is_code || error.is::<Damaged>()
}

/// Renames the file and what SQLite keeps beside it.
fn put_aside(path: &Path) -> anyhow::Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |since| since.as_secs());
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = beside(&format!(".damaged-{seconds}"));
    std::fs::rename(path, &aside).with_context(|| format!("store.path {}", path.display()))?;
    for suffix in ["-wal", "-shm"] {
        // They belong to the file that is gone, and are often not there.
        let _ = std::fs::remove_file(beside(suffix));
    }
    Ok(aside)
}
