//! What is written behind: calls, events, audit, answers.

use super::support::*;
use super::*;
use crate::clock::unix_ms;

#[test]
fn ops_2_a_call_is_kept_whole_and_found_by_its_number() {
    let directory = Directory::new("call");
    let (store, _) = open(&directory.file());
    let refused = CallRow {
        answer_ms: None,
        callee_trunk: None,
        status: 403,
        code: Some(32_201),
        ended_by: "trunkline",
        mos_min: None,
        ladder: None,
        quality: None,
        ..call(2, 2_000)
    };
    for row in [call(1, 1_000), refused.clone()] {
        store.journal(JournalItem::Call(row));
    }
    settle(&store);
    let one = read(&store, |reader| reader.call(1, None));
    assert_eq!(one, Some(call(1, 1_000)));
    assert_eq!(read(&store, |reader| reader.call(1, Some(999))), None);
    assert_eq!(read(&store, |reader| reader.call(3, None)), None);
    let page = read(&store, |reader| reader.calls(&all_calls()));
    assert_eq!(page.items[0].row, refused);
    let ladders: Vec<bool> = page.items.iter().map(|kept| kept.has_ladder).collect();
    assert_eq!((ladders, page.next), (vec![false, true], None));
    store.close();
}

#[test]
fn ops_3_events_are_read_in_order_from_any_number_on() {
    let directory = Directory::new("events");
    let (store, _) = open(&directory.file());
    for seq in 1..=100 {
        let kind = if seq % 10 == 0 {
            "digit"
        } else {
            "call_started"
        };
        store.journal(JournalItem::Event(event(seq, kind, Some(seq / 20))));
    }
    settle(&store);
    let numbers = |after: u64, limit: usize, kinds: &[&str], call: Option<u64>| {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let page = read(&store, move |reader| {
            reader.events(after, limit, &kinds, call)
        });
        assert_eq!(page.oldest, Some(1));
        page.events
            .iter()
            .map(|event| event.seq)
            .collect::<Vec<u64>>()
    };
    assert_eq!(numbers(97, 100, &[], None), [98, 99, 100]);
    assert_eq!(numbers(0, 2, &[], None), [1, 2]);
    assert_eq!(numbers(100, 2, &[], None), [0_u64; 0]);
    assert_eq!(numbers(u64::MAX, 2, &[], None), [0_u64; 0]);
    assert_eq!(numbers(15, 3, &["digit"], None), [20, 30, 40]);
    let both = ["digit", "call_started", "nothing"];
    assert_eq!(numbers(15, 6, &both, None), [16, 17, 18, 19, 20, 21]);
    assert_eq!(numbers(0, 9, &["digit"], Some(1)), [20, 30]);
    assert_eq!(numbers(25, 2, &[], Some(1)), [26, 27]);
    let one = read(&store, |reader| reader.events(9, 1, &[], None));
    let expected = EventRow {
        time_ms: one.events[0].time_ms,
        ..event(10, "digit", Some(0))
    };
    assert_eq!(one.events, [expected]);
    store.close();
}

#[test]
fn audit_records_come_page_by_page_the_latest_first() {
    let directory = Directory::new("audit");
    let (store, _) = open(&directory.file());
    for action in ["a", "b", "c"] {
        store.journal(JournalItem::Audit(audit(action)));
    }
    settle(&store);
    let page = read(&store, |reader| reader.audit(None, 2));
    let actions: Vec<&str> = page.iter().map(|(_, entry)| &*entry.action).collect();
    assert_eq!(actions, ["c", "b"]);
    let before = page[1].0;
    let page = read(&store, move |reader| reader.audit(Some(before), 2));
    assert_eq!((page.len(), &*page[0].1.action), (1, "a"));
    store.close();
}

#[test]
fn ops_3_an_answer_is_kept_by_its_key() {
    let directory = Directory::new("answer");
    let (store, _) = open(&directory.file());
    let answer = AnswerRow {
        key: "k".to_owned(),
        time_ms: unix_ms(),
        fingerprint: "POST /calls 1".to_owned(),
        status: 202,
        body: "{\"call\":7}".to_owned(),
    };
    store.journal(JournalItem::Answer(answer.clone()));
    settle(&store);
    assert_eq!(read(&store, |reader| reader.idempotent("k")), Some(answer));
    assert_eq!(read(&store, |reader| reader.idempotent("l")), None);
    store.close();
}

#[test]
fn what_waits_at_the_end_is_written_before_the_store_closes() {
    let directory = Directory::new("last");
    let (store, _) = open(&directory.file());
    for number in 1..=5_000 {
        store.journal(JournalItem::Event(event(number, "digit", None)));
    }
    store.close();
    let (store, _) = open(&directory.file());
    let page = read(&store, |reader| reader.events(0, 10_000, &[], None));
    assert_eq!(page.events.len(), 5_000);
    store.close();
}

#[test]
fn numbers_that_a_store_cannot_hold_harm_no_other() {
    let directory = Directory::new("extremes");
    let (store, _) = open(&directory.file());
    let odd = CallRow {
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        from: "\u{0}\n\u{fffd}".to_owned(),
        to: String::new(),
        mos_min: Some(f64::NAN),
        record: "not json".to_owned(),
        ..call(u64::MAX, 0)
    };
    for item in [
        JournalItem::Call(odd),
        JournalItem::Event(event(u64::MAX, "", Some(u64::MAX))),
        JournalItem::Call(call(1, 1_000)),
    ] {
        store.journal(item);
    }
    settle(&store);
    assert!(found(&store, all_calls()).contains(&1));
    assert_eq!(store.health().state, StoreState::Ok);
    store.close();
}
