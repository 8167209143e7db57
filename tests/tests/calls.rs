//! Whole calls through the daemon, in the lab and on loopback.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::time::Duration;

use anyhow::Result;
use media_core::srtp::profile::Suite;
use trunkline_tests::agent::Authority;
use trunkline_tests::call::{self, CallResult, Progress, Script};
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::lab::{Host, LabOptions};
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};
use trunkline_tests::tap::Tap;

const PACKETS: u32 = 60;
/// What latching may cost a call at its start, each way.
const FIRST_FEW: u32 = 3;

/// Every pairing of a carrier with a pbx, in both directions.
const PAIRINGS: [(Party, Party); 8] = [
    (Party::CarrierSecure, Party::PbxPlain),
    (Party::PbxPlain, Party::CarrierSecure),
    (Party::CarrierPlain, Party::PbxPlain),
    (Party::PbxPlain, Party::CarrierPlain),
    (Party::CarrierSecure, Party::PbxSecure),
    (Party::PbxSecure, Party::CarrierSecure),
    (Party::CarrierPlain, Party::PbxSecure),
    (Party::PbxSecure, Party::CarrierPlain),
];

fn start(stage: &Stage, authority: &Authority, options: &EdgeOptions) -> Edge {
    Edge::start(&daemon_path().unwrap(), stage, authority, options).unwrap()
}

fn script((caller, callee): (Party, Party), hold: bool, suite: Suite) -> Script {
    Script {
        caller,
        callee,
        packets: PACKETS,
        hold,
        caller_hangs_up: !hold,
        suite,
    }
}

/// Places a call of every pairing; each must be complete, by the right path, without plaintext.
async fn every_pairing(stage: &Stage, edge: &Edge, authority: &Authority, first: u32) {
    for (index, pairing) in PAIRINGS.into_iter().enumerate() {
        // Towards a secure callee the edge offers the 80-bit tag alone (SEC-6); a caller may choose.
        let suite = if pairing.1.is_secure() {
            Suite::AesCm128HmacSha1_80
        } else {
            Suite::AesCm128HmacSha1_32
        };
        let what = format!("{pairing:?} with {}", suite.name());
        let taps = tap(stage, pairing);
        let script = script(pairing, index % 2 == 0, suite);
        let result = call::place(
            stage,
            authority,
            script,
            index as u32 + 1,
            &Progress::default(),
        )
        .await;
        let result =
            result.unwrap_or_else(|error| panic!("{what}: {error:#}\nedge:\n{}", edge.log()));
        let record = edge.wait_for_records(index + 1).unwrap().swap_remove(index);
        assert!(
            result.is_complete(first),
            "{what}: {}\n{record:#}",
            losses(&result)
        );
        assert_eq!(
            result.counts[0].plaintext + result.counts[1].plaintext,
            0,
            "{what}: plaintext"
        );
        assert!(
            result
                .counts
                .iter()
                .all(|counts| counts.reports_received > 0),
            "{what}: no RTCP"
        );
        for tap in taps {
            let (frames, plaintext) = tap.counts();
            assert!(
                frames >= u64::from(2 * PACKETS) && plaintext == 0,
                "{what}: {plaintext} of {frames} frames plain"
            );
        }
        assert_eq!(record["status"], 200, "{what}: {record:#}");
        assert_eq!(
            record["ended_by"],
            if script.caller_hangs_up {
                "caller"
            } else {
                "callee"
            },
            "{what}"
        );
        for direction in record["media"]["directions"]
            .as_array()
            .expect("media in the record")
        {
            assert_eq!(
                direction["path"],
                expected_path(stage, pairing),
                "{what}: {record:#}"
            );
            assert!(
                direction["packets"].as_u64() >= Some(u64::from(PACKETS - first)),
                "{what}: {record:#}"
            );
        }
    }
}

fn tap(stage: &Stage, (caller, callee): (Party, Party)) -> Vec<Tap> {
    let Some(lab) = stage.namespaces() else {
        return Vec::new();
    };
    let secure = [caller, callee]
        .into_iter()
        .filter(|party| party.is_secure());
    secure
        .map(|party| Tap::start(lab.namespace(party.side()), stage.address(party)).unwrap())
        .collect()
}

fn expected_path(stage: &Stage, (caller, callee): (Party, Party)) -> &'static str {
    match stage {
        Stage::Loopback { .. } => "socket",
        Stage::Lab { .. } if caller.is_secure() || callee.is_secure() => "af_xdp",
        Stage::Lab { .. } => "xdp",
    }
}

fn losses(result: &CallResult) -> String {
    let of = |side: usize| {
        let counts = &result.counts[side];
        let sent = result.counts[1 - side].sent;
        let missing: Vec<u32> = (0..sent)
            .filter(|index| !counts.received.contains(index))
            .collect();
        format!(
            "missing {missing:?} of {sent}, {} errors",
            counts.payload_errors
        )
    };
    format!("at the caller {}; at the callee {}", of(0), of(1))
}

/// The kernel's own files are all that is in the BPF file system.
fn assert_no_pins(stage: &Stage) {
    let pins = stage.bpffs().unwrap().join("trunkline");
    assert!(!pins.exists(), "the daemon left {}", pins.display());
}

async fn in_the_lab(options: LabOptions, ipv6: &[Host], trunk_lines: Vec<(Party, String)>) {
    if !require_root("the network lab") {
        return;
    }
    let latching = !trunk_lines.is_empty();
    let stage = Stage::lab_with_ipv6(options, ipv6).unwrap();
    let authority = Authority::new().unwrap();
    let mut edge = start(
        &stage,
        &authority,
        &EdgeOptions {
            trunk_lines,
            ..EdgeOptions::default()
        },
    );
    every_pairing(
        &stage,
        &edge,
        &authority,
        if latching { FIRST_FEW } else { 0 },
    )
    .await;
    edge.stop().unwrap();
    assert_no_pins(&stage);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pairing_crosses_the_edge_with_tx_offload() {
    in_the_lab(LabOptions::offload(true), &[], Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pairing_crosses_the_edge_without_tx_offload() {
    in_the_lab(LabOptions::offload(false), &[], Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pairing_crosses_the_edge_over_ipv6() {
    in_the_lab(
        LabOptions::default(),
        &[Host::Carrier, Host::Pbx],
        Vec::new(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pairing_crosses_from_ipv6_to_ipv4() {
    in_the_lab(LabOptions::default(), &[Host::Carrier], Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn latching_costs_at_most_three_packets_a_direction() {
    let latch = Party::ALL.map(|party| (party, "source = \"latch\"".to_owned()));
    in_the_lab(LabOptions::default(), &[], latch.to_vec()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pairing_crosses_the_edge_through_sockets() {
    let (stage, authority) = (Stage::loopback(), Authority::new().unwrap());
    let mut edge = start(&stage, &authority, &EdgeOptions::default());
    every_pairing(&stage, &edge, &authority, 0).await;
    edge.stop().unwrap();
}

/// A call that must not come to be: what the caller was told.
async fn refused(stage: &Stage, authority: &Authority, pairing: (Party, Party)) -> Result<String> {
    let script = script(pairing, false, Suite::AesCm128HmacSha1_80);
    match call::place(stage, authority, script, 1, &Progress::default()).await {
        Ok(_) => anyhow::bail!("the call was not refused"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_2_a_secure_trunk_refuses_what_is_not_secure() {
    let (stage, authority) = (Stage::loopback(), Authority::new().unwrap());
    // The plain carrier's trunk is switched to SRTP: what it sends by UDP is refused from then on.
    let edge = start(&stage, &authority, &EdgeOptions::default());
    let config = edge.directory().join("trunkline.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let plain = "name = \"carrier-plain\"\nsecure = \"disabled\"";
    assert!(text.contains(plain));
    let secure = text
        .replace(plain, "name = \"carrier-plain\"\nsecure = \"srtp\"")
        .replace(
            &format!(
                "destination = \"sip:{}:5060;transport=udp\"",
                stage.address(Party::CarrierPlain)
            ),
            &format!(
                "destination = \"sip:{}:5061;transport=tls\"",
                stage.address(Party::CarrierPlain)
            ),
        )
        .replacen(
            "listener = \"carrier-udp\"",
            "listener = \"carrier-tls\"",
            1,
        );
    std::fs::write(&config, secure).unwrap();
    trunkline_tests::sys::signal(edge.pid(), libc::SIGHUP).unwrap();
    edge.wait_for_log("reloaded trunks, routes and certificates")
        .unwrap();
    let told = refused(&stage, &authority, (Party::CarrierPlain, Party::PbxPlain))
        .await
        .unwrap();
    assert!(told.contains("403"), "{told}\n{}", edge.log());
    let record = edge.wait_for_records(1).unwrap().swap_remove(0);
    assert_eq!(
        (record["status"].as_u64(), record["code"].as_u64()),
        (Some(403), Some(32209)),
        "{record:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_port_range_is_answered_503_and_counted() {
    let (stage, authority) = (Stage::loopback(), Authority::new().unwrap());
    let edge = start(
        &stage,
        &authority,
        &EdgeOptions {
            ports: 2,
            ..EdgeOptions::default()
        },
    );
    let first = script(
        (Party::CarrierPlain, Party::PbxPlain),
        false,
        Suite::AesCm128HmacSha1_80,
    );
    let progress = Progress::default();
    let second = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        refused(&stage, &authority, (Party::CarrierSecure, Party::PbxSecure)).await
    };
    let (first, second) =
        tokio::join!(call::place(&stage, &authority, first, 1, &progress), second);
    assert!(first.unwrap().is_complete(0));
    let told = second.unwrap();
    assert!(told.contains("503"), "{told}");
    let records = edge.wait_for_records(2).unwrap();
    assert!(
        records.iter().any(|record| record["code"] == 32013),
        "{records:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_was_killed_is_followed_by_one_that_works() {
    if !require_root("the network lab") {
        return;
    }
    let stage = Stage::lab(LabOptions::default()).unwrap();
    let authority = Authority::new().unwrap();
    start(&stage, &authority, &EdgeOptions::default())
        .kill()
        .unwrap();
    assert!(
        stage.bpffs().unwrap().join("trunkline").exists(),
        "a killed daemon cannot clean up"
    );
    let mut edge = start(&stage, &authority, &EdgeOptions::default());
    let script = script(
        (Party::CarrierSecure, Party::PbxPlain),
        false,
        Suite::AesCm128HmacSha1_80,
    );
    let result = call::place(&stage, &authority, script, 1, &Progress::default())
        .await
        .unwrap();
    assert!(result.is_complete(0), "{}", losses(&result));
    edge.stop().unwrap();
    assert_no_pins(&stage);
}
