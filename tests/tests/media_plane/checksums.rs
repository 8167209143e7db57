//! What arrives has right checksums, says tshark: within a family and from one to the other, by
//! the kernel and by a worker.

use std::net::SocketAddr;

use trunkline_tests::capture::Capture;
use trunkline_tests::lab::{Host, LabOptions, UPLINK};
use trunkline_tests::privilege::require_root;
use trunkline_tests::tshark::{self, Checksums};

use crate::edge::{CALLEE_SSRC, CALLER_SSRC, Call, Edge, Party};
use crate::support::{PACKETS, secure, talk};

/// What is to be right of an IP packet of that family.
fn right(is_ipv4: bool) -> Checksums {
    Checksums {
        // IPv6 has no checksum of its own.
        ip: is_ipv4.then_some(true),
        udp: Some(true),
    }
}

/// Frames of the call's RTP and RTCP that arrived at a side.
fn frames(wire: &Capture, rtp: SocketAddr, rtcp: SocketAddr) -> Vec<Vec<u8>> {
    let rtp = wire.datagrams(rtp, usize::from(PACKETS));
    let rtcp = wire.datagrams(rtcp, 1);
    assert_eq!((rtp.len(), rtcp.len()), (usize::from(PACKETS), 1));
    rtp.into_iter()
        .chain(rtcp)
        .map(|datagram| datagram.frame)
        .collect()
}

fn talk_with_reports(call: &mut Call) {
    assert_eq!(talk(call, PACKETS), [PACKETS; 2]);
    call.caller.send_rtcp();
    assert!(call.callee.receives_rtcp(CALLER_SSRC));
    call.callee.send_rtcp();
    assert!(call.caller.receives_rtcp(CALLEE_SSRC));
}

fn every_checksum_is_right(options: LabOptions) {
    let mut edge = Edge::start(options);
    let wires = [Host::Carrier, Host::Pbx]
        .map(|side| Capture::start(edge.lab.namespace(side), UPLINK).unwrap());
    let families = [(false, false), (true, true), (false, true), (true, false)];
    // Plain calls are the kernel's where it can, secure ones a worker's.
    for keys in [None, secure()] {
        for (caller_v6, callee_v6) in families {
            let what = format!(
                "IPv6: {caller_v6}, {callee_v6}; secure: {}; {options:?}",
                keys.is_some()
            );
            let mut call = edge.call(
                Party::new(Host::Carrier, caller_v6, keys.clone()),
                Party::new(Host::Pbx, callee_v6, None),
            );
            talk_with_reports(&mut call);
            for (wire, endpoint, is_ipv6) in [
                (&wires[0], &call.caller, caller_v6),
                (&wires[1], &call.callee, callee_v6),
            ] {
                let rtcp = endpoint.rtcp.local_addr().unwrap();
                let frames = frames(wire, endpoint.sdp().rtp, rtcp);
                let verdicts = tshark::verify(&frames).unwrap();
                assert!(
                    verdicts.iter().all(|found| *found == right(!is_ipv6)),
                    "{what}: {verdicts:?}"
                );
            }
            edge.remove(&call);
        }
    }
}

#[test]
fn every_checksum_is_right_with_tx_offload() {
    if require_root("the namespace lab") {
        every_checksum_is_right(LabOptions::offload(true));
    }
}

#[test]
fn every_checksum_is_right_without_tx_offload() {
    if require_root("the namespace lab") {
        every_checksum_is_right(LabOptions::offload(false));
    }
}

/// So that the tests above mean something: tshark sees a wrong one.
#[test]
fn tshark_tells_a_wrong_checksum() {
    use trunkline_tests::xdp::packet::{Checksum, Packet};
    let frame = |checksum, hops| {
        let mut packet = Packet::udp(
            "192.0.2.1:30000".parse().unwrap(),
            "192.0.2.2:4000".parse().unwrap(),
            vec![0; 160],
        );
        packet.checksum = checksum;
        let mut frame = packet.build();
        frame[22] = hops;
        frame
    };
    let frames = [
        frame(Checksum::Complete, 64),
        frame(Checksum::Partial, 64),
        frame(Checksum::Complete, 63),
    ];
    let found = tshark::verify(&frames).unwrap();
    let of = |ip, udp| Checksums {
        ip: Some(ip),
        udp: Some(udp),
    };
    assert_eq!(found, [of(true, true), of(true, false), of(false, true)]);
}
