//! That a call's media passes: before a contender is measured, one call is set up and RTP sent
//! from the caller to the callee. It must arrive as it was, decrypted if the caller has SRTP.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use media_core::srtp::{MAX_TRAILER, SrtpSender};

use super::contender::Bench;
use super::messages::{media_port, offered_key};
use super::scenario::Scenario;
use crate::media::lab::{MEDIA, SINK, SOURCE};

/// 20 ms each: as many packets may be lost on the way of a call that is just set up.
const TRIES: u16 = 100;
/// PCMU of 20 ms with its header.
const PACKET: usize = 172;

/// Fails if no packet comes through.
pub fn media_passes(bench: &Bench<'_>, scenario: Scenario) -> Result<()> {
    let mut generator = bench.generator(scenario)?;
    let established = bench.alone(|| generator.establish(1, 10.0))?;
    ensure!(established == 1, "the first call was not set up");
    let port = generator.answered_port().context("no port in the answer")?;
    // The first call of a generator.
    let number = 0;
    let socket = |namespace: &trunkline_tests::lab::Namespace, address: Ipv4Addr| {
        namespace
            .enter(|| UdpSocket::bind((address, media_port(number))))?
            .context("binding a socket for media")
    };
    let caller = socket(&bench.lab.source, SOURCE)?;
    let callee = socket(&bench.lab.sink, SINK)?;
    callee.set_read_timeout(Some(Duration::from_millis(20)))?;
    let mut sender = match scenario {
        Scenario::Udp => None,
        Scenario::TlsSrtp => Some(SrtpSender::new(key(number)?)),
    };
    for sequence in 0..TRIES {
        let packet = rtp(sequence);
        let mut sent = packet.clone();
        if let Some(sender) = &mut sender {
            sent.resize(PACKET + MAX_TRAILER, 0);
            let length = sender.protect(&packet, &mut sent)?;
            sent.truncate(length);
        }
        caller.send_to(&sent, SocketAddrV4::new(MEDIA[0], port))?;
        let mut received = [0; 2 * PACKET];
        if let Ok(length) = callee.recv(&mut received) {
            // Any of those sent: the fields that differ are the sequence number's.
            let is_same = length == PACKET && received[4..length] == packet[4..];
            ensure!(is_same, "a packet of {length} bytes came out changed");
            return bench.alone(|| generator.clear());
        }
    }
    anyhow::bail!("no packet of {TRIES} came through: its calls have no media")
}

fn key(number: u32) -> Result<MasterKey> {
    let bytes = STANDARD.decode(offered_key(number))?;
    MasterKey::from_key_salt(Suite::AesCm128HmacSha1_80, &bytes)
        .context("key and salt are of another length")
}

/// Sequence and time stamp are those of the first packet but for the number.
fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x55; PACKET];
    packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 160, 0xca, 0xfe, 0xba, 0xbe]);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet
}
