//! Random losses, changes and bytes.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    /// After so many others.
    Late(usize),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Twice),
        2 => (1_usize..20).prop_map(Fate::Late),
    ]
}

proptest! {
    /// Over the end of the sequence numbers, with loss, duplicates and reordering: every
    /// packet that arrives is read once and as it was sent.
    #[test]
    fn what_arrives_is_what_was_sent(
        first in 0xff80_u16..=0xffff,
        suite in proptest::sample::select(Suite::ALL),
        packets in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..40), fate()), 1..300),
    ) {
        let (mut sender, mut receiver) = (SrtpSender::new(key(suite)), SrtpReceiver::new(key(suite)));
        let mut wire: Vec<(usize, Vec<u8>, Vec<u8>)> = Vec::new();
        for (at, (payload, fate)) in packets.iter().enumerate() {
            let packet = rtp(7, first.wrapping_add(at as u16), payload);
            let protected = protect(&mut sender, &packet).unwrap();
            match fate {
                // The first one is not lost or late: with rollover counter 0 unknown to
                // the receiver, RFC 3711 section 3.3.1 has it begin with the first packet.
                _ if at == 0 => wire.push((at, packet, protected)),
                Fate::Lost => {}
                Fate::Arrives => wire.push((at, packet, protected)),
                Fate::Twice => {
                    wire.push((at, packet.clone(), protected.clone()));
                    wire.push((at + 1, packet, protected));
                }
                Fate::Late(by) => wire.push((at + by, packet, protected)),
            }
        }
        wire.sort_by_key(|(at, ..)| *at);
        let mut read = std::collections::HashSet::new();
        for (_, packet, protected) in wire {
            let expected = if read.insert(protected.clone()) { Ok(packet) } else { Err(SrtpError::Replay) };
            prop_assert_eq!(unprotect(&mut receiver, &protected), expected);
        }
    }

    /// Any changed byte: refused, and the true packet is still read afterwards.
    #[test]
    fn a_changed_packet_is_refused_and_changes_nothing(
        suite in proptest::sample::select(Suite::ALL),
        at in any::<proptest::sample::Index>(),
        flip in 1_u8..=255,
        mki in proptest::collection::vec(any::<u8>(), 0..3),
        is_rtcp in any::<bool>(),
    ) {
        let key = key(suite).with_mki(&mki);
        if is_rtcp {
            let (mut sender, mut receiver) = (SrtcpSender::new(key.clone()), SrtcpReceiver::new(key));
            let first = protect_rtcp(&mut sender, &rtcp(7, &[1; 20])).unwrap();
            unprotect_rtcp(&mut receiver, &first).unwrap();
            let packet = rtcp(7, &[2; 20]);
            let protected = protect_rtcp(&mut sender, &packet).unwrap();
            let mut changed = protected.clone();
            changed[at.index(protected.len())] ^= flip;
            prop_assert!(unprotect_rtcp(&mut receiver, &changed).is_err());
            prop_assert_eq!(unprotect_rtcp(&mut receiver, &protected), Ok(packet));
        } else {
            let (mut sender, mut receiver) = (SrtpSender::new(key.clone()), SrtpReceiver::new(key));
            let first = protect(&mut sender, &rtp(7, 1000, &[1; 20])).unwrap();
            unprotect(&mut receiver, &first).unwrap();
            let packet = rtp(7, 1001, &[2; 20]);
            let protected = protect(&mut sender, &packet).unwrap();
            let mut changed = protected.clone();
            let at = at.index(protected.len());
            changed[at] ^= flip;
            let refused = unprotect(&mut receiver, &changed).unwrap_err();
            if at >= 4 {
                // Beyond version, length and sequence number only the tag can tell.
                prop_assert_eq!(refused, SrtpError::Authentication);
            }
            prop_assert_eq!(unprotect(&mut receiver, &protected), Ok(packet));
        }
    }

    #[test]
    fn no_bytes_are_too_strange(suite in proptest::sample::select(Suite::ALL), bytes in proptest::collection::vec(any::<u8>(), 0..200), v2 in any::<bool>()) {
        let mut bytes = bytes;
        if let (true, Some(first)) = (v2, bytes.first_mut()) {
            *first = *first & 0x3f | 0x80;
        }
        let key = key(suite);
        prop_assert!(unprotect(&mut SrtpReceiver::new(key.clone()), &bytes).is_err());
        prop_assert!(unprotect_rtcp(&mut SrtcpReceiver::new(key.clone()), &bytes).is_err());
        if let Ok(protected) = protect(&mut SrtpSender::new(key.clone()), &bytes) {
            prop_assert_eq!(unprotect(&mut SrtpReceiver::new(key.clone()), &protected), Ok(bytes.clone()));
        }
        if let Ok(protected) = protect_rtcp(&mut SrtcpSender::new(key.clone()), &bytes) {
            prop_assert_eq!(unprotect_rtcp(&mut SrtcpReceiver::new(key), &protected), Ok(bytes));
        }
    }
}
