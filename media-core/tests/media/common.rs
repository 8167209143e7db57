//! Addresses, keys and packets.

use std::net::SocketAddr;

use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;

pub fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn key(byte: u8) -> MasterKey {
    suite_key(Suite::AesCm128HmacSha1_80, byte)
}

pub fn suite_key(suite: Suite, byte: u8) -> MasterKey {
    let key_salt = vec![byte; suite.key_len() + suite.salt_len()];
    MasterKey::from_key_salt(suite, &key_salt).unwrap()
}

pub fn rtp(payload_type: u8, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 160, 0xca, 0xfe, 0xba, 0xbe]);
    packet.extend([0x55; 160]);
    packet
}

pub fn rtcp() -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6, 0xca, 0xfe, 0xba, 0xbe];
    packet.extend([0x11; 20]);
    packet
}
