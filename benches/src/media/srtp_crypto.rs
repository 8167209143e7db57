//! `srtp_crypto`: what protecting and unprotecting one packet costs, each suite, beside Debian's
//! libsrtp2 and the crate `webrtc-srtp`.
//!
//! One 20 ms PCMU packet: 12 bytes of header, 160 of payload. Every contender works through the
//! same packets, a round each in turn, so that what else the machine does meets all of them; a
//! figure is the median of its rounds. Contexts are made and buffers filled outside the clock.
//!
//! A batch is of 32 packets of 32 flows, each under its own key, as a worker receives them; the
//! single packets are of one flow.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use media_core::srtp::batch::{self, Untagged, Unverified};
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
    let rounds = if quick { 101 } else { 1001 };
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
                times.push(time.as_secs_f64() * 1e9 / (PACKETS - WARM) as f64);
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
    BatchProtect,
    BatchUnprotect,
    LibsrtpProtect,
    LibsrtpUnprotect,
    WebrtcProtect,
    WebrtcUnprotect,
}

impl Contender {
    const ALL: [Contender; 8] = [
        Contender::OursProtect,
        Contender::OursUnprotect,
        Contender::BatchProtect,
        Contender::BatchUnprotect,
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
            Contender::BatchProtect => input.batch_protect().map(Some),
            Contender::BatchUnprotect => input.batch_unprotect().map(Some),
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
            Contender::BatchProtect => figures.batch32_protect_ns = median,
            Contender::BatchUnprotect => figures.batch32_unprotect_ns = median,
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
    /// All under `key`.
    protected: Vec<Vec<u8>>,
    /// Of the flows of a batch.
    keys: Vec<MasterKey>,
    /// Packet `n` under key `n % BATCH`.
    protected_in_turn: Vec<Vec<u8>>,
}

impl Input {
    fn new(suite: Suite) -> Result<Input> {
        let keys: Vec<MasterKey> = (0..BATCH as u8)
            .map(|flow| {
                let key_salt: Vec<u8> = (1..=(suite.key_len() + suite.salt_len()) as u8)
                    .map(|byte| byte ^ flow)
                    .collect();
                MasterKey::from_key_salt(suite, &key_salt)
            })
            .collect::<Option<_>>()
            .context("key and salt are as long as the suite says")?;
        let key = keys[0].clone();
        let plain: Vec<Vec<u8>> = (0..PACKETS).map(rtp).collect();
        let protected = protect_in_turn(std::slice::from_ref(&key), &plain)?;
        let protected_in_turn = protect_in_turn(&keys, &plain)?;
        Ok(Input {
            key,
            plain,
            protected,
            keys,
            protected_in_turn,
        })
    }

    fn batch_protect(&self) -> Result<Duration> {
        let mut senders: Vec<SrtpSender> = self.keys.iter().cloned().map(SrtpSender::new).collect();
        let mut frames = [[0; PACKET + MAX_TRAILER]; BATCH];
        let mut start = Instant::now();
        for (at, packets) in self.plain.chunks(BATCH).enumerate() {
            if at == WARM / BATCH {
                start = Instant::now();
            }
            let mut untagged: [Option<(usize, Untagged)>; BATCH] = [const { None }; BATCH];
            for (at, packet) in packets.iter().enumerate() {
                let frame = &mut frames[at];
                untagged[at] = Some(senders[at].protect_untagged(black_box(packet), frame)?);
            }
            batch::write_tags(
                untagged
                    .iter()
                    .flatten()
                    .zip(&mut frames)
                    .map(|((len, untagged), frame)| (untagged, &mut frame[..*len])),
            );
            black_box(&frames);
        }
        Ok(start.elapsed())
    }

    fn batch_unprotect(&self) -> Result<Duration> {
        let mut receivers: Vec<SrtpReceiver> =
            self.keys.iter().cloned().map(SrtpReceiver::new).collect();
        let mut frames = [[0; PACKET]; BATCH];
        let mut start = Instant::now();
        for (at, packets) in self.protected_in_turn.chunks(BATCH).enumerate() {
            if at == WARM / BATCH {
                start = Instant::now();
            }
            let mut begun: [Option<Unverified<'_>>; BATCH] = [const { None }; BATCH];
            for (at, packet) in packets.iter().enumerate() {
                begun[at] = Some(receivers[at].begin(black_box(packet)));
            }
            batch::compute_tags(begun.iter_mut().flatten());
            for (at, begun) in begun.iter().flatten().enumerate() {
                black_box(receivers[at].unprotect_begun(begun, &mut frames[at])?);
            }
            black_box(&frames);
        }
        Ok(start.elapsed())
    }

    fn ours_protect(&self) -> Result<Duration> {
        let mut sender = SrtpSender::new(self.key.clone());
        let mut out = [0; PACKET + MAX_TRAILER];
        let mut start = Instant::now();
        for (at, packet) in self.plain.iter().enumerate() {
            if at == WARM {
                start = Instant::now();
            }
            black_box(sender.protect(black_box(packet), &mut out)?);
        }
        Ok(start.elapsed())
    }

    fn ours_unprotect(&self) -> Result<Duration> {
        let mut receiver = SrtpReceiver::new(self.key.clone());
        let mut out = [0; PACKET];
        let mut start = Instant::now();
        for (at, packet) in self.protected.iter().enumerate() {
            if at == WARM {
                start = Instant::now();
            }
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
        let mut start = Instant::now();
        for (at, (buffer, len)) in buffers.iter_mut().enumerate() {
            if at == WARM {
                start = Instant::now();
            }
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
        let mut start = Instant::now();
        for (at, packet) in packets.iter().enumerate() {
            if at == WARM {
                start = Instant::now();
            }
            let packet = black_box(packet);
            black_box(match direction {
                Direction::Protect => context.encrypt_rtp(packet)?,
                Direction::Unprotect => context.decrypt_rtp(packet)?,
            });
        }
        Ok(Some(start.elapsed()))
    }
}

/// Packet `n` under key `n % keys.len()`.
fn protect_in_turn(keys: &[MasterKey], plain: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let mut senders: Vec<SrtpSender> = keys.iter().cloned().map(SrtpSender::new).collect();
    let count = senders.len();
    plain
        .iter()
        .enumerate()
        .map(|(at, packet)| {
            let mut out = vec![0; packet.len() + MAX_TRAILER];
            let len = senders[at % count].protect(packet, &mut out)?;
            out.truncate(len);
            Ok(out)
        })
        .collect()
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
/// Packets of a batch, each of another flow.
const BATCH: usize = 32;
/// The first packets of a round, outside the clock: some contenders make their streams with them,
/// and all find their contexts, which the one before has pushed out of the cache.
const WARM: usize = 16 * BATCH;
/// Packets of a round: so few that even the slowest is seldom interrupted within one.
const PACKETS: usize = WARM + 8 * BATCH;
