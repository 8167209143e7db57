//! What a flow counts and sees of its packets: quality, digits, reports, and its ceiling.

use media_core::quality::{Codec, FarEnd, Quality};

use super::*;

const PTIME_NS: u64 = 20_000_000;
const EVENT_TYPE: u8 = 101;

/// Feeds a packet that arrives in its turn, 20 ms after the one before.
struct Fed {
    flow: Flow,
    now_ns: u64,
}

impl Fed {
    fn new(transform: Transform) -> Fed {
        Fed {
            flow: Flow::new(config(transform)),
            now_ns: NOW_NS,
        }
    }

    fn feed(&mut self, packet: &[u8]) -> Outcome {
        self.now_ns += PTIME_NS;
        let mut out = vec![0; packet.len() + MAX_TRAILER];
        self.flow.relay(self.now_ns, at(PEER), packet, &mut out)
    }

    /// The codes of the digits that the flow hands up.
    fn digits<'a>(&mut self, packets: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
        packets
            .into_iter()
            .filter_map(|packet| match self.feed(packet) {
                Outcome::Forward { digit, .. } => digit,
                Outcome::Drop(reason) => panic!("dropped: {reason:?}"),
            })
            .collect()
    }

    fn quality(&self) -> Quality {
        let stats = self.flow.stats();
        Quality::of(
            &stats.counters,
            &stats.incidents,
            Codec::named("PCMU", 8000),
        )
    }
}

/// 20 ms of speech at that place of the stream.
fn speech(place: u16) -> Vec<u8> {
    let mut packet = rtp(0, place);
    packet[4..8].copy_from_slice(&(u32::from(place) * 160).to_be_bytes());
    packet
}

/// A packet of a telephone event that began at `began` (RFC 4733 section 2.3).
fn event(place: u16, began: u32, code: u8) -> Vec<u8> {
    let mut packet = rtp(EVENT_TYPE, place);
    packet.truncate(12);
    packet[4..8].copy_from_slice(&began.to_be_bytes());
    packet.extend([code, 0x0a, 0, 160]);
    packet
}

/// Each digit as a telephone sends it: three packets at least, the last one three times.
fn dialled(codes: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for (turn, code) in codes.iter().enumerate() {
        for _ in 0..6 {
            let place = packets.len() as u16;
            packets.push(event(place, 1000 + turn as u32 * 1600, *code));
        }
    }
    packets
}

fn transforms() -> [(Transform, Option<MasterKey>); 4] {
    [
        (Transform::Copy, None),
        (Transform::Encrypt { send: key(2) }, None),
        (Transform::Decrypt { receive: key(1) }, Some(key(1))),
        (
            Transform::Reencrypt {
                receive: key(1),
                send: key(2),
            },
            Some(key(1)),
        ),
    ]
}

#[test]
fn med_3_each_digit_is_handed_up_once_whichever_leg_is_secure() {
    for (transform, key) in transforms() {
        let what = format!("{transform:?}");
        let plain = dialled(&[1, 2, 2, 11]);
        let packets = key.map_or(plain.clone(), |key| protected(&key, &plain));
        let mut fed = Fed::new(transform);
        assert_eq!(fed.digits(&packets), [1, 2, 2, 11], "{what}");
        assert_eq!(fed.quality().digits, 4, "{what}");
    }
}

#[test]
fn med_3_a_digit_whose_first_packets_were_lost_is_seen_and_a_late_one_is_not_seen_again() {
    let mut packets = dialled(&[5, 6]);
    packets.drain(..4);
    packets.swap(1, 2);
    assert_eq!(Fed::new(Transform::Copy).digits(&packets), [5, 6]);
}

#[test]
fn med_3_what_is_no_digit_hands_up_nothing() {
    let mut short = event(1, 5, 9);
    short.truncate(15);
    let packets = [speech(0), short, rtcp()];
    assert_eq!(Fed::new(Transform::Copy).digits(&packets), []);
    // Under keys that we do not have, a payload says nothing.
    let sealed = protected(&key(1), &dialled(&[1, 2]));
    assert_eq!(Fed::new(Transform::PassThrough).digits(&sealed), []);
}

#[test]
fn med_4_loss_and_disorder_are_counted_of_what_is_sent_on() {
    for (transform, key) in transforms() {
        let what = format!("{transform:?}");
        // 3 and 4 lost, 6 and 7 swapped, 9 twice where replays pass.
        let plain: Vec<_> = [0, 1, 2, 5, 7, 6, 8, 9].map(speech).into();
        let packets = key.map_or(plain.clone(), |key| protected(&key, &plain));
        let mut fed = Fed::new(transform);
        packets.iter().for_each(|packet| {
            assert!(matches!(fed.feed(packet), Outcome::Forward { .. }));
        });
        let quality = fed.quality();
        assert_eq!(
            (quality.rtp, quality.lost, quality.reordered),
            (8, 2, 1),
            "{what}"
        );
        assert_eq!(quality.longest_loss, 2, "{what}");
        assert_eq!(quality.longest_pause_us, 20_000, "{what}");
        assert!(
            quality.jitter_us.unwrap() > 0,
            "{what}: numbers were skipped"
        );
    }
}

/// It is not sent on again under SRTP, but the network has repeated it all the same.
#[test]
fn med_4_a_plain_packet_that_comes_twice_is_a_duplicate_on_every_path() {
    for transform in [Transform::Copy, Transform::Encrypt { send: key(2) }] {
        let what = format!("{transform:?}");
        let mut fed = Fed::new(transform);
        for place in [0, 1, 1, 2, 0, 3] {
            fed.feed(&speech(place));
        }
        let quality = fed.quality();
        assert_eq!((quality.duplicated, quality.lost), (2, 0), "{what}");
    }
}

#[test]
fn med_4_what_is_not_authentic_or_not_sent_counts_for_nothing() {
    let mut fed = Fed::new(Transform::Decrypt { receive: key(1) });
    let good = protected(&key(1), &[speech(0), speech(1)]);
    fed.feed(&good[0]);
    for forged in protected(&key(9), &[speech(40), speech(50)]) {
        assert_eq!(fed.feed(&forged), Outcome::Drop(DropReason::Authentication));
    }
    assert_eq!(fed.feed(&good[0]), Outcome::Drop(DropReason::Replay));
    fed.feed(&good[1]);
    let quality = fed.quality();
    assert_eq!((quality.rtp, quality.lost, quality.duplicated), (2, 0, 0));
}

#[test]
fn med_4_rtcp_counts_as_packets_and_not_as_rtp() {
    let mut fed = Fed::new(Transform::Copy);
    fed.feed(&speech(0));
    fed.feed(&rtcp());
    assert_eq!(fed.flow.stats().counters.packets, 2);
    assert_eq!(fed.quality().rtp, 1);
    assert_eq!(fed.quality().last_seen_ns, NOW_NS + PTIME_NS);
}

/// A sender report with NTP 0x5555.6666 in its middle, as one end sends it, and a receiver report
/// of the other end that quotes it and held it for a second.
fn reports() -> [Vec<u8>; 2] {
    let sender = [
        &[0x80, 200, 0, 6, 0, 0, 0, 7][..],
        &[0x55, 0x55, 0x55, 0x55, 0x66, 0x66],
        &[0; 14],
    ];
    let block = [
        [0, 0, 0, 7],
        [128, 0, 0, 3],
        [0, 0, 0, 0],
        [0, 0, 0, 80],
        [0x55, 0x55, 0x66, 0x66],
        [0, 1, 0, 0],
    ];
    let receiver = [&[0x81, 201, 0, 7, 0, 0, 0, 8][..], &block.concat()];
    [sender.concat(), receiver.concat()]
}

fn protected_rtcp(key: &MasterKey, packet: &[u8]) -> Vec<u8> {
    let mut out = vec![0; packet.len() + MAX_TRAILER];
    let len = SrtcpSender::new(key.clone())
        .protect(packet, &mut out)
        .unwrap();
    out.truncate(len);
    out
}

#[test]
fn med_4_reports_are_read_on_plain_and_secure_legs() {
    let [sender, receiver] = reports();
    for (transform, key) in transforms() {
        let what = format!("{transform:?}");
        let seal = |packet: &[u8]| match &key {
            Some(key) => protected_rtcp(key, packet),
            None => packet.to_vec(),
        };
        let mut from_caller = Fed::new(transform.clone());
        let mut from_callee = Fed::new(transform);
        from_caller.feed(&seal(&sender));
        from_callee.now_ns = from_caller.now_ns + 1_060_000_000 - PTIME_NS;
        from_callee.feed(&seal(&receiver));
        let heard = FarEnd::of(
            &from_callee.flow.stats().reports,
            &from_caller.flow.stats().reports,
            Codec::named("PCMU", 8000),
        );
        let expected = FarEnd {
            fraction_lost: 128,
            cumulative_lost: 3,
            jitter_us: Some(10_000),
            round_trip_us: Some(60_000),
        };
        assert_eq!(heard, Some(expected), "{what}");
    }
    let mut sealed = Fed::new(Transform::PassThrough);
    sealed.feed(&receiver);
    assert_eq!(
        sealed.flow.stats().reports.received(),
        None,
        "it may be SRTCP"
    );
}

#[test]
fn med_5_a_flow_lets_no_more_pass_than_its_ceiling() {
    let mut flow = Flow::new(FlowConfig {
        max_packet_rate: 100,
        ..config(Transform::Copy)
    });
    let mut out = [0; 400];
    // Ten times as many in ten seconds, and as many as that in the ten seconds after.
    let mut passed = |from: u16, count: u16, apart_ns: u64| {
        (0..count)
            .filter(|n| {
                let now_ns = (u64::from(from) + 1) * 100_000_000_000 + u64::from(*n) * apart_ns;
                let outcome = flow.relay(now_ns, at(PEER), &rtp(0, *n), &mut out);
                matches!(outcome, Outcome::Forward { .. })
            })
            .count()
    };
    let flood = passed(0, 10_000, 1_000_000);
    assert!((950..=1_100).contains(&flood), "{flood} passed in 10 s");
    assert_eq!(
        passed(1, 1_000, 10_000_000),
        1_000,
        "what is allowed passes"
    );
    let stats = flow.stats();
    assert_eq!(
        u64::from(stats.incidents.over_ceiling),
        10_000 - flood as u64
    );
    assert_eq!(stats.drops.of(DropReason::Ceiling), 10_000 - flood as u64);
}

#[test]
fn a_raw_flow_passes_anything_from_its_peer_and_judges_nothing() {
    let mut flow = Flow::new(FlowConfig {
        carries: Carries::Raw(route()),
        payload_types: 0,
        ..config(Transform::Copy)
    });
    for datagram in [&[][..], &[0, 1, 2], &[22; 40], &rtp(18, 9)] {
        assert_eq!(
            relay(&mut flow, PEER, datagram),
            Ok((datagram.to_vec(), None))
        );
    }
    assert_eq!(
        relay(&mut flow, "192.0.2.99:4000", &[0, 1, 2]),
        Err(DropReason::WrongSource)
    );
    let stats = flow.stats();
    assert_eq!(stats.counters.packets, 4);
    assert_eq!(stats.counters.last_seen_ns, NOW_NS, "it is heard");
    assert_eq!((stats.incidents.lost, stats.incidents.rtcp), (0, 0));
}
