//! Calls that meet trouble or change their parties, through the daemon in the lab and on loopback.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::time::Duration;

use trunkline_tests::acts;
use trunkline_tests::agent::Authority;
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::lab::LabOptions;
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};

const PACKETS: u32 = 60;

fn start(stage: &Stage, authority: &Authority) -> Edge {
    let options = EdgeOptions {
        trunk_lines: vec![(Party::PbxPlain, "refer = \"local\"".to_owned())],
        extra: acts::failover_sections(stage),
        ..EdgeOptions::default()
    };
    Edge::start(&daemon_path().unwrap(), stage, authority, &options).unwrap()
}

async fn a_call_reaches_the_second_carrier(stage: &Stage) {
    let authority = Authority::new().unwrap();
    let edge = start(stage, &authority);
    let result = acts::failover(stage, &authority, PACKETS, 1).await;
    let result = result.unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", edge.log()));
    let record = edge.wait_for_records(1).unwrap().remove(0);
    assert!(result.is_complete(0), "{record:#}");
    // TRK-3: after 4 s without a word.
    let limits = Duration::from_millis(3_900)..Duration::from_secs(7);
    assert!(limits.contains(&result.setup), "{:?}", result.setup);
    assert_eq!(record["status"], 200, "{record:#}");
    let targets = record["targets"].as_array().unwrap();
    let statuses: Vec<_> = targets.iter().map(|target| &target["status"]).collect();
    assert_eq!(
        statuses,
        [&serde_json::Value::Null, &200.into()],
        "{record:#}"
    );
}

async fn a_caller_on_tls_and_srtp_is_transferred(stage: &Stage) {
    let authority = Authority::new().unwrap();
    let edge = start(stage, &authority);
    let result = acts::transfer(stage, &authority, PACKETS, 1).await;
    let result = result.unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", edge.log()));
    assert!(result.is_complete(), "{result:?}\nedge:\n{}", edge.log());
    // The call that was, and the one that came of it.
    let records = edge.wait_for_records(2).unwrap();
    assert_eq!(records.len(), 2, "{records:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trk_3_a_call_reaches_the_second_carrier_when_the_first_is_dead() {
    if !require_root("the network lab") {
        return;
    }
    let stage = Stage::lab(LabOptions::default()).unwrap();
    a_call_reaches_the_second_carrier(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sig_7_a_secure_caller_is_transferred_and_hears_the_new_party() {
    if !require_root("the network lab") {
        return;
    }
    let stage = Stage::lab(LabOptions::default()).unwrap();
    a_caller_on_tls_and_srtp_is_transferred(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sig_7_a_transfer_over_sockets_moves_the_media_too() {
    a_caller_on_tls_and_srtp_is_transferred(&Stage::loopback()).await;
}
