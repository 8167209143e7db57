//! Several queues and several interfaces: every packet finds its way out.

use media_core::report::MediaPath;
use sip_control::media::ActiveBackend;
use trunkline_tests::lab::{EDGE_INTERFACES, Host, LabOptions};
use trunkline_tests::privilege::require_root;

use crate::edge::{Call, Edge, Party, with_third};
use crate::support::{secure, session, talk};

/// Enough for every queue to have some: the queue of a flow is a hash of its addresses. By chance
/// one run in a quarter of a million has a queue without.
const CALLS: usize = 20;

/// Packets that came by each receive queue of the edge's interface.
fn by_queue(edge: &Edge, interface: &str) -> Vec<u64> {
    let output = edge
        .lab
        .namespace(Host::Edge)
        .command("ethtool")
        .args(["-S", interface])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (0..2)
        .map(|queue| {
            let name = format!("rx_queue_{queue}_xdp_packets:");
            let value = text
                .lines()
                .find_map(|line| line.trim().strip_prefix(&name))
                .unwrap_or_else(|| panic!("{name} is not in {text}"));
            value.trim().parse().unwrap()
        })
        .collect()
}

#[test]
fn with_two_queues_there_are_two_workers_and_every_flow_passes() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions {
        queues: 2,
        ..LabOptions::default()
    });
    let ActiveBackend::Xdp {
        workers,
        interfaces,
        ..
    } = &edge.plane().description().backend
    else {
        panic!("XDP was demanded");
    };
    assert_eq!(*workers, 2);
    assert!(interfaces.iter().all(|interface| interface.queues == 2));

    let mut calls: Vec<Call> = (0..CALLS)
        .map(|number| {
            let keys = if number % 2 == 0 { secure() } else { None };
            let call = edge.prepare(
                Party::new(Host::Carrier, false, keys),
                Party::new(Host::Pbx, false, None),
            );
            let [caller, callee] = &call.specs;
            edge.plane().apply(session(call.id.0, caller, callee));
            call
        })
        .collect();
    edge.apply(&calls[CALLS - 1]);
    let before = EDGE_INTERFACES.map(|interface| by_queue(&edge, interface));
    for call in &mut calls {
        assert_eq!(talk(call, 10), [10, 10]);
    }
    let after = EDGE_INTERFACES.map(|interface| by_queue(&edge, interface));
    for (before, after) in before.iter().zip(&after) {
        for (before, after) in before.iter().zip(after) {
            assert!(
                after - before >= 10,
                "a queue without a flow: {before} to {after}"
            );
        }
    }
    for (number, call) in calls.iter().enumerate() {
        let path = if number % 2 == 0 {
            MediaPath::AfXdp
        } else {
            MediaPath::Xdp
        };
        for flow in edge.flows(call) {
            assert_eq!((flow.path, flow.packets, flow.dropped), (path, 10, 0));
        }
    }
    let dropped: u64 = edge.verdicts().dropped().map(|(_, count)| count).sum();
    assert_eq!(dropped, 0);
}

#[test]
fn a_third_interface_carries_media_to_and_from_the_other_two() {
    if !require_root("the namespace lab") {
        return;
    }
    let options = LabOptions {
        stranger: true,
        ..LabOptions::default()
    };
    let mut edge = Edge::start_with(options, with_third);
    for other in [Host::Carrier, Host::Pbx] {
        for (keys, ipv6) in [
            (None, false),
            (None, true),
            (secure(), false),
            (secure(), true),
        ] {
            let path = if keys.is_some() {
                MediaPath::AfXdp
            } else {
                MediaPath::Xdp
            };
            let mut call = edge.call(
                Party::new(Host::Stranger, ipv6, keys),
                Party::new(other, ipv6, None),
            );
            assert_eq!(talk(&mut call, 10), [10, 10], "{other:?}, IPv6: {ipv6}");
            for flow in edge.flows(&call) {
                assert_eq!((flow.path, flow.packets), (path, 10));
            }
            edge.remove(&call);
        }
    }
}
