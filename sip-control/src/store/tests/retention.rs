//! What is kept for too long goes, some at a time; what is younger stays.

use super::support::*;
use super::*;
use crate::clock::unix_ms;

const DAY: Duration = Duration::from_secs(86_400);
const DAY_MS: i64 = 86_400_000;

fn oldest_event(store: &Store) -> Option<u64> {
    read(store, |reader| reader.events(0, 1, &[], None)).oldest
}

#[test]
fn ops_2_what_is_older_than_its_time_is_deleted_and_the_gap_is_told() {
    let directory = Directory::new("old");
    let settings = StoreSettings {
        keep_calls: 10 * DAY,
        keep_events: 5 * DAY,
        keep_audit: 20 * DAY,
        ..settings(&directory.file())
    };
    let (store, _) = open_with(settings);
    let now = unix_ms();
    for (number, days) in (1..).zip([30, 12, 8, 3]) {
        let time_ms = now - days * DAY_MS;
        store.journal(JournalItem::Call(call(number, time_ms)));
        store.journal(JournalItem::Event(EventRow {
            time_ms,
            ..event(number, "digit", Some(number))
        }));
        let audit = audit(&format!("{days}"));
        store.journal(JournalItem::Audit(AuditEntry { time_ms, ..audit }));
    }
    settle(&store);
    patiently("the old are gone", || {
        found(&store, all_calls()) == [4, 3]
            && oldest_event(&store) == Some(4)
            && read(&store, |reader| reader.audit(None, 9)).len() == 3
    });
    // Nothing of them is left to be found.
    assert_eq!(read(&store, |reader| reader.call(1, None)), None);
    let search = CallQuery {
        search: Some("In-1@carrier.example".to_owned()),
        ..all_calls()
    };
    assert_eq!(found(&store, search), [0_u64; 0]);
    let page = read(&store, |reader| reader.events(0, 9, &[], None));
    assert_eq!((page.events.len(), page.oldest), (1, Some(4)));
    store.close();
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    let words = "SELECT count(*) FROM call_word WHERE call < 3";
    let words: i64 = connection.query_row(words, [], |row| row.get(0)).unwrap();
    assert_eq!(words, 0);
}

#[test]
fn ops_3_a_gap_is_told_even_when_no_event_is_left() {
    let directory = Directory::new("none-left");
    let (store, _) = open_with(StoreSettings {
        keep_events: DAY,
        ..settings(&directory.file())
    });
    for seq in 1..=7 {
        let time_ms = unix_ms() - 2 * DAY_MS;
        store.journal(JournalItem::Event(EventRow {
            time_ms,
            ..event(seq, "digit", None)
        }));
    }
    settle(&store);
    patiently("the gap is told", || oldest_event(&store) == Some(8));
    store.close();
}

#[test]
fn a_store_above_its_size_gives_up_the_oldest_and_returns_the_room() {
    let directory = Directory::new("size");
    let max_bytes = 4 << 20;
    let (store, _) = open_with(StoreSettings {
        max_bytes: Some(max_bytes),
        ..settings(&directory.file())
    });
    change(&store, put("carrier", Expected::Absent)).unwrap();
    let start = unix_ms();
    let ladder = "x".repeat(8_000);
    for number in 1..=2_000_i64 {
        let call_number = u64::try_from(number).unwrap();
        store.journal(JournalItem::Call(CallRow {
            ladder: Some(ladder.clone()),
            ..call(call_number, start + number)
        }));
        store.journal(JournalItem::Event(EventRow {
            time_ms: start + number,
            ..event(call_number, "digit", None)
        }));
    }
    settle(&store);
    let length = || std::fs::metadata(directory.file()).unwrap().len();
    patiently("the file is small", || length() <= max_bytes);
    let kept = found(&store, all_calls());
    assert!((100..600).contains(&kept.len()), "{}", kept.len());
    let latest: Vec<u64> = (1..=2_000).rev().take(kept.len()).collect();
    assert_eq!(kept, latest);
    // Events go as far back as calls, or so.
    let oldest = oldest_event(&store).unwrap();
    assert!((1_000..=1_901).contains(&oldest), "{oldest}");
    assert_eq!(read(&store, |reader| reader.entries(Kind::Trunk)).len(), 1);
    assert_eq!(store.health().state, StoreState::Ok);
    store.close();
}

#[test]
fn a_machine_that_wakes_in_another_year_deletes_nothing_at_once() {
    let directory = Directory::new("year");
    let settings = StoreSettings {
        keep_calls: 90 * DAY,
        ..settings(&directory.file())
    };
    let (store, _) = open_with(settings.clone());
    store.journal(JournalItem::Call(call(1, unix_ms() - DAY_MS)));
    settle(&store);
    // A sweep has kept the time.
    std::thread::sleep(Duration::from_millis(100));
    store.close();
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    let year_ago = "UPDATE meta SET value = value - 400 * 86400000 WHERE name = 'clock_ms'";
    assert_eq!(connection.execute(year_ago, []).unwrap(), 1);
    let age = "UPDATE call SET start_ms = start_ms - 400 * 86400000; \
        UPDATE call_record SET start_ms = start_ms - 400 * 86400000";
    connection.execute_batch(age).unwrap();
    drop(connection);
    // The call was a day old when the machine was last seen; the clock says that it is 401.
    let (store, _) = open_with(settings);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(found(&store, all_calls()), [1]);
    store.close();
}
