//! One side's INVITE is answered with 2xx; its ACK is awaited. So it is after the first INVITE and
//! after each re-INVITE.
//!
//! With a late offer the far side waits too: the ACK brings the answer to its offer.

use media_core::session::Side;

use super::bodies::Description;
use super::context::Context;
use super::ending::Ending;
use super::headers::session_description;
use super::outcome::Outcome;
use super::parties::Parties;
use super::up::Up;
use super::{Input, State};
use crate::message::{Request, StatusCode};
use crate::refusal::Refusal;
use crate::transaction::{ClientKey, ServerKey};

pub(super) struct Accepted {
    inviter: Side,
    server: ServerKey,
    late: Option<LateOffer>,
    /// A re-INVITE that came in the meantime: RFC 3261 section 14.1 forbids an INVITE of ours to
    /// the inviter before its ACK is here, and there is no glare that 491 would name.
    deferred: Option<Box<Deferred>>,
}

/// The far side's INVITE, whose 2xx made an offer: its ACK is owed.
struct LateOffer {
    client: ClientKey,
    sequence: u32,
}

pub(super) struct Deferred {
    pub(super) side: Side,
    pub(super) server: ServerKey,
    pub(super) request: Request,
}

impl Accepted {
    pub(super) fn awaiting_ack(inviter: Side, server: ServerKey) -> Accepted {
        Accepted {
            inviter,
            server,
            late: None,
            deferred: None,
        }
    }

    /// The ACK must bring the answer for the far side's INVITE `client`.
    pub(super) fn awaiting_answer(
        inviter: Side,
        server: ServerKey,
        client: ClientKey,
        sequence: u32,
    ) -> Accepted {
        Accepted {
            inviter,
            server,
            late: Some(LateOffer { client, sequence }),
            deferred: None,
        }
    }

    pub(super) fn server(&self) -> ServerKey {
        self.server
    }

    /// Whose offer in a 2xx still has no answer.
    pub(super) fn offerer(&self) -> Option<Side> {
        self.late.as_ref().map(|_| self.inviter.other())
    }

    pub(super) fn handle(mut self, cx: &mut Context, parties: &mut Parties, input: Input) -> State {
        match input {
            Input::Ack { server, request } if server == self.server => {
                self.acknowledge(cx, parties, &request)
            }
            Input::ServerGone { server } if server == self.server => {
                cx.counters.acks_missing += 1;
                self.end(cx, parties, &Refusal::ACK_MISSING, AckState::GivenUp)
            }
            Input::Bye { side, request } => self.hung_up(cx, parties, side, &request),
            Input::Invite {
                side,
                server,
                request,
            } => self.defer(
                cx,
                parties,
                Deferred {
                    side,
                    server,
                    request,
                },
            ),
            Input::Cancel { server } => {
                if let Some(deferred) = self.deferred.take_if(|deferred| deferred.server == server)
                {
                    deferred.respond(cx, parties, StatusCode::REQUEST_TERMINATED);
                }
                State::Accepted(self)
            }
            Input::End(refusal) => self.end(cx, parties, &refusal, AckState::Awaited),
            Input::Response {
                side: Side::Callee,
                origin,
                response,
                ..
            } => {
                parties.refuse_fork(cx, &origin, &response);
                State::Accepted(self)
            }
            _ => State::Accepted(self),
        }
    }

    fn acknowledge(self, cx: &mut Context, parties: &mut Parties, ack: &Request) -> State {
        if let Some(late) = &self.late {
            let far = self.inviter.other();
            let answered = match session_description(&ack.headers, &ack.body) {
                Ok(Some(sdp)) => parties.media.answer(cx, self.inviter, sdp),
                _ => Err(Refusal::NO_SDP),
            };
            match answered {
                Ok(sdp) => {
                    let body = Some(Description {
                        sdp,
                        described_by: &ack.headers,
                        came: &ack.body,
                    });
                    parties.acknowledge(cx, far, late.client, late.sequence, body);
                    parties.media.confirm(cx);
                }
                Err(refusal) => return self.end(cx, parties, &refusal, AckState::Here),
            }
        }
        match self.deferred {
            Some(deferred) => Up.invite(
                cx,
                parties,
                deferred.side,
                deferred.server,
                deferred.request,
            ),
            None => State::Up(Up),
        }
    }

    fn defer(mut self, cx: &mut Context, parties: &mut Parties, deferred: Deferred) -> State {
        match &self.deferred {
            None => self.deferred = Some(Box::new(deferred)),
            Some(earlier) if earlier.side == deferred.side => {
                parties.respond_later(cx, deferred.side, deferred.server, &deferred.request);
            }
            Some(_) => deferred.respond(cx, parties, StatusCode::REQUEST_PENDING),
        }
        State::Accepted(self)
    }

    /// A side hung up. The inviter's BYE makes its ACK needless; towards an inviter that has not
    /// acknowledged, our BYE must wait for that (RFC 3261 section 15).
    fn hung_up(self, cx: &mut Context, parties: &mut Parties, side: Side, bye: &Request) -> State {
        self.settle(cx, parties);
        parties.finish(cx, Outcome::hung_up(side));
        if side == self.inviter {
            let client = parties.hang_up(cx, side.other(), None, Some(bye));
            return State::Ending(Ending::default().with_bye(side.other(), client));
        }
        State::Ending(Ending::default().with_ack_awaited(self.inviter, self.server))
    }

    /// We end the call.
    fn end(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        refusal: &Refusal,
        ack: AckState,
    ) -> State {
        self.settle(cx, parties);
        parties.finish(cx, Outcome::ended(refusal));
        let far = self.inviter.other();
        let bye = parties.hang_up(cx, far, Some(refusal), None);
        let ending = Ending::default().with_bye(far, bye);
        State::Ending(match ack {
            AckState::Awaited => ending.with_ack_awaited(self.inviter, self.server),
            AckState::Here | AckState::GivenUp => {
                let bye = parties.hang_up(cx, self.inviter, Some(refusal), None);
                ending.with_bye(self.inviter, bye)
            }
        })
    }

    /// Whoever still waits for something is told that it will not come: the far side gets an ACK
    /// without an answer, for BYE follows; a deferred INVITE gets 487 (section 15.1.2).
    fn settle(&self, cx: &mut Context, parties: &Parties) {
        if let Some(late) = &self.late {
            parties.acknowledge(cx, self.inviter.other(), late.client, late.sequence, None);
        }
        if let Some(deferred) = &self.deferred {
            deferred.respond(cx, parties, StatusCode::REQUEST_TERMINATED);
        }
    }
}

/// What is known of the inviter's ACK when the call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AckState {
    Awaited,
    Here,
    GivenUp,
}

impl Deferred {
    pub(super) fn respond(&self, cx: &mut Context, parties: &Parties, status: StatusCode) {
        parties.respond(cx, self.side, self.server, &self.request, status);
    }
}
