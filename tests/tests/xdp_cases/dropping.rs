//! What a flow must not let through.

use media_common::flow::{
    ACTION_WORKER, FLAG_RAW, FLAG_RTCP, FLAG_RTCP_MUX, FlowEntry, NextHop, ip_to_mapped,
};
use trunkline_tests::xdp::case::Case;
use trunkline_tests::xdp::packet::{Checksum, Packet, sender_report};
use trunkline_tests::xdp::scene::{Family, next_hop};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for family in [Family::V4, Family::V6] {
        let drop = |what, counter, change: &dyn Fn(&mut Packet, &mut FlowEntry)| {
            Case::dropped(what, counter, family, change)
        };
        let other = family.address("192.0.2.11", "2001:db8:1::11", 5004);
        let reachable_mtu = family.packet().build().len() as u16 - 14;
        cases.extend([
            drop("another port", "drop_wrong_source", &|packet, _| {
                packet.source.set_port(5006);
            }),
            drop("another address", "drop_wrong_source", &|packet, _| {
                packet.source = other;
            }),
            drop(
                "source before payload",
                "drop_wrong_source",
                &|packet, _| {
                    packet.source = other;
                    packet.payload[0] = 0;
                },
            ),
            drop("RTP version 1", "drop_malformed", &|packet, _| {
                packet.payload[0] = 0x40;
            }),
            drop("one byte of STUN", "drop_malformed", &|packet, _| {
                packet.payload = vec![0];
            }),
            drop("ZRTP", "drop_malformed", &|packet, _| {
                packet.payload[0] = 16;
            }),
            drop("a TURN channel", "drop_malformed", &|packet, _| {
                packet.payload[0] = 64;
            }),
            drop("STUN of a stranger", "drop_wrong_source", &|packet, _| {
                packet.source = other;
                packet.payload = vec![0, 1, 0, 0];
            }),
            drop(
                "anything of a stranger, where anything may pass",
                "drop_wrong_source",
                &|packet, entry| {
                    packet.source = other;
                    entry.flags |= FLAG_RAW;
                },
            ),
            drop("eleven bytes", "drop_malformed", &|packet, _| {
                packet.payload.truncate(11);
            }),
            drop("eleven bytes, padded", "drop_malformed", &|packet, _| {
                packet.payload.truncate(11);
                packet.padding = vec![0; 20];
            }),
            drop("one byte", "drop_malformed", &|packet, _| {
                packet.payload.truncate(1);
            }),
            drop("nothing", "drop_malformed", &|packet, _| {
                packet.payload.clear();
            }),
            drop(
                "CSRC list that is not there",
                "drop_malformed",
                &|packet, _| {
                    packet.payload.truncate(24);
                    packet.payload[0] = 0x84;
                },
            ),
            drop("RTP on an RTCP port", "drop_malformed", &|_, entry| {
                entry.flags |= FLAG_RTCP;
            }),
            drop("short RTCP", "drop_malformed", &|packet, entry| {
                packet.payload = sender_report(1)[..7].to_vec();
                entry.flags |= FLAG_RTCP_MUX;
            }),
            drop("PCMA", "drop_payload_type", &|packet, _| {
                packet.payload[1] = 8;
            }),
            drop("type 127 with marker", "drop_payload_type", &|packet, _| {
                packet.payload[1] = 0xff;
            }),
            drop(
                "RTCP where none is agreed",
                "drop_payload_type",
                &|packet, _| {
                    packet.payload = sender_report(1);
                },
            ),
            drop("hop limit 1", "drop_hop_limit", &|packet, _| {
                packet.hops = 1;
            }),
            drop("hop limit 0", "drop_hop_limit", &|packet, _| {
                packet.hops = 0;
            }),
            drop(
                "hop limit, for the worker too",
                "drop_hop_limit",
                &|packet, entry| {
                    packet.hops = 1;
                    entry.action = ACTION_WORKER;
                },
            ),
            drop(
                "an action that does not exist",
                "drop_bad_entry",
                &|_, entry| entry.action = 9,
            ),
            drop("no such local address", "drop_bad_entry", &|_, entry| {
                entry.local_address = 4;
            }),
            drop(
                "local address past the list",
                "drop_bad_entry",
                &|_, entry| {
                    entry.local_address = 255;
                },
            ),
            drop("no such next hop", "drop_bad_entry", &|_, entry| {
                entry.next_hop = 16;
            }),
            drop(
                "the other family's local address",
                "drop_bad_entry",
                &|_, entry| {
                    entry.local_address ^= 2;
                },
            ),
            drop(
                "the other family's target",
                "drop_bad_entry",
                &|_, entry| {
                    entry.remote_address = ip_to_mapped(family.other().target().ip());
                },
            ),
            Case {
                next_hop: NextHop {
                    ifindex: 78,
                    ..next_hop()
                },
                ..drop("no such device", "drop_bad_entry", &|_, _| {})
            },
            Case {
                next_hop: NextHop {
                    ifindex: 0,
                    ..next_hop()
                },
                ..drop("next hop not resolved", "drop_next_hop", &|_, _| {})
            },
            Case {
                next_hop: NextHop {
                    mtu: reachable_mtu - 1,
                    ..next_hop()
                },
                ..drop("a byte more than the MTU", "drop_too_long", &|_, _| {})
            },
            Case {
                entry: family.translating_entry(),
                next_hop: NextHop {
                    mtu: family.translated().build().len() as u16 - 15,
                    ..next_hop()
                },
                ..drop(
                    "a byte more than the MTU in the other family",
                    "drop_too_long",
                    &|_, _| {},
                )
            },
            Case {
                before: 2,
                ..drop(
                    "the third where two may pass",
                    "drop_ceiling",
                    &|_, entry| {
                        entry.ceiling = 2;
                    },
                )
            },
            Case {
                before: 2,
                ..drop(
                    "the third that a worker may get",
                    "drop_ceiling",
                    &|_, entry| {
                        entry.ceiling = 2;
                        entry.action = ACTION_WORKER;
                    },
                )
            },
        ]);
    }
    cases.push(Case::dropped(
        "IPv6 without checksum",
        "drop_malformed",
        Family::V6,
        |packet, _| {
            packet.checksum = Checksum::None;
        },
    ));
    cases
}
