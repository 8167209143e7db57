//! One VLAN tag in, one tag out. The frames are the test's own: this kernel may have no VLAN
//! interfaces, and needs none.

use std::time::Duration;

use aya::maps::{Array, Map, MapData};
use media_common::flow::NextHop;
use trunkline_tests::capture::Capture;
use trunkline_tests::lab::{Host, LabOptions, UPLINK};
use trunkline_tests::privilege::require_root;
use trunkline_tests::sys;
use trunkline_tests::xdp::packet::{Packet, TAG_802_1AD, TAG_802_1Q};

use crate::edge::{Call, Edge, Party};
use crate::support::{secure, talk};

/// VLAN that the callee is in.
const OUT: u16 = 42;

/// Sends the caller's next packets in frames with these tags.
fn send_tagged(edge: &Edge, call: &mut Call, tags: &[(u16, u16)], count: usize) {
    let open = || sys::packet_socket(UPLINK, Duration::from_millis(50)).unwrap();
    let wire = edge.lab.namespace(Host::Carrier).enter(open).unwrap();
    for _ in 0..count {
        let payload = call.caller.next_packet();
        let mut packet = Packet::udp(call.caller.sdp().rtp, call.caller.edge_rtp(), payload);
        packet.tags = tags.to_vec();
        sys::send_frame(&wire, &packet.build()).unwrap();
    }
}

/// Gives every next hop towards the pbx a tag, as user space does for a VLAN interface.
fn tag_next_hops(edge: &Edge) {
    let pins = edge
        .lab
        .bpffs()
        .join("trunkline")
        .join(format!("v{}", media_common::ABI_VERSION));
    let map = Map::Array(MapData::from_pin(pins.join(media_common::maps::NEXT_HOPS)).unwrap());
    let mut hops: Array<_, [u8; size_of::<NextHop>()]> = Array::try_from(map).unwrap();
    let pbx = edge
        .lab
        .namespace(Host::Edge)
        .enter(|| sys::interface_index("to-pbx").unwrap())
        .unwrap();
    let vlan = std::mem::offset_of!(NextHop, vlan);
    let mut tagged = 0;
    for index in 0..hops.len() {
        let mut hop = hops.get(&index, 0).unwrap();
        if hop[..4] == pbx.to_ne_bytes() {
            hop[vlan..vlan + 2].copy_from_slice(&OUT.to_ne_bytes());
            hops.set(index, hop, 0).unwrap();
            tagged += 1;
        }
    }
    assert!(tagged > 0, "a next hop towards the pbx");
}

/// What the callee's wire shows of each packet: the VLAN, and whether it was the caller's.
fn arrives(edge: &Edge, call: &mut Call, tags: &[(u16, u16)]) -> Vec<Option<u16>> {
    let wire = Capture::start(edge.lab.namespace(Host::Pbx), UPLINK).unwrap();
    send_tagged(edge, call, tags, 5);
    let datagrams = wire.datagrams(call.callee.sdp().rtp, 5);
    assert!(
        datagrams
            .iter()
            .all(|datagram| datagram.payload.len() == 172)
    );
    datagrams
        .into_iter()
        .map(|datagram| datagram.vlan)
        .collect()
}

#[test]
fn a_tagged_packet_is_forwarded_with_the_tag_of_its_next_hop() {
    if !require_root("the namespace lab") {
        return;
    }
    for ipv6 in [false, true] {
        let mut edge = Edge::start(LabOptions::default());
        let mut call = edge.call(
            Party::new(Host::Carrier, ipv6, None),
            Party::new(Host::Pbx, ipv6, None),
        );
        assert_eq!(talk(&mut call, 3), [3, 3]);
        let tagged = [vec![], vec![(TAG_802_1Q, 7)], vec![(TAG_802_1AD, 0xe007)]];
        for tags in &tagged {
            assert_eq!(arrives(&edge, &mut call, tags), [None; 5], "{tags:?} in");
        }
        tag_next_hops(&edge);
        for tags in &tagged {
            assert_eq!(
                arrives(&edge, &mut call, tags),
                [Some(OUT); 5],
                "{tags:?} in"
            );
        }
        // A second tag makes it somebody else's.
        call.callee.drain();
        let before = edge.verdicts().pass_not_ip;
        send_tagged(&edge, &mut call, &[(TAG_802_1AD, 7), (TAG_802_1Q, 8)], 1);
        assert!(call.callee.hears_nothing());
        assert!(edge.verdicts().pass_not_ip > before);
    }
}

#[test]
fn a_tagged_packet_is_relayed_by_a_worker() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, None),
    );
    assert_eq!(talk(&mut call, 3), [3, 3]);
    for tags in [vec![], vec![(TAG_802_1Q, 7)]] {
        assert_eq!(arrives(&edge, &mut call, &tags), [None; 5], "{tags:?} in");
    }
}
