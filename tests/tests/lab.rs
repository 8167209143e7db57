//! The lab itself: hosts reach the edge, and nothing is left behind.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use trunkline_tests::lab::{EDGE, Host, Lab, LabOptions, ipv4, ipv6};

#[test]
fn hosts_reach_the_edge_and_the_lab_leaves_nothing_behind() {
    if !trunkline_tests::privilege::require_root("the network lab") {
        return;
    }
    let lab = Lab::new(LabOptions::default()).unwrap();
    for side in [Host::Carrier, Host::Pbx] {
        for address in [ipv4(side, EDGE), ipv6(side, EDGE)] {
            let edge = lab
                .namespace(Host::Edge)
                .enter(|| UdpSocket::bind((address, 4000)).unwrap())
                .unwrap();
            edge.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let any = if address.is_ipv4() {
                "0.0.0.0:0"
            } else {
                "[::]:0"
            };
            let host = lab
                .namespace(side)
                .enter(|| UdpSocket::bind(any).unwrap())
                .unwrap();
            host.send_to(b"hello", (address, 4000)).unwrap();
            let mut buffer = [0; 16];
            let (length, _) = edge.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"hello");
        }
    }
    let name = lab.namespace(Host::Edge).name().to_owned();
    let bpffs = lab.bpffs().to_owned();
    drop(lab);
    let listed = Command::new("ip").args(["netns", "list"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&listed.stdout).contains(&name));
    assert!(!bpffs.exists());
}
