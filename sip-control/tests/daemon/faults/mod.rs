//! What goes wrong around a daemon while calls go on (OPS-1 to OPS-3): clients that stop reading,
//! servers of webhooks that hang, disks that are full, clocks that are set. Each is shown in health
//! as long as it lasts, and no call waits for it.

mod calls;
mod clock;
mod listeners;
mod store;
mod webhooks;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::Api;

/// For what takes the daemon some seconds by itself: its looks, its waits.
const PATIENCE: Duration = Duration::from_secs(50);

/// Asks until it is so.
#[track_caller]
fn get_until(api: &Api, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let value = api.get(path);
        if is_so(&value) {
            return value;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{path} stays {value}\n{}",
            api.daemon.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The detail of a problem that health has.
fn problem<'a>(health: &'a Value, what: &str) -> Option<&'a str> {
    let problems = health["problems"].as_array().unwrap().iter();
    let mut found = problems.filter(|problem| problem["what"] == what);
    found
        .next()
        .map(|problem| problem["detail"].as_str().unwrap())
}

/// The number of the last event.
fn latest(api: &Api) -> u64 {
    api.get("/health")["events"]["latest"].as_u64().unwrap()
}

/// Every event above a number, page by page; a gap is a failure.
fn events_after(api: &Api, after: u64) -> Vec<Value> {
    let (events, gap) = events_until_gap(api, after);
    assert_eq!(gap, None);
    events
}

/// Those before the first gap, and the gap. Numbers that a process had reserved and not used are one
/// when the next has begun.
fn events_until_gap(api: &Api, after: u64) -> (Vec<Value>, Option<Value>) {
    let (mut events, mut after) = (Vec::new(), after);
    loop {
        let page = api.get(&format!("/events?after={after}&limit=1000"));
        for event in page["items"].as_array().unwrap() {
            if event["seq"].is_null() {
                return (events, Some(event.clone()));
            }
            assert_eq!(event["seq"], after + 1);
            after += 1;
            events.push(event.clone());
        }
        if page["next"].is_null() {
            return (events, None);
        }
    }
}
