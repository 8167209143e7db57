//! Files of earlier versions.

use std::os::unix::fs::PermissionsExt;

use super::support::*;
use super::*;

/// Written by the release that had version 1: two phones, three bindings.
const VERSION_1: &[u8] = include_bytes!("fixtures/version-1.db");

#[test]
fn sig_4_a_file_of_version_1_keeps_its_bindings_and_can_do_what_today_s_can() {
    let directory = Directory::new("version-1");
    std::fs::write(directory.file(), VERSION_1).unwrap();
    let (store, loaded) = open(&directory.file());
    assert!(loaded.complete && loaded.entries.is_empty());
    let found: Vec<(&str, usize)> = loaded
        .bindings
        .iter()
        .map(|kept| (kept.aor.as_str(), kept.bindings.len()))
        .collect();
    assert_eq!(found, [("alice@pbx.example", 2), ("bob@pbx.example", 1)]);
    let bob = &loaded.bindings[1].bindings[0];
    assert_eq!(bob.contact, b"<sip:bob@127.0.0.1:5999>");
    assert_eq!((&*bob.call_id, bob.sequence), ("bob-0", 2));
    assert_eq!(bob.source.unwrap().0.0, 1);
    assert_eq!((store.errors(), store.health().state), (0, StoreState::Ok));
    change(&store, put("carrier", Expected::Absent)).unwrap();
    store.journal(JournalItem::Call(call(store.first_call(), 1_000)));
    settle(&store);
    store.close();
    let (store, loaded) = open(&directory.file());
    assert_eq!((loaded.bindings.len(), loaded.entries.len()), (2, 1));
    assert_eq!(
        read(&store, |reader| reader.calls(&all_calls()))
            .items
            .len(),
        1
    );
    store.close();
    // It will hold secrets, and gives room back.
    let mode = std::fs::metadata(directory.file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    let number = |name: &str| -> i64 {
        let pragma = format!("PRAGMA {name}");
        connection.query_row(&pragma, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((number("user_version"), number("auto_vacuum")), (2, 2));
}

#[test]
fn a_new_file_is_of_today_s_version_and_private() {
    let directory = Directory::new("new");
    open(&directory.file()).0.close();
    let mode = std::fs::metadata(directory.file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 2);
}
