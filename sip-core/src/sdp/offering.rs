//! Reads an offer: which m-lines are relayed, under which keys, by which ports.

use media_core::ports::MediaPorts;
use media_core::session::{LocalMedia, Side};
use rand_core::CryptoRng;

use super::crypto::CryptoLine;
use super::document::{Block, Document};
use super::exchange::{Agreed, Keying, OfferedLine, OfferedStream, by_side};
use super::fields::{MediaLine, Profile};
use super::leg::{Family, Leg};
use super::policy::LegPolicy;
use super::rewrite::{MediaEdit, RelayEdit};
use super::stream::PeerStream;
use crate::refusal::Refusal;
use crate::trunk::Passthrough;

/// M-lines relayed in one call; further ones get port 0. Bounds the ports that one offer
/// can take.
const MAX_RELAYED: usize = 4;

/// What reading an offer needs.
pub(super) struct Offering<'a> {
    pub(super) from: Side,
    pub(super) legs: &'a mut [Leg; 2],
    /// What the call does now.
    pub(super) current: Option<&'a Agreed>,
    pub(super) ports: &'a mut dyn MediaPorts,
    pub(super) rng: &'a mut dyn CryptoRng,
}

/// An m-line that its trunk lets us relay, before ports and keys of ours.
struct Usable {
    peer: PeerStream,
    accepted: Option<CryptoLine>,
    passthrough: bool,
}

impl Offering<'_> {
    /// Every m-line in order.
    ///
    /// An m-line that cannot be relayed is disabled as long as another one can: some telephones
    /// offer the same audio as RTP/SAVP and as RTP/AVP and have the answerer choose.
    ///
    /// # Errors
    /// The reason of the first audio m-line, if there are m-lines in use and none can be relayed.
    pub(super) fn read(mut self, document: &Document) -> Result<Vec<OfferedLine>, Refusal> {
        let mut lines = Vec::with_capacity(document.media.len());
        let mut relayed = 0;
        let mut refusal = None;
        for block in &document.media {
            let line = MediaLine::of(block)?;
            let usable = match self.usable(lines.len(), &line, block, document) {
                Ok(usable) => usable.filter(|_| relayed < MAX_RELAYED),
                Err(Refusal::MALFORMED) => return Err(Refusal::MALFORMED),
                Err(reason) => {
                    refusal = refusal
                        .filter(|&known| known != Refusal::NO_COMMON_CODEC)
                        .or(Some(reason));
                    None
                }
            };
            relayed += usize::from(usable.is_some());
            lines.push((line, usable));
        }
        match refusal {
            Some(refusal) if relayed == 0 => Err(refusal),
            _ => lines
                .into_iter()
                .enumerate()
                .map(|(slot, (line, usable))| self.prepare(slot, line, usable))
                .collect(),
        }
    }

    /// `None` for an m-line that the offerer itself disabled.
    fn usable(
        &self,
        slot: usize,
        line: &MediaLine,
        block: &Block,
        document: &Document,
    ) -> Result<Option<Usable>, Refusal> {
        if line.port == 0 {
            return Ok(None);
        }
        let [own, far] = [
            &self.legs[self.from.index()],
            &self.legs[self.from.other().index()],
        ];
        let peer = PeerStream::read(line, block, &document.session, &own.policy, &far.policy)?;
        let acceptable =
            |line: &CryptoLine| own.policy.accepts(line.suite()) && !own.owns(&line.key);
        if !own.policy.secure {
            let may_protect = own.policy.opportunistic && peer.profile != Profile::Udptl;
            let accepted = match may_protect {
                true => CryptoLine::select(block, acceptable).ok(),
                false => None,
            };
            if may_protect && accepted.is_none() && self.is_protected(slot) {
                return Err(Refusal::SRTP_REQUIRED);
            }
            return Ok(Some(Usable {
                peer,
                accepted,
                passthrough: false,
            }));
        }
        let shared = |line: &CryptoLine| acceptable(line) && far.policy.accepts(line.suite());
        let wanted = [own, far]
            .iter()
            .all(|leg| leg.policy.secure && leg.policy.passthrough == Passthrough::Prefer);
        if wanted && let Ok(line) = CryptoLine::select(block, shared) {
            return Ok(Some(Usable {
                peer,
                accepted: Some(line),
                passthrough: true,
            }));
        }
        let accepted = Some(CryptoLine::select(block, acceptable)?);
        Ok(Some(Usable {
            peer,
            accepted,
            passthrough: false,
        }))
    }

    /// Whether the offerer speaks SRTP in that m-line now: what has begun so does not fall back.
    fn is_protected(&self, slot: usize) -> bool {
        self.current
            .and_then(|agreed| agreed.stream(slot))
            .is_some_and(|agreed| agreed.is_protected(self.from))
    }

    fn prepare(
        &mut self,
        slot: usize,
        line: MediaLine,
        usable: Option<Usable>,
    ) -> Result<OfferedLine, Refusal> {
        let Some(Usable {
            peer,
            accepted,
            passthrough,
        }) = usable
        else {
            return Ok(OfferedLine { line, stream: None });
        };
        let to = self.from.other();
        let own = match peer.remote {
            Some(remote) => Family::Must {
                ipv6: remote.rtp.is_ipv6(),
            },
            None => self.likely_family(self.from, slot),
        };
        let far = self.likely_family(to, slot);
        let own = self.legs[self.from.index()].local(slot, own, self.ports)?;
        let far = self.legs[to.index()].local(slot, far, self.ports)?;
        let keying = match accepted {
            Some(line) if passthrough => Keying::Passthrough(line),
            accepted => Keying::Terminated {
                accepted,
                offered: match peer.profile {
                    Profile::Udptl => Vec::new(),
                    _ => self.crypto_lines(slot),
                },
                is_optional: !self.legs[to.index()].policy.secure,
            },
        };
        let locals = by_side(self.from, own, far);
        Ok(OfferedLine {
            line,
            stream: Some(OfferedStream {
                peer,
                keying,
                locals,
            }),
        })
    }

    /// The family that the m-line has on a leg, or the leg's first choice.
    fn likely_family(&self, side: Side, slot: usize) -> Family {
        let local: Option<LocalMedia> = self
            .current
            .and_then(|agreed| agreed.stream(slot))
            .map(|agreed| agreed.stream.legs[side.index()].local);
        let first = self.legs[side.index()].policy.ipv6_first;
        Family::Try {
            ipv6: local.map_or(first, |local| local.address.is_ipv6()),
        }
    }

    /// Our crypto lines for the answerer, one per suite of its trunk (SEC-6); none on a plain leg.
    fn crypto_lines(&mut self, slot: usize) -> Vec<CryptoLine> {
        let leg = &mut self.legs[self.from.other().index()];
        if !leg.policy.secure && !leg.policy.opportunistic {
            return Vec::new();
        }
        let tagged = leg.policy.offered_suites().into_iter().enumerate();
        tagged
            .map(|(at, suite)| {
                CryptoLine::of(&(at + 1).to_string(), leg.key(slot, suite, self.rng))
            })
            .collect()
    }
}

impl OfferedLine {
    /// How the m-line is offered on to the answerer, whose leg has that policy.
    pub(super) fn edit(&self, to: Side, policy: &LegPolicy) -> MediaEdit {
        let Some(stream) = &self.stream else {
            return MediaEdit::Disable(self.line.clone());
        };
        let local = stream.locals[to.index()];
        let crypto = stream.keying.lines_offered();
        let transport = match stream.peer.profile {
            Profile::Udptl => self.line.transport.clone(),
            _ => Profile::offered(stream.keying.is_required())
                .name()
                .to_owned(),
        };
        MediaEdit::Relay(RelayEdit {
            line: MediaLine {
                media: self.line.media.clone(),
                port: local.rtp_port,
                transport,
                formats: stream.peer.formats.kept.clone(),
            },
            address: policy.advertised.name_of(local.address),
            direction: Some(stream.peer.direction)
                .filter(|&direction| direction != stream.peer.written),
            rtcp_mux: true,
            crypto: crypto.iter().map(|line| line.attribute.clone()).collect(),
        })
    }
}

impl Keying {
    /// The crypto lines that the answerer may choose from; none on a plain leg.
    pub(super) fn lines_offered(&self) -> &[CryptoLine] {
        match self {
            Keying::Terminated { offered, .. } => offered,
            Keying::Passthrough(line) => std::slice::from_ref(line),
        }
    }

    /// Whether the answerer must take one of them: RTP/SAVP says so (RFC 4568 section 5.1).
    fn is_required(&self) -> bool {
        match self {
            Keying::Terminated {
                offered,
                is_optional,
                ..
            } => !offered.is_empty() && !is_optional,
            Keying::Passthrough(_) => true,
        }
    }
}
