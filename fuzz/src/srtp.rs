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
    let mut out = vec![0; packet.len() + ROOM];
    // As it came: no stranger guesses a tag of 32 bits or more in the time that there is.
    assert!(receiver.unprotect(packet, &mut out).is_err());
    let mut protected = vec![0; packet.len() + ROOM];
    let Ok(length) = SrtpSender::new(key.clone()).protect(packet, &mut protected) else {
        return;
    };
    let mut protected = protected[..length].to_vec();
    let at = usize::from(spoilt) % length;
    protected[at] ^= 1;
    let is_spoilt = receiver.unprotect(&protected, &mut out).is_err();
    // A bit of the MKI may be one that nobody looks at; any other is under the tag.
    assert!(is_spoilt || !key.mki().is_empty(), "byte {at}");
    if !is_spoilt {
        return;
    }
    protected[at] ^= 1;
    let (length, _) = receiver
        .unprotect(&protected, &mut out)
        .expect("it is whole");
    assert_eq!(&out[..length], packet);
    assert!(
        receiver.unprotect(&protected, &mut out).is_err(),
        "replayed"
    );
}

fn rtcp(key: &MasterKey, spoilt: u8, packet: &[u8]) {
    let mut receiver = SrtcpReceiver::new(key.clone());
    let mut out = vec![0; packet.len() + ROOM];
    assert!(receiver.unprotect(packet, &mut out).is_err());
    let mut protected = vec![0; packet.len() + ROOM];
    let Ok(length) = SrtcpSender::new(key.clone()).protect(packet, &mut protected) else {
        return;
    };
    let mut protected = protected[..length].to_vec();
    let at = usize::from(spoilt) % length;
    protected[at] ^= 1;
    let is_spoilt = receiver.unprotect(&protected, &mut out).is_err();
    assert!(is_spoilt || !key.mki().is_empty(), "byte {at}");
    if !is_spoilt {
        return;
    }
    protected[at] ^= 1;
    let (length, _) = receiver
        .unprotect(&protected, &mut out)
        .expect("it is whole");
    assert_eq!(&out[..length], packet);
    assert!(
        receiver.unprotect(&protected, &mut out).is_err(),
        "replayed"
    );
}
