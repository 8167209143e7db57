use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use sip_core::transport::ListenerId;

use super::*;

fn listeners() -> Vec<String> {
    vec!["tls".to_owned(), "udp".to_owned()]
}

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
    let (store, Loading(loading)) = Store::open(Some(path), listeners);
    (store, loading.unwrap().blocking_recv().unwrap())
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

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path =
            std::env::temp_dir().join(format!("trunkline-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("store.db")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
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
        name.contains("damaged-").then_some(path)
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
struct Memory {
    full: Arc<AtomicBool>,
    kept: Arc<Mutex<Vec<Kept>>>,
}

impl Backend for Memory {
    fn load(&mut self) -> anyhow::Result<Vec<Kept>> {
        Ok(Vec::new())
    }

    fn replace(&mut self, changes: &[Kept]) -> anyhow::Result<()> {
        anyhow::ensure!(!self.full.load(Ordering::SeqCst), "no space left on device");
        self.kept.lock().unwrap().extend_from_slice(changes);
        Ok(())
    }
}

struct MemoryPlace {
    full: Arc<AtomicBool>,
    kept: Arc<Mutex<Vec<Kept>>>,
}

impl Place for MemoryPlace {
    fn open(&mut self) -> anyhow::Result<Box<dyn Backend>> {
        Ok(Box::new(Memory {
            full: Arc::clone(&self.full),
            kept: Arc::clone(&self.kept),
        }))
    }

    fn rescue(&mut self) -> anyhow::Result<Vec<Kept>> {
        anyhow::bail!("it can be opened")
    }
}

#[test]
fn a_full_disk_is_counted_and_the_latest_is_written_when_there_is_room() {
    let full = Arc::new(AtomicBool::new(true));
    let written = Arc::new(Mutex::new(Vec::new()));
    let place = MemoryPlace {
        full: Arc::clone(&full),
        kept: Arc::clone(&written),
    };
    let (store, _) = Store::start(Box::new(place), listeners());
    store.keep(&snapshot_of("alice", &["h1"]));
    let patience = Instant::now() + Duration::from_secs(10);
    while store.errors() == 0 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
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
    let patience = Instant::now() + Duration::from_secs(10);
    while std::fs::metadata(&log).map_or(0, |log| log.len()) == 0 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
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
struct Hanging(std::sync::mpsc::Receiver<()>);

impl Place for Hanging {
    fn open(&mut self) -> anyhow::Result<Box<dyn Backend>> {
        let _ = self.0.recv();
        anyhow::bail!("gone")
    }

    fn rescue(&mut self) -> anyhow::Result<Vec<Kept>> {
        anyhow::bail!("gone")
    }
}

#[tokio::test]
async fn a_disk_that_hangs_does_not_hold_the_start_for_ever() {
    let (let_go, held) = std::sync::mpsc::channel();
    let (store, loading) = Store::start(Box::new(Hanging(held)), listeners());
    assert!(loading.within(Duration::from_millis(50)).await.is_none());
    // And calls and registrations go on.
    store.keep(&snapshot_of("alice", &["h1"]));
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
