//! What goes to the AF_XDP worker.

use media_common::flow::{ACTION_WORKER, FlowEntry};
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
    }
    cases
}
