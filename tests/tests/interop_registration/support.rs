//! The account, calls to it, and what is to be heard.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use trunkline_tests::baresip::{Phone, Settings};
use trunkline_tests::edge::Edge;
use trunkline_tests::stage::{Party, Stage};

pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Alice's account on a trunk of its own, with that digest algorithm; her number; and one that she may
/// call.
pub(crate) fn account(secure: bool, algorithm: &str, store: &Path) -> String {
    let (mode, listener) = if secure {
        ("srtp", "carrier-tls")
    } else {
        ("disabled", "carrier-udp")
    };
    format!(
        "[store]\npath = \"{}\"\n\
         [[trunks]]\nname = \"phones\"\nsecure = \"{mode}\"\nrealm = \"carrier\"\nlistener = \"{listener}\"\n\
         domains = [\"phones.example.com\"]\nauth_algorithms = [\"{algorithm}\"]\n\
         [[accounts]]\naor = \"sip:alice@phones.example.com\"\ntrunk = \"phones\"\nuser = \"al\"\n\
         password = \"a-secret\"\n\
         [[routes]]\nprefix = \"6000\"\nto = \"sip:alice@phones.example.com\"\n\
         [[routes]]\nprefix = \"7000\"\nto = \"pbx-plain\"\n",
        store.display()
    )
}

/// A telephone at a party's place calls `uri` for some seconds.
pub(crate) fn call((edge, stage): (&Edge, &Stage), files: &Path, party: Party, uri: &str) -> Phone {
    let address = stage.address(party);
    let account = format!("<sip:{}@{address}>;regint=0", party.number());
    let settings = Settings {
        address,
        account: &account,
        certificates: None,
        tone: 440,
        dial: Some(uri),
        seconds: 40,
    };
    let namespace = stage.namespaces().unwrap().namespace(party.side());
    let mut caller = Phone::start(namespace, files, &settings).unwrap();
    caller
        .peer
        .wait_for("Call established", PATIENCE)
        .unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", edge.log()));
    std::thread::sleep(Duration::from_secs(4));
    caller.peer.interrupt().unwrap();
    caller.peer.wait(PATIENCE).unwrap();
    caller
}

/// What was heard is that tone, and more than a moment of it.
pub(crate) fn assert_heard((heard, seconds): (f64, f64), tone: f64) {
    assert!((heard - tone).abs() < 5.0, "heard {heard} Hz, not {tone}");
    assert!(seconds > 2.0, "heard only {seconds} s");
}

pub(crate) fn wait_until(edge: &Edge, what: &str, holds: impl Fn(&Value) -> bool) {
    let started = Instant::now();
    loop {
        let status = edge.status().unwrap();
        if holds(&status) {
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "not {what}: {status:#}\n{}",
            edge.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
