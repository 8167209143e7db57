//! An offer, and what came of it.

use media_core::session::{LocalMedia, Security, Side, Stream};
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;

use super::crypto::CryptoLine;
use super::fields::{Direction, MediaLine, Profile};
use super::stream::PeerStream;

/// An offer that was passed on.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) offerer: Side,
    /// The offerer's m-lines, as it wrote them.
    pub(super) lines: Vec<OfferedLine>,
    /// We held the call, and offered `inactive` whatever the offerer wanted.
    pub(super) was_held: bool,
    /// The latest answer.
    pub(super) outcome: Option<Agreed>,
}

/// One m-line of an offer.
#[derive(Debug)]
pub(super) struct OfferedLine {
    pub(super) line: MediaLine,
    /// `None`: port 0, from the offerer or from us.
    pub(super) stream: Option<OfferedStream>,
}

/// An m-line that was offered on.
#[derive(Clone, Debug)]
pub(super) struct OfferedStream {
    pub(super) peer: PeerStream,
    pub(super) keying: Keying,
    /// Our ports, indexed by [`Side::index`].
    pub(super) locals: [LocalMedia; 2],
}

/// Who protects a stream, and with what.
#[derive(Clone, Debug)]
pub(super) enum Keying {
    /// We do, on each leg that is secure.
    Terminated {
        /// The offerer's line that we accept; `None` on a plain leg.
        accepted: Option<CryptoLine>,
        /// Our lines toward the answerer; empty on a plain leg.
        offered: Vec<CryptoLine>,
        /// The answerer may leave them (SEC-9).
        is_optional: bool,
    },
    /// The peers do (MED-1): this line of the offerer's was passed on.
    Passthrough(CryptoLine),
}

/// The media that both legs agree on.
#[derive(Clone, Debug, Default)]
pub(super) struct Agreed {
    pub(super) streams: Vec<AgreedStream>,
}

/// One m-line of them.
#[derive(Clone, Debug)]
pub(super) struct AgreedStream {
    /// Place of the m-line in the descriptions.
    pub(super) slot: usize,
    pub(super) stream: Stream,
    /// Indexed by [`Side::index`].
    pub(super) profiles: [Profile; 2],
    /// What each side said of its own, indexed likewise.
    pub(super) directions: [Direction; 2],
    pub(super) codec: String,
}

/// Puts what belongs to a side, and what belongs to the other one, in the order of
/// [`Side::index`].
pub(super) fn by_side<T>(side: Side, own: T, other: T) -> [T; 2] {
    match side {
        Side::Caller => [own, other],
        Side::Callee => [other, own],
    }
}

impl Agreed {
    pub(super) fn stream(&self, slot: usize) -> Option<&AgreedStream> {
        self.streams.iter().find(|stream| stream.slot == slot)
    }

    /// Whether an m-line's packets to a leg's peer are under this key of ours.
    pub(super) fn sends_under(&self, side: Side, slot: usize, key: &MasterKey) -> bool {
        let leg = self
            .stream(slot)
            .map(|agreed| &agreed.stream.legs[side.index()]);
        leg.is_some_and(|leg| matches!(&leg.security, Security::Srtp { send, .. } if send == key))
    }
}

impl AgreedStream {
    /// Whether SRTP is spoken on a leg.
    pub(super) fn is_protected(&self, side: Side) -> bool {
        self.suite(side).is_some()
    }

    /// The suite on a leg.
    pub(super) fn suite(&self, side: Side) -> Option<Suite> {
        match &self.stream.legs[side.index()].security {
            Security::Srtp { send, .. } => Some(send.suite()),
            Security::Passthrough { suite } => Some(*suite),
            Security::Plain | Security::Pending => None,
        }
    }
}
