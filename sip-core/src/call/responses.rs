//! What becomes of our requests: each answer, or that there is none, goes to whoever waits for it.

use media_core::session::Side;

use super::context::Context;
use super::outcome::Failure;
use super::places::Branch;
use super::{Call, Input};
use crate::message::{CSeq, HeaderName, Method, Response};
use crate::transaction::ClientKey;
use crate::transport::Origin;

impl Call {
    pub(crate) fn handle_response(
        mut self,
        cx: &mut Context,
        (side, client): (Side, ClientKey),
        origin: Origin,
        response: Response,
    ) -> Call {
        let leg = self.parties.leg_mut(side);
        leg.hear(&origin);
        leg.learn(&response.headers);
        if response.status.is_success() && starts_session(&response) {
            leg.timer.answered(cx.now, &response.headers);
        }
        if leg.timer.is_refresh(client) {
            return match response.status.is_final() {
                true => self.handle_refreshed(cx, side, &response),
                false => self,
            };
        }
        if self.is_bridge(client) {
            return self.handle_bridge_response(cx, &response);
        }
        let leg = self.parties.leg(side);
        let made_it = leg
            .invite
            .as_ref()
            .is_some_and(|sent| sent.client == client);
        if side == Side::Caller && made_it {
            // Of a fork, after we placed the call.
            self.parties.refuse_fork_of(cx, side, &origin, &response);
            return self;
        }
        if self.is_refer(client) {
            return match response.status.is_final() {
                true => self.handle_refer_response(cx, &response),
                false => self,
            };
        }
        if self.parties.is_relayed(client) {
            let relay = match response.status.is_final() {
                true => self.parties.take_relay(client),
                false => None,
            };
            return match relay {
                Some(relay) => self.handle_relayed(cx, relay, &response),
                None => self,
            };
        }
        self.step(
            cx,
            Input::Response {
                side,
                client,
                origin,
                response,
            },
        )
    }

    /// For a request of that side that is sent again: the number after all that it has used.
    pub(crate) fn next_sequence(&mut self, side: Side, remote_tag: Option<&str>) -> Option<u32> {
        self.parties.leg_mut(side).next_sequence(remote_tag)
    }

    /// Of several places that our INVITE is at, that one speaks: what its response makes of our
    /// INVITE is made of the one that it had.
    pub(crate) fn hear_place(&mut self, side: Side, place: &Branch, response: &Response) {
        let parties = &mut self.parties;
        if let Some(invite) = &mut parties.leg_mut(side).invite {
            // Its CSeq number stays the highest that any place was sent: what follows counts on from it.
            invite.goes_to(&place.request, place.target.clone());
        }
        if response.status.is_final() {
            parties.leg_mut(side).timer.raise(&place.request.headers);
            parties.media.take_up(place.client);
        }
        if response.status.is_success() {
            parties.draft.tried_at(place);
        }
    }

    /// One of several places wants a longer session interval (RFC 4028 section 7.3): `place` is its
    /// INVITE as it is to be sent again, unless that makes no sense. The leg's own timer goes by what
    /// the place was asked that has the last word ([`Call::hear_place`]).
    pub(crate) fn lengthen(&mut self, side: Side, place: &mut Branch, refusal: &Response) -> bool {
        let leg = self.parties.leg_mut(side);
        let headers = &mut place.request.headers;
        if !leg.timer.raise_in(headers, &refusal.headers) {
            return false;
        }
        let Some(number) = leg.next_sequence(None) else {
            return false;
        };
        headers.set(HeaderName::CSeq, CSeq::new(number, Method::Invite));
        true
    }

    /// The INVITE of a place is in another transaction now.
    pub(crate) fn place_asked_again(&mut self, old: ClientKey, new: ClientKey) {
        self.parties.media.asked_again(old, new);
    }

    /// A place has answered after another one.
    pub(crate) fn decline_place(
        &self,
        cx: &mut Context,
        side: Side,
        place: &Branch,
        origin: &Origin,
        response: &Response,
    ) {
        if let Some(invite) = &self.parties.leg(side).invite {
            invite.decline_at(cx, place, origin, response);
        }
    }

    pub(crate) fn handle_failure(
        mut self,
        cx: &mut Context,
        side: Side,
        client: ClientKey,
        failure: Failure,
    ) -> Call {
        if self.is_bridge(client) {
            return self.handle_bridge_failure(cx, &failure);
        }
        if self.is_refer(client) {
            return self.handle_refer_failure(cx, &failure);
        }
        if let Some(relay) = self.parties.take_relay(client) {
            return self.handle_relay_failure(cx, relay, &failure);
        }
        if self.parties.leg(side).timer.is_refresh(client) {
            return self.handle_refresh_failure(cx, side, &failure);
        }
        self.step(
            cx,
            Input::Failed {
                side,
                client,
                failure,
            },
        )
    }
}

/// Whether a session runs, or goes on, by this 2xx (RFC 4028 section 7.2).
fn starts_session(response: &Response) -> bool {
    let cseq = response.headers.cseq();
    cseq.is_ok_and(|cseq| matches!(cseq.method, Method::Invite | Method::Update))
}
