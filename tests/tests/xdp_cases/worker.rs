//! What goes to the AF_XDP worker.

use media_common::flow::{ACTION_WORKER, FLAG_CHECK_SOURCE, FLAG_RTCP, FLAG_RTCP_MUX, FlowEntry};
use trunkline_tests::xdp::case::{Case, XDP_DROP};
use trunkline_tests::xdp::packet::{Packet, TAG_802_1Q};
use trunkline_tests::xdp::scene::Family;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for family in [Family::V4, Family::V6] {
        let entry = FlowEntry {
            action: ACTION_WORKER,
            ..family.entry()
        };
        let to_worker = |what| Case {
            entry,
            counter: "xsk",
            leaves: None,
            ..Case::forwarded(what, family)
        };
        cases.extend([
            to_worker("to the worker"),
            Case {
                packet: Packet {
                    tags: vec![(TAG_802_1Q, 9)],
                    ..family.packet()
                }
                .build(),
                ..to_worker("to the worker, with a tag")
            },
            Case {
                entry: FlowEntry {
                    flags: 0,
                    remote_address: [0; 16],
                    ..entry
                },
                ..to_worker("latching: the source is the worker's business")
            },
            Case {
                socket: false,
                code: XDP_DROP,
                counter: "drop_xsk_unbound",
                ..to_worker("no socket: nothing leaves in the clear")
            },
        ]);
        cases.extend(demultiplexed(family));
    }
    cases
}

/// RFC 7983: what is neither RTP nor RTCP is the worker's to name, though the flow be the kernel's.
fn demultiplexed(family: Family) -> impl Iterator<Item = Case> {
    let packets = [
        ("STUN", 0, 0),
        ("the last of STUN", 0, 3),
        ("DTLS", 0, 20),
        ("the last of DTLS", 0, 63),
        ("STUN where RTCP may come", FLAG_RTCP_MUX, 0),
        ("DTLS where RTCP may come", FLAG_RTCP_MUX, 22),
        ("STUN on RTCP's port", FLAG_RTCP, 0),
        ("DTLS on RTCP's port", FLAG_RTCP, 22),
    ];
    packets.into_iter().flat_map(move |(what, flag, first)| {
        let mut packet = family.packet();
        packet.payload[0] = first;
        let case = Case {
            packet: packet.build(),
            entry: FlowEntry {
                flags: FLAG_CHECK_SOURCE | flag,
                ..family.entry()
            },
            counter: "xsk",
            leaves: None,
            ..Case::forwarded(what, family)
        };
        let nobody = Case {
            socket: false,
            code: XDP_DROP,
            counter: "drop_xsk_unbound",
            ..case.clone()
        };
        [case, nobody]
    })
}
