//! What happens to a stream in a call that goes on: hold, resume, other sources, long silence.

use super::*;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// Packets of one source from sequence number `first` on.
fn send(sender: &mut SrtpSender, ssrc: u32, first: u16, count: u32) -> Vec<Vec<u8>> {
    (0..count)
        .map(|at| {
            let packet = rtp(ssrc, first.wrapping_add(at as u16), &[1; 20]);
            protect(sender, &packet).unwrap()
        })
        .collect()
}

fn heard(receiver: &mut SrtpReceiver, packets: &[Vec<u8>]) -> usize {
    packets
        .iter()
        .filter(|packet| unprotect(receiver, packet).is_ok())
        .count()
}

/// Hold and resume: the source falls silent and goes on, past a wrap, where it stopped.
#[test]
fn a_caller_is_heard_again_after_hold() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) =
            (SrtpSender::new(key(*suite)), SrtpReceiver::new(key(*suite)));
        let before = send(&mut sender, 7, 65_500, 100);
        assert_eq!(heard(&mut receiver, &before), 100);
        let after = send(&mut sender, 7, 64 + 1, 100);
        assert_eq!(heard(&mut receiver, &after), 100, "{suite:?}");
        assert_eq!(heard(&mut receiver, &before), 0, "nothing is heard twice");
    }
}

/// Another source, such as music on hold, has a rollover counter of its own, and the first one's
/// is where it was when it returns.
#[test]
fn a_caller_is_heard_again_after_music_on_hold_from_another_source() {
    let (mut sender, mut receiver) = (SrtpSender::new(key(SUITE)), SrtpReceiver::new(key(SUITE)));
    let talk = send(&mut sender, 7, 65_500, 100);
    let music = send(&mut sender, 8, 3, 70_000);
    let talk_again = send(&mut sender, 7, 64, 100);
    assert_eq!(heard(&mut receiver, &talk), 100);
    assert_eq!(heard(&mut receiver, &music), 70_000);
    assert_eq!(heard(&mut receiver, &talk_again), 100);
}

/// Nothing arrives for one to three times 65,536 packets (up to an hour of audio), as when a
/// network is down while the far end goes on: it is heard again within 16 packets, whatever the
/// sequence number is then.
#[test]
fn a_caller_is_heard_again_after_an_outage_of_many_laps() {
    for suite in [SUITE, Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm] {
        for missed in [65_536_u32, 65_536 - 500, 100_000, 3 * 65_536] {
            let (mut sender, mut receiver) =
                (SrtpSender::new(key(suite)), SrtpReceiver::new(key(suite)));
            let first = send(&mut sender, 7, 1000, 10);
            assert_eq!(heard(&mut receiver, &first), 10);
            // The counter goes round in the sender whether it sends each packet or not.
            for at in (0..missed).step_by(10_000) {
                send(&mut sender, 7, 1010_u16.wrapping_add(at as u16), 1);
            }
            let later = send(&mut sender, 7, 1010_u16.wrapping_add(missed as u16), 50);
            let again = heard(&mut receiver, &later);
            assert!(
                again > 50 - 16,
                "{again} of 50 after {missed} with {suite:?}"
            );
            assert_eq!(heard(&mut receiver, &first), 0, "nothing is heard twice");
        }
    }
}

/// What was never sent under this key is not heard, however many laps are tried; nor is it after
/// more of them than we look for, until there is a new key.
#[test]
fn a_gap_of_more_laps_is_refused_and_a_new_key_begins_anew() {
    let (mut sender, mut receiver) = (SrtpSender::new(key(SUITE)), SrtpReceiver::new(key(SUITE)));
    assert_eq!(heard(&mut receiver, &send(&mut sender, 7, 1000, 10)), 10);
    for at in (0..5 * 65_536_u32).step_by(10_000) {
        send(&mut sender, 7, 1010_u16.wrapping_add(at as u16), 1);
    }
    let later = send(&mut sender, 7, 1010, 50);
    assert_eq!(heard(&mut receiver, &later), 0);

    let renewed = MasterKey::from_key_salt(SUITE, &[9; 30]).unwrap();
    let anew = send(&mut SrtpSender::new(renewed.clone()), 7, 1060, 50);
    assert_eq!(heard(&mut receiver, &anew), 0);
    assert_eq!(heard(&mut SrtpReceiver::new(renewed), &anew), 50);
}

/// A gap of just under half a lap, the longest of which RFC 3711 makes sense, is heard over.
#[test]
fn a_gap_of_up_to_half_a_lap_is_heard_over() {
    for gap in [1_u32, 100, 30_000, 32_766] {
        let (mut sender, mut receiver) =
            (SrtpSender::new(key(SUITE)), SrtpReceiver::new(key(SUITE)));
        assert_eq!(heard(&mut receiver, &send(&mut sender, 7, 60_000, 1)), 1);
        send(&mut sender, 7, 60_001, gap);
        let after = send(&mut sender, 7, 60_001_u16.wrapping_add(gap as u16), 10);
        assert_eq!(heard(&mut receiver, &after), 10, "{gap} packets lost");
    }
}

/// Laps without end: what is sent for hours under one key is heard.
#[test]
fn a_stream_is_heard_through_several_laps_with_every_suite() {
    for suite in [Suite::Aes256CmHmacSha1_32, Suite::AeadAes256Gcm] {
        let (mut sender, mut receiver) =
            (SrtpSender::new(key(suite)), SrtpReceiver::new(key(suite)));
        for lap in 0..5_u32 {
            for part in 0..64_u32 {
                // One packet in 1,024 is enough to follow.
                let first = (part * 1024) as u16;
                let packets = send(&mut sender, 7, first, 2);
                assert_eq!(heard(&mut receiver, &packets), 2, "lap {lap} of {suite:?}");
            }
        }
    }
}

/// Re-ordering of up to 127 packets costs nothing: the replay window is 128 (SEC-8 asks for 128).
#[test]
fn packets_that_are_late_by_up_to_127_are_heard_once() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) =
            (SrtpSender::new(key(*suite)), SrtpReceiver::new(key(*suite)));
        let packets = send(&mut sender, 7, 65_500, 200);
        assert_eq!(heard(&mut receiver, &packets[0..1]), 1);
        assert_eq!(heard(&mut receiver, &packets[199..]), 1);
        assert_eq!(heard(&mut receiver, &packets[72..199]), 127, "{suite:?}");
        assert_eq!(
            heard(&mut receiver, &packets),
            0,
            "too late, or heard before"
        );
    }
}
