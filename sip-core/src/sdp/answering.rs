//! Reads an answer: what both legs agree on, m-line by m-line.

use media_core::session::{Security, Side, Stream, StreamLeg};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::crypto::CryptoLine;
use super::document::{Block, Document};
use super::exchange::{Agreed, AgreedStream, Keying, OfferedLine, OfferedStream, by_side};
use super::fields::{Direction, MediaLine, Profile};
use super::leg::Leg;
use super::rewrite::{MediaEdit, RelayEdit};
use super::stream::PeerStream;
use crate::refusal::Refusal;

/// What reading an answer needs.
pub(super) struct Answering<'a> {
    /// The answerer.
    pub(super) from: Side,
    pub(super) legs: &'a mut [Leg; 2],
    /// The offer.
    pub(super) lines: &'a [OfferedLine],
    /// What was agreed before the offer.
    pub(super) agreed: Option<&'a Agreed>,
    pub(super) rng: &'a mut dyn CryptoRng,
}

/// The security of both legs, and the `a=crypto` that the offerer is answered with.
struct Keyed {
    answerer: Security,
    offerer: Security,
    crypto: Option<Zeroizing<String>>,
}

impl Answering<'_> {
    /// The outcome, and the edits that make the answer one for the offerer.
    ///
    /// M-lines that the answer leaves out count as refused.
    pub(super) fn read(mut self, document: &Document) -> Result<(Agreed, Vec<MediaEdit>), Refusal> {
        let mut agreed = Agreed::default();
        agreed.streams.reserve_exact(self.lines.len());
        let mut edits = Vec::with_capacity(self.lines.len());
        for (slot, offered) in self.lines.iter().enumerate() {
            let accepted = match (&offered.stream, document.media.get(slot)) {
                (Some(stream), Some(block)) => {
                    self.accept(slot, &offered.line, stream, block, document)?
                }
                _ => None,
            };
            match accepted {
                Some((stream, edit)) => {
                    agreed.streams.push(stream);
                    edits.push(MediaEdit::Relay(edit));
                }
                None => edits.push(MediaEdit::Disable(offered.line.clone())),
            }
        }
        Ok((agreed, edits))
    }

    /// `None` if the answerer refused the m-line.
    fn accept(
        &mut self,
        slot: usize,
        offered_line: &MediaLine,
        offered: &OfferedStream,
        block: &Block,
        document: &Document,
    ) -> Result<Option<(AgreedStream, RelayEdit)>, Refusal> {
        let line = MediaLine::of(block)?;
        if line.port == 0 {
            return Ok(None);
        }
        if !line.media.eq_ignore_ascii_case(&offered_line.media) {
            return Err(Refusal::MALFORMED);
        }
        let to = self.from.other();
        let [own, far] = [
            &self.legs[self.from.index()].policy,
            &self.legs[to.index()].policy,
        ];
        let advertised = far.advertised;
        let peer = PeerStream::read(&line, block, &document.session, own, far)?;
        let local = offered.locals[self.from.index()];
        if peer
            .remote
            .is_some_and(|remote| remote.rtp.is_ipv6() != local.address.is_ipv6())
        {
            return Err(Refusal::UNUSABLE_ADDRESS);
        }
        let keyed = self.settle_keys(slot, &offered.keying, block)?;
        let direction = peer.direction.mended_for(offered.peer.direction);
        let rtcp_mux = offered.peer.rtcp_mux && peer.rtcp_mux;
        let local = offered.locals[to.index()];
        let edit = RelayEdit {
            line: MediaLine {
                port: local.rtp_port,
                formats: peer.formats.kept.clone(),
                ..offered_line.clone()
            },
            address: advertised.name_of(local.address),
            direction: Some(direction).filter(|&direction| direction != peer.written),
            rtcp_mux,
            crypto: keyed.crypto.into_iter().collect(),
        };
        let on_hold = direction != Direction::BOTH;
        let coding = peer.formats.coding;
        let leg = |side, own: &PeerStream, far: &PeerStream, security| {
            let leg = self.leg(side, offered, own, far, rtcp_mux, security);
            // Both sides speak as the answer prefers (RFC 3264 section 6.1).
            StreamLeg {
                codec: coding,
                ..leg
            }
        };
        let offerer = leg(to, &offered.peer, &peer, keyed.offerer);
        let answerer = leg(self.from, &peer, &offered.peer, keyed.answerer);
        let codec = peer.formats.codec.clone();
        let profiles = by_side(to, offered.peer.profile, peer.profile);
        let stream = Stream {
            legs: by_side(to, offerer, answerer),
            on_hold,
            is_raw: profiles.contains(&Profile::Udptl),
        };
        Ok(Some((
            AgreedStream {
                slot,
                stream,
                profiles,
                directions: by_side(to, offered.peer.direction, direction),
                codec,
            },
            edit,
        )))
    }

    /// One leg of a stream. `own` is what its peer said, `far` what the other peer said: payload
    /// types are those of the receiver (RFC 3264 section 5.1), so a peer sends with `far`'s.
    fn leg(
        &self,
        side: Side,
        offered: &OfferedStream,
        own: &PeerStream,
        far: &PeerStream,
        rtcp_mux: bool,
        security: Security,
    ) -> StreamLeg {
        let policy = &self.legs[side.index()].policy;
        StreamLeg {
            local: offered.locals[side.index()],
            remote: own.remote(rtcp_mux),
            rtcp_mux,
            sdp_version: own.sdp_version,
            security,
            source: policy.source_rule(),
            payload_types: own.formats.payload_types | far.formats.payload_types,
            telephone_event: far.formats.telephone_event,
            codec: own.formats.coding,
            max_packet_rate: policy.packet_rate([own.ptime_ms, far.ptime_ms]),
            dscp: policy.dscp,
        }
    }

    fn settle_keys(
        &mut self,
        slot: usize,
        keying: &Keying,
        block: &Block,
    ) -> Result<Keyed, Refusal> {
        match keying {
            Keying::Passthrough(line) => {
                let answered = CryptoLine::answered(block, keying.lines_offered())?;
                if answered.key.is_same_key(&line.key) {
                    return Err(Refusal::SRTP_UNUSABLE);
                }
                let security = Security::Passthrough {
                    suite: line.suite(),
                };
                Ok(Keyed {
                    answerer: security.clone(),
                    offerer: security,
                    crypto: Some(answered.attribute),
                })
            }
            Keying::Terminated {
                accepted, offered, ..
            } => {
                let answerer = self.answerer_security(slot, offered, block)?;
                let to = &mut self.legs[self.from.other().index()];
                let Some(accepted) = accepted else {
                    return Ok(Keyed {
                        answerer,
                        offerer: Security::Plain,
                        crypto: None,
                    });
                };
                let send = to.key(slot, accepted.suite(), self.rng);
                let line = CryptoLine::of(&accepted.tag, send.clone());
                let offerer = Security::Srtp {
                    receive: accepted.key.clone(),
                    send,
                };
                Ok(Keyed {
                    answerer,
                    offerer,
                    crypto: Some(line.attribute),
                })
            }
        }
    }

    fn answerer_security(
        &self,
        slot: usize,
        offered: &[CryptoLine],
        block: &Block,
    ) -> Result<Security, Refusal> {
        if !self.legs[self.from.index()].policy.secure {
            if offered.is_empty() {
                return Ok(Security::Plain);
            }
            // RFC 8643 section 3.3: no key, no SRTP. A key that does not fit is refused below, and
            // what was protected stays so.
            let is_protected = self
                .agreed
                .and_then(|agreed| agreed.stream(slot))
                .is_some_and(|agreed| agreed.is_protected(self.from));
            if CryptoLine::lines(block).next().is_none() && !is_protected {
                return Ok(Security::Plain);
            }
        }
        let answered = CryptoLine::answered(block, offered)?;
        if self.legs[self.from.index()].owns(&answered.key) {
            return Err(Refusal::SRTP_UNUSABLE);
        }
        let ours = offered
            .iter()
            .find(|line| line.tag == answered.tag)
            .ok_or(Refusal::SRTP_UNUSABLE)?;
        Ok(Security::Srtp {
            receive: answered.key,
            send: ours.key.clone(),
        })
    }
}
