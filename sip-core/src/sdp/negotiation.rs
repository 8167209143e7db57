//! One call's media: the offers and answers of both legs.

use media_core::ports::{MediaPorts, RealmId};
use media_core::session::{CallId, LocalMedia, Session, Side};
use media_core::srtp::profile::Suite;
use rand_core::CryptoRng;

use super::policy::LegPolicy;
use crate::refusal::Refusal;

/// The offers and answers of one call, both legs (RFC 3264, RFC 4568).
///
/// An offer goes in by [`offer`](Self::offer), its answer by [`answer`](Self::answer); each
/// returns the SDP for the other leg. After an answer [`session`](Self::session) says what the
/// media plane must do. An answer may come again (183, then 200): the latest one wins until
/// [`confirm`](Self::confirm) or the next offer settles the exchange.
/// [`reject`](Self::reject) goes back to what was agreed before the offer.
#[derive(Debug)]
pub struct Negotiation {
    call: CallId,
    policies: [LegPolicy; 2],
}

/// What the call record says of a leg's media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegMedia {
    /// The transport of the leg's m-line: `RTP/AVP`, `RTP/SAVP`, or their `F` forms.
    pub profile: &'static str,
    /// The SRTP suite agreed.
    pub suite: Option<Suite>,
    /// Encoding name of the first codec agreed.
    pub codec: Option<String>,
}

impl Negotiation {
    pub fn new(call: CallId, caller: LegPolicy, callee: LegPolicy) -> Negotiation {
        Negotiation {
            call,
            policies: [caller, callee],
        }
    }

    /// `from` made an offer: returns the SDP to offer to the other side.
    ///
    /// Allocates our ports on first use. On a refusal nothing has changed.
    pub fn offer(
        &mut self,
        from: Side,
        sdp: &[u8],
        ports: &mut dyn MediaPorts,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, Refusal> {
        let _ = (from, sdp, ports, rng);
        Err(Refusal::MALFORMED)
    }

    /// `from` answered the pending offer: returns the SDP to answer the offerer with.
    pub fn answer(
        &mut self,
        from: Side,
        sdp: &[u8],
        ports: &mut dyn MediaPorts,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, Refusal> {
        let _ = (from, sdp, ports, rng);
        Err(Refusal::MALFORMED)
    }

    /// The answer was final (it came in a 2xx or an ACK): it can no longer be rejected.
    pub fn confirm(&mut self) {}

    /// The pending offer was refused: back to the last agreed state.
    pub fn reject(&mut self) {}

    /// What the media plane must do now, also during early media; `None` before any answer.
    pub fn session(&self) -> Option<Session> {
        let _ = self.call;
        None
    }

    /// Every port pair that this call holds, to be released when its flows are gone.
    pub fn local_media(&self) -> impl Iterator<Item = (RealmId, LocalMedia)> + '_ {
        std::iter::empty()
    }

    /// The media of a leg, for the call record.
    pub fn leg(&self, side: Side) -> LegMedia {
        let secure = self.policies[side.index()].secure;
        LegMedia {
            profile: if secure { "RTP/SAVP" } else { "RTP/AVP" },
            suite: None,
            codec: None,
        }
    }

    /// A side has put the other on hold, in every stream.
    pub fn on_hold(&self) -> bool {
        false
    }
}
