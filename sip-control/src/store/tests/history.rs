//! Pages of calls and searches: what they find, and how long that takes with many calls.

use std::time::Instant;

use super::support::*;
use super::*;

fn with_calls(name: &str, rows: impl IntoIterator<Item = CallRow>) -> (Directory, Store) {
    let directory = Directory::new(name);
    let (store, _) = open(&directory.file());
    for row in rows {
        store.journal(JournalItem::Call(row));
    }
    settle(&store);
    (directory, store)
}

fn searched(search: &str) -> CallQuery {
    CallQuery {
        search: Some(search.to_owned()),
        limit: 2,
        ..CallQuery::default()
    }
}

#[test]
fn ops_1_history_is_paged_from_the_latest_call_on() {
    // Two start at the same moment; the clock is set back for one.
    let starts = [(1, 1_000), (2, 3_000), (3, 3_000), (4, 2_000)];
    let (_directory, store) = with_calls(
        "pages",
        starts.map(|(number, start_ms)| call(number, start_ms)),
    );
    for limit in [0, 1, 2, 3, 4, 1000] {
        let query = CallQuery {
            limit,
            ..CallQuery::default()
        };
        assert_eq!(found(&store, query), [3, 2, 4, 1], "{limit}");
    }
    let between = CallQuery {
        from_ms: Some(2_000),
        to_ms: Some(3_000),
        ..all_calls()
    };
    assert_eq!(found(&store, between), [4]);
    store.close();
}

#[test]
fn ops_1_history_is_picked_by_trunk_and_outcome() {
    let refused = CallRow {
        answer_ms: None,
        code: Some(32_012),
        callee_trunk: None,
        ..call(2, 2_000)
    };
    let failed = CallRow {
        answer_ms: None,
        status: 486,
        caller_trunk: Some("PBX".to_owned()),
        callee_trunk: Some("other".to_owned()),
        ..call(3, 3_000)
    };
    let hairpin = CallRow {
        caller_trunk: Some("pbx".to_owned()),
        ..call(4, 4_000)
    };
    let (_directory, store) = with_calls("picked", [call(1, 1_000), refused, failed, hairpin]);
    let of = |trunk: Option<&str>, outcome: Option<Outcome>, search: Option<&str>| {
        let query = CallQuery {
            trunk: trunk.map(str::to_owned),
            outcome,
            search: search.map(str::to_owned),
            limit: 2,
            ..CallQuery::default()
        };
        found(&store, query)
    };
    assert_eq!(of(Some("pbx"), None, None), [4, 3, 1]);
    assert_eq!(of(Some("Carrier"), None, None), [2, 1]);
    assert_eq!(of(Some("none"), None, None), [0_u64; 0]);
    assert_eq!(of(None, Some(Outcome::Answered), None), [4, 1]);
    assert_eq!(of(None, Some(Outcome::Refused), None), [2]);
    assert_eq!(of(None, Some(Outcome::Failed), None), [3]);
    assert_eq!(of(Some("pbx"), Some(Outcome::Answered), None), [4, 1]);
    assert_eq!(
        of(Some("pbx"), Some(Outcome::Answered), Some("alice")),
        [4, 1]
    );
    assert_eq!(of(Some("pbx"), None, Some("3011@")), [1]);
    store.close();
}

#[test]
fn ops_1_a_search_finds_numbers_users_and_call_ids_whole_or_in_part() {
    let rows = (1..=30).map(|number| call(number, i64::try_from(number).unwrap()));
    let (_directory, store) = with_calls("search", rows);
    // Whole: only those, though 4930110 has 493011 in it.
    assert_eq!(found(&store, searched("+493011")), [1]);
    assert_eq!(found(&store, searched("493011")), [1]);
    assert_eq!(found(&store, searched("IN-7@carrier.EXAMPLE")), [7]);
    assert_eq!(found(&store, searched("out-12")), [12]);
    assert_eq!(found(&store, searched("ALICE")).len(), 30);
    // In part.
    assert_eq!(found(&store, searched(" +4930130 ")), [30]);
    assert_eq!(found(&store, searched("93013")), [30, 3]);
    assert_eq!(found(&store, searched("uT-2")).len(), 11);
    assert_eq!(found(&store, searched("%")), [0_u64; 0]);
    assert_eq!(found(&store, searched("")).len(), 30);
    store.close();
}

#[test]
fn a_number_that_was_given_twice_shows_each_call_once() {
    let (_directory, store) = with_calls("twice", [call(1, 1_000), call(1, 2_000)]);
    assert_eq!(found(&store, all_calls()), [1]);
    let kept = read(&store, |reader| reader.call(1, None)).unwrap();
    assert_eq!(kept.start_ms, 2_000);
    store.close();
}

/// So many calls, quickly.
fn fill(directory: &Directory, calls: u64) {
    open(&directory.file()).0.close();
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    let many = format!(
        "PRAGMA synchronous = OFF; BEGIN;
        CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS
            (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {calls}) SELECT i FROM n;
        INSERT INTO call SELECT i * 10, i, CASE WHEN i % 1000 = 0 THEN 2 ELSE 0 END,
            'carrier' || (i % 50), CASE WHEN i = 77 THEN 'rare' ELSE 'pbx' END,
            'sip:+4930' || (i * 7919 % 10000000) || '@carrier.example' || char(10) ||
            'sip:+4989' || (i % 5000) || '@pbx.example' || char(10) ||
            'a84b4c76e66710' || i || '@pc33.carrier.example' || char(10) ||
            'f81d4fae7dec11d0a76500a0c91e6bf6-' || i FROM n;
        INSERT INTO call_word SELECT '4930' || (i * 7919 % 10000000), i * 10, i FROM n;
        INSERT INTO call_word SELECT '4989' || (i % 5000), i * 10, i FROM n;
        INSERT INTO call_record SELECT i, i * 10, i * 10, i * 10 + 60000, 'sip:a', 'sip:b', 'carrier',
            'pbx', 200, NULL, 'caller', 4.2, hex(zeroblob(500)), NULL, NULL FROM n;
        COMMIT;"
    );
    connection.execute_batch(&many).unwrap();
}

/// With `TRUNKLINE_STORE_CALLS=1000000` it takes a minute to fill.
#[test]
fn ops_1_a_page_of_history_takes_no_longer_for_all_the_calls_that_there_are() {
    let calls = std::env::var("TRUNKLINE_STORE_CALLS");
    let calls: u64 = calls.map_or(200_000, |calls| calls.parse().unwrap());
    let directory = Directory::new("million");
    fill(&directory, calls);
    let (store, _) = open(&directory.file());
    let limit = 100;
    let middle = Some((i64::try_from(calls * 5).unwrap(), 0));
    let page = CallQuery {
        limit,
        ..CallQuery::default()
    };
    let of_trunk = |trunk: &str| CallQuery {
        trunk: Some(trunk.to_owned()),
        ..page.clone()
    };
    let search = |text: &str| CallQuery {
        search: Some(text.to_owned()),
        ..page.clone()
    };
    let failed = CallQuery {
        outcome: Some(Outcome::Failed),
        ..page.clone()
    };
    for (what, query, expected) in [
        ("the latest", page.clone(), limit),
        (
            "from the middle on",
            CallQuery {
                before: middle,
                ..page.clone()
            },
            limit,
        ),
        ("of a trunk", of_trunk("carrier7"), limit),
        ("of a trunk with one call", of_trunk("rare"), 1),
        ("failed", failed, limit),
        ("a whole number", search("+49307919"), 1),
        (
            "a number of many calls",
            search("498942"),
            calls.div_ceil(5000).min(100) as usize,
        ),
        ("a part of most numbers", search("+4930"), limit),
        ("a part of no number", search("no such thing"), 0),
    ] {
        let mut times = Vec::new();
        for _ in 0..21 {
            let query = query.clone();
            let (found, took) = read(&store, move |reader| {
                let began = Instant::now();
                let found = reader.calls(&query)?.items.len();
                Ok((found, began.elapsed()))
            });
            assert!(found.abs_diff(expected) <= 1, "{what}: {found}");
            times.push(took);
        }
        times.sort();
        println!("{what}: {:?}, at most {:?}", times[10], times[20]);
        assert!(times[10] < Duration::from_millis(20), "{what}: {times:?}");
    }
    // And all of them are looked at in the end.
    assert_eq!(found(&store, search("ple\na84b4c76e6671077@")), [77]);
    store.close();
}
