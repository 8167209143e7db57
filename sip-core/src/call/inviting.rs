//! Our INVITE is out: until the target answers, refuses or stays silent, the caller gives up, or
//! nobody waits any longer.

use std::time::Instant;

use media_core::session::Side;

use super::bodies::Description;
use super::context::Context;
use super::ending::Ending;
use super::forks::Passage;
use super::headers::session_description;
use super::hunting::{Hunt, Waiting};
use super::outcome::{Failure, Outcome};
use super::parties::Parties;
use super::reliable::Heard;
use super::{Input, State};
use crate::message::{Headers, Request, Response, StatusCode};
use crate::refusal::Refusal;
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
    /// A 2xx that must wait until the caller has acknowledged the answer that it has already
    /// (RFC 3262 section 3). The far side repeats it meanwhile.
    pub(super) held: Option<Box<(Origin, Response)>>,
    /// Until when the target may say nothing at all; `None`: it has said something.
    pub(super) silent_until: Option<Instant>,
    pub(super) hunt: Box<Hunt>,
}

impl Inviting {
    pub(super) fn deadline(&self) -> Instant {
        self.silent_until
            .map_or(self.deadline, |until| until.min(self.deadline))
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
            } if client == self.client => self.next_target(cx, parties, failure),
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
            Input::Acknowledged => self.release(cx, parties),
            Input::Unacknowledged => self.give_up(cx, parties, Refusal::PRACK_MISSING),
            Input::Deadline if self.deadline <= cx.now => {
                self.give_up(cx, parties, Refusal::NO_ANSWER)
            }
            Input::Deadline if self.silent_until.is_some_and(|until| until <= cx.now) => {
                self.next_target(cx, parties, Failure::TimedOut)
            }
            Input::End(refusal) => self.give_up(cx, parties, refusal),
            _ => State::Inviting(self),
        }
    }

    fn handle_response(
        mut self,
        cx: &mut Context,
        parties: &mut Parties,
        origin: Origin,
        response: Response,
    ) -> State {
        if !response.status.is_final() || response.status.is_success() {
            self.silent_until = None;
            self.hunt.heard(cx);
        }
        if response.status == StatusCode::TRYING {
            State::Inviting(self)
        } else if response.status.is_provisional() {
            self.proceed(cx, parties, &origin, &response)
        } else if response.status.is_success() {
            self.accept(cx, parties, origin, response)
        } else {
            self.decline(cx, parties, response)
        }
    }

    /// The target refused, for good or not.
    fn decline(self, cx: &mut Context, parties: &mut Parties, response: Response) -> State {
        let timer = &mut parties.leg_mut(Side::Callee).timer;
        if response.status == StatusCode::INTERVAL_TOO_SMALL && timer.raise(&response.headers) {
            return self.ask_again(cx, parties);
        }
        let (hunt, waiting, client) = self.into_parts();
        hunt.declined(cx, parties, waiting, (client, response))
    }

    /// The target is silent, or could not be asked.
    fn next_target(self, cx: &mut Context, parties: &mut Parties, failure: Failure) -> State {
        let (hunt, waiting, client) = self.into_parts();
        hunt.failed(cx, parties, waiting, client, failure)
    }

    fn into_parts(self) -> (Box<Hunt>, Waiting, ClientKey) {
        let waiting = Waiting {
            server: self.server,
            invite: self.invite,
            late_offer: self.late_offer,
            deadline: self.deadline,
        };
        (self.hunt, waiting, self.client)
    }

    /// Ringing, progress, early media. An SDP here is the answer only if the offer was ours to
    /// send; unless it came and went reliably, the 2xx has the last word.
    fn proceed(
        mut self,
        cx: &mut Context,
        parties: &mut Parties,
        origin: &Origin,
        response: &Response,
    ) -> State {
        let heard = parties.hear_provisional(cx, origin, response);
        if heard == Heard::Useless {
            return State::Inviting(self);
        }
        let passage = self.hunt.forks.proceed(cx, parties, response);
        let mut body = None;
        if let Ok(Some(sdp)) = session_description(&response.headers, &response.body)
            && !self.late_offer
            && passage == Passage::Whole
            && !parties.has_answered_caller()
            && let Ok(sdp) = parties.media.answer(cx, Side::Callee, sdp)
        {
            self.early_answer = Some(sdp.clone());
            self.hunt.forks.media_comes_from(response);
            body = Some(Description {
                sdp,
                described_by: &response.headers,
                came: &response.body,
            });
            parties.leg_mut(Side::Callee).has_answered |= heard == Heard::Reliable;
        }
        parties.rings(cx, response.status);
        if passage != Passage::Hidden {
            let invite = (self.server, &*self.invite);
            parties.pass_provisional(cx, invite, (response, heard), body, self.late_offer);
        }
        State::Inviting(self)
    }

    /// The caller has acknowledged what a 2xx had to wait for.
    fn release(mut self, cx: &mut Context, parties: &mut Parties) -> State {
        match self.held.take() {
            Some(held) => self.accept(cx, parties, held.0, held.1),
            None => State::Inviting(self),
        }
    }

    /// The far side wants a longer session interval (RFC 4028 section 7.3): the same INVITE with
    /// that.
    fn ask_again(self, cx: &mut Context, parties: &mut Parties) -> State {
        let owner = parties.owner(Side::Callee);
        let body = match self.late_offer {
            true => None,
            false => parties.media.described(Side::Callee),
        };
        let body = body.map(|sdp| Description {
            sdp,
            described_by: &self.invite.headers,
            came: &self.invite.body,
        });
        let mut crossing = Headers::new();
        parties
            .request_from(Side::Caller)
            .pass(&self.invite.headers, &mut crossing);
        match parties
            .leg_mut(Side::Callee)
            .invite_again(cx, owner, &crossing, body)
        {
            Some(client) => State::Inviting(Inviting {
                client,
                silent_until: None,
                ..self
            }),
            None => self.give_up(cx, parties, Refusal::ALL_TARGETS_FAILED),
        }
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
        parties.conclude_target(None, "cancelled".to_owned());
        parties.finish(cx, outcome);
        cx.cancel(self.client);
        let ending = Ending::default().with_invite(Side::Callee, self.client);
        match self.held {
            // It has answered already: ACK and BYE.
            Some(held) => {
                let (origin, response) = *held;
                let input = Input::Response {
                    side: Side::Callee,
                    client: self.client,
                    origin,
                    response,
                };
                ending.handle(cx, parties, input)
            }
            None => State::Ending(ending),
        }
    }
}

/// Makes the far leg's dialog from its 2xx.
pub(super) fn confirm_far_dialog(
    cx: &Context,
    parties: &mut Parties,
    origin: &Origin,
    response: &Response,
) -> bool {
    parties.leg_mut(Side::Callee).confirm(cx, origin, response)
}

/// The CSeq number of a response that was matched to its request.
pub(super) fn sequence(response: &Response) -> u32 {
    response.headers.cseq().map_or(0, |cseq| cseq.number)
}
