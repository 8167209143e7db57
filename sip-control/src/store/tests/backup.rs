//! Copies of the store while it is used.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::support::*;
use super::*;

#[test]
fn a_backup_is_whole_whatever_is_written_meanwhile() {
    let directory = Directory::new("backup");
    let (store, _) = open(&directory.file());
    change(&store, put("carrier", Expected::Absent)).unwrap();
    for number in 1..=3_000 {
        store.journal(JournalItem::Call(call(number, 1_000)));
    }
    settle(&store);
    let stop = Arc::new(AtomicBool::new(false));
    let writing = {
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut seq = 0;
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..20 {
                    seq += 1;
                    store.journal(JournalItem::Event(event(seq, "digit", None)));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            seq
        })
    };
    let copy = directory.0.join("copy.db");
    for _ in 0..3 {
        let bytes = block_on(store.backup(copy.clone())).unwrap();
        let found = std::fs::metadata(&copy).unwrap();
        assert_eq!(found.len(), bytes);
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
    }
    stop.store(true, Ordering::Relaxed);
    let written = writing.join().unwrap();
    settle(&store);
    store.close();
    assert_eq!(directory.names(), ["copy.db", "store.db"]);
    let (copied, loaded) = open(&copy);
    assert_eq!(loaded.entries.len(), 1);
    assert_eq!(found(&copied, all_calls()).len(), 3_000);
    // Events up to some number, without a hole.
    let page = read(&copied, |reader| reader.events(0, 1_000_000, &[], None));
    let numbers: Vec<u64> = page.events.iter().map(|event| event.seq).collect();
    let count = u64::try_from(numbers.len()).unwrap();
    assert!(count < written, "{count} of {written}");
    assert_eq!(numbers, (1..=count).collect::<Vec<u64>>());
    copied.close();
}

#[test]
fn a_backup_that_fails_leaves_nothing_and_the_one_before_stays() {
    let directory = Directory::new("backup-fails");
    let (store, _) = open(&directory.file());
    change(&store, put("carrier", Expected::Absent)).unwrap();
    let to = |path: std::path::PathBuf| block_on(store.backup(path));
    let occupied = directory.0.join("occupied");
    std::fs::create_dir(&occupied).unwrap();
    for nowhere in [
        directory.0.join("no/such/directory.db"),
        directory.file(),
        directory.0.join("./store.db"),
        occupied,
    ] {
        // Nothing is wrong with the store.
        let refused = to(nowhere.clone());
        assert!(
            matches!(refused, Err(StoreError::NoPlace(_))),
            "{nowhere:?}: {refused:?}"
        );
    }
    assert_eq!(read(&store, |reader| reader.entries(Kind::Trunk)).len(), 1);
    store.close();
    assert_eq!(directory.names(), ["occupied", "store.db"]);
}

#[test]
fn a_backup_in_the_place_of_the_store_is_the_store() {
    let directory = Directory::new("restore");
    let (store, _) = open(&directory.file());
    change(&store, put("carrier", Expected::Absent)).unwrap();
    let copy = directory.0.join("copy.db");
    block_on(store.backup(copy.clone())).unwrap();
    change(&store, put("later", Expected::Absent)).unwrap();
    store.close();
    std::fs::rename(copy, directory.file()).unwrap();
    let (store, loaded) = open(&directory.file());
    let names: Vec<&str> = loaded.entries.iter().map(|entry| &*entry.name).collect();
    assert_eq!(names, ["carrier"]);
    store.close();
}
