//! A call that switches to a fax and back: UDPTL crosses as it is, whatever it looks like.

use std::time::{Duration, Instant};

use trunkline_tests::call::Live;
use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::lab::LabOptions;
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};

use crate::support::House;

/// Datagrams of one side. UDPTL begins with a sequence number of 16 bits: over a long fax the
/// first byte is that of STUN, of DTLS, of RTP, and of nothing known.
fn pages(side: u8) -> Vec<Vec<u8>> {
    let sequence = |number: u8| {
        let first_bytes = [0, 1, 20, 63, 64, 79, 127, 128, 191, 192, 255];
        first_bytes[usize::from(number) % first_bytes.len()]
    };
    (0..44_u8)
        .map(|number| {
            let mut datagram = vec![sequence(number), number, side];
            datagram.extend(std::iter::repeat_n(number, usize::from(number)));
            datagram
        })
        .collect()
}

/// Both sides send a fax; each gets the other's, byte for byte.
async fn fax_both_ways(call: &Live, what: &str) {
    let (from_caller, from_callee) = (pages(0), pages(1));
    let (caller, callee) = (call.caller.media(), call.callee.media());
    tokio::try_join!(caller.send_fax(&from_caller), callee.send_fax(&from_callee)).unwrap();
    let begun = Instant::now();
    let all = from_caller.len();
    while caller.counts().fax.len() < all || callee.counts().fax.len() < all {
        if begun.elapsed() > Duration::from_secs(5) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(callee.counts().fax == from_caller, "{what}: the caller's");
    assert!(caller.counts().fax == from_callee, "{what}: the callee's");
}

async fn a_call_faxes(stage: Stage, path: &str) {
    let allowed = |party| (party, "t38 = true".to_owned());
    let options = EdgeOptions {
        trunk_lines: vec![allowed(Party::CarrierPlain), allowed(Party::PbxPlain)],
        ..EdgeOptions::default()
    };
    let house = House::open(stage, &options);
    let mut call = house.call(Party::CarrierPlain, Party::PbxPlain, 1).await;
    call.talk(10).await.unwrap();
    tokio::try_join!(call.callee.switch_to_fax(), call.caller.accept_fax())
        .unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", house.edge().log()));
    fax_both_ways(&call, path).await;

    tokio::try_join!(
        call.callee.reinvite("sendrecv"),
        call.caller.accept_reinvite()
    )
    .unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", house.edge().log()));
    call.talk(10).await.unwrap();
    let result = call.hang_up().await.unwrap();
    assert!(result.is_complete(0), "{result:?}");
    let record = house.edge().wait_for_records(1).unwrap().swap_remove(0);
    let directions = record["media"]["directions"].as_array().unwrap();
    for direction in directions {
        assert_eq!(direction["path"], path, "{record:#}");
        assert_eq!(direction["dropped"], serde_json::json!({}), "{record:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sig_8_a_fax_crosses_byte_for_byte_in_the_kernel() {
    if require_root("the network lab") {
        a_call_faxes(Stage::lab(LabOptions::default()).unwrap(), "xdp").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sig_8_a_fax_crosses_byte_for_byte_through_sockets() {
    a_call_faxes(Stage::loopback(), "socket").await;
}
