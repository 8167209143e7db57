//! Digits that a caller presses: each is told once, and the stream is as it was.

use std::time::{Duration, Instant};

use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::lab::LabOptions;
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};

use crate::support::House;

/// 1, 2, 2 and #, as event codes (RFC 4733 section 3.2).
const KEYS: [u8; 4] = [1, 2, 2, 11];
const TOLD: [&str; 4] = ["digit 1", "digit 2", "digit 2", "digit #"];
/// Three updates and three ends of each.
const PACKETS_PER_KEY: usize = 6;

/// The digits that the daemon has told of, once there are as many as were pressed.
async fn told(house: &House) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let log = house.edge().log();
        let told: Vec<String> = log
            .lines()
            .filter_map(|line| {
                let (_, rest) = line.split_once("digit ")?;
                let (digit, _) = rest.split_once(" from the caller")?;
                Some(format!("digit {digit}"))
            })
            .collect();
        if told.len() >= KEYS.len() || begun.elapsed() > Duration::from_secs(5) {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn every_digit_is_told_once(stage: Stage, caller: Party, path: &str) {
    let options = EdgeOptions {
        media_lines: "log_digits = true\n",
        ..EdgeOptions::default()
    };
    let house = House::open(stage, &options);
    let call = house.call(caller, Party::PbxPlain, 1).await;
    call.talk(10).await.unwrap();
    for key in KEYS {
        call.caller.media().press(key).await.unwrap();
    }
    call.talk(10).await.unwrap();
    assert_eq!(told(&house).await, TOLD, "{path}");

    let result = call.hang_up().await.unwrap();
    assert!(result.is_complete(0), "{path}: {result:?}");
    let events = &result.counts[1].events;
    assert_eq!(
        events.len(),
        KEYS.len() * PACKETS_PER_KEY,
        "{path}: the stream"
    );
    let codes = events.chunks(PACKETS_PER_KEY).map(|event| event[0][0]);
    assert!(codes.eq(KEYS), "{path}: {events:?}");
    let record = house.edge().wait_for_records(1).unwrap().swap_remove(0);
    let directions = record["media"]["directions"].as_array().unwrap();
    for direction in directions {
        assert_eq!(direction["path"], path, "{record:#}");
        let pressed = if direction["from"] == "caller" {
            KEYS.len()
        } else {
            0
        };
        assert_eq!(direction["digits"], pressed, "{record:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn med_3_every_digit_is_told_once_by_kernel_and_worker() {
    if !require_root("the network lab") {
        return;
    }
    for (caller, path) in [
        (Party::CarrierPlain, "xdp"),
        (Party::CarrierSecure, "af_xdp"),
    ] {
        let stage = Stage::lab(LabOptions::default()).unwrap();
        every_digit_is_told_once(stage, caller, path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn med_3_every_digit_is_told_once_by_sockets() {
    every_digit_is_told_once(Stage::loopback(), Party::CarrierSecure, "socket").await;
}
