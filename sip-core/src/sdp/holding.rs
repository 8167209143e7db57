//! We hold a call ourselves (RFC 3264 section 8.4): every description says `inactive`, whoever it
//! comes from, and no packet passes. Ports and keys stay as they are, and so does what each side
//! wants: that is what both are offered again afterwards.

use std::net::IpAddr;

use media_core::ports::MediaPorts;
use media_core::session::Side;
use rand_core::CryptoRng;

use super::crypto::CryptoLine;
use super::document::Document;
use super::exchange::{Agreed, AgreedStream, Exchange, Keying, OfferedStream, by_side};
use super::fields::{Connection, Direction, MediaLine};
use super::negotiation::Negotiation;
use super::rewrite::{MediaEdit, RelayEdit};
use crate::refusal::Refusal;

/// What we let through of what the sides have agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Gate {
    #[default]
    Open,
    /// No packet passes; descriptions say what the sides want.
    Shut,
    /// No packet passes, and every description says so.
    Held,
}

impl Negotiation {
    /// From now on nothing passes, and every description that is sent says so.
    pub fn hold(&mut self) {
        self.set_gate(Gate::Held);
    }

    /// Nothing passes until [`Negotiation::open`], but descriptions say again what the sides want.
    pub fn shut(&mut self) {
        self.set_gate(Gate::Shut);
    }

    /// What the sides agree on passes; whether it did not before.
    pub fn open(&mut self) -> bool {
        let was_open = self.gate() == Gate::Open;
        self.set_gate(Gate::Open);
        !was_open
    }

    /// The description that a side had last, in the directions that are right now: `inactive` while
    /// we hold, else those that the other side wants.
    ///
    /// # Errors
    /// [`Refusal::NO_SDP`] if there was none.
    pub fn redirected(&mut self, side: Side) -> Result<Vec<u8>, Refusal> {
        let described = self.described(side).ok_or(Refusal::NO_SDP)?;
        let mut document = Document::parse(described)?;
        let address = address_in(&document).ok_or(Refusal::MALFORMED)?;
        for (slot, block) in document.media.iter_mut().enumerate() {
            if MediaLine::of(block)?.port == 0 {
                continue;
            }
            let direction = match self.gate() {
                Gate::Held => Direction::NONE,
                Gate::Open | Gate::Shut => self.wanted(side.other(), slot),
            };
            let lines = &mut block.lines;
            lines.retain(|line| Direction::from_name(line.attribute_name()).is_none());
            block.push_attribute(direction.name());
        }
        self.leg_of_mut(side).seal(&mut document, address)
    }

    /// `side` answered that. `was_held`: it was told that we hold, and so its answer does not say what
    /// it wants itself.
    ///
    /// # Errors
    /// The reason why its stream cannot be used any more.
    pub fn turned(&mut self, side: Side, sdp: &[u8], was_held: bool) -> Result<(), Refusal> {
        self.refreshed(side, sdp)?;
        let leg = self.leg_of_mut(side);
        let said = leg.said();
        leg.settle(said);
        if was_held {
            return Ok(());
        }
        let document = Document::parse(sdp)?;
        if let Some((mut agreed, _)) = self.take_agreed(side) {
            for stream in &mut agreed.streams {
                if let Some(block) = document.media.get(stream.slot) {
                    stream.wants(side, Direction::of(block, &document.session));
                }
            }
            self.put_agreed(agreed);
        }
        Ok(())
    }

    /// Answers the offer that is pending for the time being: nothing is to be sent either way, until
    /// the other side has answered. The offerer has then our ports and keys.
    ///
    /// # Errors
    /// [`Refusal::MALFORMED`] if none is pending; [`Refusal::SRTP_UNUSABLE`] if its keys are to be
    /// passed on: there are none of ours to answer with.
    pub fn hold_offerer(
        &mut self,
        ports: &mut dyn MediaPorts,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, Refusal> {
        let exchange = self.exchange().ok_or(Refusal::MALFORMED)?;
        let to = exchange.offerer;
        let offered: Vec<(MediaLine, Option<OfferedStream>)> = exchange
            .lines
            .iter()
            .map(|line| (line.line.clone(), line.stream.clone()))
            .collect();
        let heard = self.leg_of(to).heard().ok_or(Refusal::MALFORMED)?;
        let mut document = Document::parse(heard)?;
        let mut edits = Vec::with_capacity(offered.len());
        for (slot, (line, stream)) in offered.into_iter().enumerate() {
            edits.push(match stream {
                Some(stream) => MediaEdit::Relay(self.inactive(to, slot, line, &stream, rng)?),
                None => MediaEdit::Disable(line),
            });
        }
        self.send(to, &mut document, &edits, ports)
    }

    fn inactive(
        &mut self,
        to: Side,
        slot: usize,
        line: MediaLine,
        stream: &OfferedStream,
        rng: &mut dyn CryptoRng,
    ) -> Result<RelayEdit, Refusal> {
        let local = stream.locals[to.index()];
        let leg = self.leg_of_mut(to);
        let crypto = match &stream.keying {
            Keying::Passthrough(_) => return Err(Refusal::SRTP_UNUSABLE),
            Keying::Terminated { accepted, .. } => accepted.as_ref().map(|accepted| {
                let key = leg.key(slot, accepted.suite(), rng);
                CryptoLine::of(&accepted.tag, key).attribute
            }),
        };
        Ok(RelayEdit {
            line: MediaLine {
                port: local.rtp_port,
                formats: stream.peer.formats.kept.clone(),
                ..line
            },
            address: leg.policy.advertised.name_of(local.address),
            direction: Some(Direction::NONE),
            rtcp_mux: stream.peer.rtcp_mux,
            crypto: crypto.into_iter().collect(),
        })
    }

    /// Which way media is to flow in an m-line as far as that side is concerned.
    fn wanted(&self, side: Side, slot: usize) -> Direction {
        let agreed = self.agreed_on(slot);
        agreed.map_or(Direction::BOTH, |stream| stream.directions[side.index()])
    }
}

impl AgreedStream {
    fn wants(&mut self, side: Side, written: Direction) {
        let has_address = self.stream.legs[side.index()].remote.is_some();
        self.directions[side.index()] = Direction {
            receive: written.receive && has_address,
            ..written
        };
        self.stream.on_hold = self.directions != [Direction::BOTH; 2];
    }
}

/// While we hold, an answer says nothing of what its author wants, and an offer only if it is not
/// `inactive` itself: what was wanted before stays.
pub(super) fn keep_wishes(outcome: &mut Agreed, exchange: &Exchange, before: Option<&Agreed>) {
    for stream in &mut outcome.streams {
        let known = before.and_then(|agreed| agreed.stream(stream.slot));
        let known = known.map_or([Direction::BOTH; 2], |stream| stream.directions);
        let offerer = exchange.offerer;
        let offered = stream.directions[offerer.index()];
        let wanted = match offered == Direction::NONE {
            true => known[offerer.index()],
            false => offered,
        };
        stream.directions = by_side(offerer, wanted, known[offerer.other().index()]);
        stream.stream.on_hold = stream.directions != [Direction::BOTH; 2];
    }
}

/// Makes every m-line that is relayed `inactive`.
pub(super) fn make_inactive(edits: &mut [MediaEdit]) {
    for edit in edits {
        if let MediaEdit::Relay(edit) = edit {
            edit.direction = Some(Direction::NONE);
        }
    }
}

/// Of its first `c=`.
fn address_in(document: &Document) -> Option<IpAddr> {
    let blocks = std::iter::once(&document.session).chain(&document.media);
    let mut connections = blocks.filter_map(|block| block.value(b'c'));
    match Connection::parse(connections.next()?) {
        Ok(Connection::Address(address)) => Some(address),
        _ => None,
    }
}
