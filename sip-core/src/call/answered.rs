//! The target has answered our INVITE: what that makes of the call, and what the caller hears of it.

use media_core::session::Side;

use super::State;
use super::accepted::Accepted;
use super::bodies::Description;
use super::context::Context;
use super::ending::Ending;
use super::headers::session_description;
use super::inviting::{Inviting, confirm_far_dialog, sequence};
use super::outcome::Outcome;
use super::parties::Parties;
use crate::message::{Headers, Response};
use crate::refusal::Refusal;
use crate::transport::Origin;

impl Inviting {
    /// The far side answered: its dialog is made, the caller hears of it.
    pub(super) fn accept(
        mut self,
        cx: &mut Context,
        parties: &mut Parties,
        origin: Origin,
        response: Response,
    ) -> State {
        if parties.provisionals.holds_answer() {
            self.held
                .get_or_insert_with(|| Box::new((origin, response)));
            return State::Inviting(self);
        }
        parties.conclude_target(Some(response.status), "answered".to_owned());
        self.hunt.forks.answered(cx, parties, &response);
        if !confirm_far_dialog(cx, parties, &origin, &response) {
            // Without a dialog it can be neither acknowledged nor ended; it will give up by itself.
            parties.refuse(
                cx,
                Side::Caller,
                self.server,
                &self.invite,
                &UNUSABLE_ANSWER,
            );
            parties.finish(cx, Outcome::refused(&UNUSABLE_ANSWER));
            return State::Ending(Ending::default());
        }
        if parties.calls_first_party() {
            return self.first_party_answered(cx, parties, &response);
        }
        let sdp = session_description(&response.headers, &response.body)
            .ok()
            .flatten();
        let is_known = self.hunt.forks.has_media_of(&response);
        let is_settled = parties.has_answered_caller();
        let described = match (sdp, self.late_offer) {
            _ if is_settled && is_known => {
                return self.pass_answer(cx, parties, &response, None);
            }
            // The caller has its answer for good, but another fork or target sends the media: if that is
            // not what the caller was told, it is offered as soon as the call is up.
            (Some(answer), false) if is_settled => {
                let told = parties.media.described(Side::Caller);
                return match parties.media.answer(cx, Side::Callee, answer) {
                    Ok(sdp) => {
                        let state = self.pass_answer(cx, parties, &response, None);
                        parties.media.leave_unsaid(cx.now, told, sdp);
                        state
                    }
                    Err(refusal) => self.refuse_answer(cx, parties, &response, &refusal),
                };
            }
            (Some(offer), true) => parties.media.offer(cx, Side::Callee, offer),
            (Some(answer), false) => parties.media.answer(cx, Side::Callee, answer),
            // Not what section 13.2.1 wants unless the early answer was reliable, but then that is
            // the answer.
            (None, false) if is_known => self.early_answer.clone().ok_or(Refusal::NO_SDP),
            (None, false) => Err(Refusal::NO_SDP),
            (None, true) => Err(Refusal::NO_SDP),
        };
        match described {
            Ok(sdp) => self.pass_answer(cx, parties, &response, Some(sdp)),
            Err(refusal) => self.refuse_answer(cx, parties, &response, &refusal),
        }
    }

    fn pass_answer(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        response: &Response,
        sdp: Option<Vec<u8>>,
    ) -> State {
        let sequence = sequence(response);
        let plain = Headers::new();
        let described_by = if response.body.is_empty() {
            &plain
        } else {
            &response.headers
        };
        let body = sdp.map(|sdp| Description {
            sdp,
            described_by,
            came: &response.body,
        });
        if let Some(dialog) = &mut parties.leg_mut(Side::Caller).dialog {
            dialog.confirm();
        }
        parties.pass_response(
            cx,
            Side::Caller,
            (self.server, &self.invite),
            response,
            body,
        );
        parties.answered(cx);
        if self.late_offer {
            return State::Accepted(Accepted::awaiting_answer(
                Side::Caller,
                self.server,
                self.client,
                sequence,
            ));
        }
        parties.acknowledge(cx, Side::Callee, self.client, sequence, None);
        parties.media.confirm(cx);
        State::Accepted(Accepted::awaiting_ack(Side::Caller, self.server))
    }

    /// What the far side answered is of no use: it gets ACK and BYE, the caller the refusal.
    fn refuse_answer(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        response: &Response,
        refusal: &Refusal,
    ) -> State {
        parties.acknowledge(cx, Side::Callee, self.client, sequence(response), None);
        parties.refuse(cx, Side::Caller, self.server, &self.invite, refusal);
        parties.finish(cx, Outcome::refused(refusal));
        let bye = parties.hang_up(cx, Side::Callee, Some(refusal), None);
        State::Ending(Ending::default().with_bye(Side::Callee, bye))
    }
}

/// The far side's 2xx makes no dialog.
const UNUSABLE_ANSWER: Refusal = Refusal::MALFORMED.with_status(503);
