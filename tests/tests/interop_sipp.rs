//! SIPp on both sides, 500 calls up at once, over UDP and over TCP.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use sip_core::transport::Transport;
use trunkline_tests::agent::Authority;
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::lab::{LabOptions, Namespace};
use trunkline_tests::peer::{Directory, Peer};
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};

const CALLS: usize = 500;

fn five_hundred_calls(transport: Transport) {
    if !require_root("the network lab") {
        return;
    }
    let stage = Stage::lab(LabOptions::default()).unwrap();
    let lab = stage.namespaces().unwrap();
    let options = EdgeOptions {
        plain_transport: transport,
        ports: 2000,
        ..EdgeOptions::default()
    };
    let mut edge = Edge::start(
        &daemon_path().unwrap(),
        &stage,
        &Authority::new().unwrap(),
        &options,
    )
    .unwrap();
    let files = Directory::new(&format!("sipp-{}", transport.uri_token())).unwrap();
    let (from, to) = (Party::CarrierPlain, Party::PbxPlain);
    let mode = if transport == Transport::Udp {
        "u1"
    } else {
        "t1"
    };
    let sipp = |party: Party, arguments: &[&str], log: &str| {
        let address = stage.address(party).to_string();
        let mut command = lab.namespace(party.side()).command("sipp");
        command.current_dir(files.path());
        command
            .args([
                "-t", mode, "-i", &address, "-mi", &address, "-p", "5060", "-nostdin",
            ])
            .args(arguments);
        Peer::start(command, &files.path().join(log)).unwrap()
    };
    let _uas = sipp(to, &["-sn", "uas"], "uas.log");
    wait_until_bound(lab.namespace(to.side()), transport, stage.address(to));
    let target = stage.edge_listener(from).to_string();
    let count = CALLS.to_string();
    // Calls last 10 s and all are placed in 5 s: for a while every one of them is up.
    let uac = [
        "-sn",
        "uac",
        "-s",
        to.number(),
        "-d",
        "10000",
        "-r",
        "100",
        "-l",
        &count,
        "-m",
        &count,
        "-timeout",
        "60",
        &target,
    ];
    let mut uac = sipp(from, &uac, "uac.log");

    let started = Instant::now();
    let mut most = 0;
    let status = loop {
        let calls = edge.status().unwrap()["calls"]
            .as_array()
            .map_or(0, Vec::len);
        most = most.max(calls);
        if let Ok(status) = uac.wait(Duration::from_millis(200)) {
            break status;
        }
        assert!(
            started.elapsed() < Duration::from_secs(70),
            "SIPp does not end:\n{}",
            uac.log()
        );
    };
    assert!(
        status.success(),
        "SIPp: {status}\n{}\nedge:\n{}",
        uac.log(),
        edge.log()
    );
    assert_eq!(most, CALLS, "calls up at once");
    let records = edge.wait_for_records(CALLS).unwrap();
    assert_eq!(records.len(), CALLS);
    for record in records {
        assert_eq!(record["status"], 200, "{record}");
        assert_eq!(record["ended_by"], "caller", "{record}");
        assert_eq!(
            record["callee"]["transport"],
            transport.uri_token(),
            "{record}"
        );
    }
    edge.stop().unwrap();
}

/// SIPp says nothing when it is ready, but its port can then not be bound by anybody else.
fn wait_until_bound(namespace: &Namespace, transport: Transport, address: IpAddr) {
    let free = || match transport {
        Transport::Udp => UdpSocket::bind((address, 5060)).is_ok(),
        _ => TcpListener::bind((address, 5060)).is_ok(),
    };
    let started = Instant::now();
    while namespace.enter(free).unwrap() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "SIPp does not listen"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn five_hundred_calls_are_up_at_once_over_udp() {
    five_hundred_calls(Transport::Udp);
}

#[test]
fn five_hundred_calls_are_up_at_once_over_tcp() {
    five_hundred_calls(Transport::Tcp);
}
