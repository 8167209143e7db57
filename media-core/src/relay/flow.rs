//! One flow: its configuration, its state, a packet's way through it.

use std::borrow::Borrow;
use std::net::SocketAddr;

use media_common::counters::DropReason;
use media_common::flow::{FlowEntry, NO_TELEPHONE_EVENT};
use media_common::quality::{FlowCounters, RtpSeen, RtpTerms, WINDOW};
use media_common::rtp::{MAX_DIGIT, TELEPHONE_EVENT};

use super::config::{Carries, FlowConfig, Route, Transform};
use super::latch::{Gate, WellFormed};
use super::outcome::{FlowStats, Outcome};
use super::tags::{Begun, Lacking, Tags};
use super::transform::Crypto;
use crate::rtcp::{self, Reports, RtcpHeader};
use crate::rtp::{self, Foreign, RtpHeader};

/// All packets that arrive at one local port.
///
/// Feed each datagram to [`Flow::relay`]; send what it answers. A new configuration of the
/// same port goes to [`Flow::update`], so that rollover counters, replay windows and the
/// latch survive what they must survive.
pub struct Flow {
    terms: Terms,
    gate: Gate,
    crypto: Crypto,
    stats: FlowStats,
}

/// What the configuration says that is neither the gate's nor the contexts': of each there are as
/// many as ports in use, and a packet should touch few lines of memory.
struct Terms {
    carries: Carries,
    payload_types: u128,
    /// For counting, as the XDP program has it in the flow's entry.
    rtp: RtpTerms,
    ceiling: u16,
    telephone_event: Option<u8>,
    dscp: Option<u8>,
    /// What arrives has no protection, and what leaves has.
    encrypts: bool,
    generation: u32,
}

impl Terms {
    fn of(config: &FlowConfig) -> Terms {
        Terms {
            carries: config.carries,
            payload_types: config.payload_types,
            telephone_event: config.telephone_event,
            dscp: config.dscp,
            encrypts: matches!(config.transform, Transform::Encrypt { .. }),
            generation: config.generation,
            rtp: RtpTerms {
                clock_khz: config.clock_khz,
                telephone_event: config.telephone_event.unwrap_or(NO_TELEPHONE_EVENT),
            },
            ceiling: FlowEntry::default()
                .with_ceiling(config.max_packet_rate)
                .ceiling,
        }
    }
}

/// What is counted of a packet if it is sent on.
#[derive(Clone, Copy)]
struct Sight {
    /// The header; `None` for RTCP and raw datagrams.
    rtp: Option<RtpHeader>,
    /// What is read of it in the clear.
    clear: Clear,
}

#[derive(Clone, Copy)]
enum Clear {
    Nothing,
    /// The code of a telephone event.
    Event(u8),
    Reports(Reports),
}

impl Flow {
    pub fn new(config: impl Borrow<FlowConfig>) -> Flow {
        let config = config.borrow();
        Flow {
            gate: Gate::new(&config.source, None),
            crypto: Crypto::new(config),
            terms: Terms::of(config),
            stats: FlowStats::default(),
        }
    }

    /// Takes a new configuration.
    ///
    /// Where a master key stays, its contexts stay, and with them rollover counter and
    /// replay window (RFC 3711 section 3.3.1); a new key starts at 0. A latch stays while
    /// the generation does.
    pub fn update(&mut self, config: impl Borrow<FlowConfig>) {
        let config = config.borrow();
        let kept = self
            .gate
            .latched()
            .filter(|_| config.generation == self.terms.generation);
        self.gate = Gate::new(&config.source, kept);
        self.crypto.update(config);
        self.terms = Terms::of(config);
    }

    /// [`FlowConfig::generation`] of the newest configuration.
    pub fn generation(&self) -> u32 {
        self.terms.generation
    }

    pub fn stats(&self) -> &FlowStats {
        &self.stats
    }

    /// The source that the flow is locked to, if its rule is to latch and it has.
    pub fn latched(&self) -> Option<SocketAddr> {
        self.gate.latched()
    }

    /// Relays one UDP payload from `datagram`, which arrived at `now_ns` (`CLOCK_MONOTONIC`,
    /// nanoseconds), to `out`; `out` may hold anything on a drop.
    ///
    /// The checks are in the order of the XDP program: source, form, payload type, ceiling. Then
    /// authentication, replay, destination, protection. `out` must have room for the
    /// packet and the trailer of its leg (see [`MAX_TRAILER`]), else it is dropped as too long.
    ///
    /// [`MAX_TRAILER`]: crate::srtp::MAX_TRAILER
    #[inline]
    pub fn relay(
        &mut self,
        now_ns: u64,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut [u8],
    ) -> Outcome {
        self.outcome(now_ns, source, datagram, out, Tags::AtOnce)
    }

    /// Looks at a packet that [`Flow::relay_begun`] is to relay; changes nothing. Between the two
    /// goes [`compute_tags`](super::compute_tags), over packets of any flows.
    #[inline]
    pub fn begin<'p>(&self, source: SocketAddr, datagram: &'p [u8]) -> Begun<'p> {
        let is_admitted = self.gate.check(source).is_ok();
        match self.check_form(datagram) {
            Ok((WellFormed { rtcp: false }, _)) if is_admitted => self.crypto.begin(datagram),
            // Refused, whatever its tag; or RTCP, which is rare.
            _ => Begun::unseen(datagram),
        }
    }

    /// As [`Flow::relay`], but for the tag of what leaves, which
    /// [`write_tags`](super::write_tags) writes: not before may it leave. Packets of one flow
    /// are relayed in the order of their arrival.
    #[inline]
    pub fn relay_begun(
        &mut self,
        now_ns: u64,
        source: SocketAddr,
        begun: &Begun<'_>,
        out: &mut [u8],
    ) -> (Outcome, Lacking) {
        let mut lacking = Lacking::nothing();
        let tags = Tags::Together {
            begun,
            lacking: &mut lacking,
        };
        let outcome = self.outcome(now_ns, source, begun.datagram, out, tags);
        (outcome, lacking)
    }

    fn outcome(
        &mut self,
        now_ns: u64,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut [u8],
        tags: Tags<'_, '_>,
    ) -> Outcome {
        self.pass(now_ns, source, datagram, out, tags)
            .unwrap_or_else(|reason| {
                self.stats.count_drop(reason);
                if reason == DropReason::Replay {
                    self.count_repeat(datagram);
                }
                Outcome::Drop(reason)
            })
    }

    /// A plain packet that came twice is not encrypted twice, so that no keystream is; the network
    /// has repeated it all the same. A repeated SRTP packet is not counted: it is refused before
    /// its tag is looked at, and could be anybody's.
    #[cold]
    fn count_repeat(&mut self, datagram: &[u8]) {
        let FlowCounters {
            highest, window, ..
        } = self.stats.counters;
        let is_repeat = |header: RtpHeader| {
            let behind = u32::from((highest as u16).wrapping_sub(header.sequence));
            behind < WINDOW && window >> behind & 1 == 1
        };
        let is_rtp = self.terms.encrypts && !self.is_rtcp(datagram);
        if is_rtp && RtpHeader::parse(datagram).is_some_and(is_repeat) {
            self.stats.incidents.duplicated = self.stats.incidents.duplicated.wrapping_add(1);
        }
    }

    fn pass(
        &mut self,
        now_ns: u64,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut [u8],
        tags: Tags<'_, '_>,
    ) -> Result<Outcome, DropReason> {
        self.gate.check(source)?;
        let (packet, rtp) = self.check_form(datagram)?;
        if !self.stats.counters.admit(self.terms.ceiling, now_ns) {
            return Err(DropReason::Ceiling);
        }
        let Route { from, to } = *self.route(packet);
        let mut clear = Clear::Nothing;
        let event = self.terms.telephone_event;
        let (len, admitted) =
            self.crypto
                .transform(packet, datagram, out, to.is_some(), tags, |plain| {
                    clear = Clear::read(packet, rtp.as_ref(), event, plain);
                })?;
        let to = to.ok_or(DropReason::NoPeer)?;
        let latched = self.gate.lock(source, admitted);
        Ok(Outcome::Forward {
            len,
            from,
            to,
            dscp: self.terms.dscp,
            latched,
            digit: self.count(now_ns, len, Sight { rtp, clear }),
        })
    }

    /// Counts a packet that is sent on; answers the code of a telephone event that is new.
    fn count(&mut self, now_ns: u64, len: usize, Sight { rtp, clear }: Sight) -> Option<u8> {
        let FlowStats {
            counters,
            incidents,
            reports,
            ..
        } = &mut self.stats;
        counters.packets += 1;
        counters.bytes += len as u64;
        match rtp {
            Some(header) => {
                let seen = RtpSeen {
                    sequence: header.sequence,
                    timestamp: header.timestamp,
                    ssrc: header.ssrc,
                    payload_type: header.payload_type,
                };
                counters.observe(seen, self.terms.rtp, now_ns, || Some(&mut *incidents));
            }
            // Raw datagrams are heard, RTCP is not.
            None if self.terms.carries.is_raw() => counters.last_seen_ns = now_ns,
            None => incidents.rtcp = incidents.rtcp.wrapping_add(1),
        }
        match (clear, rtp) {
            (Clear::Event(code), Some(header)) => {
                incidents.is_new_digit(header.timestamp).then_some(code)
            }
            (Clear::Reports(found), _) => {
                reports.note(found, now_ns);
                None
            }
            (Clear::Event(_) | Clear::Nothing, _) => None,
        }
    }

    fn check_form(&self, datagram: &[u8]) -> Result<(WellFormed, Option<RtpHeader>), DropReason> {
        if self.terms.carries.is_raw() {
            return Ok((WellFormed { rtcp: false }, None));
        }
        match rtp::foreign(datagram) {
            Some(Foreign::Stun) => return Err(DropReason::Stun),
            Some(Foreign::Dtls) => return Err(DropReason::Dtls),
            None => {}
        }
        if self.is_rtcp(datagram) {
            RtcpHeader::parse(datagram).ok_or(DropReason::Malformed)?;
            return Ok((WellFormed { rtcp: true }, None));
        }
        let header = RtpHeader::parse(datagram).ok_or(DropReason::Malformed)?;
        if self.terms.payload_types & (1 << header.payload_type) == 0 {
            return Err(DropReason::PayloadType);
        }
        Ok((WellFormed { rtcp: false }, Some(header)))
    }

    fn is_rtcp(&self, datagram: &[u8]) -> bool {
        match self.terms.carries {
            Carries::Rtp(_) | Carries::Raw(_) => false,
            Carries::Rtcp(_) => true,
            Carries::Both { .. } => rtcp::is_rtcp(datagram),
        }
    }

    fn route(&self, packet: WellFormed) -> &Route {
        match &self.terms.carries {
            Carries::Rtp(route) | Carries::Rtcp(route) | Carries::Raw(route) => route,
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

impl Clear {
    /// Reads a packet in the clear: reports of RTCP, the code of a telephone event, which is the
    /// first byte of its payload (RFC 4733 section 2.3), if it is a digit.
    #[inline]
    fn read(
        packet: WellFormed,
        rtp: Option<&RtpHeader>,
        telephone_event: Option<u8>,
        plain: &[u8],
    ) -> Clear {
        if packet.rtcp {
            return Clear::Reports(Reports::parse(plain));
        }
        match rtp.filter(|header| telephone_event == Some(header.payload_type)) {
            Some(header) => header
                .payload_at(plain)
                .and_then(|at| plain.get(at..)?.first_chunk::<TELEPHONE_EVENT>())
                .filter(|event| event[0] <= MAX_DIGIT)
                .map_or(Clear::Nothing, |event| Clear::Event(event[0])),
            None => Clear::Nothing,
        }
    }
}
