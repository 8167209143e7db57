//! The store's disk is full, its file locked by another process, or gone, while calls go on.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::calls::{Callee, Caller, Traffic};
use super::{events_after, events_until_gap, get_until, latest, problem};
use crate::api::{Api, trunks};
use crate::support::{Authority, Directory, SOON};

/// A daemon with its store in a directory of that alone, and who calls.
struct Stand {
    api: Api,
    disk: PathBuf,
    callee: Callee,
    caller: Caller,
    /// The number of the last event before anything went wrong.
    before: u64,
}

impl Stand {
    fn start() -> Stand {
        let directory = Directory::new();
        let disk = directory.path("disk");
        std::fs::create_dir_all(&disk).unwrap();
        Stand::start_on(directory, disk)
    }

    fn start_on(directory: Directory, disk: PathBuf) -> Stand {
        let callee = Callee::start();
        let more = format!(
            "[store]\npath = \"{}\"\n{}",
            disk.join("store.db").display(),
            trunks(callee.address())
        );
        let api = Api::start_in(directory, &Authority::new(), &[], &more);
        let made = add_trunk(&api, "first");
        assert_eq!(made, 201);
        // What is in memory alone would be no proof.
        get_until(&api, "/health", |health| {
            health["store"]["journal_waiting"] == 0
        });
        let before = latest(&api);
        let caller = Caller::new(api.udp());
        Stand {
            api,
            disk,
            callee,
            caller,
            before,
        }
    }

    fn traffic(&self) -> Traffic {
        Traffic::start(self.api.udp(), 1, Duration::from_millis(20))
    }

    /// Until health says that the store is in trouble, in those words: at first it may know only that
    /// an attempt takes long.
    fn wait_for_trouble(&self, words: &str) {
        let health = get_until(&self.api, "/health", |health| {
            problem(health, "store").is_some_and(|why| why.contains(words))
        });
        let why = problem(&health, "store").unwrap();
        assert!(why.contains("calls go on"), "{why}");
        assert_eq!(health["status"], "degraded");
    }

    fn wait_for_recovery(&self) {
        get_until(&self.api, "/health", |health| {
            let store = &health["store"];
            problem(health, "store").is_none()
                && store["state"] == "ok"
                && store["journal_waiting"] == 0
        });
    }

    /// Every event and every call is in the store, after a restart too: nothing was lost.
    fn assert_nothing_is_lost(mut self, calls: usize, fault: &[&str]) {
        // The end of the last is told a moment later.
        let is_ended = |event: &&Value| event["kind"] == "call_ended";
        let begun = std::time::Instant::now();
        let events = loop {
            let events = events_after(&self.api, self.before);
            if events.iter().filter(is_ended).count() >= calls {
                break events;
            }
            assert!(begun.elapsed() < SOON, "not every call is told to be over");
        };
        let kinds: Vec<&str> = events
            .iter()
            .filter_map(|event| event["kind"].as_str())
            .filter(|kind| kind.starts_with("store_"))
            .collect();
        assert_eq!(kinds, fault);
        assert_eq!(self.api.get("/health")["store"]["journal_lost"], 0);
        let seqs = |events: &[Value]| -> Vec<u64> {
            let seqs = events.iter().map(|event| event["seq"].as_u64());
            seqs.map(Option::unwrap).collect()
        };
        let told = seqs(&events);
        self.api.daemon.restart();
        let (kept, gap) = events_until_gap(&self.api, self.before);
        let kept = seqs(&kept);
        assert!(kept.starts_with(&told), "{kept:?} of {told:?}, {gap:?}");
        assert_eq!(history(&self.api), calls);
        assert_eq!(self.api.get("/trunks/first")["origin"], "store");
        drop(self.callee);
    }
}

fn add_trunk(api: &Api, name: &str) -> u16 {
    let trunk = json!({"name": name, "acl": ["192.0.2.1"]});
    api.ask("POST", "/trunks", "", &trunk).status
}

/// How many calls the history has.
fn history(api: &Api) -> usize {
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let page = api.get(&format!("/history?limit=1000{cursor}"));
        count += page["items"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => cursor = format!("&after={next}"),
            None => return count,
        }
    }
}

/// OPS-1, OPS-2: what an operator changes is refused in words while it cannot be kept; records and
/// events wait.
#[test]
fn ops_2_a_store_that_another_process_has_locked_is_waited_for() {
    let stand = Stand::start();
    let up = stand.caller.set_up("through");
    let traffic = stand.traffic();
    traffic.go_on_for(5);
    let path = stand.disk.join("store.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    stand.wait_for_trouble("locked");
    assert_eq!(add_trunk(&stand.api, "meanwhile"), 503);
    traffic.go_on_for(20);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    stand.wait_for_recovery();
    traffic.go_on_for(5);
    assert!(!stand.caller.is_hung_up());
    stand.caller.hang_up(&up);
    let calls = traffic.finish() + 1;
    assert_eq!(
        stand
            .api
            .ask("GET", "/trunks/meanwhile", "", &Value::Null)
            .status,
        404
    );
    stand.assert_nothing_is_lost(calls, &["store_degraded", "store_recovered"]);
}

#[test]
fn ops_2_a_store_that_is_deleted_is_written_again_with_all_that_it_had() {
    let stand = Stand::start();
    let up = stand.caller.set_up("through");
    let traffic = stand.traffic();
    traffic.go_on_for(10);
    let disk = stand.disk.clone();
    // As whoever tidies up does it: nobody can write there until the directory is back.
    std::fs::remove_dir_all(&disk).unwrap();
    stand.wait_for_trouble("gone");
    assert_eq!(add_trunk(&stand.api, "meanwhile"), 503);
    traffic.go_on_for(20);
    std::fs::create_dir(&disk).unwrap();
    stand.wait_for_recovery();
    traffic.go_on_for(5);
    assert!(!stand.caller.is_hung_up());
    stand.caller.hang_up(&up);
    let calls = traffic.finish() + 1;
    stand.assert_nothing_is_lost(calls, &["store_degraded", "store_recovered"]);
}

/// A small disk of its own; only root may have one.
struct Disk(Directory);

impl Disk {
    fn mount() -> Option<Disk> {
        if !rustix::process::geteuid().is_root() {
            let required = std::env::var_os("TRUNKLINE_REQUIRE_PRIVILEGED");
            assert!(required.is_none(), "a disk of its own needs root");
            println!("skipped: a disk of its own needs root");
            return None;
        }
        let directory = Directory::new();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
            .arg(directory.path(""))
            .status();
        assert!(mounted.unwrap().success());
        Some(Disk(directory))
    }

    /// Takes all the room that there is.
    fn fill(&self) -> PathBuf {
        let filler = self.0.path("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|written| written > 0) {}
        filler
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount")
            .arg("-l")
            .arg(self.0.path(""))
            .status();
        println!("unmounted: {unmounted:?}");
    }
}

#[test]
fn ops_2_a_disk_that_is_full_loses_no_record_and_no_event() {
    let Some(disk) = Disk::mount() else {
        return;
    };
    let stand = Stand::start_on(Directory::new(), disk.0.path(""));
    let up = stand.caller.set_up("through");
    let traffic = stand.traffic();
    traffic.go_on_for(5);
    let filler = disk.fill();
    stand.wait_for_trouble("full");
    traffic.go_on_for(20);
    std::fs::remove_file(filler).unwrap();
    stand.wait_for_recovery();
    traffic.go_on_for(5);
    assert!(!stand.caller.is_hung_up());
    stand.caller.hang_up(&up);
    let calls = traffic.finish() + 1;
    stand.assert_nothing_is_lost(calls, &["store_degraded", "store_recovered"]);
}
