//! `openssl s_client` at the TLS listener.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::process::{Command, Output, Stdio};

use trunkline_tests::agent::Authority;
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::lab::Host;
use trunkline_tests::stage::{Party, Stage};

fn s_client(edge: &Edge, stage: &Stage, arguments: &[&str]) -> Output {
    let address = stage.edge_address(Host::Carrier).to_string();
    Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &format!("{address}:5061"),
            "-verify_ip",
            &address,
            "-verify_return_error",
            "-CAfile",
        ])
        .arg(edge.directory().join("ca.crt"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn openssl_accepts_the_chain_with_tls_1_2_and_1_3_and_older_versions_are_refused() {
    let stage = Stage::loopback();
    let mut edge = Edge::start(
        &daemon_path().unwrap(),
        &stage,
        &Authority::new().unwrap(),
        &EdgeOptions::default(),
    )
    .unwrap();
    assert_eq!(stage.edge_listener(Party::CarrierSecure).port(), 5061);
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let output = s_client(&edge, &stage, &[version]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{version}: {text}");
        assert!(
            text.contains("Verification: OK") && text.contains(name),
            "{version}: {text}"
        );
    }
    // Security level 0: the client itself must be willing, or nothing is tested.
    let output = s_client(&edge, &stage, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("alert"), "{text}");
    // The client hears of it before the log does.
    edge.wait_for_log("32222").unwrap();
    let log = edge.log();
    assert!(
        log.contains("127."),
        "a refused version is logged with the peer:\n{log}"
    );
    edge.stop().unwrap();
}
