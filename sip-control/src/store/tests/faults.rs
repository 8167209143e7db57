//! What goes wrong with disks: counted, shown, waited for, mended. Nobody who leaves something here
//! ever waits.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::support::*;
use super::*;

/// A small disk of its own; only root may have one.
struct Disk(Directory);

impl Disk {
    fn new(name: &str, size: &str) -> Option<Disk> {
        if !rustix::process::geteuid().is_root() {
            let required = std::env::var_os("TRUNKLINE_REQUIRE_PRIVILEGED");
            assert!(required.is_none(), "a disk of its own needs root");
            println!("skipped: a disk of its own needs root");
            return None;
        }
        let directory = Directory::new(name);
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&directory.0)
            .status();
        assert!(mounted.unwrap().success());
        Some(Disk(directory))
    }

    /// Takes all the room that there is.
    fn fill(&self) -> std::path::PathBuf {
        let filler = self.0.0.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write(&mut file, &[0; 4_096]).is_ok_and(|written| written > 0) {}
        filler
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0.0).status();
        println!("unmounted: {unmounted:?}");
    }
}

fn journal_events(store: &Store, numbers: std::ops::RangeInclusive<u64>) {
    for seq in numbers {
        store.journal(JournalItem::Event(event(seq, "digit", None)));
    }
}

fn events(store: &Store) -> Vec<u64> {
    let page = read(store, |reader| reader.events(0, 100_000, &[], None));
    page.events.iter().map(|event| event.seq).collect()
}

fn is_ok(store: &Store) -> bool {
    let health = store.health();
    health.state == StoreState::Ok && health.journal_waiting == 0
}

#[test]
fn a_full_disk_is_shown_and_what_waits_is_written_when_there_is_room() {
    let Some(disk) = Disk::new("full", "2m") else {
        return;
    };
    let (store, _) = open(&disk.0.file());
    change(&store, put("carrier", Expected::Absent)).unwrap();
    let filler = disk.fill();
    journal_events(&store, 1..=20_000);
    patiently("it is shown", || {
        store.health().state == StoreState::Degraded
    });
    let health = store.health();
    assert!(health.errors > 0 && health.journal_waiting > 0);
    assert!(health.last_error.unwrap().contains("full"));
    assert!(health.last_error_ms.unwrap() > 1_700_000_000_000);
    // What is there is still read; who changes something is told at once.
    assert_eq!(read(&store, |reader| reader.entries(Kind::Trunk)).len(), 1);
    let body = serde_json::Value::String("x".repeat(500_000));
    let large = Change::Put {
        kind: Kind::Trunk,
        name: "large".to_owned(),
        position: None,
        body,
        expected: Expected::Any,
    };
    let began = Instant::now();
    let refused = change(&store, large).unwrap_err();
    assert!(refused.to_string().contains("full"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(3));
    std::fs::remove_file(filler).unwrap();
    // All of the events do not fit, still: some do.
    patiently("some are written", || !events(&store).is_empty());
    store.close();
}

#[test]
fn a_file_that_somebody_else_holds_is_shown_before_the_attempt_to_write_has_failed() {
    let directory = Directory::new("held");
    let (store, _) = open(&directory.file());
    settle(&store);
    let other = rusqlite::Connection::open(directory.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    journal_events(&store, 1..=10);
    // When the attempt has failed, two seconds later, the error is another one.
    patiently("it is shown", || {
        let health = store.health();
        let said = health.last_error.unwrap_or_default();
        health.state == StoreState::Degraded && said.contains("not answered")
    });
    other.execute_batch("ROLLBACK").unwrap();
    patiently("it recovers", || is_ok(&store));
    assert_eq!(events(&store).len(), 10);
    store.close();
}

#[test]
fn a_disk_that_was_full_has_lost_nothing_in_the_end() {
    let Some(disk) = Disk::new("full-again", "12m") else {
        return;
    };
    let (store, _) = open(&disk.0.file());
    for round in 0..3 {
        let filler = disk.fill();
        journal_events(&store, round * 2_000 + 1..=round * 2_000 + 2_000);
        patiently("it is shown", || store.health().state != StoreState::Ok);
        std::fs::remove_file(filler).unwrap();
        patiently("it recovers", || is_ok(&store));
    }
    assert_eq!(events(&store), (1..=6_000).collect::<Vec<u64>>());
    assert_eq!(store.health().journal_lost, 0);
    store.close();
}

#[test]
fn a_store_that_starts_on_a_full_disk_has_its_configuration_and_recovers() {
    let Some(disk) = Disk::new("full-start", "2m") else {
        return;
    };
    let (store, _) = open(&disk.0.file());
    change(&store, put("carrier", Expected::Absent)).unwrap();
    let first = store.reserve_events();
    store.close();
    let filler = disk.fill();
    let (store, loaded) = open(&disk.0.file());
    assert!(loaded.complete);
    assert_eq!(loaded.entries.len(), 1);
    assert!(store.reserve_events() >= first + 1_000);
    journal_events(&store, 5_001..=5_100);
    patiently("it is shown", || store.health().state != StoreState::Ok);
    std::fs::remove_file(filler).unwrap();
    patiently("it recovers", || is_ok(&store));
    assert_eq!(events(&store).len(), 100);
    store.close();
}

#[test]
fn what_is_too_much_to_wait_is_lost_and_counted_and_what_waits_stays() {
    let directory = Directory::new("overflow");
    let (store, _) = open(&directory.file());
    let other = rusqlite::Connection::open(directory.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = "x".repeat(1 << 20);
    let began = Instant::now();
    for seq in 1..=100 {
        store.journal(JournalItem::Event(EventRow {
            body: body.clone(),
            ..event(seq, "digit", None)
        }));
    }
    // Who did what has a place even then.
    store.journal(JournalItem::Audit(audit("late")));
    assert!(began.elapsed() < Duration::from_secs(1), "{began:?}");
    let lost = store.health().journal_lost;
    assert!((36..=38).contains(&lost), "{lost}");
    other.execute_batch("ROLLBACK").unwrap();
    patiently("it recovers", || is_ok(&store));
    assert_eq!(events(&store), (1..=100 - lost).collect::<Vec<u64>>());
    assert_eq!(read(&store, |reader| reader.audit(None, 9)).len(), 1);
    // There is room again.
    journal_events(&store, 101..=101);
    settle(&store);
    assert_eq!(events(&store).last(), Some(&101));
    store.close();
}

#[test]
fn a_file_that_another_process_holds_locked_is_waited_for() {
    let directory = Directory::new("locked");
    let (store, _) = open(&directory.file());
    let other = rusqlite::Connection::open(directory.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    journal_events(&store, 1..=10);
    let refused = change(&store, put("carrier", Expected::Any)).unwrap_err();
    assert!(refused.to_string().contains("locked"), "{refused}");
    patiently("it is shown", || {
        store.health().state == StoreState::Degraded
    });
    other.execute_batch("COMMIT").unwrap();
    patiently("it recovers", || is_ok(&store));
    assert_eq!(events(&store).len(), 10);
    assert_eq!(read(&store, |reader| reader.entries(Kind::Trunk)), []);
    store.close();
}

fn with_something(directory: &Directory) -> Store {
    let (store, _) = open(&directory.file());
    change(&store, put("carrier", Expected::Absent)).unwrap();
    journal_events(&store, 1..=50);
    store.journal(JournalItem::Call(call(1, 1_000)));
    settle(&store);
    store
}

fn assert_it_has_everything(store: &Store) {
    patiently("it is all right", || is_ok(store));
    assert_eq!(events(store), (1..=51).collect::<Vec<u64>>());
    assert_eq!(read(store, |reader| reader.entries(Kind::Trunk)).len(), 1);
    assert_eq!(found(store, all_calls()), [1]);
}

#[test]
fn a_file_that_is_deleted_under_us_is_written_again_with_all_that_it_had() {
    let sets: [&[&str]; 4] = [
        &["store.db"],
        &["store.db-wal"],
        &["store.db", "store.db-wal", "store.db-shm"],
        &["store.db-wal", "store.db-shm"],
    ];
    for deleted in sets {
        let directory = Directory::new("deleted");
        let store = with_something(&directory);
        let errors = store.errors();
        for name in deleted {
            std::fs::remove_file(directory.0.join(name)).unwrap();
        }
        journal_events(&store, 51..=51);
        patiently("it is counted", || store.errors() > errors);
        assert_it_has_everything(&store);
        assert!(store.health().last_error.unwrap().contains("deleted"));
        store.close();
        assert_eq!(directory.names(), ["store.db"], "{deleted:?}");
        let (store, loaded) = open(&directory.file());
        assert_eq!(loaded.entries.len(), 1);
        assert_it_has_everything(&store);
        store.close();
    }
}

#[test]
fn a_directory_that_is_gone_and_comes_back_has_the_store_again() {
    let directory = Directory::new("gone");
    let store = with_something(&directory);
    std::fs::remove_dir_all(&directory.0).unwrap();
    patiently("it is shown", || store.health().state == StoreState::Gone);
    assert!(change(&store, put("other", Expected::Any)).is_err());
    journal_events(&store, 51..=51);
    std::fs::create_dir(&directory.0).unwrap();
    assert_it_has_everything(&store);
    store.close();
}

#[test]
fn a_file_that_is_replaced_is_used_from_then_on() {
    let directory = Directory::new("replaced");
    let store = with_something(&directory);
    let other = directory.0.join("other.db");
    let (another, _) = open(&other);
    change(&another, put("other", Expected::Absent)).unwrap();
    another.close();
    std::fs::rename(&other, directory.file()).unwrap();
    patiently("it is told", || {
        let told = store.health().last_error;
        told.is_some_and(|told| told.contains("another file"))
    });
    patiently("it is all right", || is_ok(&store));
    let entries = read(&store, |reader| reader.entries(Kind::Trunk));
    assert_eq!(entries[0].name, "other");
    change(&store, put("more", Expected::Absent)).unwrap();
    store.close();
    let (store, loaded) = open(&directory.file());
    assert_eq!(loaded.entries.len(), 2);
    // Numbers are those of both.
    assert!(store.reserve_events() > 1_000);
    store.close();
}

/// Garbles pages in the middle of the file.
fn damage(path: &Path, pages: std::ops::Range<u64>) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    for page in pages {
        file.write_all_at(&[0xa5; 4_096], page * 4_096).unwrap();
    }
}

fn aside(directory: &Directory) -> Vec<String> {
    let names = directory.names();
    let is_aside = |name: &&String| name.starts_with("store.db.corrupt-");
    names.iter().filter(is_aside).cloned().collect()
}

#[test]
fn of_a_damaged_file_the_configuration_is_saved_and_health_says_so() {
    let directory = Directory::new("saved");
    let store = with_something(&directory);
    for number in 2..=500 {
        store.journal(JournalItem::Call(call(number, 1_000)));
    }
    let first = store.reserve_events();
    store.close();
    let pages = std::fs::metadata(directory.file()).unwrap().len() / 4_096;
    damage(&directory.file(), pages - 40..pages - 20);
    let (store, loaded) = open(&directory.file());
    assert!(loaded.complete);
    assert_eq!(loaded.entries.len(), 1);
    assert_eq!(found(&store, all_calls()), [0_u64; 0]);
    let health = store.health();
    assert_eq!((health.state, health.errors), (StoreState::Degraded, 1));
    assert!(health.put_aside.unwrap().contains("store.db.corrupt-"));
    assert_eq!(aside(&directory).len(), 1);
    assert!(store.reserve_events() > first);
    // It works, and goes on saying that something is to be looked at.
    change(&store, put("other", Expected::Absent)).unwrap();
    assert_eq!(store.health().state, StoreState::Degraded);
    store.close();
}

#[test]
fn a_large_file_is_used_while_it_is_checked_and_put_aside_if_it_is_damaged() {
    let directory = Directory::new("large");
    let store = with_something(&directory);
    let ladder = "x".repeat(100_000);
    for number in 2..=400 {
        store.journal(JournalItem::Call(CallRow {
            ladder: Some(ladder.clone()),
            ..call(number, 1_000)
        }));
        // Not more than may wait.
        if number % 100 == 0 {
            settle(&store);
        }
    }
    store.close();
    let length = std::fs::metadata(directory.file()).unwrap().len();
    assert!(length > 33 << 20, "{length}");
    damage(&directory.file(), 5_000..5_003);
    let (store, loaded) = open(&directory.file());
    assert_eq!(loaded.entries.len(), 1);
    patiently("it is put aside", || store.health().put_aside.is_some());
    patiently("it is used", || {
        change(&store, put("other", Expected::Any)).is_ok()
    });
    assert_eq!(read(&store, |reader| reader.entries(Kind::Trunk)).len(), 2);
    assert_eq!(aside(&directory).len(), 1);
    store.close();
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let directory = Directory::new("newer");
    with_something(&directory).close();
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    connection
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    drop(connection);
    let (store, loaded) = open(&directory.file());
    assert_eq!(loaded.entries.len(), 1);
    let health = store.health();
    assert_eq!(health.state, StoreState::Gone);
    assert!(health.last_error.unwrap().contains("version 99"));
    assert_eq!(aside(&directory), [""; 0]);
    store.close();
}
