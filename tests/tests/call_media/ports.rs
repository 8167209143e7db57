//! Media ports as a caller sees them: even, at random, at rest for the cool-down.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use trunkline_tests::call::Live;
use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::stage::{Party, Stage};

use crate::support::House;

/// The edge's port, as the caller's SDP answer had it.
fn port(call: &Live) -> u16 {
    call.caller.remote_sdp().unwrap().rtp.port()
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_even_and_at_random_and_not_used_again_at_once() {
    const CALLS: usize = 12;
    let house = House::open(
        Stage::loopback(),
        &EdgeOptions {
            port_cooldown: "600s",
            ..EdgeOptions::default()
        },
    );
    let mut ports = Vec::new();
    for number in 0..CALLS {
        let call = house.call(Party::CarrierPlain, Party::PbxPlain, number as u32 + 1);
        let call = call.await;
        ports.push(port(&call));
        call.hang_up().await.unwrap();
    }
    assert!(ports.iter().all(|port| port % 2 == 0), "{ports:?}");
    assert!(
        ports.iter().all(|port| (30_000..30_200).contains(port)),
        "{ports:?}"
    );
    let distinct: BTreeSet<_> = ports.iter().collect();
    assert_eq!(distinct.len(), CALLS, "at rest: {ports:?}");
    // In order, up or down, would be guessed. By chance one in 12! is.
    assert!(
        !ports.is_sorted() && !ports.iter().rev().is_sorted(),
        "{ports:?}"
    );
    let steps: BTreeSet<_> = ports
        .windows(2)
        .map(|pair| i32::from(pair[1]) - i32::from(pair[0]))
        .collect();
    assert!(steps.len() > CALLS / 2, "{ports:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_rests_for_the_cool_down_after_its_call() {
    const COOLDOWN: Duration = Duration::from_secs(8);
    // Two pairs for each realm.
    let house = House::open(
        Stage::loopback(),
        &EdgeOptions {
            ports: 4,
            port_cooldown: "8s",
            ..EdgeOptions::default()
        },
    );
    let first = house.call(Party::CarrierPlain, Party::PbxPlain, 1).await;
    let first_port = port(&first);
    first.hang_up().await.unwrap();
    let rests_since = Instant::now();
    let second = house.call(Party::CarrierPlain, Party::PbxPlain, 2).await;
    assert_ne!(port(&second), first_port);

    // One pair is in use and one at rest.
    let mut refusals = 0;
    let third = loop {
        match house
            .attempt(Party::CarrierSecure, Party::PbxSecure, 3)
            .await
        {
            Ok(call) => break call,
            Err(error) => {
                assert!(format!("{error:#}").contains("503"), "{error:#}");
                refusals += 1;
            }
        }
        assert!(rests_since.elapsed() < 4 * COOLDOWN, "it rests for ever");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    // The flow goes a moment after the call, and the pool looks once in a while.
    assert!(rests_since.elapsed() >= COOLDOWN - Duration::from_millis(100));
    assert!(refusals > 0, "it was refused before");
    assert_eq!(port(&third), first_port, "there is no other");
    let records = house.edge().wait_for_records(1 + refusals).unwrap();
    let exhausted = records.iter().filter(|record| record["code"] == 32013);
    assert_eq!(exhausted.count(), refusals);
}
