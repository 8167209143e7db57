//! UPDATE (RFC 3311), before the answer and after it, and offers in PRACK (RFC 3262 section 5).
//!
//! An offer goes on to the other side: by UPDATE if that allows it, else, in a call that is up, by
//! re-INVITE. What makes no offer and has nothing for the other side is answered here.

use media_core::session::Side;

use super::context::Context;
use super::headers::session_description;
use super::{Call, Input, State};
use crate::message::{Method, Request, StatusCode};
use crate::stack::EventKind;
use crate::transaction::ServerKey;

/// What stands in the way of an offer of a side (RFC 3311 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Free,
    /// An offer of its own, or one that must be settled first: 500 with Retry-After.
    TheirOffer,
    /// It has an offer of ours to answer: 491.
    OurOffer,
}

impl Call {
    pub(super) fn handle_update(
        mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        update: Request,
    ) -> Call {
        // The body's type was checked when it came.
        let has_offer = !update.body.is_empty()
            && session_description(&update.headers, &update.body).is_ok_and(|sdp| sdp.is_some());
        if has_offer {
            return self.handle_offer(cx, side, server, update);
        }
        let far = side.other();
        let has_news = self.parties.request_from(side).has_news(&update.headers);
        if has_news && self.parties.leg(far).allows_update {
            self.parties
                .relay(cx, side, (server, update), Method::Update, None);
            return self;
        }
        let leg = self.parties.leg_mut(side);
        if let Some(dialog) = leg.dialog_now() {
            // A Contact that cannot be read changes nothing.
            let _ = dialog.refresh(&update.headers);
        }
        self.parties.accept(cx, side, server, &update);
        self
    }

    /// An offer in UPDATE or PRACK.
    pub(super) fn handle_offer(
        mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        request: Request,
    ) -> Call {
        match self.way_for_offer(side) {
            Way::Free => {}
            Way::TheirOffer => {
                self.parties.respond_later(cx, side, server, &request);
                return self;
            }
            Way::OurOffer => {
                let status = StatusCode::REQUEST_PENDING;
                self.parties.respond(cx, side, server, &request, status);
                return self;
            }
        }
        if self.parties.leg(side.other()).allows_update {
            self.pass_offer(cx, side, server, request);
            self
        } else if matches!(self.state, State::Up(_)) {
            self.step(
                cx,
                Input::Invite {
                    side,
                    server,
                    request,
                },
            )
        } else if request.method == Method::Prack {
            let status = StatusCode::NOT_ACCEPTABLE_HERE;
            self.parties.respond(cx, side, server, &request, status);
            self
        } else {
            self.parties.respond_later(cx, side, server, &request);
            self
        }
    }

    fn pass_offer(&mut self, cx: &mut Context, side: Side, server: ServerKey, request: Request) {
        let parties = &mut self.parties;
        match parties.media.offer(cx, side, &request.body) {
            Ok(sdp) => {
                parties.relay(cx, side, (server, request), Method::Update, Some(sdp));
            }
            Err(refusal) => {
                let (code, text) = (Some(refusal.code), refusal.text.to_owned());
                parties.event(cx, EventKind::ReinviteRefused, side, code, text);
                parties.refuse(cx, side, server, &request, &refusal);
            }
        }
    }

    /// Whether a side may make an offer now.
    fn way_for_offer(&self, side: Side) -> Way {
        match self.parties.offers() {
            Some(from) if from == side => return Way::TheirOffer,
            Some(_) => return Way::OurOffer,
            None => {}
        }
        if self.parties.is_bridging() {
            return match side {
                Side::Caller => Way::OurOffer,
                Side::Callee => Way::TheirOffer,
            };
        }
        match &self.state {
            State::Locating(_) | State::Inviting(_) => self.way_before_answer(side),
            State::Accepted(state) => match state.offerer() {
                // The answer to the far side's offer is awaited in ACK.
                Some(offerer) if offerer == side => Way::TheirOffer,
                Some(_) => Way::OurOffer,
                None => Way::Free,
            },
            State::Up(_) => Way::Free,
            State::Reinviting(state) if state.inviter == side => Way::TheirOffer,
            State::Reinviting(_) => Way::OurOffer,
            State::Refreshing(state) => match state.side() == side {
                true => Way::OurOffer,
                false => Way::Free,
            },
            // Offers of the one are answered by somebody else.
            State::Lending(_)
            | State::Placing(_)
            | State::Joining(_)
            | State::Lent(_)
            | State::Departing(_)
            | State::Ending(_) => Way::TheirOffer,
        }
    }

    /// Before the 2xx both offers, the caller's and ours, must be answered reliably.
    fn way_before_answer(&self, side: Side) -> Way {
        let is_answered = self.parties.leg(Side::Callee).has_answered;
        if is_answered && self.parties.has_answered_caller() {
            Way::Free
        } else if side == Side::Callee && !is_answered {
            Way::OurOffer
        } else {
            Way::TheirOffer
        }
    }

    /// Whether a re-INVITE of a side crosses an offer in an UPDATE.
    pub(super) fn crosses_update(
        &mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        invite: &Request,
    ) -> bool {
        match self.parties.offers() {
            Some(from) if from == side => self.parties.respond_later(cx, side, server, invite),
            Some(_) => {
                let status = StatusCode::REQUEST_PENDING;
                self.parties.respond(cx, side, server, invite, status);
            }
            None => return false,
        }
        true
    }
}
