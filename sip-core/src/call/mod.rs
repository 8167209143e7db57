//! The back-to-back user agent: one call, two legs, each with a dialog of its own.
//!
//! A call begins when an INVITE is admitted (`begin`); what is refused before that never becomes one
//! ([`crate::stack`]). It goes from target to target (`hunting`) until one takes it. Its states, one
//! struct and one file each:
//!
//! ```text
//!     Locating ◄─next target─┐
//!        │  address          │
//!        ▼                   │
//!     Inviting ──────────────┘
//!     Inviting ──2xx──► Accepted ──ACK──► Up ──INVITE of a side──► Reinviting
//!        │                 │  ▲           │ ▲                         │ │
//!        │                 │  └───────────┼─┼─────────2xx─────────────┘ │
//!        │                 │              │ └────────refused────────────┘
//!        └── refused, cancelled, BYE, timeout, ... ──► Ending ──► over
//! ```
//!
//! `Refreshing` is `Up` with a re-INVITE of our own out to one side: for its session timer, or because
//! what it was answered is not what the far side took up. What is
//! independent of all that stands beside the state: reliable provisional responses (`reliable`),
//! requests that are passed on (`relaying`, `updating`), session timers (`session_timer`).
//!
//! Retransmissions, 100 Trying, the repetition of a 2xx until its ACK and of that ACK are
//! [`crate::transaction`]'s; CSeq, route sets and targets are [`crate::dialog`]'s; SDP is
//! [`crate::sdp`]'s. What is left here is who waits for whom.

mod accepted;
mod answered;
mod begin;
mod bodies;
mod bridging;
pub(crate) mod challenges;
mod completing;
pub(crate) mod context;
mod crossing;
mod ending;
pub(crate) mod failing;
mod forks;
mod glare;
pub(crate) mod headers;
mod holding;
mod hunting;
pub(crate) mod identity;
mod inviting;
mod joining;
pub(crate) mod leg;
mod lending;
mod locating;
mod media;
mod messaging;
mod moving;
pub(crate) mod outcome;
mod parties;
pub(crate) mod places;
mod placing;
mod record;
pub(crate) mod referrals;
mod referring;
mod refreshing;
mod reinviting;
mod relaying;
mod reliable;
mod responses;
pub(crate) mod sent_invite;
pub(crate) mod session_timer;
pub(crate) mod transfer;
mod up;
mod updating;
pub(crate) mod within;

use std::time::Instant;

use media_core::report::MediaReport;
use media_core::session::{CallId, Side};

pub(crate) use self::begin::{NewInvite, Way};
use self::context::{Context, LegKey};
pub(crate) use self::joining::Joint;
use self::outcome::Failure;
use self::parties::Parties;
pub(crate) use self::placing::NewPlaced;
use self::reliable::Patience;
use self::sent_invite::SentInvite;
use self::session_timer::Due;
use crate::message::{Request, Response};
use crate::refusal::Refusal;
use crate::sdp::DescriptionOrigin;
use crate::stack::{EventKind, LiveCall, ResolveId};
use crate::transaction::{ClientKey, ServerKey};
use crate::transport::{ConnectionId, Origin};
use crate::trunk::{Hop, TrunkId};

/// One call.
pub(crate) struct Call {
    parties: Box<Parties>,
    state: State,
}

/// Where a call is.
enum State {
    Locating(Box<locating::Locating>),
    Inviting(inviting::Inviting),
    Placing(placing::Placing),
    Accepted(accepted::Accepted),
    Up(up::Up),
    Reinviting(reinviting::Reinviting),
    Refreshing(refreshing::Refreshing),
    Joining(joining::Joining),
    Lending(lending::Lending),
    Lent(lending::Lent),
    Departing(lending::Departing),
    Ending(ending::Ending),
}

/// What a state has to react to.
enum Input {
    /// A response to a request of ours.
    Response {
        side: Side,
        client: ClientKey,
        origin: Origin,
        response: Response,
    },
    /// A request of ours got none.
    Failed {
        side: Side,
        client: ClientKey,
        failure: Failure,
    },
    /// The answer to a question where a target is.
    Resolved {
        id: ResolveId,
        found: Result<Vec<Hop>, String>,
    },
    /// The side hung up; the BYE is answered already.
    Bye { side: Side, request: Request },
    /// A re-INVITE, or the offer of an UPDATE that must go on as one; checked as far as the state
    /// does not matter.
    Invite {
        side: Side,
        server: ServerKey,
        request: Request,
    },
    /// The INVITE is cancelled; the CANCEL is answered already.
    Cancel { server: ServerKey },
    /// The ACK to our 2xx.
    Ack { server: ServerKey, request: Request },
    /// The caller acknowledged a reliable provisional response; its PRACK is answered already.
    Acknowledged,
    /// It never did.
    Unacknowledged,
    /// A response could not be sent.
    ResponseLost { server: ServerKey },
    /// An INVITE's transaction is over: its ACK never came, or was here long ago.
    ServerGone { server: ServerKey },
    /// A side's session is to be refreshed by re-INVITE (RFC 4028).
    Refresh { side: Side },
    /// The time of [`Call::deadline`] has come.
    Deadline,
    /// We end the call.
    End(Refusal),
}

impl Call {
    pub(crate) fn id(&self) -> CallId {
        self.parties.id
    }

    pub(crate) fn handle_cancel(self, cx: &mut Context, server: ServerKey) -> Call {
        self.step(cx, Input::Cancel { server })
    }

    pub(crate) fn handle_ack(
        mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        origin: &Origin,
        request: Request,
    ) -> Call {
        self.parties.leg_mut(side).hear(origin);
        self.step(cx, Input::Ack { server, request })
    }

    pub(crate) fn handle_response_lost(self, cx: &mut Context, server: ServerKey) -> Call {
        self.step(cx, Input::ResponseLost { server })
    }

    pub(crate) fn handle_server_gone(self, cx: &mut Context, server: ServerKey) -> Call {
        self.step(cx, Input::ServerGone { server })
    }

    pub(crate) fn handle_timeout(mut self, cx: &mut Context) -> Call {
        if self.parties.provisionals.handle_timeout(cx) == Patience::Ended {
            self = self.step(cx, Input::Unacknowledged);
        }
        for side in [Side::Caller, Side::Callee] {
            self = match self.parties.leg(side).timer.due(cx.now) {
                _ if self.is_ending() => self,
                Due::Nothing => self,
                Due::Refresh => self.refresh(cx, side),
                Due::Expired => self.step(cx, Input::End(Refusal::SESSION_EXPIRED)),
            };
        }
        self.stop_waiting_for_notify(cx);
        self = self.go_on_with_bridge(cx);
        if self.parties.too_long_at().is_some_and(|at| at <= cx.now) {
            return self.end(cx, Refusal::CALL_TOO_LONG);
        }
        match self.state_deadline() {
            Some(deadline) if deadline <= cx.now => self.step(cx, Input::Deadline),
            _ => self,
        }
    }

    /// Ends the call with BYE, CANCEL or the refusal's status, as its state wants.
    pub(crate) fn end(self, cx: &mut Context, refusal: Refusal) -> Call {
        self.step(cx, Input::End(refusal))
    }

    pub(crate) fn media_removed(&mut self, cx: &mut Context, report: MediaReport) {
        self.parties.media_removed(cx, report);
    }

    pub(crate) fn connection_closed(&mut self, connection: ConnectionId) {
        for leg in self.parties.legs_mut() {
            leg.forget_connection(connection);
        }
    }

    /// Whether the far side has answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.parties.is_answered()
    }

    /// The call as it is now, for status.
    pub(crate) fn describe(&self) -> LiveCall {
        self.parties.describe(self.is_ending())
    }

    /// Tells of that side.
    pub(crate) fn tell(
        &self,
        cx: &mut Context,
        kind: EventKind,
        side: Side,
        code: Option<u32>,
        text: String,
    ) {
        self.parties.event(cx, kind, side, code, text);
    }

    /// Tells of a hold that began or is over.
    pub(crate) fn tell_of_hold(&mut self, cx: &mut Context) {
        self.parties.tell_of_hold(cx);
    }

    /// When [`Call::handle_timeout`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.is_ending() {
            return self.state_deadline();
        }
        let [caller, callee] =
            [Side::Caller, Side::Callee].map(|side| self.parties.leg(side).timer.deadline());
        let provisionals = self.parties.provisionals.deadline();
        let too_long = self.parties.too_long_at();
        let refer = self.parties.refer_deadline();
        [
            self.state_deadline(),
            provisionals,
            caller,
            callee,
            too_long,
            refer,
            self.parties.bridge_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn state_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Locating(state) => Some(state.deadline()),
            State::Inviting(state) => Some(state.deadline()),
            State::Up(_) => {
                let correction = self.parties.media.correction_due();
                let hold = self.parties.hold.due();
                correction.into_iter().chain(hold).min()
            }
            State::Reinviting(state) => state.deadline(),
            State::Refreshing(state) => state.deadline(),
            State::Lending(state) => state.deadline(),
            State::Departing(state) => Some(state.deadline()),
            _ => None,
        }
    }

    /// A 2xx to our first INVITE, whose transaction is gone.
    pub(crate) fn handle_stray_answer(
        &self,
        cx: &mut Context,
        origin: &Origin,
        response: &Response,
    ) {
        self.parties.refuse_fork(cx, origin, response);
    }

    /// It is over for the peers: a request within it finds no dialog.
    fn is_ending(&self) -> bool {
        matches!(
            self.state,
            State::Lent(_) | State::Departing(_) | State::Ending(_)
        )
    }

    /// The other side of a leg that may be replaced, if it is that trunk's and has that peer.
    pub(crate) fn joint(&self, side: Side, remote_tag: &str, trunk: TrunkId) -> Option<Joint> {
        let leg = self.parties.leg(side);
        let dialog = leg.dialog.as_ref()?;
        let is_it = leg.trunk.id == trunk && &*dialog.id().remote_tag == remote_tag;
        let is_up = matches!(self.state, State::Up(_));
        let far = side.other();
        (is_it && is_up).then(|| Joint {
            call: self.parties.id,
            side: far,
            husk: self.parties.leg(far).husk(),
            origin: self.parties.media.origin(far),
        })
    }

    /// It was made for a transfer: its caller is still in another call, where our descriptions
    /// to it began.
    pub(crate) fn has_no_caller_yet(&mut self, description: Option<DescriptionOrigin>) {
        self.parties.leg_mut(Side::Caller).dialog = None;
        if let Some(origin) = description {
            self.parties.media.continue_from(Side::Caller, origin);
        }
    }

    /// Nothing of it is left to do: legs, media, record.
    pub(crate) fn is_over(&self) -> bool {
        match &self.state {
            State::Ending(state) => state.is_done() && self.parties.media.is_gone(),
            _ => false,
        }
    }

    /// The keys of every dialog, and what must be kept for a 2xx that comes after the call is over.
    pub(crate) fn into_remains(self) -> (Vec<LegKey>, Option<(LegKey, Box<SentInvite>)>) {
        let [caller, callee] = self.parties.into_legs();
        let mut keys = caller.other_keys;
        keys.extend([caller.key, callee.key.clone()]);
        let sent = callee.invite.map(|invite| (callee.key, invite));
        (keys, sent)
    }

    fn step(mut self, cx: &mut Context, input: Input) -> Call {
        let parties = &mut self.parties;
        self.state = match self.state {
            State::Locating(state) => state.handle(cx, parties, input),
            State::Inviting(state) => state.handle(cx, parties, input),
            State::Placing(state) => state.handle(cx, parties, input),
            State::Accepted(state) => state.handle(cx, parties, input),
            State::Up(state) => state.handle(cx, parties, input),
            State::Reinviting(state) => state.handle(cx, parties, input),
            State::Refreshing(state) => state.handle(cx, parties, input),
            State::Joining(state) => state.handle(cx, parties, input),
            State::Lending(state) => state.handle(cx, parties, input),
            State::Lent(state) => state.handle(cx, parties, input),
            State::Departing(state) => state.handle(cx, parties, input),
            State::Ending(state) => state.handle(cx, parties, input),
        };
        self.go_on_with_transfer(cx)
            .correct_caller(cx)
            .go_on_with_hold(cx)
            .leave_first_party(cx)
    }
}
