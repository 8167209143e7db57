//! The configuration that is kept: all of a change or nothing, and no lost updates.

use serde_json::json;

use super::super::Expected::{Absent, Any, Version};
use super::support::*;
use super::*;

fn names(store: &Store, kind: Kind) -> Vec<String> {
    let entries = read(store, move |reader| reader.entries(kind));
    entries.into_iter().map(|entry| entry.name).collect()
}

fn delete(name: &str, expected: Expected) -> Change {
    Change::Delete {
        kind: Kind::Trunk,
        name: name.to_owned(),
        expected,
    }
}

fn at(name: &str, position: i64) -> Change {
    Change::Put {
        kind: Kind::Trunk,
        name: name.to_owned(),
        position: Some(position),
        body: json!({}),
        expected: Any,
    }
}

#[test]
fn ops_1_a_change_is_there_after_a_restart_with_who_made_it() {
    let directory = Directory::new("change");
    let (store, loaded) = open(&directory.file());
    assert!(loaded.complete && loaded.entries.is_empty());
    let made = change(&store, put("carrier", Absent)).unwrap();
    assert_eq!(made[0].body, json!({ "name": "carrier" }));
    assert_eq!((made[0].kind, made[0].position), (Kind::Trunk, 0));
    assert!(made[0].updated_ms > 1_700_000_000_000);
    store.close();
    let (store, loaded) = open(&directory.file());
    assert_eq!(loaded.entries, made);
    assert_eq!(read(&store, |reader| reader.entries(Kind::Trunk)), made);
    assert_eq!(read(&store, |reader| reader.entries(Kind::Route)), []);
    let audit = read(&store, |reader| reader.audit(None, 10));
    assert_eq!(audit.len(), 1);
    assert_eq!((&*audit[0].1.who, &*audit[0].1.action), ("alice", "change"));
    assert_eq!(audit[0].1.detail, json!({ "secure": "srtp" }));
    store.close();
}

#[test]
fn ops_1_of_two_editors_the_second_is_told_that_it_has_changed() {
    let directory = Directory::new("editors");
    let (store, _) = open(&directory.file());
    let first = change(&store, put("carrier", Absent)).unwrap()[0].version;
    let second = change(&store, put("carrier", Version(first))).unwrap()[0].version;
    assert!(second > first);
    let stale = Err(StoreError::Stale { found: second });
    assert_eq!(change(&store, put("carrier", Version(first))), stale);
    assert_eq!(change(&store, delete("carrier", Version(first))), stale);
    assert_eq!(
        change(&store, put("CARRIER", Absent)),
        Err(StoreError::Exists)
    );
    let missing = Err(StoreError::Missing);
    assert_eq!(change(&store, put("other", Version(1))), missing);
    assert_eq!(change(&store, delete("other", Any)), missing);
    // Nor is one that was made anew taken for the old one.
    assert_eq!(
        change(&store, delete("Carrier", Version(second))),
        Ok(vec![])
    );
    let anew = change(&store, put("carrier", Absent)).unwrap()[0].version;
    assert!(anew > second);
    assert_eq!(read(&store, |reader| reader.audit(None, 100)).len(), 4);
    store.close();
}

#[test]
fn ops_1_of_a_change_all_steps_are_made_or_none() {
    let directory = Directory::new("steps");
    let (store, _) = open(&directory.file());
    change(&store, put("a", Absent)).unwrap();
    let steps = vec![put("b", Absent), delete("a", Any), put("b", Absent)];
    let failed = block_on(store.change(steps, audit("import")));
    assert_eq!(failed, Err(StoreError::Exists));
    assert_eq!(names(&store, Kind::Trunk), ["a"]);
    assert_eq!(read(&store, |reader| reader.audit(None, 100)).len(), 1);
    let steps = vec![put("b", Absent), delete("a", Any)];
    let changed = block_on(store.change(steps, audit("import"))).unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(names(&store, Kind::Trunk), ["b"]);
    store.close();
}

#[test]
fn ops_1_entries_are_in_the_order_that_they_are_given() {
    let directory = Directory::new("order");
    let (store, _) = open(&directory.file());
    for name in ["a", "b", "c"] {
        change(&store, put(name, Absent)).unwrap();
    }
    let reorder = |names: &[&str]| Change::Reorder {
        kind: Kind::Trunk,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let ordered = change(&store, reorder(&["c", "A"])).unwrap();
    let order: Vec<(&str, i64)> = ordered
        .iter()
        .map(|entry| (&*entry.name, entry.position))
        .collect();
    assert_eq!(order, [("c", 0), ("a", 1), ("b", 2)]);
    assert_eq!(change(&store, reorder(&["x"])), Err(StoreError::Missing));
    assert_eq!(
        change(&store, reorder(&["a", "a"])),
        Err(StoreError::Missing)
    );
    // A new one in the middle; then another body, which leaves it where it is.
    change(&store, at("new", 1)).unwrap();
    change(&store, put("new", Any)).unwrap();
    assert_eq!(names(&store, Kind::Trunk), ["c", "new", "a", "b"]);
    // Where nobody stands, nobody has to move.
    let before = read(&store, |reader| reader.entries(Kind::Trunk));
    change(&store, at("last", 9)).unwrap();
    change(&store, at("new", 1)).unwrap();
    let after = read(&store, |reader| reader.entries(Kind::Trunk));
    assert_eq!(before[2..], after[2..4]);
    store.close();
}

#[test]
fn ops_1_without_a_store_nothing_can_be_changed_and_nothing_is_there() {
    let store = Store::none();
    assert_eq!(change(&store, put("a", Any)), Err(StoreError::NoStore));
    store.journal(JournalItem::Event(event(1, "digit", None)));
    assert_eq!(read(&store, |reader| reader.entries(Kind::Trunk)), []);
    assert_eq!(found(&store, all_calls()), [0_u64; 0]);
    assert_eq!(
        block_on(store.backup("/x".into())),
        Err(StoreError::NoStore)
    );
    assert_eq!(store.health().state, StoreState::None);
    assert_eq!((store.reserve_events(), store.first_call()), (1, 1));
    store.close();
}

#[test]
fn a_store_that_was_closed_says_so() {
    let directory = Directory::new("closed");
    let (store, _) = open(&directory.file());
    let other = store.clone();
    store.close();
    let closed = Err(StoreError::Unavailable("it is closed".to_owned()));
    assert_eq!(change(&other, put("a", Any)), closed);
    other.journal(JournalItem::Event(event(1, "digit", None)));
    other.close();
}

#[test]
fn ops_1_an_entry_that_is_damaged_takes_no_other_with_it() {
    let directory = Directory::new("entry");
    let (store, _) = open(&directory.file());
    for name in ["a", "b", "c"] {
        change(&store, put(name, Absent)).unwrap();
    }
    store.close();
    let damage = rusqlite::Connection::open(directory.file()).unwrap();
    let garbled = "UPDATE entry SET body = '{' WHERE name = 'b'";
    assert_eq!(damage.execute(garbled, []).unwrap(), 1);
    drop(damage);
    let (store, loaded) = open(&directory.file());
    let names: Vec<&str> = loaded.entries.iter().map(|entry| &*entry.name).collect();
    assert_eq!(names, ["a", "c"]);
    store.close();
}
