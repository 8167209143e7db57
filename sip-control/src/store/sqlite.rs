//! The store as an SQLite file.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rusqlite::{Connection, ErrorCode, Row, params};

use super::{Backend, Kept, KeptBinding};

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

pub(super) struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Opens the file, or makes it. One that is no database, or a damaged one, is put aside: what
    /// it had comes again with the next REGISTERs.
    pub(super) fn open(path: &Path) -> anyhow::Result<Sqlite> {
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
        let mut select = self.connection.prepare(
            "SELECT aor, contact, path, call_id, sequence, expires_ms, instance, reg_id, listener, \
             source FROM binding ORDER BY aor, rowid",
        )?;
        let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, binding(row)?)))?;
        let mut all: Vec<Kept> = Vec::new();
        for row in rows {
            let (aor, binding) = row?;
            match all.last_mut().filter(|last| last.aor == aor) {
                Some(last) => last.bindings.push(binding),
                None => all.push(Kept {
                    aor,
                    bindings: vec![binding],
                }),
            }
        }
        Ok(all)
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
