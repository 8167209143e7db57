//! Our SRTP and Debian's libsrtp2 over the same random packets: what one protects the other
//! reads, byte for byte the same on the wire, with every suite, both ways, RTP and RTCP.
#![allow(clippy::unwrap_used)] // A test may panic.

use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use media_core::srtp::{
    MAX_TRAILER, SrtcpReceiver, SrtcpSender, SrtpError, SrtpReceiver, SrtpSender,
};
use proptest::prelude::*;
use trunkline_tests::sys::libsrtp::{self, Direction, Session, Status};

/// One RTP packet of a stream.
#[derive(Clone, Debug)]
struct Packet {
    /// Sequence numbers from the one before: mostly the next, sometimes with a gap.
    step: u16,
    csrc: u8,
    extension: Option<Vec<u32>>,
    payload: Vec<u8>,
    is_second_source: bool,
}

fn packet() -> impl Strategy<Value = Packet> {
    (
        prop_oneof![8 => Just(1_u16), 1 => 2_u16..200, 1 => 200_u16..20_000],
        prop_oneof![4 => Just(0_u8), 1 => 1_u8..=15],
        prop_oneof![3 => Just(None), 1 => prop::collection::vec(any::<u32>(), 0..8).prop_map(Some)],
        prop::collection::vec(any::<u8>(), 0..400),
        prop::bool::weighted(0.2),
    )
        .prop_map(
            |(step, csrc, extension, payload, is_second_source)| Packet {
                step,
                csrc,
                extension,
                payload,
                is_second_source,
            },
        )
}

impl Packet {
    fn bytes(&self, ssrc: u32, sequence: u16) -> Vec<u8> {
        let has_extension = u8::from(self.extension.is_some());
        let mut bytes = vec![0x80 | has_extension << 4 | self.csrc, 96];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(u32::from(sequence).wrapping_mul(160).to_be_bytes());
        bytes.extend(ssrc.to_be_bytes());
        (0..self.csrc).for_each(|csrc| bytes.extend([0xc5, 0, 0, csrc]));
        if let Some(words) = &self.extension {
            bytes.extend([0xbe, 0xde]);
            bytes.extend((words.len() as u16).to_be_bytes());
            words
                .iter()
                .for_each(|word| bytes.extend(word.to_be_bytes()));
        }
        bytes.extend(&self.payload);
        bytes
    }
}

fn key() -> impl Strategy<Value = MasterKey> {
    (
        prop::sample::select(Suite::ALL),
        prop::collection::vec(any::<u8>(), 46),
        prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(any::<u8>(), 1..=128)],
    )
        .prop_map(|(suite, bytes, mki)| {
            let key_salt = &bytes[..suite.key_len() + suite.salt_len()];
            MasterKey::from_key_salt(suite, key_salt)
                .unwrap()
                .with_mki(&mki)
        })
}

/// Numbers the packets of two sources, both across the end of the sequence numbers.
fn streams(packets: &[Packet], first: u16) -> Vec<Vec<u8>> {
    let mut sources = [(0x1111_1111, first), (0x2222_2222, first ^ 0x00f0)];
    packets
        .iter()
        .map(|packet| {
            let (ssrc, sequence) = &mut sources[usize::from(packet.is_second_source)];
            *sequence = sequence.wrapping_add(packet.step);
            packet.bytes(*ssrc, *sequence)
        })
        .collect()
}

fn theirs(session: &mut Session, packet: &[u8], is_rtcp: bool) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + libsrtp::TRAILER, 0);
    let protected = if is_rtcp {
        session.protect_rtcp(&mut buffer, packet.len())
    } else {
        session.protect(&mut buffer, packet.len())
    };
    buffer.truncate(protected.unwrap());
    buffer
}

fn ours(sender: &mut SrtpSender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; packet.len() + MAX_TRAILER];
    let len = sender.protect(packet, &mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

fn read_by_us(receiver: &mut SrtpReceiver, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = vec![0; packet.len()];
    let (len, _) = receiver.unprotect(packet, &mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

fn read_by_them(session: &mut Session, packet: &[u8]) -> Result<Vec<u8>, Status> {
    let mut buffer = packet.to_vec();
    let len = session.unprotect(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

#[test]
fn debians_libsrtp_has_every_suite_that_we_have() {
    assert!(libsrtp::version().unwrap().starts_with("libsrtp2 2."));
    for suite in Suite::ALL {
        let key_salt = vec![1; suite.key_len() + suite.salt_len()];
        let key = MasterKey::from_key_salt(*suite, &key_salt).unwrap();
        assert!(Session::new(&key, Direction::Protect).is_ok(), "{suite:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two sources under one key, over the end of the sequence numbers, with gaps, CSRC lists
    /// and extensions: the same bytes leave both, and each reads them.
    #[test]
    fn rtp_is_the_same_on_the_wire(
        key in key(),
        first in prop_oneof![65_400_u16..=65_535, any::<u16>()],
        packets in prop::collection::vec(packet(), 1..60),
    ) {
        let mut their_sender = Session::new(&key, Direction::Protect).unwrap();
        let mut their_receiver = Session::new(&key, Direction::Unprotect).unwrap();
        let mut our_sender = SrtpSender::new(key.clone());
        let mut our_receiver = SrtpReceiver::new(key);
        for packet in streams(&packets, first) {
            let protected = ours(&mut our_sender, &packet);
            prop_assert_eq!(&protected, &theirs(&mut their_sender, &packet, false));
            prop_assert_eq!(read_by_us(&mut our_receiver, &protected), Ok(packet.clone()));
            prop_assert_eq!(read_by_them(&mut their_receiver, &protected), Ok(packet));
        }
    }

    /// Late, repeated and damaged packets: both accept and refuse the same ones.
    #[test]
    fn receivers_agree_about_what_arrives(
        key in key(),
        first in 65_400_u16..=65_535,
        packets in prop::collection::vec((packet(), 0_usize..30, prop::bool::weighted(0.2), any::<prop::sample::Index>()), 2..120),
    ) {
        let mut sender = SrtpSender::new(key.clone());
        let mut wire: Vec<(usize, Vec<u8>)> = Vec::new();
        let plain: Vec<Packet> = packets
            .iter()
            .map(|(packet, ..)| Packet { step: packet.step.min(60), ..packet.clone() })
            .collect();
        for (at, (packet, (_, late, is_twice, index))) in streams(&plain, first).iter().zip(&packets).enumerate() {
            let protected = ours(&mut sender, packet);
            // Both begin a source with the first packet that they see of it.
            let at = if at < 8 { at } else { at + late };
            if *is_twice {
                wire.push((at + 3, protected.clone()));
                let mut damaged = protected.clone();
                // Behind version, lengths and sequence number: about those they need not agree.
                let fixed = 8.min(damaged.len() - 1);
                let position = fixed + index.index(damaged.len() - fixed);
                damaged[position] ^= 0x40;
                wire.push((at, damaged));
            }
            wire.push((at, protected));
        }
        wire.sort_by_key(|(at, _)| *at);
        let mut theirs = Session::new(&key, Direction::Unprotect).unwrap();
        let mut ours = SrtpReceiver::new(key);
        for (_, packet) in wire {
            let their_answer = read_by_them(&mut theirs, &packet);
            match read_by_us(&mut ours, &packet) {
                Ok(plain) => prop_assert_eq!(their_answer, Ok(plain)),
                Err(SrtpError::Replay) => prop_assert!(
                    matches!(their_answer, Err(Status::REPLAY_FAIL | Status::REPLAY_OLD)),
                    "{:?}",
                    their_answer
                ),
                // An MKI that is not theirs has an error of its own there.
                Err(_) => prop_assert!(their_answer.is_err()),
            }
        }
    }

    /// RTCP: libsrtp counts from 1 where RFC 3711 section 3.4 says 0, so a packet of ours goes
    /// before its first. It counts for each source, we for all, so there is one.
    #[test]
    fn rtcp_is_the_same_on_the_wire(
        key in key(),
        ssrc in any::<u32>(),
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
    ) {
        let mut their_sender = Session::new(&key, Direction::Protect).unwrap();
        let mut their_receiver = Session::new(&key, Direction::Unprotect).unwrap();
        // libsrtp 2.5 looks for the MKI of SRTCP where a tag of SRTP's length would leave it, and
        // so refuses its own packets with an MKI where the suite's tags differ in length.
        let suite = key.suite();
        let they_can_read = key.mki().is_empty() || suite.rtp_tag_len() == suite.rtcp_tag_len();
        let mut our_sender = SrtcpSender::new(key.clone());
        let mut our_receiver = SrtcpReceiver::new(key);
        let mut buffer = [0; 1024];
        our_sender.protect(&[0x80, 201, 0, 1, 0, 0, 0, 1], &mut buffer).unwrap();
        for rest in packets {
            let mut packet = vec![0x81, 200, 0, 6];
            packet.extend(ssrc.to_be_bytes());
            packet.extend(&rest);
            let len = our_sender.protect(&packet, &mut buffer).unwrap();
            let protected = buffer[..len].to_vec();
            prop_assert_eq!(&protected, &theirs(&mut their_sender, &packet, true));

            let (len, _) = our_receiver.unprotect(&protected, &mut buffer).unwrap();
            prop_assert_eq!(&buffer[..len], &packet);
            let mut damaged = protected.clone();
            let last = damaged.len() - 1;
            damaged[last] ^= 1;
            prop_assert!(our_receiver.unprotect(&damaged, &mut buffer).is_err());
            prop_assert!(their_receiver.unprotect_rtcp(&mut damaged).is_err());
            let mut in_place = protected.clone();
            let read = their_receiver.unprotect_rtcp(&mut in_place);
            if they_can_read {
                prop_assert_eq!(&in_place[..read.unwrap()], &packet);
            } else {
                prop_assert_eq!(read, Err(Status::BAD_MKI));
            }
        }
    }
}
