//! A directory, a store in it that is in a hurry, and things to keep.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::*;
use crate::clock::unix_ms;

pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Directory {
        let path =
            std::env::temp_dir().join(format!("trunkline-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.join("store.db")
    }

    /// Names of what is in it, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn listeners() -> Vec<String> {
    vec!["tls".to_owned(), "udp".to_owned()]
}

pub(super) const QUICK: Pace = Pace {
    linger: Duration::from_millis(1),
    retry: Duration::from_millis(20),
    longest_retry: Duration::from_millis(100),
    tend: Duration::from_millis(20),
    sweep: Duration::from_millis(30),
    between_sweeps: Duration::from_millis(1),
};

/// Everything is kept for ever: tests have times of their own.
pub(super) fn settings(path: &Path) -> StoreSettings {
    StoreSettings {
        path: Some(path.to_owned()),
        keep_calls: Duration::MAX,
        keep_events: Duration::MAX,
        keep_audit: Duration::MAX,
        ..StoreSettings::default()
    }
}

pub(super) fn open(path: &Path) -> (Store, Loaded) {
    open_with(settings(path))
}

pub(super) fn open_with(settings: StoreSettings) -> (Store, Loaded) {
    let place = Arc::new(SqliteFile::new(settings.path.clone().unwrap()));
    let (store, Loading(loading)) = Store::start(place, settings, listeners(), QUICK);
    let loaded = block_on(async { timeout(Duration::from_secs(30), loading.unwrap()).await });
    (store, loaded.unwrap().unwrap())
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

pub(super) fn read<T: Send + 'static>(
    store: &Store,
    ask: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
) -> T {
    block_on(store.read(ask)).unwrap()
}

pub(super) fn settle(store: &Store) {
    assert!(block_on(store.settled(Duration::from_secs(30))));
}

pub(super) fn change(store: &Store, change: Change) -> Result<Vec<Entry>, StoreError> {
    block_on(store.change(vec![change], audit("change")))
}

/// Waits until it is so.
pub(super) fn patiently(what: &str, is_so: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < patience, "never so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn put(name: &str, expected: Expected) -> Change {
    Change::Put {
        kind: Kind::Trunk,
        name: name.to_owned(),
        position: None,
        body: json!({ "name": name }),
        expected,
    }
}

pub(super) fn audit(action: &str) -> AuditEntry {
    AuditEntry {
        time_ms: unix_ms(),
        who: "alice".to_owned(),
        role: "admin".to_owned(),
        from: "127.0.0.1".to_owned(),
        action: action.to_owned(),
        object: "carrier".to_owned(),
        detail: json!({ "secure": "srtp" }),
        outcome: "done".to_owned(),
    }
}

pub(super) fn event(seq: u64, kind: &str, call: Option<u64>) -> EventRow {
    EventRow {
        seq,
        time_ms: unix_ms(),
        kind: kind.to_owned(),
        call,
        trunk: Some("carrier".to_owned()),
        body: json!({ "seq": seq, "kind": kind }).to_string(),
    }
}

/// Answered; from `+49301` and its number, to `alice`.
pub(super) fn call(call: u64, start_ms: i64) -> CallRow {
    let record = json!({
        "call": call,
        "caller": { "call_id": format!("In-{call}@carrier.example") },
        "callee": { "call_id": format!("out-{call}") },
        "targets": [],
    });
    CallRow {
        call,
        start_ms,
        answer_ms: Some(start_ms + 900),
        end_ms: start_ms + 60_000,
        from: format!("sip:+49301{call}@carrier.example"),
        to: "sip:Alice@pbx.example".to_owned(),
        caller_trunk: Some("carrier".to_owned()),
        callee_trunk: Some("pbx".to_owned()),
        status: 200,
        code: None,
        ended_by: "caller",
        mos_min: Some(4.2),
        record: record.to_string(),
        ladder: Some("{\"messages\":[]}".to_owned()),
        quality: Some("[]".to_owned()),
    }
}

pub(super) fn all_calls() -> CallQuery {
    CallQuery {
        limit: 1000,
        ..CallQuery::default()
    }
}

/// Numbers of all calls that the query finds, page by page.
pub(super) fn found(store: &Store, mut query: CallQuery) -> Vec<u64> {
    let mut found = Vec::new();
    loop {
        let page = {
            let query = query.clone();
            read(store, move |reader| reader.calls(&query))
        };
        found.extend(page.items.iter().map(|kept| kept.row.call));
        if page.next.is_none() {
            return found;
        }
        assert!(page.next < query.before || query.before.is_none());
        query.before = page.next;
    }
}
