//! Bindings of phones: what a restart finds, whatever the disk does.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sip_core::registrar::BindingRecord;
use sip_core::transport::ListenerId;

use super::super::backend::{
    Backend, Batch, Contents, Failure, FailureKind, NotChanged, Opened, Retention, Swept,
};
use super::super::bindings::Kept;
use super::support::{Directory, listeners, patiently};
use super::*;

fn snapshot_of(user: &str, hosts: &[&str]) -> Snapshot {
    let binding = |host: &&str| BindingRecord {
        contact: format!("\"A\" <sip:{user}@{host}>;q=0.5").into_bytes(),
        path: vec![b"<sip:p1;lr>".to_vec(), b"<sip:p2;lr>".to_vec()],
        call_id: "id".to_owned(),
        sequence: 7,
        expires: Instant::now() + Duration::from_secs(600),
        instance: Some(("<urn:uuid:1>".to_owned(), 2)),
        source: Some((ListenerId(1), "[2001:db8::1]:5060".parse().unwrap())),
    };
    Snapshot {
        aor: Aor::new(user, "example.com"),
        bindings: hosts.iter().map(binding).collect(),
    }
}

fn open(path: &Path, listeners: Vec<String>) -> (Store, Vec<Snapshot>) {
    let settings = StoreSettings {
        path: Some(path.to_owned()),
        ..StoreSettings::default()
    };
    let (store, Loading(loading)) = Store::open(settings, listeners);
    (store, loading.unwrap().blocking_recv().unwrap().bindings)
}

/// Times differ by the rounding to milliseconds.
fn assert_same(found: &Snapshot, expected: &Snapshot) {
    assert_eq!(found.aor, expected.aor);
    assert_eq!(found.bindings.len(), expected.bindings.len());
    for (found, expected) in found.bindings.iter().zip(&expected.bindings) {
        let difference = expected.expires.saturating_duration_since(found.expires)
            + found.expires.saturating_duration_since(expected.expires);
        assert!(difference < Duration::from_millis(100), "{difference:?}");
        let found = BindingRecord {
            expires: expected.expires,
            ..found.clone()
        };
        assert_eq!(found, *expected);
    }
}

#[test]
fn sig_4_what_was_kept_is_there_after_a_restart() {
    let directory = Directory::new("restart");
    let (store, kept) = open(&directory.file(), listeners());
    assert!(kept.is_empty());
    let (alice, bob) = (
        snapshot_of("alice", &["h1", "h2"]),
        snapshot_of("bob", &["h3"]),
    );
    store.keep(&snapshot_of("alice", &["h9"]));
    store.keep(&alice);
    store.keep(&bob);
    store.keep(&snapshot_of("carol", &["h4"]));
    store.keep(&snapshot_of("carol", &[]));
    assert_eq!(store.errors(), 0);
    store.close();
    let (store, kept) = open(&directory.file(), listeners());
    assert_eq!(kept.len(), 2);
    assert_same(&kept[0], &alice);
    assert_same(&kept[1], &bob);
    store.close();
    // A listener that is not there any more leads nowhere.
    let (store, kept) = open(&directory.file(), vec!["other".to_owned()]);
    assert_eq!(kept[0].bindings[0].source, None);
    store.close();
}

#[test]
fn a_damaged_store_is_put_aside_and_a_new_one_is_begun() {
    let directory = Directory::new("damaged");
    let garbage: Vec<u8> = (0..20_000_u32).map(|byte| byte as u8 | 1).collect();
    std::fs::write(directory.file(), &garbage).unwrap();
    let (store, kept) = open(&directory.file(), listeners());
    assert!(kept.is_empty());
    store.keep(&snapshot_of("alice", &["h1"]));
    store.close();
    let (store, kept) = open(&directory.file(), listeners());
    assert_eq!(kept.len(), 1);
    store.close();
    let aside = std::fs::read_dir(&directory.0).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.contains("store.db.corrupt-").then_some(path)
    });
    assert!(std::fs::read(aside.unwrap()).unwrap() == garbage);
}

#[test]
fn a_store_that_cannot_be_opened_is_counted_and_stops_nothing() {
    let (store, kept) = open(Path::new("/nonexistent/store.db"), listeners());
    assert!(kept.is_empty());
    assert_eq!(store.errors(), 1);
    store.keep(&snapshot_of("alice", &["h1"]));
    store.close();
}

/// A disk that can be full.
#[derive(Clone, Default)]
struct Memory {
    full: Arc<AtomicBool>,
    kept: Arc<Mutex<Vec<Kept>>>,
}

impl Backend for Memory {
    fn load(&mut self) -> Result<Contents, Failure> {
        Ok(Contents::default())
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Failure> {
        if self.full.load(Ordering::SeqCst) && !batch.bindings.is_empty() {
            return Err(Failure::new(
                FailureKind::Passing,
                "no space left on device",
            ));
        }
        self.kept.lock().unwrap().extend_from_slice(batch.bindings);
        Ok(())
    }

    fn change(&mut self, _: &[Change], _: &AuditEntry) -> Result<Vec<Entry>, NotChanged> {
        Ok(Vec::new())
    }

    fn sweep(&mut self, _: &Retention) -> Result<Swept, Failure> {
        Ok(Swept::default())
    }

    fn bytes(&self) -> u64 {
        0
    }
}

impl Place for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn open(&self) -> Result<Opened, Failure> {
        Ok(Opened {
            backend: Box::new(self.clone()),
            put_aside: None,
            is_checked: true,
        })
    }

    fn begin_anew(&self) -> Result<Opened, Failure> {
        self.open()
    }

    fn rescue(&self) -> Result<Contents, Failure> {
        Err(Failure::broken("it can be opened"))
    }

    fn is_sound(&self) -> Result<bool, Failure> {
        Ok(true)
    }

    fn reader(&self) -> Result<Box<dyn Reader + Send>, Failure> {
        Ok(Box::new(reader::Nothing))
    }

    fn backup(&self, _: &Path) -> Result<u64, Failure> {
        Ok(0)
    }
}

#[test]
fn a_full_disk_is_counted_and_the_latest_is_written_when_there_is_room() {
    let memory = Memory::default();
    let (full, written) = (Arc::clone(&memory.full), Arc::clone(&memory.kept));
    full.store(true, Ordering::SeqCst);
    let place = Arc::new(memory);
    let (store, _) = Store::start(
        place,
        StoreSettings::default(),
        listeners(),
        Pace::default(),
    );
    store.keep(&snapshot_of("alice", &["h1"]));
    patiently("an error is counted", || store.errors() > 0);
    assert_eq!(store.errors(), 1);
    store.keep(&snapshot_of("alice", &["h2"]));
    full.store(false, Ordering::SeqCst);
    store.close();
    let written = written.lock().unwrap();
    assert_eq!(written.len(), 1);
    assert!(
        written[0].bindings[0]
            .contact
            .ends_with(b"<sip:alice@h2>;q=0.5")
    );
}

/// No room beside the file, as on a full disk: its log cannot have an index.
#[test]
fn sig_4_what_was_kept_is_read_where_nothing_can_be_written() {
    let directory = Directory::new("no-room");
    let (alice, bob) = (snapshot_of("alice", &["h1"]), snapshot_of("bob", &["h2"]));
    let (store, _) = open(&directory.file(), listeners());
    store.keep(&alice);
    store.close();
    // What a crash leaves in the log is read, too.
    let log = directory.0.join("store.db-wal");
    let (store, _) = open(&directory.file(), listeners());
    store.keep(&bob);
    patiently("there is a log", || {
        std::fs::metadata(&log).is_ok_and(|log| log.len() > 0)
    });
    std::thread::sleep(Duration::from_millis(100));
    let after_crash = Directory::new("no-room-after-crash");
    std::fs::copy(directory.file(), after_crash.file()).unwrap();
    std::fs::copy(&log, after_crash.0.join("store.db-wal")).unwrap();
    store.close();
    for directory in [&directory, &after_crash] {
        std::os::unix::fs::symlink("/nowhere/at/all", directory.0.join("store.db-shm")).unwrap();
        let (store, kept) = open(&directory.file(), listeners());
        assert_eq!((kept.len(), store.errors()), (2, 1));
        assert_same(&kept[0], &alice);
        assert_same(&kept[1], &bob);
        store.close();
    }
}

#[test]
fn sig_4_a_damaged_row_takes_no_other_with_it() {
    let directory = Directory::new("row");
    let (store, _) = open(&directory.file(), listeners());
    for user in ["alice", "bob", "carol"] {
        store.keep(&snapshot_of(user, &["h"]));
    }
    store.close();
    let damage = rusqlite::Connection::open(directory.file()).unwrap();
    let change = "UPDATE binding SET sequence = 'x' WHERE aor LIKE 'bob%'";
    assert_eq!(damage.execute(change, []).unwrap(), 1);
    drop(damage);
    let (store, kept) = open(&directory.file(), listeners());
    let users: Vec<&str> = kept.iter().map(|kept| kept.aor.user()).collect();
    assert_eq!(users, ["alice", "carol"]);
    store.close();
}

/// A disk that does not answer until somebody lets go.
struct Hanging(Mutex<std::sync::mpsc::Receiver<()>>);

impl Place for Hanging {
    fn name(&self) -> String {
        "hanging".to_owned()
    }

    fn open(&self) -> Result<Opened, Failure> {
        let _ = self.0.lock().unwrap().recv();
        Err(Failure::broken("gone"))
    }

    fn begin_anew(&self) -> Result<Opened, Failure> {
        Err(Failure::broken("gone"))
    }

    fn rescue(&self) -> Result<Contents, Failure> {
        Err(Failure::broken("gone"))
    }

    fn is_sound(&self) -> Result<bool, Failure> {
        Err(Failure::broken("gone"))
    }

    fn reader(&self) -> Result<Box<dyn Reader + Send>, Failure> {
        Err(Failure::broken("gone"))
    }

    fn backup(&self, _: &Path) -> Result<u64, Failure> {
        Err(Failure::broken("gone"))
    }
}

#[tokio::test]
async fn a_disk_that_hangs_does_not_hold_the_start_for_ever() {
    let (let_go, held) = std::sync::mpsc::channel();
    let (store, loading) = Store::start(
        Arc::new(Hanging(Mutex::new(held))),
        StoreSettings::default(),
        listeners(),
        Pace::default(),
    );
    assert!(loading.within(Duration::from_millis(50)).await.is_none());
    // And calls and registrations go on.
    store.keep(&snapshot_of("alice", &["h1"]));
    // Numbers are given out that no process before can have given.
    assert!(store.reserve_events() > 1_700_000_000_000);
    drop(let_go);
    store.close();
}

#[test]
fn what_was_kept_of_accounts_that_are_no_more_is_removed() {
    let directory = Directory::new("others");
    let (store, _) = open(&directory.file(), listeners());
    store.keep(&snapshot_of("alice", &["h1"]));
    store.keep(&snapshot_of("bob", &["h2"]));
    store.close();
    let (store, kept) = open(&directory.file(), listeners());
    let accounts = HashSet::from([Aor::new("bob", "example.com")]);
    store.forget_others(&kept, &accounts);
    store.close();
    let (store, kept) = open(&directory.file(), listeners());
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].aor.user(), "bob");
    store.close();
}
