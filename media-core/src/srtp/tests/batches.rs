//! A batch gives each packet the answer that it would have got alone.

use proptest::prelude::*;

use super::*;
use crate::srtp::batch::{Untagged, Unverified, compute_tags, write_tags};

/// What may happen to the next packet of a flow before it arrives.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Twice,
    Damaged(u8),
    Cut(usize),
    /// The sequence number moves on by so much.
    Jumps(u16),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        1 => Just(Fate::Twice),
        1 => any::<u8>().prop_map(Fate::Damaged),
        1 => (0_usize..40).prop_map(Fate::Cut),
        1 => (1_u16..0x7fff).prop_map(Fate::Jumps),
    ]
}

/// Keys of four flows: two long tags, a short one with an MKI, an AEAD.
fn keys() -> [MasterKey; 4] {
    [
        key(Suite::AesCm128HmacSha1_80),
        key(Suite::Aes256CmHmacSha1_80),
        key(Suite::AesCm128HmacSha1_32).with_mki(&[1, 2]),
        key(Suite::AeadAes128Gcm),
    ]
}

proptest! {
    /// Mixed flows, sizes and faults, over the end of the sequence numbers.
    #[test]
    fn of_packets_received_together_each_gets_its_own_answer(
        arrivals in prop::collection::vec((0_usize..4, 0_usize..300, fate()), 1..100),
        batch in 1_usize..70,
    ) {
        let mut senders = keys().map(SrtpSender::new);
        let mut sequences = [0xfff0_u16, 0, 0x8000, 0xffff];
        let mut wire: Vec<(usize, Vec<u8>)> = Vec::new();
        for (flow, len, fate) in arrivals {
            if let Fate::Jumps(by) = fate {
                sequences[flow] = sequences[flow].wrapping_add(by);
            }
            sequences[flow] = sequences[flow].wrapping_add(1);
            let packet = rtp(7, sequences[flow], &vec![len as u8; len]);
            let mut protected = protect(&mut senders[flow], &packet).unwrap();
            match fate {
                Fate::Twice => wire.push((flow, protected.clone())),
                Fate::Damaged(at) => {
                    let at = usize::from(at) % protected.len();
                    protected[at] ^= 0x10;
                }
                Fate::Cut(by) => protected.truncate(protected.len().saturating_sub(by)),
                Fate::Arrives | Fate::Jumps(_) => {}
            }
            wire.push((flow, protected));
        }
        let (mut alone, mut together) = (keys().map(SrtpReceiver::new), keys().map(SrtpReceiver::new));
        for batch in wire.chunks(batch) {
            let mut begun: Vec<Unverified<'_>> = batch
                .iter()
                .map(|(flow, packet)| together[*flow].begin(packet))
                .collect();
            compute_tags(&mut begun);
            for ((flow, packet), begun) in batch.iter().zip(&begun) {
                let mut out = vec![0; packet.len()];
                let answer = together[*flow]
                    .unprotect_begun(begun, &mut out)
                    .map(|(len, _)| out[..len].to_vec());
                prop_assert_eq!(answer, unprotect(&mut alone[*flow], packet));
            }
        }
    }

    #[test]
    fn packets_sent_together_are_those_sent_alone(
        packets in prop::collection::vec((0_usize..4, 0_usize..700), 1..80),
        in_place in any::<bool>(),
    ) {
        let (mut alone, mut together) = (keys().map(SrtpSender::new), keys().map(SrtpSender::new));
        let mut expected = Vec::new();
        let mut frames: Vec<(Untagged, Vec<u8>)> = Vec::new();
        for (sequence, (flow, len)) in packets.into_iter().enumerate() {
            let packet = rtp(7, sequence as u16, &vec![3; len]);
            expected.push(protect(&mut alone[flow], &packet).unwrap());
            let mut frame = vec![0xee; packet.len() + MAX_TRAILER];
            let (len, untagged) = if in_place {
                frame[..packet.len()].copy_from_slice(&packet);
                together[flow].protect_in_place_untagged(&mut frame, packet.len()).unwrap()
            } else {
                together[flow].protect_untagged(&packet, &mut frame).unwrap()
            };
            frame.truncate(len);
            frames.push((untagged, frame));
        }
        write_tags(frames.iter_mut().map(|(untagged, frame)| (&*untagged, frame.as_mut_slice())));
        let sent: Vec<Vec<u8>> = frames.into_iter().map(|(_, frame)| frame).collect();
        prop_assert_eq!(sent, expected);
    }
}

#[test]
fn a_key_that_changes_between_the_steps_is_not_taken_for_the_old_one() {
    let (old, new) = (
        key(Suite::AesCm128HmacSha1_80),
        key(Suite::Aes256CmHmacSha1_80),
    );
    let packet = rtp(7, 1, &[9; 20]);
    let under_old = protect(&mut SrtpSender::new(old.clone()), &packet).unwrap();
    let under_new = protect(&mut SrtpSender::new(new.clone()), &packet).unwrap();
    let begun_by_old = SrtpReceiver::new(old);
    let mut begun = [
        begun_by_old.begin(&under_old),
        begun_by_old.begin(&under_new),
    ];
    compute_tags(&mut begun);
    let mut receiver = SrtpReceiver::new(new);
    let mut out = [0; 64];
    assert_eq!(
        receiver.unprotect_begun(&begun[0], &mut out).unwrap_err(),
        SrtpError::Authentication
    );
    let (len, _) = receiver.unprotect_begun(&begun[1], &mut out).unwrap();
    assert_eq!(out[..len], packet);
}

#[test]
fn a_frame_that_is_too_short_gets_no_tag_and_harms_no_other() {
    let mut sender = SrtpSender::new(key(Suite::AesCm128HmacSha1_80));
    let mut frames = [[0; 64]; 2];
    let untagged = [1, 2].map(|sequence| {
        let packet = rtp(7, sequence, &[9; 20]);
        let frame = &mut frames[usize::from(sequence) - 1];
        sender.protect_untagged(&packet, frame).unwrap()
    });
    let [first, second] = &mut frames;
    write_tags([
        (&untagged[0].1, &mut first[..33]),
        (&untagged[1].1, &mut second[..42]),
    ]);
    let mut receiver = SrtpReceiver::new(key(Suite::AesCm128HmacSha1_80));
    assert!(unprotect(&mut receiver, &second[..42]).is_ok());
    assert_eq!(
        unprotect(&mut receiver, &first[..42]),
        Err(SrtpError::Authentication)
    );
}
