//! What is rewritten and sent on.

use media_common::flow::{
    FLAG_CHECK_SOURCE, FLAG_RAW, FLAG_RTCP, FLAG_RTCP_MUX, FlowEntry, NextHop,
};
use trunkline_tests::xdp::case::{Case, XDP_TX};
use trunkline_tests::xdp::kernel::INGRESS;
use trunkline_tests::xdp::packet::{Checksum, Packet, TAG_802_1AD, TAG_802_1Q, sender_report};
use trunkline_tests::xdp::scene::{Family, next_hop};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for family in [Family::V4, Family::V6] {
        cases.extend([
            Case::forwarded("PCMU", family),
            Case::changed("partial checksum in, whole one out", family, |packet| {
                // The sender left the pseudo-header's sum; what leaves is complete.
                if packet.destination == family.arrival() {
                    packet.checksum = Checksum::Partial;
                }
            }),
            Case::changed("telephone-event", family, |packet| {
                packet.payload[1] = 0x80 | 101;
            }),
            Case::changed("an odd number of bytes", family, |packet| {
                packet.payload.push(1);
            }),
            Case::changed("odd, with a partial checksum", family, |packet| {
                packet.payload.push(1);
                if packet.destination == family.arrival() {
                    packet.checksum = Checksum::Partial;
                }
            }),
            Case::changed("a long packet with a partial checksum", family, |packet| {
                packet.payload.extend((0..1_200u16).map(|n| n as u8));
                if packet.destination == family.arrival() {
                    packet.checksum = Checksum::Partial;
                }
            }),
            Case::changed("padding behind the datagram stays", family, |packet| {
                packet.payload.truncate(12);
                packet.padding = vec![0xaa; 20];
            }),
            Case::changed(
                "bytes between datagram and end of the IP packet stay",
                family,
                |packet| {
                    packet.surplus = vec![0xbb; 6];
                },
            ),
            Case::changed("padding is not summed", family, |packet| {
                packet.payload.truncate(13);
                packet.padding = vec![0xaa; 20];
                if packet.destination == family.arrival() {
                    packet.checksum = Checksum::Partial;
                }
            }),
            Case::changed("DSCP and ECN are kept", family, |packet| {
                packet.traffic_class = 0xb9;
            }),
            Case {
                entry: FlowEntry {
                    dscp: 46,
                    ..family.entry()
                },
                leaves: Some(
                    Packet {
                        traffic_class: 46 << 2 | 1,
                        ..family.relayed()
                    }
                    .build(),
                ),
                packet: Packet {
                    traffic_class: 0x29,
                    ..family.packet()
                }
                .build(),
                ..Case::forwarded("DSCP is set, ECN kept", family)
            },
            Case {
                packet: Packet {
                    source: "[2001:db8::77]:9".parse().unwrap(),
                    ..family.packet()
                }
                .into_family(family),
                entry: FlowEntry {
                    flags: 0,
                    ..family.entry()
                },
                ..Case::forwarded("any source, where the entry does not check it", family)
            },
            Case {
                before: 1,
                entry: FlowEntry {
                    ceiling: 2,
                    ..family.entry()
                },
                ..Case::forwarded("the second where two may pass", family)
            },
            Case {
                next_hop: NextHop {
                    ifindex: INGRESS,
                    ..next_hop()
                },
                code: XDP_TX,
                counter: "transmit",
                ..Case::forwarded("back by the interface that it came by", family)
            },
            Case {
                next_hop: NextHop {
                    mtu: family.packet().build().len() as u16 - 14,
                    ..next_hop()
                },
                ..Case::forwarded("exactly the MTU", family)
            },
        ]);
        cases.extend(rtcp_cases(family));
        cases.extend(raw_cases(family));
        cases.extend(tag_cases(family));
    }
    cases.push(Case::changed(
        "no checksum stays none (RFC 768)",
        Family::V4,
        |packet| {
            packet.checksum = Checksum::None;
        },
    ));
    cases
}

/// A packet of the same family with the last bytes of another source.
trait IntoFamily {
    fn into_family(self, family: Family) -> Vec<u8>;
}

impl IntoFamily for Packet {
    fn into_family(self, family: Family) -> Vec<u8> {
        let source = family.address("203.0.113.7", "2001:db8::77", 9);
        Packet { source, ..self }.build()
    }
}

fn rtcp_cases(family: Family) -> Vec<Case> {
    let report = |packet: &mut Packet| packet.payload = sender_report(0x0102_0304);
    vec![
        Case {
            entry: FlowEntry {
                flags: FLAG_CHECK_SOURCE | FLAG_RTCP,
                ..family.entry()
            },
            ..Case::changed("RTCP on its own port", family, report)
        },
        Case {
            entry: FlowEntry {
                flags: FLAG_CHECK_SOURCE | FLAG_RTCP_MUX,
                ..family.entry()
            },
            ..Case::changed("RTCP beside RTP", family, report)
        },
        Case {
            entry: FlowEntry {
                flags: FLAG_CHECK_SOURCE | FLAG_RTCP_MUX,
                ..family.entry()
            },
            ..Case::forwarded("RTP beside RTCP", family)
        },
    ]
}

/// T.38's UDPTL (ITU-T T.38 section 9.1) begins with a sequence number, and is short.
fn raw_cases(family: Family) -> impl Iterator<Item = Case> {
    let payloads = [
        ("UDPTL", vec![0, 1, 3, 6, 0, 0]),
        ("UDPTL that looks like DTLS", vec![22, 254, 3, 6, 0, 0]),
        ("an odd byte of anything", vec![0x47]),
        ("an empty datagram", vec![]),
        ("RTP of a type that no RTP flow would have", vec![0x80; 172]),
    ];
    payloads.into_iter().map(move |(what, payload)| Case {
        entry: FlowEntry {
            flags: FLAG_CHECK_SOURCE | FLAG_RAW,
            payload_types: [0; 4],
            ..family.entry()
        },
        ..Case::changed(what, family, |packet| packet.payload.clone_from(&payload))
    })
}

/// What arrives with or without a tag leaves with the next hop's, or without.
fn tag_cases(family: Family) -> Vec<Case> {
    let none = Vec::new;
    let tagged = |identifier, tag| vec![(identifier, tag)];
    [
        (
            "tag to tag",
            tagged(TAG_802_1Q, 0x6064),
            200,
            tagged(TAG_802_1Q, 200),
        ),
        (
            "service tag to tag",
            tagged(TAG_802_1AD, 100),
            200,
            tagged(TAG_802_1Q, 200),
        ),
        ("tag to none", tagged(TAG_802_1Q, 100), 0, none()),
        ("none to tag", none(), 200, tagged(TAG_802_1Q, 200)),
    ]
    .into_iter()
    .map(|(what, arriving, vlan, leaving)| Case {
        packet: Packet {
            tags: arriving,
            ..family.packet()
        }
        .build(),
        next_hop: NextHop { vlan, ..next_hop() },
        leaves: Some(
            Packet {
                tags: leaving,
                ..family.relayed()
            }
            .build(),
        ),
        ..Case::forwarded(what, family)
    })
    .collect()
}
