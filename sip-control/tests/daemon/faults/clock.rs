//! The system's clock is set by days while a call is up, by libfaketime: nobody else's clock is
//! touched. `cargo xtask setup` sees to it that it is there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;

use super::calls::{Callee, Caller, Traffic};
use super::{events_after, get_until, latest, problem};
use crate::api::{Api, by, exchange, request, trunks};
use crate::support::{Authority, Directory, SOON, free_port};

const DAY_S: i64 = 86_400;

/// Where Debian has it for this machine.
fn library() -> Option<PathBuf> {
    let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
    let path = format!("/usr/lib/{machine}/faketime/libfaketime.so.1");
    if Path::new(&path).is_file() {
        return Some(path.into());
    }
    let required = std::env::var_os("TRUNKLINE_REQUIRE_PRIVILEGED");
    assert!(required.is_none(), "a clock of its own needs {path}");
    println!("skipped: a clock of its own needs {path}");
    None
}

/// A daemon whose clock says what a file says, with a listener whose certificate ends in twelve
/// hours.
fn start(library: &Path, callee: &Callee) -> (Api, PathBuf) {
    let (directory, authority) = (Directory::new(), Authority::new());
    let offset = directory.write("offset", "+0");
    let (certificate, key) = ends_in_twelve_hours();
    directory.write("short.crt", &certificate);
    directory.write("short.key", &key);
    let more = format!(
        "[store]\npath = \"DIR/store.db\"\nkeep_calls = \"36h\"\nkeep_events = \"36h\"\n\
         [[listeners]]\nname = \"short\"\ntransport = \"tls\"\naddress = \"127.0.0.1:{}\"\nrealm = \"lo\"\n\
         certificate = \"DIR/short.crt\"\nkey = \"DIR/short.key\"\n{}",
        free_port(),
        trunks(callee.address())
    );
    let environment = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // What lasts is measured by the clock that nobody can set.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    (
        Api::start_in(directory, &authority, &environment, &more),
        offset,
    )
}

fn ends_in_twelve_hours() -> (String, String) {
    let mut params = CertificateParams::new(vec!["edge.example.com".to_owned()]).unwrap();
    params.not_after = (std::time::SystemTime::now() + Duration::from_secs(12 * 3600)).into();
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// The time by which the store deletes, as its file has it after each sweep.
fn swept_at(api: &Api) -> i64 {
    let path = api.daemon.directory().path("store.db");
    let connection = rusqlite::Connection::open(path).unwrap();
    let value = connection.query_row(
        "SELECT value FROM meta WHERE name = 'clock_ms'",
        [],
        |row| row.get(0),
    );
    value.unwrap_or(0)
}

fn history(api: &Api) -> Vec<Value> {
    let page = api.get("/history?limit=1000");
    assert!(page["next"].is_null());
    page["items"].as_array().unwrap().clone()
}

/// OPS-2, OPS-3: what lasts is measured by no clock that can be set; what was kept stays; events stay
/// in order; health says what happened to the clock, until it is right again.
#[test]
fn ops_3_a_clock_that_is_set_by_days_and_back_touches_no_call_and_deletes_nothing() {
    let Some(library) = library() else {
        return;
    };
    let callee = Callee::start();
    let (api, offset) = start(&library, &callee);
    let token = api.token("read");
    let before = latest(&api);
    let caller = Caller::new(api.udp());
    let begun = Instant::now();
    let up = caller.set_up("through");
    let traffic = Traffic::start(api.udp(), 1, Duration::from_millis(300));
    traffic.go_on_for(5);
    let certificate = "certificate listener short";
    let health = get_until(&api, "/health", |health| {
        problem(health, certificate).is_some()
    });
    assert_eq!(problem(&health, "clock"), None);
    let why = problem(&health, certificate).unwrap();
    assert!(why.starts_with("expires in 0 days"), "{why}");

    set(&offset, "+2d");
    let health = wait_for_step(&api, "forward by 172");
    let why = problem(&health, certificate).unwrap();
    assert!(why.starts_with("has expired"), "{why}");
    traffic.go_on_for(3);
    // Tokens have no time; the call is as old as it is.
    let asked = request("GET", "/calls?search=through", &by(&token), &Value::Null);
    let calls = exchange(api.connect(), &asked).json();
    let age_ms = calls["items"][0]["age_ms"].as_u64().unwrap();
    assert!(age_ms <= ms(begun), "{age_ms}");

    set(&offset, "-1d");
    wait_for_step(&api, "back by 86");
    traffic.go_on_for(3);
    set(&offset, "+2d");
    wait_for_step(&api, "forward by 172");
    // The store looks for what is too old, by the time that it believes: by the clock, everything is.
    let swept_before = swept_at(&api);
    let waiting = Instant::now();
    while swept_at(&api) == swept_before {
        assert!(waiting.elapsed() < 4 * SOON, "nothing is swept");
        std::thread::sleep(Duration::from_millis(200));
    }
    traffic.go_on_for(3);

    set(&offset, "+0");
    let health = get_until(&api, "/health", |health| problem(health, "clock").is_none());
    let why = problem(&health, certificate).unwrap();
    assert!(why.starts_with("expires in 0 days"), "{why}");
    assert!(!caller.is_hung_up());
    let call = api.get("/calls?search=through")["items"][0]["call"].clone();
    caller.hang_up(&up);
    let lasted_ms = ms(begun);
    let calls = traffic.finish() + 1;
    let waiting = Instant::now();
    while history(&api).len() < calls {
        assert!(
            waiting.elapsed() < SOON,
            "{} of {calls}",
            history(&api).len()
        );
    }
    assert_eq!(history(&api).len(), calls);
    assert_the_call_lasted(&api, &call, lasted_ms);

    let events = events_after(&api, before);
    let steps: Vec<i64> = events
        .iter()
        .filter(|event| event["kind"] == "clock_set")
        .map(|event| event["data"]["by_s"].as_i64().unwrap())
        .collect();
    let days: Vec<i64> = steps
        .iter()
        .map(|step| (*step as f64 / DAY_S as f64).round() as i64)
        .collect();
    assert_eq!(days, [2, -3, 3, -2], "{steps:?}");
    let ended = events.iter().filter(|event| event["kind"] == "call_ended");
    assert_eq!(ended.count(), calls);
}

fn ms(since: Instant) -> u64 {
    since.elapsed().as_millis().try_into().unwrap()
}

/// What the daemon's clock is beside the system's. Put there at once, so that no half of it is read.
fn set(offset: &Path, by: &str) {
    let new = offset.with_extension("new");
    std::fs::write(&new, by).unwrap();
    std::fs::rename(new, offset).unwrap();
}

fn wait_for_step(api: &Api, words: &str) -> Value {
    get_until(api, "/health", |health| {
        problem(health, "clock").is_some_and(|why| why.contains(words))
    })
}

/// Its record, and the messages of it.
fn assert_the_call_lasted(api: &Api, call: &Value, ms: u64) {
    let record = api.get(&format!("/calls/{call}"));
    let duration_ms = record["record"]["duration_s"]
        .as_f64()
        .or(record["duration_s"].as_f64());
    let duration_ms = duration_ms.unwrap_or_else(|| panic!("{record}")) * 1000.0;
    assert!(
        (1000.0..=ms as f64).contains(&duration_ms),
        "{duration_ms} of {ms}"
    );
    let ladder = api.get(&format!("/calls/{call}/ladder"));
    let messages = ladder["messages"].as_array().unwrap();
    let summary = |place: usize| messages[place]["summary"].as_str().unwrap();
    assert!(summary(0).starts_with("INVITE "), "{ladder}");
    let offsets: Vec<u64> = messages
        .iter()
        .map(|message| message["offset_ms"].as_u64().unwrap())
        .collect();
    assert!(offsets.is_sorted(), "{offsets:?}");
    assert!(*offsets.last().unwrap() <= ms, "{offsets:?}");
}
