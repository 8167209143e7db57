//! From IPv4 to IPv6 and back (RFC 7915 sections 4 and 5), with tags put in and taken out.

use media_common::flow::{FLAG_CHECK_SOURCE, FLAG_RAW, FlowEntry, NextHop};
use trunkline_tests::xdp::case::{Case, XDP_TX};
use trunkline_tests::xdp::kernel::INGRESS;
use trunkline_tests::xdp::packet::{Checksum, Packet, TAG_802_1AD, TAG_802_1Q};
use trunkline_tests::xdp::scene::{Family, next_hop};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for family in [Family::V4, Family::V6] {
        let arriving = |packet: &Packet| packet.destination == family.arrival();
        let cases_of_family = [
            Case::translated("PCMU", family, |_| {}),
            Case::translated("an odd number of bytes", family, |packet| {
                packet.payload.push(1);
            }),
            Case::translated("partial checksum in, whole one out", family, |packet| {
                if arriving(packet) {
                    packet.checksum = Checksum::Partial;
                }
            }),
            Case::translated("odd and long, with a partial checksum", family, |packet| {
                packet.payload.extend((0..1_201u16).map(|n| n as u8));
                if arriving(packet) {
                    packet.checksum = Checksum::Partial;
                }
            }),
            Case::translated("DSCP and ECN are carried over", family, |packet| {
                packet.traffic_class = 0xb9;
            }),
            Case::translated("what lies behind the datagram stays", family, |packet| {
                packet.surplus = vec![0xbb; 6];
                packet.padding = vec![0xaa; 20];
            }),
            Case {
                entry: FlowEntry {
                    dscp: 46,
                    ..family.translating_entry()
                },
                packet: Packet {
                    traffic_class: 0x29,
                    ..family.packet()
                }
                .build(),
                leaves: Some(
                    Packet {
                        traffic_class: 46 << 2 | 1,
                        ..family.translated()
                    }
                    .build(),
                ),
                ..Case::forwarded("DSCP is set, ECN carried over", family)
            },
            Case {
                entry: FlowEntry {
                    flags: FLAG_CHECK_SOURCE | FLAG_RAW,
                    ..family.translating_entry()
                },
                ..Case::translated("an empty datagram", family, |packet| {
                    packet.payload.clear();
                })
            },
            Case {
                next_hop: NextHop {
                    ifindex: INGRESS,
                    ..next_hop()
                },
                code: XDP_TX,
                counter: "transmit",
                ..Case::translated("back by the interface that it came by", family, |_| {})
            },
            Case {
                next_hop: NextHop {
                    mtu: family.translated().build().len() as u16 - 14,
                    ..next_hop()
                },
                ..Case::translated("exactly the MTU", family, |_| {})
            },
        ];
        cases.extend(cases_of_family);
        cases.extend(tag_cases(family));
    }
    cases.push(Case::translated(
        "no checksum over IPv4, a whole one over IPv6 (RFC 8200 section 8.1)",
        Family::V4,
        |packet| {
            if packet.destination.is_ipv4() {
                packet.checksum = Checksum::None;
            }
        },
    ));
    cases
}

fn tag_cases(family: Family) -> impl Iterator<Item = Case> {
    let tagged = |identifier, tag| vec![(identifier, tag)];
    let tags = [
        ("tag to tag", tagged(TAG_802_1Q, 0x6064), 200),
        ("service tag to tag", tagged(TAG_802_1AD, 100), 200),
        ("tag to none", tagged(TAG_802_1Q, 100), 0),
        ("none to tag", Vec::new(), 200),
    ];
    tags.into_iter().map(move |(what, arriving, vlan)| Case {
        packet: Packet {
            tags: arriving,
            ..family.packet()
        }
        .build(),
        next_hop: NextHop { vlan, ..next_hop() },
        leaves: Some(
            Packet {
                tags: if vlan == 0 {
                    Vec::new()
                } else {
                    vec![(TAG_802_1Q, vlan)]
                },
                ..family.translated()
            }
            .build(),
        ),
        ..Case::translated(what, family, |_| {})
    })
}
