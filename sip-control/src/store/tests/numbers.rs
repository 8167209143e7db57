//! Numbers of events and calls: none is given out twice, whatever ends the process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::*;
use super::*;

const FILE: &str = "TRUNKLINE_TEST_STORE";

/// Not a test by itself: what the next one kills.
#[test]
fn a_process_that_counts_events_until_it_is_killed() {
    let Some(file) = std::env::var_os(FILE) else {
        return;
    };
    let (store, _) = open(Path::new(&file));
    let (first, call) = (store.reserve_events(), store.first_call());
    for seq in first..first + 2_500 {
        store.journal(JournalItem::Event(event(seq, "digit", Some(call + 1_700))));
        if seq % 100 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    settle(&store);
    // These are given out, and never written.
    println!("\nused {} {}", first + 2_500 + 300, call + 1_700);
    loop {
        std::thread::park();
    }
}

#[test]
fn ops_3_no_number_is_given_out_again_after_a_kill() {
    let directory = Directory::new("kill");
    let (mut event, mut call) = (0, 0);
    for _ in 0..3 {
        let (first_event, first_call) = killed(&directory.file());
        assert!(first_event > event && first_call > call);
        (event, call) = (first_event, first_call);
    }
    let (store, _) = open(&directory.file());
    assert!(store.reserve_events() > event, "{event}");
    assert!(store.first_call() > call, "{call}");
    // They are not wasted: a block or two for each of the kills.
    assert!(
        store.reserve_events() < 40_000,
        "{}",
        store.reserve_events()
    );
    store.close();
}

/// The highest numbers that a process gave out before it was killed.
fn killed(file: &Path) -> (u64, u64) {
    let test = "store::tests::numbers::a_process_that_counts_events_until_it_is_killed";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(FILE, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let used = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("used ").map(str::to_owned));
    child.kill().unwrap();
    child.wait().unwrap();
    let used = used.expect("it counts until it is killed");
    let (event, call) = used.split_once(' ').unwrap();
    (event.parse().unwrap(), call.parse().unwrap())
}

#[test]
fn ops_3_the_first_number_is_one_and_a_restart_begins_above_the_block() {
    let directory = Directory::new("blocks");
    let (store, _) = open(&directory.file());
    assert_eq!((store.reserve_events(), store.first_call()), (1, 1));
    assert_eq!((store.reserve_events(), store.first_call()), (1, 1));
    store.close();
    let (store, _) = open(&directory.file());
    assert_eq!((store.reserve_events(), store.first_call()), (1_001, 1_001));
    store.close();
}

#[test]
fn ops_3_where_a_damaged_store_knew_the_numbers_they_begin_where_nobody_was() {
    let directory = Directory::new("unknown");
    std::fs::write(directory.file(), [7; 5_000]).unwrap();
    let (store, _) = open(&directory.file());
    let first = store.reserve_events();
    assert!(first > 1_700_000_000_000);
    // As numbers of JSON they are exact.
    assert!(first < 1 << 53);
    store.close();
    let (store, _) = open(&directory.file());
    assert!(store.reserve_events() > first);
    store.close();
}
