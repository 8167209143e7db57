//! The daemon is killed, or stands still, while calls are up: what the kernel forwards goes on,
//! and no secure leg carries plaintext.

use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::lab::LabOptions;
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};
use trunkline_tests::sys;
use trunkline_tests::tap::Tap;

use crate::support::House;

const PACKETS: u32 = 25;

/// Taps on the wires of the secure parties.
fn taps(stage: &Stage) -> Vec<Tap> {
    let lab = stage.namespaces().unwrap();
    [Party::CarrierSecure, Party::PbxSecure]
        .map(|party| Tap::start(lab.namespace(party.side()), stage.address(party)).unwrap())
        .into()
}

fn assert_no_plaintext(taps: &[Tap], least: u32) {
    for tap in taps {
        let (frames, plaintext) = tap.counts();
        assert!(frames >= u64::from(least), "{frames} frames");
        assert_eq!(plaintext, 0, "of {frames} frames");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_leaves_plain_calls_talking_and_secure_ones_silent() {
    if !require_root("the network lab") {
        return;
    }
    for backend in ["xdp", "socket"] {
        let options = EdgeOptions {
            backend: Some(backend),
            ..EdgeOptions::default()
        };
        let mut house = House::open(Stage::lab(LabOptions::default()).unwrap(), &options);
        let taps = taps(&house.stage);
        let plain = house.call(Party::CarrierPlain, Party::PbxPlain, 1).await;
        let secure = house.call(Party::CarrierSecure, Party::PbxSecure, 2).await;
        tokio::try_join!(plain.talk(PACKETS), secure.talk(PACKETS)).unwrap();
        assert!(plain.result().is_complete(0) && secure.result().is_complete(0));

        house.edge.take().unwrap().kill().unwrap();
        tokio::try_join!(plain.talk(PACKETS), secure.talk(PACKETS)).unwrap();
        let survives = backend == "xdp";
        assert_eq!(
            plain.result().is_complete(0),
            survives,
            "{backend}: the program outlives the daemon, sockets do not"
        );
        let secure = secure.result();
        for side in [0, 1] {
            assert_eq!(secure.received(side), PACKETS, "{backend}: after the end");
            assert_eq!(secure.counts[side].plaintext, 0, "{backend}");
        }
        // What both have sent before and after, and what came before.
        assert_no_plaintext(&taps, 3 * PACKETS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_stands_still_holds_up_no_plain_call_and_leaks_nothing() {
    if !require_root("the network lab") {
        return;
    }
    let stage = Stage::lab(LabOptions::default()).unwrap();
    let house = House::open(stage, &EdgeOptions::default());
    let taps = taps(&house.stage);
    let plain = house.call(Party::CarrierPlain, Party::PbxPlain, 1).await;
    let secure = house.call(Party::CarrierSecure, Party::PbxSecure, 2).await;
    tokio::try_join!(plain.talk(PACKETS), secure.talk(PACKETS)).unwrap();

    sys::signal(house.edge().pid(), libc::SIGSTOP).unwrap();
    tokio::try_join!(plain.talk(PACKETS), secure.talk(PACKETS)).unwrap();
    assert!(plain.result().is_complete(0), "the kernel forwards on");
    assert!(secure.result().received(0) <= PACKETS + 1);
    sys::signal(house.edge().pid(), libc::SIGCONT).unwrap();

    // What lay in the rings comes late, and the call goes on.
    tokio::try_join!(plain.talk(PACKETS), secure.talk(PACKETS)).unwrap();
    for call in [plain, secure] {
        let result = call.hang_up().await.unwrap();
        assert!(result.is_complete(0), "{result:?}");
    }
    assert_no_plaintext(&taps, 6 * PACKETS);
}
