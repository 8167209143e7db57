//! Packets of strangers: nothing but what the key's owner sent is taken, and that once.

use media_core::rtcp::{Reports, RtcpHeader};
use media_core::rtp::{RtpHeader, foreign};
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use media_core::srtp::{SrtcpReceiver, SrtcpSender, SrtpReceiver, SrtpSender};

use crate::input::Input;

/// Bytes of trailer at the most: tag, MKI, SRTCP index.
const ROOM: usize = 64;

/// The first byte chooses suite and MKI, the second a byte to spoil; the rest is a packet.
pub(crate) fn unprotect(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let key = key(input.byte());
    let spoilt = input.byte();
    let packet = input.bytes(2000);
    let _ = (foreign(packet), RtpHeader::parse(packet));
    let _ = (RtcpHeader::parse(packet), Reports::parse(packet));
    rtp(&key, spoilt, packet);
    rtcp(&key, spoilt, packet);
}

fn key(choice: u8) -> MasterKey {
    let suite = Suite::ALL[usize::from(choice) % Suite::ALL.len()];
    let key_salt = vec![0x5a; suite.key_len() + suite.salt_len()];
    let key = MasterKey::from_key_salt(suite, &key_salt).expect("as long as the suite says");
    if choice & 0x80 == 0 {
        key
    } else {
        key.with_mki(&[7, 8])
    }
}

fn rtp(key: &MasterKey, spoilt: u8, packet: &[u8]) {
    let mut receiver = SrtpReceiver::new(key.clone());
    let protect = |out: &mut [u8]| SrtpSender::new(key.clone()).protect(packet, out).ok();
    let unprotect = |packet: &[u8], out: &mut [u8]| {
        let taken = receiver.unprotect(packet, out).ok();
        taken.map(|(length, _)| length)
    };
    sent_once(key, spoilt, packet, (protect, unprotect));
}

fn rtcp(key: &MasterKey, spoilt: u8, packet: &[u8]) {
    let mut receiver = SrtcpReceiver::new(key.clone());
    let protect = |out: &mut [u8]| SrtcpSender::new(key.clone()).protect(packet, out).ok();
    let unprotect = |packet: &[u8], out: &mut [u8]| {
        let taken = receiver.unprotect(packet, out).ok();
        taken.map(|(length, _)| length)
    };
    sent_once(key, spoilt, packet, (protect, unprotect));
}

/// The packet is refused as it came, taken as the key's owner sends it, and that once; with a bit
/// changed it is not taken.
fn sent_once(
    key: &MasterKey,
    spoilt: u8,
    packet: &[u8],
    (protect, mut unprotect): (
        impl FnOnce(&mut [u8]) -> Option<usize>,
        impl FnMut(&[u8], &mut [u8]) -> Option<usize>,
    ),
) {
    let mut out = vec![0; packet.len() + ROOM];
    // As it came: no stranger guesses a tag of 32 bits or more in the time that there is.
    assert_eq!(unprotect(packet, &mut out), None);
    let mut protected = vec![0; packet.len() + ROOM];
    let Some(length) = protect(&mut protected) else {
        return;
    };
    protected.truncate(length);
    let at = usize::from(spoilt) % length;
    protected[at] ^= 1;
    let is_spoilt = unprotect(&protected, &mut out).is_none();
    // A bit of the MKI may be one that nobody looks at; any other is under the tag.
    assert!(is_spoilt || !key.mki().is_empty(), "byte {at}");
    if !is_spoilt {
        return;
    }
    protected[at] ^= 1;
    let length = unprotect(&protected, &mut out).expect("it is whole");
    assert_eq!(&out[..length], packet);
    assert_eq!(unprotect(&protected, &mut out), None, "replayed");
}
