//! What is none of ours.

use std::net::SocketAddr;

use media_common::flow::{ACTION_NONE, FlowEntry};
use trunkline_tests::xdp::case::Case;
use trunkline_tests::xdp::packet::{Packet, TAG_802_1AD, TAG_802_1Q};
use trunkline_tests::xdp::scene::Family;

pub(crate) fn cases() -> Vec<Case> {
    let v4 = || Family::V4.packet();
    let v6 = || Family::V6.packet();
    let arp = [&[0xff; 6], &[2, 0, 0, 0, 0, 1][..], &[0x08, 0x06], &[0; 28]].concat();
    let two_tags = vec![(TAG_802_1AD, 1), (TAG_802_1Q, 2)];
    let cut = |frame: Vec<u8>, length: usize| frame[..length].to_vec();
    let mut wrong_version = v4().build();
    wrong_version[14] = 0x65;
    let mut no_header_length = v4().build();
    no_header_length[14] = 0x44;
    let mut short_udp = v4().build();
    short_udp[38..40].copy_from_slice(&7u16.to_be_bytes());
    let mut long_udp = v4().build();
    long_udp[38..40].copy_from_slice(&181u16.to_be_bytes());
    let mut passing = vec![
        Case::passed("ARP", "pass_not_ip", arp),
        Case::passed(
            "two tags",
            "pass_not_ip",
            Packet {
                tags: two_tags,
                ..v4()
            }
            .build(),
        ),
        Case::passed(
            "IPv4 that calls itself version 6",
            "pass_not_ip",
            wrong_version,
        ),
        Case::passed(
            "options",
            "pass_ip_options",
            Packet {
                options: vec![1; 4],
                ..v4()
            }
            .build(),
        ),
        Case::passed(
            "first fragment",
            "pass_fragment",
            Packet {
                fragment: 0x2000,
                ..v4()
            }
            .build(),
        ),
        Case::passed(
            "later fragment",
            "pass_fragment",
            Packet {
                fragment: 0x0010,
                ..v4()
            }
            .build(),
        ),
        Case::passed(
            "TCP",
            "pass_not_udp",
            Packet {
                protocol: 6,
                ..v4()
            }
            .build(),
        ),
        Case::passed(
            "TCP over IPv6",
            "pass_not_udp",
            Packet {
                protocol: 6,
                ..v6()
            }
            .build(),
        ),
        Case::passed(
            "IPv6 fragment",
            "pass_fragment",
            Packet {
                protocol: 44,
                ..v6()
            }
            .build(),
        ),
        Case::passed("Ethernet alone", "pass_truncated", cut(v4().build(), 14)),
        Case::passed(
            "half an IPv4 header",
            "pass_truncated",
            cut(v4().build(), 33),
        ),
        Case::passed(
            "half an IPv6 header",
            "pass_truncated",
            cut(v6().build(), 53),
        ),
        Case::passed("half a UDP header", "pass_truncated", cut(v4().build(), 41)),
        Case::passed(
            "a byte less than IP says",
            "pass_truncated",
            cut(v4().build(), 213),
        ),
        Case::passed(
            "a byte less than IPv6 says",
            "pass_truncated",
            cut(v6().build(), 233),
        ),
        Case::passed(
            "IPv4 header shorter than one",
            "pass_truncated",
            no_header_length,
        ),
        Case::passed("UDP shorter than its header", "pass_truncated", short_udp),
        Case::passed("UDP longer than IP", "pass_truncated", long_udp),
        Case::passed("half a tag", "pass_truncated", {
            cut(
                Packet {
                    tags: vec![(TAG_802_1Q, 1)],
                    ..v4()
                }
                .build(),
                17,
            )
        }),
    ];
    for protocol in [0, 43, 60, 50, 51] {
        let packet = Packet { protocol, ..v6() }.build();
        passing.push(Case::passed(
            "IPv6 extension header",
            "pass_extension_header",
            packet,
        ));
    }
    for (what, destination) in [
        ("port below the range", "192.0.2.1:19996"),
        ("port above the range", "192.0.2.1:20013"),
        ("SIP", "192.0.2.1:5060"),
        ("an address of somebody else", "192.0.2.2:20000"),
        ("an IPv6 address of somebody else", "[2001:db8:1::2]:20000"),
    ] {
        let destination: SocketAddr = destination.parse().unwrap();
        let family = if destination.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        let packet = Packet {
            destination,
            ..family.packet()
        }
        .build();
        passing.push(Case::passed(what, "pass_not_media", packet));
    }
    passing.push(Case {
        entry: FlowEntry {
            action: ACTION_NONE,
            ..Family::V4.entry()
        },
        ..Case::passed("a port without a flow", "pass_not_media", v4().build())
    });
    passing
}
