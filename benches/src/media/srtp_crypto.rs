//! `srtp_crypto`: what protecting and unprotecting one packet costs, each suite, beside Debian's
//! libsrtp2 and the crate `webrtc-srtp`.
//!
//! One 20 ms PCMU packet: 12 bytes of header, 160 of payload. Every contender works through the
//! same packets, a round each in turn, so that what else the machine does meets all of them; a
//! figure is the median of its rounds. Contexts are made and buffers filled outside the clock.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use media_core::srtp::{MAX_TRAILER, SrtpReceiver, SrtpSender};
use serde::Serialize;
use trunkline_tests::sys::libsrtp::{self, Direction, Session};
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

/// Figures by name of suite.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct SrtpCrypto {
    pub suites: BTreeMap<&'static str, Figures>,
}

/// Nanoseconds per packet; `None` where a peer lacks the suite.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub protect_ns: f64,
    pub unprotect_ns: f64,
    pub batch32_protect_ns: Option<f64>,
    pub batch32_unprotect_ns: Option<f64>,
    pub libsrtp2_protect_ns: Option<f64>,
    pub libsrtp2_unprotect_ns: Option<f64>,
    pub webrtc_srtp_protect_ns: Option<f64>,
    pub webrtc_srtp_unprotect_ns: Option<f64>,
}

/// Measures all suites; `quick` with fewer rounds.
///
/// # Errors
/// If libsrtp2 is not installed, or a contender refuses a packet.
pub fn measure(quick: bool) -> Result<SrtpCrypto> {
    let rounds = if quick { 15 } else { 101 };
    let suites = Suite::ALL
        .iter()
        .map(|suite| Ok((suite.name(), measure_suite(*suite, rounds)?)))
        .collect::<Result<_>>()?;
    Ok(SrtpCrypto { suites })
}

/// Version of the libsrtp2 that is measured.
///
/// # Errors
/// If it is not installed.
pub fn libsrtp2_version() -> Result<String> {
    libsrtp::version()
}

fn measure_suite(suite: Suite, rounds: usize) -> Result<Figures> {
    let input = Input::new(suite)?;
    let mut contenders: Vec<(Contender, Vec<f64>)> = Contender::ALL
        .iter()
        .map(|contender| (*contender, Vec::with_capacity(rounds)))
        .collect();
    for round in 0..=rounds {
        for (contender, times) in &mut contenders {
            let time = contender.round(&input)?;
            // The first round warms caches up.
            if let (Some(time), 1..) = (time, round) {
                times.push(time.as_secs_f64() * 1e9 / PACKETS as f64);
            }
        }
    }
    let mut figures = Figures::default();
    for (contender, times) in contenders {
        contender.enter(&mut figures, median(times));
    }
    Ok(figures)
}

#[derive(Clone, Copy)]
enum Contender {
    OursProtect,
    OursUnprotect,
    LibsrtpProtect,
    LibsrtpUnprotect,
    WebrtcProtect,
    WebrtcUnprotect,
}

impl Contender {
    const ALL: [Contender; 6] = [
        Contender::OursProtect,
        Contender::OursUnprotect,
        Contender::LibsrtpProtect,
        Contender::LibsrtpUnprotect,
        Contender::WebrtcProtect,
        Contender::WebrtcUnprotect,
    ];

    /// Works once through the packets; `None` if the suite is not known to it.
    fn round(self, input: &Input) -> Result<Option<Duration>> {
        match self {
            Contender::OursProtect => input.ours_protect().map(Some),
            Contender::OursUnprotect => input.ours_unprotect().map(Some),
            Contender::LibsrtpProtect => input.libsrtp(Direction::Protect),
            Contender::LibsrtpUnprotect => input.libsrtp(Direction::Unprotect),
            Contender::WebrtcProtect => input.webrtc(Direction::Protect),
            Contender::WebrtcUnprotect => input.webrtc(Direction::Unprotect),
        }
    }

    fn enter(self, figures: &mut Figures, median: Option<f64>) {
        match self {
            Contender::OursProtect => figures.protect_ns = median.unwrap_or(f64::NAN),
            Contender::OursUnprotect => figures.unprotect_ns = median.unwrap_or(f64::NAN),
            Contender::LibsrtpProtect => figures.libsrtp2_protect_ns = median,
            Contender::LibsrtpUnprotect => figures.libsrtp2_unprotect_ns = median,
            Contender::WebrtcProtect => figures.webrtc_srtp_protect_ns = median,
            Contender::WebrtcUnprotect => figures.webrtc_srtp_unprotect_ns = median,
        }
    }
}

/// What every contender works on.
struct Input {
    key: MasterKey,
    plain: Vec<Vec<u8>>,
    protected: Vec<Vec<u8>>,
}

impl Input {
    fn new(suite: Suite) -> Result<Input> {
        let key_salt: Vec<u8> = (1..=(suite.key_len() + suite.salt_len()) as u8).collect();
        let key = MasterKey::from_key_salt(suite, &key_salt)
            .context("key and salt are as long as the suite says")?;
        let plain: Vec<Vec<u8>> = (0..PACKETS).map(rtp).collect();
        let mut sender = SrtpSender::new(key.clone());
        let mut protected = Vec::with_capacity(PACKETS);
        for packet in &plain {
            let mut out = vec![0; packet.len() + MAX_TRAILER];
            let len = sender.protect(packet, &mut out)?;
            out.truncate(len);
            protected.push(out);
        }
        Ok(Input {
            key,
            plain,
            protected,
        })
    }

    fn ours_protect(&self) -> Result<Duration> {
        let mut sender = SrtpSender::new(self.key.clone());
        let mut out = [0; PACKET + MAX_TRAILER];
        let start = Instant::now();
        for packet in &self.plain {
            black_box(sender.protect(black_box(packet), &mut out)?);
        }
        Ok(start.elapsed())
    }

    fn ours_unprotect(&self) -> Result<Duration> {
        let mut receiver = SrtpReceiver::new(self.key.clone());
        let mut out = [0; PACKET];
        let start = Instant::now();
        for packet in &self.protected {
            black_box(receiver.unprotect(black_box(packet), &mut out)?);
        }
        Ok(start.elapsed())
    }

    /// In place, the only way that libsrtp knows: the buffers are filled before.
    fn libsrtp(&self, direction: Direction) -> Result<Option<Duration>> {
        let Ok(mut session) = Session::new(&self.key, direction) else {
            // Not installed is an error, a suite that its build lacks is not.
            return libsrtp::version().map(|_| None);
        };
        let packets = match direction {
            Direction::Protect => &self.plain,
            Direction::Unprotect => &self.protected,
        };
        let mut buffers: Vec<([u8; PACKET + libsrtp::TRAILER], usize)> = packets
            .iter()
            .map(|packet| {
                let mut buffer = [0; PACKET + libsrtp::TRAILER];
                buffer[..packet.len()].copy_from_slice(packet);
                (buffer, packet.len())
            })
            .collect();
        let start = Instant::now();
        for (buffer, len) in &mut buffers {
            let answer = match direction {
                Direction::Protect => session.protect(buffer, *len),
                Direction::Unprotect => session.unprotect(&mut buffer[..*len]),
            };
            black_box(answer.ok().context("libsrtp2 refused a packet")?);
        }
        Ok(Some(start.elapsed()))
    }

    /// It allocates each packet that it answers; that is its interface, and counts.
    fn webrtc(&self, direction: Direction) -> Result<Option<Duration>> {
        let key = &self.key;
        let profile = profile(key.suite());
        let mut context = Context::new(key.key(), key.salt(), profile, None, None)?;
        let packets = match direction {
            Direction::Protect => &self.plain,
            Direction::Unprotect => &self.protected,
        };
        let start = Instant::now();
        for packet in packets {
            let packet = black_box(packet);
            black_box(match direction {
                Direction::Protect => context.encrypt_rtp(packet)?,
                Direction::Unprotect => context.decrypt_rtp(packet)?,
            });
        }
        Ok(Some(start.elapsed()))
    }
}

fn profile(suite: Suite) -> ProtectionProfile {
    match suite {
        Suite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::Aes256CmHmacSha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Suite::Aes256CmHmacSha1_32 => ProtectionProfile::Aes256CmHmacSha1_32,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    }
}

fn rtp(sequence: usize) -> Vec<u8> {
    let mut packet = vec![0x55; PACKET];
    packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 160, 0xca, 0xfe, 0xba, 0xbe]);
    packet[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
    packet
}

fn median(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

/// Header and payload, bytes.
const PACKET: usize = 172;
/// Packets of a round: few enough for the cache.
const PACKETS: usize = 1 << 10;
