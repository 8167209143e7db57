//! One flow: its configuration, its state, a packet's way through it.

use std::net::SocketAddr;
use std::time::Instant;

use media_common::counters::DropReason;

use super::config::{Carries, FlowConfig, Route};
use super::latch::{Gate, WellFormed};
use super::outcome::{FlowStats, Outcome};
use super::transform::Crypto;
use crate::rtcp::{self, RtcpHeader};
use crate::rtp::RtpHeader;

/// All packets that arrive at one local port.
///
/// Feed each datagram to [`Flow::relay`]; send what it answers. A new configuration of the
/// same port goes to [`Flow::update`], so that rollover counters, replay windows and the
/// latch survive what they must survive.
pub struct Flow {
    config: FlowConfig,
    gate: Gate,
    crypto: Crypto,
    stats: FlowStats,
}

impl Flow {
    pub fn new(config: FlowConfig) -> Flow {
        Flow {
            gate: Gate::new(&config.source, None),
            crypto: Crypto::new(&config),
            config,
            stats: FlowStats::default(),
        }
    }

    /// Takes a new configuration.
    ///
    /// Where a master key stays, its contexts stay, and with them rollover counter and
    /// replay window (RFC 3711 section 3.3.1); a new key starts at 0. A latch stays while
    /// the generation does.
    pub fn update(&mut self, config: FlowConfig) {
        let kept = self
            .gate
            .latched()
            .filter(|_| config.generation == self.config.generation);
        self.gate = Gate::new(&config.source, kept);
        self.crypto.update(&config);
        self.config = config;
    }

    pub fn config(&self) -> &FlowConfig {
        &self.config
    }

    pub fn stats(&self) -> &FlowStats {
        &self.stats
    }

    /// The source that the flow is locked to, if its rule is to latch and it has.
    pub fn latched(&self) -> Option<SocketAddr> {
        self.gate.latched()
    }

    /// Relays one UDP payload from `datagram` to `out`; `out` may hold anything on a drop.
    ///
    /// The checks are in the order of the XDP program: source, form, payload type. Then
    /// authentication, replay, destination, protection. `out` must have room for the
    /// packet and the trailer of its leg (see [`MAX_TRAILER`]), else it is dropped as too long.
    ///
    /// [`MAX_TRAILER`]: crate::srtp::MAX_TRAILER
    #[inline]
    pub fn relay(
        &mut self,
        now: Instant,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut [u8],
    ) -> Outcome {
        let outcome = self
            .pass(source, datagram, out)
            .unwrap_or_else(Outcome::Drop);
        self.stats.count(now, &outcome, !self.is_rtcp(datagram));
        outcome
    }

    fn pass(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut [u8],
    ) -> Result<Outcome, DropReason> {
        self.gate.check(source)?;
        let packet = self.check_form(datagram)?;
        let route = *self.route(packet);
        let (len, admitted) = self
            .crypto
            .transform(packet, datagram, out, route.to.is_some())?;
        let to = route.to.ok_or(DropReason::NoPeer)?;
        let latched = self.gate.lock(source, admitted);
        Ok(Outcome::Forward {
            len,
            from: route.from,
            to,
            dscp: self.config.dscp,
            latched,
        })
    }

    fn check_form(&self, datagram: &[u8]) -> Result<WellFormed, DropReason> {
        let rtcp = self.is_rtcp(datagram);
        if rtcp {
            RtcpHeader::parse(datagram).ok_or(DropReason::Malformed)?;
        } else {
            let header = RtpHeader::parse(datagram).ok_or(DropReason::Malformed)?;
            if self.config.payload_types & (1 << header.payload_type) == 0 {
                return Err(DropReason::PayloadType);
            }
        }
        Ok(WellFormed { rtcp })
    }

    fn is_rtcp(&self, datagram: &[u8]) -> bool {
        match self.config.carries {
            Carries::Rtp(_) => false,
            Carries::Rtcp(_) => true,
            Carries::Both { .. } => rtcp::is_rtcp(datagram),
        }
    }

    fn route(&self, packet: WellFormed) -> &Route {
        match &self.config.carries {
            Carries::Rtp(route) | Carries::Rtcp(route) => route,
            Carries::Both { rtp, rtcp } => {
                if packet.rtcp {
                    rtcp
                } else {
                    rtp
                }
            }
        }
    }
}
