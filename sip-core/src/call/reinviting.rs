//! One side's re-INVITE is out to the other side. Whatever becomes of it, unless a side has lost
//! its dialog the call goes on.

use std::time::Instant;

use media_core::session::Side;

use super::accepted::Accepted;
use super::bodies::Description;
use super::context::Context;
use super::ending::Ending;
use super::headers::session_description;
use super::inviting::sequence;
use super::outcome::{Failure, Outcome, hop_refusal};
use super::parties::Parties;
use super::up::{self, Up};
use super::{Input, State};
use crate::message::{HeaderName, Method, RELIABLE, Request, Response, StatusCode};
use crate::refusal::Refusal;
use crate::stack::EventKind;
use crate::transaction::{ClientKey, ServerKey};

pub(super) struct Reinviting {
    pub(super) inviter: Side,
    pub(super) server: ServerKey,
    /// Its re-INVITE; or its UPDATE, if the other side does not take UPDATE.
    pub(super) invite: Box<Request>,
    pub(super) client: ClientKey,
    pub(super) late_offer: bool,
    /// When we stop waiting; `None` once it is cancelled.
    pub(super) deadline: Option<Instant>,
}

impl Reinviting {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn handle(self, cx: &mut Context, parties: &mut Parties, input: Input) -> State {
        match input {
            Input::Response {
                client, response, ..
            } if client == self.client => self.handle_response(cx, parties, &response),
            Input::Response {
                side: Side::Callee,
                origin,
                response,
                ..
            } => {
                parties.refuse_fork(cx, &origin, &response);
                State::Reinviting(self)
            }
            Input::Failed {
                client, failure, ..
            } if client == self.client => self.fail(cx, parties, failure),
            // Unlike the first INVITE this one is not answered 487 at once: the far side may have
            // changed the session already, and then both must.
            Input::Cancel { server } if server == self.server => self.cancel(cx),
            Input::Deadline => self.cancel(cx),
            Input::Bye { side, request } => self.hung_up(cx, parties, side, &request),
            Input::Invite {
                side,
                server,
                request,
            } => {
                if side == self.inviter {
                    parties.respond_later(cx, side, server, &request);
                } else {
                    // Section 14.2: our own INVITE to that side is in progress.
                    parties.respond(cx, side, server, &request, StatusCode::REQUEST_PENDING);
                }
                State::Reinviting(self)
            }
            Input::End(refusal) => {
                parties.refuse(cx, self.inviter, self.server, &self.invite, &refusal);
                cx.cancel(self.client);
                self.with_invite_open(up::end(cx, parties, &refusal))
            }
            _ => State::Reinviting(self),
        }
    }

    fn handle_response(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        response: &Response,
    ) -> State {
        if response.status == StatusCode::TRYING {
            State::Reinviting(self)
        } else if response.status.is_provisional() {
            // Both talk already: media does not change before the 2xx. Who wants such a response
            // reliable or not at all (RFC 3262 section 3) misses nothing.
            let headers = &self.invite.headers;
            if self.is_invite() && !headers.has_option_tag(HeaderName::Require, RELIABLE) {
                let invite = (self.server, &*self.invite);
                parties.pass_response(cx, self.inviter, invite, response, None);
            }
            State::Reinviting(self)
        } else if response.status.is_success() {
            self.accept(cx, parties, response)
        } else {
            self.decline(cx, parties, response)
        }
    }

    fn accept(self, cx: &mut Context, parties: &mut Parties, response: &Response) -> State {
        let far = self.inviter.other();
        refresh_targets(parties, far, response, &self.invite);
        let described = match session_description(&response.headers, &response.body) {
            Ok(Some(offer)) if self.late_offer => parties.media.offer(cx, far, offer),
            Ok(Some(answer)) => parties.media.answer(cx, far, answer),
            _ => Err(Refusal::NO_SDP),
        };
        let sdp = match described {
            Ok(sdp) => sdp,
            // The far side has changed its session and we cannot follow: there is no way back.
            Err(refusal) => {
                parties.acknowledge(cx, far, self.client, sequence(response), None);
                parties.refuse(cx, self.inviter, self.server, &self.invite, &refusal);
                return up::end(cx, parties, &refusal);
            }
        };
        let body = Some(Description {
            sdp,
            described_by: &response.headers,
            came: &response.body,
        });
        parties.pass_response(
            cx,
            self.inviter,
            (self.server, &self.invite),
            response,
            body,
        );
        if self.late_offer {
            let sequence = sequence(response);
            return State::Accepted(Accepted::awaiting_answer(
                self.inviter,
                self.server,
                self.client,
                sequence,
            ));
        }
        parties.acknowledge(cx, far, self.client, sequence(response), None);
        parties.media.confirm(cx);
        match self.is_invite() {
            true => State::Accepted(Accepted::awaiting_ack(self.inviter, self.server)),
            false => State::Up(Up),
        }
    }

    fn decline(self, cx: &mut Context, parties: &mut Parties, response: &Response) -> State {
        let timer = &mut parties.leg_mut(self.inviter.other()).timer;
        if response.status == StatusCode::INTERVAL_TOO_SMALL && timer.raise(&response.headers) {
            // The same once more, with the interval that the far side wants (RFC 4028
            // section 7.3).
            parties.media.reject(cx);
            return Up.invite(cx, parties, self.inviter, self.server, *self.invite);
        }
        parties.media.reject(cx);
        // An UPDATE cannot be cancelled: it was we who gave up.
        let is_ours = !self.is_invite() && response.status == StatusCode::REQUEST_TERMINATED;
        let gave_up = Refusal::NO_ANSWER.with_status(504);
        match hop_refusal(response.status).or(is_ours.then_some(gave_up)) {
            Some(refusal) => parties.refuse(cx, self.inviter, self.server, &self.invite, &refusal),
            None => parties.pass_response(
                cx,
                self.inviter,
                (self.server, &self.invite),
                response,
                None,
            ),
        }
        // Section 12.2.1.2: then the far side has no dialog any more.
        if [StatusCode::CALL_DOES_NOT_EXIST, StatusCode::REQUEST_TIMEOUT].contains(&response.status)
        {
            return up::end(cx, parties, &Refusal::DIALOG_LOST);
        }
        State::Up(Up)
    }

    fn is_invite(&self) -> bool {
        self.invite.method == Method::Invite
    }

    fn fail(self, cx: &mut Context, parties: &mut Parties, failure: Failure) -> State {
        let refusal = failure.refusal();
        let far = self.inviter.other();
        parties.event(
            cx,
            EventKind::PeerUnreachable,
            far,
            Some(refusal.code),
            failure.text().to_owned(),
        );
        parties.media.reject(cx);
        parties.refuse(cx, self.inviter, self.server, &self.invite, &refusal);
        match failure {
            Failure::TimedOut => up::end(cx, parties, &Refusal::DIALOG_LOST),
            Failure::TransportFailed(_) => State::Up(Up),
        }
    }

    fn cancel(self, cx: &mut Context) -> State {
        cx.cancel(self.client);
        State::Reinviting(Reinviting {
            deadline: None,
            ..self
        })
    }

    /// BYE ends the INVITE too: 487 to the inviter (section 15.1.2). Our INVITE to the far side is
    /// still open there, if that did not hang up by itself.
    fn hung_up(self, cx: &mut Context, parties: &mut Parties, side: Side, bye: &Request) -> State {
        parties.respond(
            cx,
            self.inviter,
            self.server,
            &self.invite,
            StatusCode::REQUEST_TERMINATED,
        );
        parties.finish(cx, Outcome::hung_up(side));
        cx.cancel(self.client);
        let client = parties.hang_up(cx, side.other(), None, Some(bye));
        self.with_invite_open(State::Ending(
            Ending::default().with_bye(side.other(), client),
        ))
    }

    fn with_invite_open(&self, state: State) -> State {
        match state {
            State::Ending(ending) => {
                State::Ending(ending.with_invite(self.inviter.other(), self.client))
            }
            other => other,
        }
    }
}

/// The 2xx to a re-INVITE makes both sides' new Contacts count.
fn refresh_targets(parties: &mut Parties, far: Side, response: &Response, invite: &Request) {
    for (side, headers) in [(far, &response.headers), (far.other(), &invite.headers)] {
        if let Some(dialog) = &mut parties.leg_mut(side).dialog {
            // A Contact that cannot be read changes nothing.
            let _ = dialog.refresh(headers);
        }
    }
}
