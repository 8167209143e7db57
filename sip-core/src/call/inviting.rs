//! Our INVITE is out: until the far side answers or refuses, the caller gives up, or nobody waits
//! any longer.

use std::time::Instant;

use media_core::session::Side;

use super::accepted::Accepted;
use super::context::Context;
use super::ending::Ending;
use super::headers::session_description;
use super::outcome::{Failure, Outcome, hop_refusal};
use super::parties::{Description, Parties};
use super::{Input, State};
use crate::message::{Headers, Request, Response, StatusCode};
use crate::refusal::Refusal;
use crate::stack::EventKind;
use crate::transaction::{ClientKey, ServerKey};
use crate::transport::Origin;

pub(super) struct Inviting {
    pub(super) server: ServerKey,
    /// The caller's INVITE, for the responses to it.
    pub(super) invite: Box<Request>,
    pub(super) client: ClientKey,
    /// The INVITE has no offer: it comes with the 2xx, and the answer with the ACK.
    pub(super) late_offer: bool,
    /// What the caller was last answered in a provisional response.
    pub(super) early_answer: Option<Vec<u8>>,
    pub(super) deadline: Instant,
}

impl Inviting {
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn handle(self, cx: &mut Context, parties: &mut Parties, input: Input) -> State {
        match input {
            Input::Response {
                client,
                origin,
                response,
                ..
            } if client == self.client => self.handle_response(cx, parties, origin, response),
            Input::Failed {
                client, failure, ..
            } if client == self.client => self.fail(cx, parties, failure),
            Input::Cancel { server } if server == self.server => self.cancel(cx, parties),
            Input::Bye {
                side: Side::Caller, ..
            } => self.cancel(cx, parties),
            Input::Bye {
                side: Side::Callee, ..
            } => self.far_side_hung_up(cx, parties),
            // Who cannot be told that it rings need not be rung for.
            Input::ResponseLost { server } if server == self.server => self.cancel(cx, parties),
            Input::Invite {
                side: Side::Caller,
                server,
                request,
            } => {
                parties.respond_later(cx, Side::Caller, server, &request);
                State::Inviting(self)
            }
            Input::Deadline => self.give_up(cx, parties, Refusal::NO_ANSWER),
            Input::End(refusal) => self.give_up(cx, parties, refusal),
            _ => State::Inviting(self),
        }
    }

    fn handle_response(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        origin: Origin,
        response: Response,
    ) -> State {
        if response.status == StatusCode::TRYING {
            State::Inviting(self)
        } else if response.status.is_provisional() {
            self.proceed(cx, parties, &response)
        } else if response.status.is_success() {
            self.accept(cx, parties, &origin, &response)
        } else {
            self.decline(cx, parties, &response)
        }
    }

    /// Ringing, progress, early media. An SDP here is the answer only if the offer was ours to
    /// send; and since these responses are not reliable, the 2xx has the last word.
    fn proceed(mut self, cx: &mut Context, parties: &mut Parties, response: &Response) -> State {
        let mut body = None;
        if let Ok(Some(sdp)) = session_description(&response.headers, &response.body)
            && !self.late_offer
            && let Ok(sdp) = parties.media.answer(cx, Side::Callee, sdp)
        {
            self.early_answer = Some(sdp.clone());
            body = Some(Description {
                sdp,
                described_by: &response.headers,
            });
        }
        parties.pass_response(
            cx,
            Side::Caller,
            (self.server, &self.invite),
            response,
            body,
        );
        State::Inviting(self)
    }

    /// The far side answered: its dialog is made, the caller hears of it.
    fn accept(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        origin: &Origin,
        response: &Response,
    ) -> State {
        if !confirm_far_dialog(cx, parties, origin, response) {
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
        let sdp = session_description(&response.headers, &response.body)
            .ok()
            .flatten();
        let described = match (sdp, self.late_offer) {
            (Some(offer), true) => parties.media.offer(cx, Side::Callee, offer),
            (Some(answer), false) => parties.media.answer(cx, Side::Callee, answer),
            // Not what section 13.2.1 wants, but then the early answer is the answer.
            (None, false) => self.early_answer.clone().ok_or(Refusal::NO_SDP),
            (None, true) => Err(Refusal::NO_SDP),
        };
        match described {
            Ok(sdp) => self.pass_answer(cx, parties, response, sdp),
            Err(refusal) => self.refuse_answer(cx, parties, response, &refusal),
        }
    }

    fn pass_answer(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        response: &Response,
        sdp: Vec<u8>,
    ) -> State {
        let sequence = sequence(response);
        let plain = Headers::new();
        let described_by = if response.body.is_empty() {
            &plain
        } else {
            &response.headers
        };
        let body = Some(Description { sdp, described_by });
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

    /// The far side refused: the caller hears why.
    fn decline(self, cx: &mut Context, parties: &mut Parties, response: &Response) -> State {
        let refusal = hop_refusal(response.status);
        match &refusal {
            Some(refusal) => parties.refuse(cx, Side::Caller, self.server, &self.invite, refusal),
            None => parties.pass_response(
                cx,
                Side::Caller,
                (self.server, &self.invite),
                response,
                None,
            ),
        }
        parties.finish(cx, Outcome::declined(response, refusal.as_ref()));
        State::Ending(Ending::default())
    }

    fn fail(self, cx: &mut Context, parties: &mut Parties, failure: Failure) -> State {
        let refusal = failure.refusal();
        parties.event(
            cx,
            EventKind::PeerUnreachable,
            Side::Callee,
            Some(refusal.code),
            failure.text().to_owned(),
        );
        parties.refuse(cx, Side::Caller, self.server, &self.invite, &refusal);
        parties.finish(cx, Outcome::failed(&failure));
        State::Ending(Ending::default())
    }

    /// The caller gave up: 487 to it, CANCEL to the far side. A 2xx that crosses the CANCEL is
    /// `Ending`'s.
    fn cancel(self, cx: &mut Context, parties: &mut Parties) -> State {
        parties.respond(
            cx,
            Side::Caller,
            self.server,
            &self.invite,
            StatusCode::REQUEST_TERMINATED,
        );
        self.cancel_far_side(cx, parties, Outcome::cancelled())
    }

    /// The far side ends a call that it has not answered, or whose answer is still on its way.
    fn far_side_hung_up(self, cx: &mut Context, parties: &mut Parties) -> State {
        let status = StatusCode::TEMPORARILY_UNAVAILABLE;
        parties.respond(cx, Side::Caller, self.server, &self.invite, status);
        let outcome = Outcome {
            status: status.code(),
            ..Outcome::hung_up(Side::Callee)
        };
        self.cancel_far_side(cx, parties, outcome)
    }

    /// We give up: nobody answered, or we are shutting down.
    fn give_up(self, cx: &mut Context, parties: &mut Parties, refusal: Refusal) -> State {
        parties.refuse(cx, Side::Caller, self.server, &self.invite, &refusal);
        self.cancel_far_side(cx, parties, Outcome::refused(&refusal))
    }

    fn cancel_far_side(self, cx: &mut Context, parties: &mut Parties, outcome: Outcome) -> State {
        parties.finish(cx, outcome);
        cx.cancel(self.client);
        State::Ending(Ending::default().with_invite(Side::Callee, self.client))
    }
}

/// Makes the far leg's dialog from its 2xx.
pub(super) fn confirm_far_dialog(
    cx: &Context,
    parties: &mut Parties,
    origin: &Origin,
    response: &Response,
) -> bool {
    let leg = parties.leg_mut(Side::Callee);
    leg.dialog = leg
        .invite
        .as_ref()
        .and_then(|sent| sent.dialog(cx, origin, response).ok());
    leg.dialog.is_some()
}

/// The CSeq number of a response that was matched to its request.
pub(super) fn sequence(response: &Response) -> u32 {
    response.headers.cseq().map_or(0, |cseq| cseq.number)
}

/// The far side's 2xx makes no dialog.
const UNUSABLE_ANSWER: Refusal = Refusal::MALFORMED.with_status(503);
