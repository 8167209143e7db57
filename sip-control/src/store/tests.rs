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
    let (store, kept) = Store::open(Some(&directory.file()), listeners());
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
    let (store, kept) = Store::open(Some(&directory.file()), listeners());
    assert_eq!(kept.len(), 2);
    assert_same(&kept[0], &alice);
    assert_same(&kept[1], &bob);
    store.close();
    // A listener that is not there any more leads nowhere.
    let (store, kept) = Store::open(Some(&directory.file()), vec!["other".to_owned()]);
    assert_eq!(kept[0].bindings[0].source, None);
    store.close();
}

#[test]
fn a_damaged_store_is_put_aside_and_a_new_one_is_begun() {
    let directory = Directory::new("damaged");
    let garbage: Vec<u8> = (0..20_000_u32).map(|byte| byte as u8 | 1).collect();
    std::fs::write(directory.file(), &garbage).unwrap();
    let (store, kept) = Store::open(Some(&directory.file()), listeners());
    assert!(kept.is_empty());
    store.keep(&snapshot_of("alice", &["h1"]));
    store.close();
    let (store, kept) = Store::open(Some(&directory.file()), listeners());
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
    let (store, kept) = Store::open(Some(Path::new("/nonexistent/store.db")), listeners());
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

#[test]
fn a_full_disk_is_counted_and_the_latest_is_written_when_there_is_room() {
    let full = Arc::new(AtomicBool::new(true));
    let written = Arc::new(Mutex::new(Vec::new()));
    let (is_full, kept) = (Arc::clone(&full), Arc::clone(&written));
    let open: Open = Box::new(move || {
        Ok(Box::new(Memory {
            full: Arc::clone(&is_full),
            kept: Arc::clone(&kept),
        }))
    });
    let (store, _) = Store::start(open, listeners());
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
