//! The XDP backend between three network namespaces: real packets, real drivers, no signalling.

use std::net::SocketAddr;
use std::time::Duration;

use media_core::report::MediaPath;
use sip_control::media::Attach;
use trunkline_tests::lab::{Host, LabOptions};
use trunkline_tests::privilege::require_root;

use crate::edge::{CALLEE_SSRC, CALLER_SSRC, Edge, Party};
use crate::support::{Keys, PACKETS, secure, secure_32, talk};

fn every_pairing_arrives_whole(options: LabOptions, attach: Attach) {
    let mut edge = Edge::start_with(options, |config| config.attach = attach);
    let mode = if attach == Attach::Generic {
        "generic"
    } else {
        "native"
    };
    assert_eq!(edge.plane().description().attach_mode(), Some(mode));
    let families = [(false, false), (true, true), (false, true), (true, false)];
    let pairings: [(&str, [Option<Keys>; 2]); 4] = [
        ("RTP to RTP", [None, None]),
        ("SRTP to RTP", [secure(), None]),
        ("RTP to SRTP", [None, secure_32()]),
        ("SRTP to SRTP", [secure(), secure()]),
    ];
    for (what, keys) in pairings {
        for (caller_v6, callee_v6) in families {
            let what = format!("{what}, IPv6: {caller_v6}, {callee_v6}; {options:?}");
            let [caller, callee] = keys.clone();
            let is_plain = caller.is_none() && callee.is_none();
            let mut call = edge.call(
                Party::new(Host::Carrier, caller_v6, caller),
                Party::new(Host::Pbx, callee_v6, callee),
            );
            assert_eq!(talk(&mut call, PACKETS), [PACKETS; 2], "{what}");
            call.caller.send_rtcp();
            assert!(call.callee.receives_rtcp(CALLER_SSRC), "RTCP, {what}");
            call.callee.send_rtcp();
            assert!(call.caller.receives_rtcp(CALLEE_SSRC), "RTCP, {what}");

            let path = if is_plain {
                MediaPath::Xdp
            } else {
                MediaPath::AfXdp
            };
            for flow in edge.flows(&call) {
                assert_eq!(
                    (flow.path, flow.packets),
                    (path, u64::from(PACKETS)),
                    "{what}"
                );
            }
            let report = edge.remove(&call);
            assert_eq!(report.directions.len(), 2, "{what}");
            for direction in report.directions {
                assert_eq!(
                    (direction.path, direction.packets),
                    (path, u64::from(PACKETS))
                );
                assert_eq!(direction.dropped, []);
            }
        }
    }
    assert_eq!(
        edge.verdicts()
            .dropped()
            .map(|(_, count)| count)
            .sum::<u64>(),
        0
    );
}

#[test]
fn every_pairing_arrives_whole_with_partial_checksums() {
    if require_root("the namespace lab") {
        every_pairing_arrives_whole(LabOptions::offload(true), Attach::Auto);
    }
}

#[test]
fn every_pairing_arrives_whole_with_full_checksums() {
    if require_root("the namespace lab") {
        every_pairing_arrives_whole(LabOptions::offload(false), Attach::Native);
    }
}

#[test]
fn every_pairing_arrives_whole_in_generic_mode() {
    if require_root("the namespace lab") {
        every_pairing_arrives_whole(LabOptions::offload(false), Attach::Generic);
        every_pairing_arrives_whole(LabOptions::offload(true), Attach::Generic);
    }
}

#[test]
fn both_legs_may_be_on_one_interface() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    for keys in [None, secure()] {
        let mut call = edge.call(
            Party::new(Host::Carrier, false, keys),
            Party::new(Host::Carrier, false, None),
        );
        assert_eq!(talk(&mut call, PACKETS), [PACKETS; 2]);
        edge.remove(&call);
    }
    assert_eq!(edge.verdicts().transmit, 2 * u64::from(PACKETS));
    assert_eq!(edge.verdicts().relayed, 2 * u64::from(PACKETS));
}

#[test]
fn a_latch_costs_at_most_three_packets_and_then_the_kernel_forwards() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let behind_nat: SocketAddr = "10.0.0.7:4000".parse().unwrap();
    for keys in [None, secure()] {
        let path = if keys.is_none() {
            MediaPath::Xdp
        } else {
            MediaPath::AfXdp
        };
        let mut caller = Party::new(Host::Carrier, false, keys);
        caller.latches = true;
        caller.claims = Some(behind_nat);
        let mut call = edge.call(caller, Party::new(Host::Pbx, false, None));
        let mut arrived = [0; 2];
        for _ in 0..PACKETS {
            call.caller.send();
            call.callee.send();
            std::thread::sleep(Duration::from_millis(20));
            arrived[0] += call.callee.drain();
            arrived[1] += call.caller.drain();
        }
        let enough = usize::from(PACKETS) - 3;
        assert!(
            arrived.iter().all(|arrived| *arrived >= enough),
            "{arrived:?}"
        );
        for flow in edge.flows(&call) {
            assert_eq!(flow.path, path);
        }

        // Locked: somebody else's packets do not pass.
        let before = edge.verdicts().drop_wrong_source;
        let packet = call.caller.next_packet();
        let stranger = edge
            .lab
            .namespace(Host::Carrier)
            .enter(|| std::net::UdpSocket::bind("192.0.2.3:0").unwrap())
            .unwrap();
        stranger.send_to(&packet, call.caller.edge_rtp()).unwrap();
        assert!(call.callee.hears_nothing());
        assert_eq!(edge.verdicts().drop_wrong_source, before + 1);
        edge.remove(&call);
    }
}

#[test]
fn keys_and_peers_change_in_the_middle_of_a_call() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut call = edge.call(
        Party::new(Host::Carrier, false, None),
        Party::new(Host::Pbx, false, None),
    );
    assert_eq!(talk(&mut call, 5), [5, 5]);
    for keys in [secure(), secure(), None] {
        call.specs[0].keys = keys.clone();
        call.caller.set_keys(keys.as_ref());
        edge.apply(&call);
        assert_eq!(talk(&mut call, 5), [5, 5]);
    }
    // The pbx moves to another address.
    let moved = edge.prepare(
        Party::new(Host::Carrier, false, None),
        Party::new(Host::Pbx, false, None),
    );
    let edge_port = call.specs[1].local;
    call.callee = edge
        .lab
        .namespace(Host::Pbx)
        .enter(|| {
            let address = moved.callee.sdp().rtp.ip();
            crate::endpoint::Endpoint::open(address, edge_port, None, CALLEE_SSRC)
        })
        .unwrap();
    call.specs[1].remote = call.callee.sdp();
    edge.apply(&call);
    assert_eq!(talk(&mut call, 5), [5, 5]);
    let report = edge.remove(&call);
    assert_eq!(report.directions[0].packets, 25);
}

#[test]
fn what_is_not_for_a_media_port_is_the_hosts() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let call = edge.call(
        Party::new(Host::Carrier, false, None),
        Party::new(Host::Pbx, false, None),
    );
    // A port of ours without a flow, and one outside of the range.
    for port in [30_098, 5060] {
        let host = edge
            .lab
            .namespace(Host::Edge)
            .enter(|| {
                let address = SocketAddr::new(call.specs[0].local.address, port);
                let socket = std::net::UdpSocket::bind(address).unwrap();
                socket
                    .set_read_timeout(Some(Duration::from_secs(1)))
                    .unwrap();
                socket
            })
            .unwrap();
        call.caller
            .rtp
            .send_to(b"for the host", host.local_addr().unwrap())
            .unwrap();
        let mut buffer = [0; 64];
        assert_eq!(host.recv(&mut buffer).unwrap(), 12);
    }
    edge.remove(&call);
}
