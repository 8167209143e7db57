//! SRTP that both trunks let pass: the parties share their keys through us, and we use none.

use std::net::IpAddr;

use trunkline_tests::capture::Capture;
use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::lab::{LabOptions, UPLINK};
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};
use trunkline_tests::tap::Tap;

use crate::support::House;

const PACKETS: u32 = 60;
const PARTIES: [Party; 2] = [Party::CarrierSecure, Party::PbxSecure];

/// What a call was like on the wires.
struct Seen {
    paths: Vec<String>,
    /// Packets of each direction that arrived exactly as they were sent.
    unchanged: [usize; 2],
}

/// UDP payloads that a party has sent, and that have arrived for it: RTP and RTCP, as its SIP
/// goes by TLS.
struct Wire {
    address: IpAddr,
    tap: Tap,
    sent: Capture,
    arrived: Capture,
}

impl Wire {
    fn of(stage: &Stage, party: Party) -> Wire {
        let namespace = stage.namespaces().unwrap().namespace(party.side());
        let address = stage.address(party);
        Wire {
            address,
            tap: Tap::start(namespace, address).unwrap(),
            sent: Capture::of_sent(namespace, UPLINK).unwrap(),
            arrived: Capture::start(namespace, UPLINK).unwrap(),
        }
    }

    fn sent(&self) -> Vec<Vec<u8>> {
        let datagrams = self.sent.all_datagrams().into_iter();
        datagrams
            .filter(|datagram| datagram.source.ip() == self.address)
            .map(|datagram| datagram.payload)
            .collect()
    }

    fn arrived(&self) -> Vec<Vec<u8>> {
        let datagrams = self.arrived.all_datagrams().into_iter();
        datagrams
            .filter(|datagram| datagram.destination.ip() == self.address)
            .map(|datagram| datagram.payload)
            .collect()
    }
}

/// A whole call between the secure parties, whose trunks say `prefer` or `never`.
async fn call_with(passthrough: [&str; 2]) -> Seen {
    let lines = |party, mode| (party, format!("srtp_passthrough = \"{mode}\""));
    let options = EdgeOptions {
        trunk_lines: vec![
            lines(PARTIES[0], passthrough[0]),
            lines(PARTIES[1], passthrough[1]),
        ],
        ..EdgeOptions::default()
    };
    let house = House::open(Stage::lab(LabOptions::default()).unwrap(), &options);
    let wires = PARTIES.map(|party| Wire::of(&house.stage, party));
    let call = house.call(PARTIES[0], PARTIES[1], 1).await;
    call.talk(PACKETS).await.unwrap();
    let result = call.hang_up().await.unwrap();
    assert!(result.is_complete(0), "{result:?}");
    assert!(
        result
            .counts
            .iter()
            .all(|counts| counts.reports_received > 0)
    );

    for wire in &wires {
        let (frames, plaintext) = wire.tap.counts();
        assert!(frames >= u64::from(2 * PACKETS));
        assert_eq!(plaintext, 0);
    }
    let unchanged = [(0, 1), (1, 0)].map(|(from, to): (usize, usize)| {
        let (sent, arrived) = (wires[from].sent(), wires[to].arrived());
        assert!(sent.len() > PACKETS as usize, "RTP and RTCP");
        assert_eq!(sent.len(), arrived.len());
        arrived
            .iter()
            .filter(|packet| sent.contains(packet))
            .count()
    });
    let record = house.edge().wait_for_records(1).unwrap().swap_remove(0);
    let directions = record["media"]["directions"].as_array().unwrap();
    let paths = directions
        .iter()
        .map(|direction| direction["path"].as_str().unwrap().to_owned())
        .collect();
    Seen { paths, unchanged }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_trunks_let_pass_is_forwarded_by_the_kernel_byte_for_byte() {
    if !require_root("the network lab") {
        return;
    }
    let seen = call_with(["prefer", "prefer"]).await;
    assert_eq!(seen.paths, ["xdp", "xdp"], "nothing is decrypted");
    let all = PACKETS as usize + PACKETS.div_ceil(50) as usize;
    assert_eq!(seen.unchanged, [all; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_trunk_does_not_let_pass_gets_keys_of_its_own() {
    if !require_root("the network lab") {
        return;
    }
    for passthrough in [["prefer", "never"], ["never", "prefer"]] {
        let seen = call_with(passthrough).await;
        assert_eq!(seen.paths, ["af_xdp", "af_xdp"], "{passthrough:?}");
        assert_eq!(seen.unchanged, [0; 2], "{passthrough:?}");
    }
}
