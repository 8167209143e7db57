//! Requests within a dialog that go on to the other leg, and their responses that come back: INFO
//! (RFC 6086), MESSAGE (RFC 3428), UPDATE (RFC 3311), REFER and its NOTIFYs (RFC 3515). They cross
//! whatever the call's state is.

use media_core::session::Side;

use super::bodies::Description;
use super::context::Context;
use super::headers::{pass_body_description, pass_of_method, session_description};
use super::outcome::{Failure, hop_refusal};
use super::parties::Parties;
use super::{Call, Input};
use crate::message::{Method, Request, Response, StatusCode};
use crate::refusal::Refusal;
use crate::stack::EventKind;
use crate::transaction::{ClientKey, ServerKey};

/// A request that was passed on and has no final response.
pub(super) struct Relay {
    client: ClientKey,
    pub(super) from: Side,
    server: ServerKey,
    request: Request,
    /// It made an offer, and its 2xx brings the answer.
    pub(super) is_offer: bool,
}

impl Parties {
    /// Sends a request of `from` on to the other side: as `method`, with `offer` for its body or
    /// else as it came. Its CSeq number there; one that cannot be sent now is answered 500 with
    /// Retry-After.
    pub(super) fn relay(
        &mut self,
        cx: &mut Context,
        from: Side,
        (server, request): (ServerKey, Request),
        method: Method,
        offer: Option<Vec<u8>>,
    ) -> Option<u32> {
        let far = from.other();
        let is_full = self.relays.len() >= MAX_RELAYS;
        let next = self.leg_mut(far).request(cx, method);
        let Some((mut onward, target)) = next.filter(|_| !is_full) else {
            if offer.is_some() {
                self.media.reject(cx);
            }
            self.respond_later(cx, from, server, &request);
            return None;
        };
        self.request_from(from)
            .pass(&request.headers, &mut onward.headers);
        pass_of_method(&request.headers, &mut onward.headers);
        let is_offer = offer.is_some();
        match offer {
            Some(sdp) => Description {
                sdp,
                described_by: &request.headers,
                came: &request.body,
            }
            .attach(&mut onward.headers, &mut onward.body),
            None => {
                pass_body_description(&request.headers, &mut onward.headers);
                onward.body.clone_from(&request.body);
            }
        }
        let sequence = onward.headers.cseq().ok().map(|cseq| cseq.number);
        let client = cx.request(self.owner(far), onward, target);
        self.relays.push(Relay {
            client,
            from,
            server,
            request,
            is_offer,
        });
        sequence
    }

    /// Whose offer in UPDATE or PRACK has no answer.
    pub(super) fn offers(&self) -> Option<Side> {
        let offer = self.relays.iter().find(|relay| relay.is_offer);
        offer.map(|relay| relay.from)
    }

    /// The request that a final response answers.
    pub(super) fn take_relay(&mut self, client: ClientKey) -> Option<Relay> {
        let at = self
            .relays
            .iter()
            .position(|relay| relay.client == client)?;
        Some(self.relays.swap_remove(at))
    }

    pub(super) fn is_relayed(&self, client: ClientKey) -> bool {
        self.relays.iter().any(|relay| relay.client == client)
    }

    /// The call is over: whoever waits for a response is told so (RFC 3261 section 15.1.2).
    pub(super) fn abandon_relays(&mut self, cx: &mut Context) {
        for relay in std::mem::take(&mut self.relays) {
            let status = StatusCode::REQUEST_TERMINATED;
            self.respond(cx, relay.from, relay.server, &relay.request, status);
        }
    }

    fn pass_back(&mut self, cx: &mut Context, relay: &Relay, response: &Response) {
        if let Some(refusal) = hop_refusal(response.status) {
            return self.refuse(cx, relay.from, relay.server, &relay.request, &refusal);
        }
        let mut passed = self.passed_response(cx, relay.from, &relay.request, response, None);
        // What was not made of SDP of ours is answered with none.
        if !relay.is_offer && passed.body.is_empty() {
            pass_body_description(&response.headers, &mut passed.headers);
            passed.body.clone_from(&response.body);
        }
        cx.respond(relay.server, &passed);
    }

    /// The 2xx to an offer: its answer goes back, and the media follows.
    fn pass_answer_back(
        &mut self,
        cx: &mut Context,
        relay: &Relay,
        response: &Response,
    ) -> Result<(), Refusal> {
        let answer = session_description(&response.headers, &response.body)
            .ok()
            .flatten();
        let answer = answer.ok_or(Refusal::NO_SDP)?;
        let sdp = self.media.answer(cx, relay.from.other(), answer)?;
        let body = Some(Description {
            sdp,
            described_by: &response.headers,
            came: &response.body,
        });
        let request = (relay.server, &relay.request);
        self.pass_response(cx, relay.from, request, response, body);
        self.media.confirm(cx);
        Ok(())
    }

    fn refresh_targets_by(&mut self, relay: &Relay, response: &Response) {
        for (side, headers) in [
            (relay.from, &relay.request.headers),
            (relay.from.other(), &response.headers),
        ] {
            if let Some(dialog) = self.leg_mut(side).dialog_now() {
                // A Contact that cannot be read changes nothing.
                let _ = dialog.refresh(headers);
            }
        }
    }
}

impl Call {
    /// The final response to a request that was passed on.
    pub(super) fn handle_relayed(
        mut self,
        cx: &mut Context,
        relay: Relay,
        response: &Response,
    ) -> Call {
        let parties = &mut self.parties;
        let far = relay.from.other();
        if response.status == StatusCode::INTERVAL_TOO_SMALL
            && parties.leg_mut(far).timer.raise(&response.headers)
        {
            // The same once more, with the interval that the far side wants (RFC 4028
            // section 7.3).
            let offer = parties.media.described(far).filter(|_| relay.is_offer);
            let request = (relay.server, relay.request);
            parties.relay(cx, relay.from, request, Method::Update, offer);
            return self;
        }
        if response.status.is_success() && relay.request.method == Method::Update {
            parties.refresh_targets_by(&relay, response);
        }
        if !relay.is_offer {
            parties.pass_back(cx, &relay, response);
        } else if response.status.is_success() {
            if let Err(refusal) = parties.pass_answer_back(cx, &relay, response) {
                // The far side has changed its session and we cannot follow.
                parties.refuse(cx, relay.from, relay.server, &relay.request, &refusal);
                return self.step(cx, Input::End(refusal));
            }
        } else {
            parties.media.reject(cx);
            parties.pass_back(cx, &relay, response);
        }
        let is_lost = [StatusCode::CALL_DOES_NOT_EXIST, StatusCode::REQUEST_TIMEOUT]
            .contains(&response.status);
        self.end_if_lost(cx, &relay, is_lost)
    }

    /// A request that was passed on got no response.
    pub(super) fn handle_relay_failure(
        mut self,
        cx: &mut Context,
        relay: Relay,
        failure: &Failure,
    ) -> Call {
        let parties = &mut self.parties;
        let refusal = failure.refusal();
        let code = Some(refusal.code);
        let far = relay.from.other();
        let text = failure.text().to_owned();
        parties.event(cx, EventKind::PeerUnreachable, far, code, text);
        if relay.is_offer {
            parties.media.reject(cx);
        }
        parties.refuse(cx, relay.from, relay.server, &relay.request, &refusal);
        self.end_if_lost(cx, &relay, *failure == Failure::TimedOut)
    }

    /// Section 12.2.1.2: 481, or no answer at all, and the far side has no dialog any more. Not if
    /// NOTIFY is refused so, which speaks of a subscription (RFC 5057 section 5.1).
    fn end_if_lost(self, cx: &mut Context, relay: &Relay, is_lost: bool) -> Call {
        let is_confirmed = self.parties.leg(relay.from.other()).dialog.is_some();
        if is_lost && is_confirmed && relay.request.method != Method::Notify {
            return self.step(cx, Input::End(Refusal::DIALOG_LOST));
        }
        self
    }
}

/// Requests of one call that may be on their way at once.
const MAX_RELAYS: usize = 32;
