//! The file: opened, put aside, copied.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::error::failure;
use super::identity::{self, beside};
use super::{Sqlite, SqliteReader, bindings, entries, raise_meta, rescue, schema, to_i64};
use crate::store::backend::{Contents, Failure, FailureKind, Opened, Place};
use crate::store::reader::Reader;

/// How long a reader waits for the file.
const READER_BUSY: Duration = Duration::from_millis(500);
const READER_CACHE_KIB: i64 = 8 << 10;
/// Pages that are copied at a time.
const COPIED_PAGES: i32 = 1024;
/// How long a copy may be kept from going on.
const COPY_PATIENCE: Duration = Duration::from_secs(10);

/// A file, open or not.
pub(in crate::store) struct SqliteFile(PathBuf);

impl SqliteFile {
    pub(in crate::store) fn new(path: PathBuf) -> SqliteFile {
        SqliteFile(path)
    }

    fn named(&self, failure: Failure) -> Failure {
        failure.within(&format!("store.path {}", self.0.display()))
    }

    fn put_aside_and_begin(&self) -> Result<Opened, Failure> {
        let aside = put_aside(&self.0)?;
        let remains = rescue::remains(&aside);
        let backend = Sqlite::open(&self.0)?;
        take_over(&backend.connection, &remains).map_err(failure)?;
        Ok(Opened {
            backend: Box::new(backend),
            put_aside: Some(aside),
            is_checked: true,
        })
    }

    /// Beside the writer; it changes nothing.
    fn connect(&self) -> rusqlite::Result<Connection> {
        // Never makes the file.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.0, flags)?;
        connection.busy_timeout(READER_BUSY)?;
        connection.execute_batch(&format!(
            "PRAGMA query_only = ON; PRAGMA cache_size = -{READER_CACHE_KIB};"
        ))?;
        Ok(connection)
    }
}

impl Place for SqliteFile {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn open(&self) -> Result<Opened, Failure> {
        match Sqlite::open(&self.0) {
            Ok(backend) => Ok(Opened {
                is_checked: backend.is_checked,
                backend: Box::new(backend),
                put_aside: None,
            }),
            Err(failure) if failure.kind == FailureKind::Damaged => {
                self.begin_anew().map_err(|failure| self.named(failure))
            }
            Err(failure) => Err(self.named(failure)),
        }
    }

    fn begin_anew(&self) -> Result<Opened, Failure> {
        self.put_aside_and_begin()
            .map_err(|failure| self.named(failure))
    }

    fn rescue(&self) -> Result<Contents, Failure> {
        rescue::read_only(&self.0).map_err(failure)
    }

    fn is_sound(&self) -> Result<bool, Failure> {
        let checked = self
            .connect()
            .and_then(|connection| schema::is_sound(&connection, "1"));
        match checked.map_err(failure) {
            Err(failure) if failure.kind == FailureKind::Damaged => Ok(false),
            checked => checked,
        }
    }

    fn reader(&self) -> Result<Box<dyn Reader + Send>, Failure> {
        let connection = self.connect().map_err(failure)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Box::new(SqliteReader(connection)))
    }

    fn backup(&self, to: &Path) -> Result<u64, Failure> {
        let is_it = |path: &Path| match (path.canonicalize(), self.0.canonicalize()) {
            (Ok(path), Ok(own)) => path == own,
            _ => path == self.0,
        };
        let no_place = |problem: &str| Err(Failure::new(FailureKind::Unwritable, problem));
        if is_it(to) {
            return no_place("it would take the place of the store");
        }
        if to.is_dir() {
            return no_place("that is a directory; expected the name of a file");
        }
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
        if parent.is_some_and(|parent| !parent.is_dir()) {
            return no_place("there is no such directory");
        }
        let connection = self.connect().map_err(failure)?;
        copy(&connection, to, |_| {})
    }
}

/// Copies all that a connection sees at this moment to a file of that name; how many bytes it has.
/// `before` happens when the copy is whole, and before it gets its name.
pub(super) fn copy(
    from: &Connection,
    to: &Path,
    before: impl FnOnce(&Path),
) -> Result<u64, Failure> {
    let unfinished = beside(to, &format!(".unfinished-{}", std::process::id()));
    let _ = std::fs::remove_file(&unfinished);
    identity::create(&unfinished);
    let copied = copy_to(from, &unfinished)
        .and_then(|()| {
            let synced = sync(&unfinished)?;
            before(to);
            std::fs::rename(&unfinished, to)
                .map_err(|error| Failure::broken(format!("{}: {error}", to.display())))?;
            sync(to.parent().unwrap_or(Path::new("/")))?;
            Ok(synced)
        })
        .map_err(|failure| failure.within(&to.display().to_string()));
    if copied.is_err() {
        let _ = std::fs::remove_file(&unfinished);
        identity::remove_log(&unfinished);
    }
    copied
}

fn copy_to(from: &Connection, to: &Path) -> Result<(), Failure> {
    // Everything of one moment, whatever is written meanwhile.
    let moment = from.unchecked_transaction().map_err(failure)?;
    moment
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .map_err(failure)?;
    let mut copy = Connection::open(to).map_err(failure)?;
    // It is synced as a whole, at the end.
    super::pragma(&copy, "synchronous", "OFF")?;
    copy_pages(&moment, &mut copy)?;
    match schema::is_sound(&copy, "1").map_err(failure)? {
        true => copy.close().map_err(|(_, error)| failure(error)),
        false => Err(Failure::broken("the copy is damaged, as the store is")),
    }
}

fn copy_pages(from: &Connection, to: &mut Connection) -> Result<(), Failure> {
    let backup = Backup::new(from, to).map_err(failure)?;
    let mut moved = Instant::now();
    loop {
        match backup.step(COPIED_PAGES).map_err(failure)? {
            StepResult::Done => return Ok(()),
            StepResult::More => moved = Instant::now(),
            _ if moved.elapsed() > COPY_PATIENCE => {
                return Err(Failure::new(
                    FailureKind::Passing,
                    "another process holds the file locked",
                ));
            }
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// A file or a directory; its length.
fn sync(path: &Path) -> Result<u64, Failure> {
    let synced = File::open(path).and_then(|file| {
        file.sync_all()?;
        Ok(file.metadata()?.len())
    });
    synced.map_err(|error| Failure::broken(error.to_string()))
}

/// Renames the file, and its log with it.
fn put_aside(path: &Path) -> Result<PathBuf, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |since| since.as_secs());
    let names = (0..100).map(|more| match more {
        0 => beside(path, &format!(".corrupt-{seconds}")),
        _ => beside(path, &format!(".corrupt-{seconds}-{more}")),
    });
    let aside = names
        .into_iter()
        .find(|name| !name.exists())
        .ok_or_else(|| Failure::broken("too many damaged files beside it"))?;
    std::fs::rename(path, &aside)
        .map_err(|error| Failure::broken(format!("it is damaged and cannot be moved: {error}")))?;
    // Often there is none.
    let _ = std::fs::rename(beside(path, "-wal"), beside(&aside, "-wal"));
    identity::remove_log(path);
    Ok(aside)
}

/// Begins a new file with what was left of a damaged one.
fn take_over(connection: &Connection, remains: &Contents) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    bindings::replace(&transaction, &remains.bindings)?;
    entries::take_over(&transaction, &remains.entries)?;
    let reserved = remains.reserved;
    raise_meta(&transaction, "event_reserved", to_i64(reserved.event))?;
    raise_meta(&transaction, "call_reserved", to_i64(reserved.call))?;
    transaction.commit()
}
