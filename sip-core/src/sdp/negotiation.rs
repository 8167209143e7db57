//! One call's media: the offers and answers of both legs.

use media_core::ports::{MediaPorts, RealmId};
use media_core::session::{CallId, LocalMedia, Session, Side, Stream};
use media_core::srtp::profile::Suite;
use rand_core::CryptoRng;

use super::answering::Answering;
use super::document::Document;
use super::exchange::{Agreed, AgreedStream, Exchange};
use super::fields::Profile;
use super::holding::{Gate, keep_wishes, make_inactive};
use super::leg::{Leg, Said};
use super::offering::Offering;
use super::policy::LegPolicy;
use super::rewrite::{MediaEdit, rewrite};
use crate::refusal::Refusal;
use crate::trunk::Passthrough;

/// The offers and answers of one call, both legs (RFC 3264, RFC 4568).
///
/// An offer goes in by [`offer`](Self::offer), its answer by [`answer`](Self::answer); each
/// returns the SDP for the other leg. It does not matter which messages carry them: with a late
/// offer the callee's 2xx is the offer and the caller's ACK the answer.
///
/// After an answer [`session`](Self::session) says what the media plane must do. An answer may
/// come again (183, then 200): the latest one wins, until [`confirm`](Self::confirm) or the next
/// offer settles the exchange. [`reject`](Self::reject) goes back to what was agreed before the
/// offer. A method that returns an error has changed nothing but, perhaps, allocated ports.
///
/// Audio is relayed, video where both trunks allow it, and T.38 where both trunks allow it and neither is secure. Every other m-line
/// is passed on and answered with port 0, so that the positions match on both legs (RFC 3264
/// section 6).
#[derive(Debug)]
pub struct Negotiation {
    call: CallId,
    /// Indexed by [`Side::index`].
    legs: [Leg; 2],
    agreed: Option<Agreed>,
    exchange: Option<Exchange>,
    gate: Gate,
    /// A description that we passed on said that we hold.
    said_held: bool,
}

/// What the call record says of a leg's media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegMedia {
    /// The transport of the leg's m-line: `RTP/AVP`, `RTP/SAVP`, or their `F` forms; `udptl`.
    pub profile: &'static str,
    /// The SRTP suite agreed.
    pub suite: Option<Suite>,
    /// Encoding name of the first codec agreed; `t38` for a fax.
    pub codec: Option<String>,
}

impl Negotiation {
    pub fn new(call: CallId, caller: LegPolicy, callee: LegPolicy) -> Negotiation {
        Negotiation {
            call,
            legs: [Leg::new(caller), Leg::new(callee)],
            agreed: None,
            exchange: None,
            gate: Gate::Open,
            said_held: false,
        }
    }

    /// `from` made an offer: returns the SDP to offer to the other side.
    ///
    /// Allocates our ports on first use, on both legs. An offer that is still unanswered is
    /// replaced by this one.
    ///
    /// # Errors
    /// [`Refusal::MALFORMED`]; and if no m-line can be relayed, the reason why the first audio
    /// m-line cannot: [`Refusal::SRTP_REQUIRED`], [`Refusal::SRTP_UNUSABLE`] (also for SRTP on a
    /// trunk without it), [`Refusal::NO_COMMON_CODEC`], [`Refusal::UNUSABLE_ADDRESS`]; or
    /// [`Refusal::NO_MEDIA_PORT`].
    pub fn offer(
        &mut self,
        from: Side,
        sdp: &[u8],
        ports: &mut dyn MediaPorts,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, Refusal> {
        let mut document = Document::parse(sdp)?;
        let current = self
            .exchange
            .as_ref()
            .and_then(|exchange| exchange.outcome.as_ref());
        let current = current.or(self.agreed.as_ref());
        let lines = Offering {
            from,
            legs: &mut self.legs,
            current,
            ports,
            rng,
        }
        .read(&document)?;
        let to = from.other();
        let policy = &self.legs[to.index()].policy;
        let mut edits: Vec<MediaEdit> = lines.iter().map(|line| line.edit(to, policy)).collect();
        if self.gate == Gate::Held {
            make_inactive(&mut edits);
            self.said_held = true;
        }
        let told = self.legs.each_ref().map(Leg::said);
        let body = self.send(from.other(), &mut document, &edits, ports)?;
        self.legs[from.index()].hear(sdp);
        self.settle(told);
        self.exchange = Some(Exchange {
            offerer: from,
            lines,
            was_held: self.gate == Gate::Held,
            outcome: None,
        });
        Ok(body)
    }

    /// `from` answered the pending offer: returns the SDP to answer the offerer with.
    ///
    /// # Errors
    /// [`Refusal::MALFORMED`] also if no offer of the other side is pending;
    /// [`Refusal::SRTP_REQUIRED`] or [`Refusal::SRTP_UNUSABLE`] for an answer that does not take
    /// up the keys offered (RFC 4568 section 5.1.3); [`Refusal::NO_COMMON_CODEC`];
    /// [`Refusal::UNUSABLE_ADDRESS`]. Whoever answered cannot be told: the caller of this ends
    /// the call, or rejects the re-INVITE that it came from.
    pub fn answer(
        &mut self,
        from: Side,
        sdp: &[u8],
        ports: &mut dyn MediaPorts,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, Refusal> {
        let exchange = self
            .exchange
            .as_ref()
            .filter(|exchange| exchange.offerer != from);
        let exchange = exchange.ok_or(Refusal::MALFORMED)?;
        let mut document = Document::parse(sdp)?;
        let answering = Answering {
            from,
            legs: &mut self.legs,
            lines: &exchange.lines,
            agreed: self.agreed.as_ref(),
            rng,
        };
        let (mut outcome, mut edits) = answering.read(&document)?;
        if self.gate == Gate::Held || exchange.was_held {
            keep_wishes(&mut outcome, exchange, self.agreed.as_ref());
        }
        if self.gate == Gate::Held {
            make_inactive(&mut edits);
            self.said_held = true;
        }
        let body = self.send(from.other(), &mut document, &edits, ports)?;
        self.legs[from.index()].hear(sdp);
        self.replace_outcome(outcome);
        Ok(body)
    }

    /// The answer was final (it came in a 2xx or an ACK): it can no longer be rejected.
    pub fn confirm(&mut self) {
        let told = self.legs.each_ref().map(Leg::said);
        self.settle(told);
    }

    /// `told`: what both sides had from us when they agreed.
    fn settle(&mut self, told: [Option<Said>; 2]) {
        if let Some(outcome) = self
            .exchange
            .as_mut()
            .and_then(|exchange| exchange.outcome.take())
        {
            self.agreed = Some(outcome);
            self.exchange = None;
            for (leg, told) in self.legs.iter_mut().zip(told) {
                leg.settle(told);
            }
        }
    }

    /// The pending offer was refused: back to the last agreed state.
    pub fn reject(&mut self) {
        self.exchange = None;
    }

    /// The callee's part begins anew, for an offer to another peer: with keys that no peer has seen,
    /// and never with the caller's own keys, which the peer before may have been given
    /// ([`Passthrough`]: a key is for one peer only). The ports are new as well, and the old ones
    /// are returned, unless media flows by them already: then what the caller gets would have to
    /// be sent from another flow under the same key, which nothing could count for.
    pub fn retarget(&mut self) -> Vec<(RealmId, LocalMedia)> {
        let keeps_ports = self.current().is_some();
        let callee = &mut self.legs[Side::Callee.index()];
        callee.policy.passthrough = Passthrough::Never;
        let realm = callee.policy.realm;
        let old = callee.renew(keeps_ports);
        old.into_iter().map(|local| (realm, local)).collect()
    }

    /// What the media plane must do now, also during early media; `None` before any answer.
    pub fn session(&self) -> Option<Session> {
        let mut streams: Vec<Stream> = self
            .current()?
            .streams
            .iter()
            .map(|agreed| agreed.stream.clone())
            .collect();
        if self.gate != Gate::Open {
            for stream in &mut streams {
                stream.on_hold = true;
                for leg in &mut stream.legs {
                    leg.remote = None;
                }
            }
        }
        Some(Session {
            call: self.call,
            streams,
        })
    }

    /// Whether there has been an answer that counts: [`Negotiation::session`] has something then.
    pub fn has_answer(&self) -> bool {
        self.current().is_some()
    }

    /// Every port pair that this call holds, to be released when its flows are gone.
    pub fn local_media(&self) -> impl Iterator<Item = (RealmId, LocalMedia)> + '_ {
        self.legs
            .iter()
            .flat_map(|leg| leg.locals().map(|local| (leg.policy.realm, local)))
    }

    /// The media of a leg, for the call record: of its first stream in use.
    pub fn leg(&self, side: Side) -> LegMedia {
        let first = self.current().and_then(|agreed| agreed.streams.first());
        let profile = first.map_or(
            Profile::offered(self.legs[side.index()].policy.secure),
            |agreed| agreed.profiles[side.index()],
        );
        LegMedia {
            profile: profile.name(),
            suite: first.and_then(|agreed| agreed.suite(side)),
            codec: first.map(|agreed| agreed.codec.clone()),
        }
    }

    /// A side has put the other on hold, in every stream.
    pub fn on_hold(&self) -> bool {
        self.current().is_some_and(|agreed| {
            !agreed.streams.is_empty() && agreed.streams.iter().all(|agreed| agreed.stream.on_hold)
        })
    }

    /// Which sides are on hold, indexed by [`Side::index`]: in no stream the other one receives.
    pub fn held(&self) -> [bool; 2] {
        let Some(agreed) = self.current().filter(|agreed| !agreed.streams.is_empty()) else {
            return [false; 2];
        };
        [Side::Caller, Side::Callee].map(|side| {
            let far = side.other().index();
            let mut streams = agreed.streams.iter();
            streams.all(|stream| !stream.directions[far].receive)
        })
    }

    pub(super) fn gate(&self) -> Gate {
        self.gate
    }

    pub(super) fn set_gate(&mut self, gate: Gate) {
        self.gate = gate;
    }

    /// Whether a description of a side has been passed on as `inactive` since the last time that this
    /// was asked.
    pub fn take_said_held(&mut self) -> bool {
        std::mem::take(&mut self.said_held)
    }

    /// The pending offer.
    pub(super) fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_ref()
    }

    pub(super) fn agreed_on(&self, slot: usize) -> Option<&AgreedStream> {
        self.agreed.as_ref()?.stream(slot)
    }

    pub(super) fn leg_of_mut(&mut self, side: Side) -> &mut Leg {
        &mut self.legs[side.index()]
    }

    pub(super) fn leg_of(&self, side: Side) -> &Leg {
        &self.legs[side.index()]
    }

    /// Puts another pending offer in the place of this one.
    pub(super) fn exchange_pending(&mut self, other: &mut Option<Exchange>) {
        std::mem::swap(&mut self.exchange, other);
    }

    /// What is agreed, to be changed and put back, with the legs of that side and of the other one.
    pub(super) fn take_agreed(&mut self, side: Side) -> Option<(Agreed, [&Leg; 2])> {
        let agreed = self.agreed.take()?;
        let legs = [side, side.other()].map(|side| &self.legs[side.index()]);
        Some((agreed, legs))
    }

    pub(super) fn put_agreed(&mut self, agreed: Agreed) {
        self.agreed = Some(agreed);
    }

    /// The latest answer, or what was agreed before the pending offer.
    fn current(&self) -> Option<&Agreed> {
        let answered = self
            .exchange
            .as_ref()
            .and_then(|exchange| exchange.outcome.as_ref());
        answered.or(self.agreed.as_ref())
    }

    /// Rewrites a description for a side.
    pub(super) fn send(
        &mut self,
        to: Side,
        document: &mut Document,
        edits: &[MediaEdit],
        ports: &mut dyn MediaPorts,
    ) -> Result<Vec<u8>, Refusal> {
        let leg = &mut self.legs[to.index()];
        let relayed = edits.iter().find_map(|edit| match edit {
            MediaEdit::Relay(edit) => Some(edit.address),
            MediaEdit::Disable(_) => None,
        });
        let address = match relayed {
            Some(address) => address,
            None => leg.any_address(ports)?,
        };
        rewrite(document, address, edits);
        leg.seal(document, address)
    }

    /// Takes an answer's outcome, and forgets the keys that it puts out of use.
    fn replace_outcome(&mut self, outcome: Agreed) {
        let Some(exchange) = self.exchange.as_mut() else {
            return;
        };
        let before = exchange.outcome.take();
        let before = before.as_ref().or(self.agreed.as_ref());
        for side in [Side::Caller, Side::Callee] {
            self.legs[side.index()].retire(
                |slot, key| before.is_some_and(|before| before.sends_under(side, slot, key)),
                |slot, key| outcome.sends_under(side, slot, key),
            );
        }
        exchange.outcome = Some(outcome);
    }
}
