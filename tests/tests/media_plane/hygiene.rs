//! What an XDP backend refuses, and that it says why.

use trunkline_tests::lab::{Host, LabOptions};
use trunkline_tests::privilege::require_root;

use crate::edge::{CALLER_SSRC, Edge, Party};
use crate::support::{secure, talk};

#[test]
fn packets_from_elsewhere_of_another_type_or_malformed_are_dropped_by_reason() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    for keys in [None, secure()] {
        let mut call = edge.call(
            Party::new(Host::Carrier, false, keys),
            Party::new(Host::Pbx, false, None),
        );
        let before = edge.verdicts();
        let stranger = edge
            .lab
            .namespace(Host::Carrier)
            .enter(|| std::net::UdpSocket::bind("192.0.2.2:0").unwrap())
            .unwrap();
        let packet = call.caller.next_packet();
        stranger.send_to(&packet, call.caller.edge_rtp()).unwrap();
        let mut other_type = packet.clone();
        other_type[1] = 8;
        call.caller.send_raw(&other_type);
        call.caller.send_raw(&packet[..11]);
        call.caller.send_raw(b"\x04neither RTP nor anything else");
        call.caller.send_raw(b"\0\x01 STUN, by its first byte");
        call.caller.send_raw(b"\x16 DTLS, by its first byte");
        assert!(call.callee.hears_nothing());
        let after = edge.verdicts();
        assert_eq!(after.drop_wrong_source - before.drop_wrong_source, 1);
        assert_eq!(after.drop_payload_type - before.drop_payload_type, 1);
        assert_eq!(after.drop_malformed - before.drop_malformed, 2);
        assert_eq!(after.drop_stun - before.drop_stun, 1);
        assert_eq!(after.drop_dtls - before.drop_dtls, 1);
        assert_eq!(edge.flows(&call)[0].dropped, 6);
        assert_eq!(talk(&mut call, 3), [3, 3], "the call goes on");
        edge.remove(&call);
    }
}

#[test]
fn tampered_and_replayed_packets_are_dropped_by_reason() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, None),
    );
    let first = call.caller.send();
    assert_eq!(call.callee.receive(CALLER_SSRC), Some(0));
    let mut tampered = call.caller.next_packet();
    tampered[40] ^= 1;
    call.caller.send_raw(&tampered);
    call.caller.send_raw(&first);
    assert!(call.callee.hears_nothing());
    let verdicts = edge.verdicts();
    assert_eq!((verdicts.drop_authentication, verdicts.drop_replay), (1, 1));
    assert_eq!(talk(&mut call, 3), [3, 3], "the call goes on");
    let report = edge.remove(&call);
    assert_eq!(
        report.directions[0].dropped,
        [("drop_authentication", 1), ("drop_replay", 1)]
    );
}
