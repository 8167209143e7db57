//! Relays that are compared: calls through them, all with one direction of traffic, from the
//! source through the edge to the sink.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use media_core::srtp::SrtpReceiver;
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;

use trunkline_tests::sys::attach_xdp_pass;

use super::frames::{FILL, PAYLOAD, Ports, RTP};
use super::lab::{IN, Lab, SINK};
use super::ours::Ours;
use super::rtpengine::Rtpengine;
use super::skb_source::{RtpSource, Source, SrtpSource};
use super::sys::Policy;

/// Calls, each with one flow that has traffic.
pub const CALLS: u16 = 500;
pub const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// Priority of the contenders: above what measures the CPU time that is left, below the generator.
pub const PRIORITY: u8 = 10;

/// Which leg is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crypto {
    None,
    /// RTP→SRTP.
    ToSink,
    /// SRTP→RTP.
    FromSource,
}

/// Who relays, and by which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Ours, the XDP backend: AF_XDP for encrypted flows, else the program alone.
    OursXdp,
    OursSocket,
    Rtpengine,
}

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Way::OursXdp => "ours_af_xdp",
            Way::OursSocket => "ours_socket",
            Way::Rtpengine => "rtpengine",
        }
    }
}

/// One call that is set up.
#[derive(Clone)]
pub struct Call {
    /// Where the source sends from and to.
    pub ports: Ports,
    /// What the source protects its packets with.
    pub source_key: Option<MasterKey>,
    /// What the sink receives packets under.
    pub sink_key: Option<MasterKey>,
}

/// A relay with its calls; it ends when dropped.
pub trait Relay: Sync {
    fn calls(&self) -> &[Call];
}

/// The port that source and sink have for a call.
pub fn far_port(call: u16) -> u16 {
    30_000 + 4 * call
}

/// Starts a relay on those CPUs, and looks whether a packet goes through it whole.
pub fn start(lab: &Lab, way: Way, crypto: Crypto, cpus: &[usize]) -> Result<Box<dyn Relay>> {
    let policy = Policy::RealTime(PRIORITY);
    let relay: Box<dyn Relay> = match way {
        Way::Rtpengine => Box::new(Rtpengine::start(lab, crypto, cpus, policy)?),
        _ => Box::new(Ours::start(lab, way, crypto, cpus, policy)?),
    };
    // What an XDP program redirects arrives only where there is a program too.
    let _pass = match (way, crypto) {
        (Way::OursXdp, Crypto::None) => Some(lab.sink.enter(|| attach_xdp_pass(IN))??),
        _ => None,
    };
    check(lab, relay.calls()).with_context(|| format!("{} with {crypto:?}", way.name()))?;
    Ok(relay)
}

/// Sequence number of a generator's first packets: after those of [`check`].
const FIRST: u16 = 100;

/// A generator for a relay's calls.
pub fn source(lab: &Lab, calls: &[Call], is_timed: bool) -> Result<Box<dyn Source>> {
    source_from(lab, calls, FIRST, is_timed)
}

fn source_from(lab: &Lab, calls: &[Call], first: u16, is_timed: bool) -> Result<Box<dyn Source>> {
    let keyed: Option<Vec<_>> = calls
        .iter()
        .map(|call| Some((call.ports, call.source_key.clone()?)))
        .collect();
    Ok(match keyed {
        Some(keyed) => {
            ensure!(
                !is_timed,
                "an encrypted packet cannot carry its time of sending"
            );
            Box::new(SrtpSource::new(&lab.source, keyed, first)?)
        }
        None => {
            let ports: Vec<Ports> = calls.iter().map(|call| call.ports).collect();
            Box::new(RtpSource::new(&lab.source, &ports, first, is_timed)?)
        }
    })
}

/// Sends a few packets of one call and receives them at the sink, as what they should be there.
fn check(lab: &Lab, calls: &[Call]) -> Result<()> {
    const PACKETS: u64 = 5;
    let call = calls.last().context("no calls")?;
    let number = calls.len() as u16 - 1;
    let receiver = lab
        .sink
        .enter(|| UdpSocket::bind((SINK, far_port(number))))??;
    receiver.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut source = source_from(lab, std::slice::from_ref(call), 0, false)?;
    source.prepare(PACKETS)?;
    let mut unprotect = call.sink_key.clone().map(SrtpReceiver::new);
    for _ in 0..PACKETS {
        source.send(1)?;
        let mut wire = [0; 2048];
        let (length, _) = receiver
            .recv_from(&mut wire)
            .context("the first packets do not arrive")?;
        let mut plain = [0; 2048];
        let length = match &mut unprotect {
            None => {
                plain = wire;
                length
            }
            Some(receiver) => receiver
                .unprotect(&wire[..length], &mut plain)
                .map(|(length, _)| length)
                .context("what arrives is not SRTP under the negotiated key")?,
        };
        ensure!(
            length == RTP + PAYLOAD && plain[RTP..length].iter().all(|byte| *byte == FILL),
            "what arrives is not what was sent"
        );
    }
    Ok(())
}
