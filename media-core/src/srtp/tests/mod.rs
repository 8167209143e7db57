//! Whole packets: published vectors, refusals, limits.

mod batches;
mod continuity;
mod properties;

use super::key::MasterKey;
use super::profile::Suite;
use super::*;

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn key(suite: Suite) -> MasterKey {
    // The master key and salt of RFC 3711 appendix B.3, repeated where a suite's are longer.
    let key_salt = hex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6");
    let key_salt: Vec<u8> = key_salt
        .into_iter()
        .cycle()
        .take(suite.key_len() + suite.salt_len())
        .collect();
    MasterKey::from_key_salt(suite, &key_salt).unwrap()
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 160]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn rtcp(ssrc: u32, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x81, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(rest);
    packet
}

fn protect(sender: &mut SrtpSender, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut out = vec![0; packet.len() + MAX_TRAILER];
    let len = sender.protect(packet, &mut out)?;
    out.truncate(len);
    Ok(out)
}

fn unprotect(receiver: &mut SrtpReceiver, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut out = vec![0; packet.len()];
    let (len, _) = receiver.unprotect(packet, &mut out)?;
    out.truncate(len);
    Ok(out)
}

fn protect_rtcp(sender: &mut SrtcpSender, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut out = vec![0; packet.len() + MAX_TRAILER];
    let len = sender.protect(packet, &mut out)?;
    out.truncate(len);
    Ok(out)
}

fn unprotect_rtcp(receiver: &mut SrtcpReceiver, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut out = vec![0; packet.len()];
    let (len, _) = receiver.unprotect(packet, &mut out)?;
    out.truncate(len);
    Ok(out)
}

/// The reference packet of libsrtp's `srtp_validate` (test/srtp_driver.c).
#[test]
fn an_srtp_packet_is_that_of_libsrtp() {
    let plain = hex("800f1234decafbadcafebabeabababababababababababababababab");
    let protected =
        hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb");
    let suite = Suite::AesCm128HmacSha1_80;
    assert_eq!(
        protect(&mut SrtpSender::new(key(suite)), &plain).unwrap(),
        protected
    );
    assert_eq!(
        unprotect(&mut SrtpReceiver::new(key(suite)), &protected).unwrap(),
        plain
    );

    // The short tag is the long one, cut.
    let short = protected[..protected.len() - 6].to_vec();
    let suite = Suite::AesCm128HmacSha1_32;
    assert_eq!(
        protect(&mut SrtpSender::new(key(suite)), &plain).unwrap(),
        short
    );
    assert_eq!(
        unprotect(&mut SrtpReceiver::new(key(suite)), &short).unwrap(),
        plain
    );
}

/// The same for SRTCP; libsrtp counts from 1 where RFC 3711 section 3.4 counts from 0, so it
/// is our second packet. The tag has 80 bits with both suites (RFC 4568 section 6.2).
#[test]
fn an_srtcp_packet_is_that_of_libsrtp() {
    let plain = hex("81c8000bcafebabeabababababababababababababababab");
    let protected =
        hex("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798");
    for suite in Suite::DEFAULT {
        let mut sender = SrtcpSender::new(key(*suite));
        let first = protect_rtcp(&mut sender, &plain).unwrap();
        assert_eq!(first[plain.len()..plain.len() + 4], [0x80, 0, 0, 0]);
        assert_eq!(protect_rtcp(&mut sender, &plain).unwrap(), protected);
        let mut receiver = SrtcpReceiver::new(key(*suite));
        assert_eq!(unprotect_rtcp(&mut receiver, &protected).unwrap(), plain);
        assert_eq!(
            unprotect_rtcp(&mut receiver, &first).unwrap(),
            plain,
            "late, but not too late"
        );
        assert_eq!(
            unprotect_rtcp(&mut receiver, &protected),
            Err(SrtpError::Replay)
        );
    }
}

#[test]
fn header_csrc_and_extension_stay_readable_and_are_authenticated() {
    let mut packet = rtp(7, 1, &[]);
    packet[0] = 0x92;
    packet.extend([0xaa; 8]);
    packet.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
    packet.extend([0x55; 20]);
    for suite in Suite::ALL {
        let protected = protect(&mut SrtpSender::new(key(*suite)), &packet).unwrap();
        assert_eq!(protected.len(), packet.len() + suite.rtp_tag_len());
        assert_eq!(protected[..28], packet[..28]);
        assert_ne!(protected[28..48], packet[28..]);
        let mut receiver = SrtpReceiver::new(key(*suite));
        for at in [1, 6, 13, 25, 30, 47, 48, protected.len() - 1] {
            let mut changed = protected.clone();
            changed[at] ^= 1;
            assert_eq!(
                unprotect(&mut receiver, &changed),
                Err(SrtpError::Authentication),
                "byte {at} with {suite:?}"
            );
        }
        assert_eq!(unprotect(&mut receiver, &protected), Ok(packet.clone()));
    }
}

/// RFC 4568 section 6.2.2: the short tag is for RTP only.
#[test]
fn rtcp_keeps_its_long_tag_with_the_short_suites() {
    let packet = rtcp(7, &[1; 20]);
    for suite in Suite::ALL {
        let sender = SrtcpSender::new(key(*suite));
        let expected = if suite.is_aead() { 16 } else { 10 };
        assert_eq!(sender.trailer_len(), 4 + expected, "{suite:?}");
        let protected = protect_rtcp(&mut SrtcpSender::new(key(*suite)), &packet).unwrap();
        assert_eq!(protected.len(), packet.len() + 4 + expected, "{suite:?}");
        assert_ne!(protected[8..28], packet[8..], "{suite:?}");
        for at in 4..protected.len() {
            let mut changed = protected.clone();
            changed[at] ^= 1;
            assert_eq!(
                unprotect_rtcp(&mut SrtcpReceiver::new(key(*suite)), &changed),
                Err(if changed[at] & 0x80 == 0 && protected[at] & 0x80 != 0 {
                    SrtpError::Malformed
                } else {
                    SrtpError::Authentication
                }),
                "byte {at} with {suite:?}"
            );
        }
        let mut receiver = SrtcpReceiver::new(key(*suite));
        assert_eq!(
            unprotect_rtcp(&mut receiver, &protected),
            Ok(packet.clone())
        );
    }
}

#[test]
fn what_is_not_whole_is_malformed() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut sender = SrtpSender::new(key(suite));
    let mut receiver = SrtpReceiver::new(key(suite));
    let protected = protect(&mut sender, &rtp(7, 1, &[])).unwrap();
    for len in 0..protected.len() {
        let expected = if len < 22 {
            SrtpError::Malformed
        } else {
            SrtpError::Authentication
        };
        assert_eq!(
            unprotect(&mut receiver, &protected[..len]),
            Err(expected),
            "{len} bytes"
        );
    }
    assert_eq!(unprotect(&mut receiver, &protected), Ok(rtp(7, 1, &[])));
    assert_eq!(
        protect(&mut sender, &rtp(7, 2, &[])[..11]),
        Err(SrtpError::Malformed)
    );
    let mut wrong_version = rtp(7, 2, &[0; 40]);
    wrong_version[0] = 0x40;
    assert_eq!(
        protect(&mut sender, &wrong_version),
        Err(SrtpError::Malformed)
    );
    assert_eq!(
        unprotect(&mut receiver, &wrong_version),
        Err(SrtpError::Malformed)
    );
    // An extension that reaches into the trailer.
    let mut extension = rtp(7, 2, &[0xbe, 0xde, 0, 2, 0, 0, 0, 0, 0, 0]);
    extension[0] |= 0x10;
    extension.extend([0; 9]);
    assert_eq!(
        unprotect(&mut receiver, &extension),
        Err(SrtpError::Malformed)
    );

    let mut receiver = SrtcpReceiver::new(key(suite));
    let protected = protect_rtcp(&mut SrtcpSender::new(key(suite)), &rtcp(7, &[])).unwrap();
    assert_eq!(protected.len(), 22);
    for len in 0..22 {
        assert_eq!(
            unprotect_rtcp(&mut receiver, &protected[..len]),
            Err(SrtpError::Malformed),
            "{len}"
        );
    }
    let mut clear = protected.clone();
    clear[8] &= 0x7f;
    assert_eq!(
        unprotect_rtcp(&mut receiver, &clear),
        Err(SrtpError::Malformed),
        "E flag"
    );
    assert_eq!(unprotect_rtcp(&mut receiver, &protected), Ok(rtcp(7, &[])));
}

#[test]
fn without_room_nothing_is_written_and_nothing_moves() {
    let suite = Suite::AesCm128HmacSha1_32;
    let packet = rtp(7, 1, &[1; 20]);
    let mut sender = SrtpSender::new(key(suite));
    assert_eq!(sender.trailer_len(), 4);
    assert_eq!(
        sender.protect(&packet, &mut [0; 35]),
        Err(SrtpError::TooLong)
    );
    let mut buffer = packet.clone();
    assert_eq!(
        sender.protect_in_place(&mut buffer, 32),
        Err(SrtpError::TooLong)
    );
    assert_eq!(
        sender.protect_in_place(&mut buffer, 33),
        Err(SrtpError::TooLong)
    );
    assert_eq!(buffer, packet);
    let protected = protect(&mut sender, &packet).unwrap();
    let mut receiver = SrtpReceiver::new(key(suite));
    assert_eq!(
        receiver.unprotect(&protected, &mut [0; 31]).unwrap_err(),
        SrtpError::TooLong
    );
    assert_eq!(unprotect(&mut receiver, &protected), Ok(packet));
}

#[test]
fn in_place_equals_frame_to_frame() {
    for suite in Suite::ALL {
        let (mut one, mut other) = (SrtpSender::new(key(*suite)), SrtpSender::new(key(*suite)));
        let (mut receiver, mut rtcp_receiver) = (
            SrtpReceiver::new(key(*suite)),
            SrtcpReceiver::new(key(*suite)),
        );
        let (mut rtcp_one, mut rtcp_other) =
            (SrtcpSender::new(key(*suite)), SrtcpSender::new(key(*suite)));
        for (sequence, len) in [0, 1, 15, 16, 17, 160, 1400].into_iter().enumerate() {
            let packet = rtp(7, sequence as u16, &vec![9; len]);
            let mut buffer = packet.clone();
            buffer.resize(packet.len() + MAX_TRAILER, 0);
            let protected_len = one.protect_in_place(&mut buffer, packet.len()).unwrap();
            assert_eq!(
                buffer[..protected_len],
                protect(&mut other, &packet).unwrap()
            );
            let (plain_len, _) = receiver
                .unprotect_in_place(&mut buffer[..protected_len])
                .unwrap();
            assert_eq!(buffer[..plain_len], packet);

            let packet = rtcp(7, &vec![9; len]);
            let mut buffer = packet.clone();
            buffer.resize(packet.len() + MAX_TRAILER, 0);
            let protected_len = rtcp_one
                .protect_in_place(&mut buffer, packet.len())
                .unwrap();
            assert_eq!(
                buffer[..protected_len],
                protect_rtcp(&mut rtcp_other, &packet).unwrap()
            );
            let (plain_len, _) = rtcp_receiver
                .unprotect_in_place(&mut buffer[..protected_len])
                .unwrap();
            assert_eq!(buffer[..plain_len], packet);
        }
    }
}

#[test]
fn a_key_identifier_is_written_expected_and_taken_off() {
    let with = |mki: &[u8]| key(Suite::AesCm128HmacSha1_80).with_mki(mki);
    let packet = rtp(7, 1, &[3; 20]);
    let bare = protect(&mut SrtpSender::new(with(&[])), &packet).unwrap();
    let protected = protect(&mut SrtpSender::new(with(&[0, 0, 1])), &packet).unwrap();
    let (authenticated, tag) = bare.split_at(bare.len() - 10);
    assert_eq!(
        protected,
        [authenticated, &[0, 0, 1], tag].concat(),
        "it is not authenticated"
    );
    let mut receiver = SrtpReceiver::new(with(&[0, 0, 1]));
    assert_eq!(
        unprotect(&mut receiver, &bare),
        Err(SrtpError::Authentication)
    );
    assert_eq!(
        unprotect(&mut SrtpReceiver::new(with(&[0, 0, 2])), &protected),
        Err(SrtpError::Authentication)
    );
    assert_eq!(unprotect(&mut receiver, &protected), Ok(packet));

    let packet = rtcp(7, &[3; 20]);
    let protected = protect_rtcp(&mut SrtcpSender::new(with(&[5; 128])), &packet).unwrap();
    assert_eq!(protected[packet.len() + 4..][..128], [5; 128]);
    assert_eq!(
        unprotect_rtcp(&mut SrtcpReceiver::new(with(&[5; 128])), &protected),
        Ok(packet)
    );
}

/// RFC 7714 sections 8.2 and 9.2 put the identifier last, behind tag and index.
#[test]
fn with_gcm_the_key_identifier_is_last() {
    let with = |mki: &[u8]| key(Suite::AeadAes128Gcm).with_mki(mki);
    let packet = rtp(7, 1, &[3; 20]);
    let bare = protect(&mut SrtpSender::new(with(&[])), &packet).unwrap();
    let protected = protect(&mut SrtpSender::new(with(&[0, 0, 1])), &packet).unwrap();
    assert_eq!(protected, [&bare[..], &[0, 0, 1]].concat());
    let mut receiver = SrtpReceiver::new(with(&[0, 0, 1]));
    assert_eq!(
        unprotect(&mut receiver, &bare),
        Err(SrtpError::Authentication)
    );
    assert_eq!(unprotect(&mut receiver, &protected), Ok(packet));

    let packet = rtcp(7, &[3; 20]);
    let protected = protect_rtcp(&mut SrtcpSender::new(with(&[5; 128])), &packet).unwrap();
    assert_eq!(
        protected.len(),
        packet.len() + MAX_TRAILER,
        "the longest trailer that there is"
    );
    assert_eq!(protected[packet.len() + 16..][..4], [0x80, 0, 0, 0]);
    assert_eq!(protected[packet.len() + 20..], [5; 128]);
    assert_eq!(
        unprotect_rtcp(&mut SrtcpReceiver::new(with(&[5; 128])), &protected),
        Ok(packet)
    );
}

#[test]
fn a_key_ends_with_its_lifetime() {
    let key = key(Suite::AesCm128HmacSha1_80).with_lifetime(3);
    let (mut sender, mut receiver) = (SrtpSender::new(key.clone()), SrtpReceiver::new(key.clone()));
    let (mut rtcp_sender, mut rtcp_receiver) =
        (SrtcpSender::new(key.clone()), SrtcpReceiver::new(key));
    let mut outlived = SrtpSender::new(receiver.master().clone().with_lifetime(10));
    for sequence in 0..3 {
        let protected = protect(&mut sender, &rtp(7, sequence, &[1; 20])).unwrap();
        protect(&mut outlived, &rtp(7, sequence, &[1; 20])).unwrap();
        unprotect(&mut receiver, &protected).unwrap();
        assert_eq!(
            unprotect(&mut receiver, &protected),
            Err(if sequence < 2 {
                SrtpError::Replay
            } else {
                SrtpError::KeyExpired
            })
        );
        let protected = protect_rtcp(&mut rtcp_sender, &rtcp(7, &[])).unwrap();
        unprotect_rtcp(&mut rtcp_receiver, &protected).unwrap();
    }
    assert_eq!(
        protect(&mut sender, &rtp(7, 3, &[1; 20])),
        Err(SrtpError::KeyExpired)
    );
    let fourth = protect(&mut outlived, &rtp(7, 3, &[1; 20])).unwrap();
    assert_eq!(
        unprotect(&mut receiver, &fourth),
        Err(SrtpError::KeyExpired)
    );
    assert_eq!(
        protect_rtcp(&mut rtcp_sender, &rtcp(7, &[])),
        Err(SrtpError::KeyExpired)
    );
    let longer = receiver.master().clone().with_lifetime(4);
    receiver.update_terms(&longer);
    assert!(
        unprotect(&mut receiver, &fourth).is_ok(),
        "the same key, described anew"
    );
}

#[test]
fn a_sender_never_uses_a_keystream_twice() {
    let mut sender = SrtpSender::new(key(Suite::AesCm128HmacSha1_80));
    protect(&mut sender, &rtp(7, 100, b"one")).unwrap();
    assert_eq!(
        protect(&mut sender, &rtp(7, 100, b"two")),
        Err(SrtpError::Replay)
    );
    assert!(
        protect(&mut sender, &rtp(8, 100, b"two")).is_ok(),
        "another source has its own"
    );
}

#[test]
fn a_packet_before_the_first_of_all_is_refused() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut sender = SrtpSender::new(key(suite));
    protect(&mut sender, &rtp(7, 2, &[])).unwrap();
    assert_eq!(
        protect(&mut sender, &rtp(7, 0xffff, &[])),
        Err(SrtpError::Replay)
    );
}

#[test]
fn the_rollover_counter_goes_on_past_two_wraps() {
    let suite = Suite::AesCm128HmacSha1_32;
    let (mut sender, mut receiver) = (SrtpSender::new(key(suite)), SrtpReceiver::new(key(suite)));
    let mut first_of_roc = Vec::new();
    for index in 0..3 * 0x1_0000_u32 {
        let packet = rtp(7, index as u16, &index.to_be_bytes());
        let protected = protect(&mut sender, &packet).unwrap();
        if index % 0x1_0000 == 0 {
            first_of_roc.push(protected.clone());
        }
        if index % 7 != 0 {
            assert_eq!(
                unprotect(&mut receiver, &protected),
                Ok(packet),
                "index {index:#x}"
            );
        }
    }
    // Not received back then, and of an older rollover counter now.
    for old in first_of_roc {
        assert!(unprotect(&mut receiver, &old).is_err());
    }
}
