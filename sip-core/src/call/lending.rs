//! A side of a call goes over to another call (SIG-7): that call's description is offered to it in
//! its own dialog, and if it agrees the leg is handed over, dialog and all. If not, nothing has
//! happened.

use std::time::Instant;

use media_core::session::{CallId, Side};

use super::context::{Context, Note};
use super::ending::Ending;
use super::headers::ACCEPT;
use super::inviting::sequence;
use super::leg::Leg;
use super::outcome::{Failure, Outcome};
use super::parties::Parties;
use super::transfer::{Asker, the};
use super::up::{self, Up};
use super::{Call, Input, State};
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::refusal::Refusal;
use crate::stack::EventKind;
use crate::transaction::{ClientKey, ServerKey};

/// A re-INVITE on behalf of another call is out.
pub(super) struct Lending {
    side: Side,
    client: ClientKey,
    to: CallId,
    /// When we stop waiting; `None` once it is cancelled.
    deadline: Option<Instant>,
}

impl Lending {
    /// Offers `sdp`, which call `to` made for that side.
    pub(super) fn start(
        cx: &mut Context,
        parties: &mut Parties,
        side: Side,
        sdp: Vec<u8>,
        to: CallId,
    ) -> State {
        let owner = parties.owner(side);
        let Some((mut invite, target)) = parties.leg_mut(side).request(cx, Method::Invite) else {
            cx.notes.push_back(Note::NotLent {
                from: parties.id,
                to,
                status: StatusCode::CALL_DOES_NOT_EXIST,
            });
            return State::Up(Up);
        };
        invite.headers.push(HeaderName::ContentType, ACCEPT);
        invite.body = sdp;
        let client = cx.request(owner, invite, target);
        State::Lending(Lending {
            side,
            client,
            to,
            deadline: Some(cx.now + cx.config.timers.timeout()),
        })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn handle(mut self, cx: &mut Context, parties: &mut Parties, input: Input) -> State {
        match input {
            Input::Response {
                client, response, ..
            } if client == self.client => self.handle_response(cx, parties, response),
            Input::Failed {
                client, failure, ..
            } if client == self.client => {
                self.refuse_loan(cx, parties.id, StatusCode::SERVICE_UNAVAILABLE);
                match failure {
                    Failure::TimedOut => up::end(cx, parties, &Refusal::DIALOG_LOST),
                    Failure::TransportFailed(_) => State::Up(Up),
                }
            }
            Input::Deadline => {
                cx.cancel(self.client);
                self.deadline = None;
                State::Lending(self)
            }
            Input::Bye { side, request } => {
                self.refuse_loan(cx, parties.id, StatusCode::TEMPORARILY_UNAVAILABLE);
                parties.finish(cx, Outcome::hung_up(side));
                cx.cancel(self.client);
                let bye = parties.hang_up(cx, side.other(), None, Some(&request));
                self.with_invite_open(State::Ending(Ending::default().with_bye(side.other(), bye)))
            }
            Input::Invite {
                side,
                server,
                request,
            } => {
                if side == self.side {
                    // RFC 3261 section 14.2: ours is in progress there.
                    let status = StatusCode::REQUEST_PENDING;
                    parties.respond(cx, side, server, &request, status);
                } else {
                    parties.respond_later(cx, side, server, &request);
                }
                State::Lending(self)
            }
            Input::End(refusal) => {
                self.refuse_loan(cx, parties.id, StatusCode::TEMPORARILY_UNAVAILABLE);
                cx.cancel(self.client);
                self.with_invite_open(up::end(cx, parties, &refusal))
            }
            _ => State::Lending(self),
        }
    }

    fn handle_response(self, cx: &mut Context, parties: &mut Parties, response: Response) -> State {
        if response.status.is_provisional() {
            return State::Lending(self);
        }
        if !response.status.is_success() {
            self.refuse_loan(cx, parties.id, response.status);
            let is_lost = [StatusCode::CALL_DOES_NOT_EXIST, StatusCode::REQUEST_TIMEOUT];
            return match is_lost.contains(&response.status) {
                true => up::end(cx, parties, &Refusal::DIALOG_LOST),
                false => State::Up(Up),
            };
        }
        let leg = parties.leg_mut(self.side);
        if let Some(dialog) = &mut leg.dialog {
            // A Contact that cannot be read changes nothing.
            let _ = dialog.refresh(&response.headers);
        }
        parties.acknowledge(cx, self.side, self.client, sequence(&response), None);
        let leg = Box::new(parties.leg_mut(self.side).hand_over());
        cx.notes.push_back(Note::Lent {
            from: parties.id,
            to: self.to,
            leg,
            response: Box::new(response),
        });
        State::Lent(Lent {
            rest: self.side.other(),
        })
    }

    fn refuse_loan(&self, cx: &mut Context, from: CallId, status: StatusCode) {
        cx.notes.push_back(Note::NotLent {
            from,
            to: self.to,
            status,
        });
    }

    fn with_invite_open(&self, state: State) -> State {
        match state {
            State::Ending(ending) => State::Ending(ending.with_invite(self.side, self.client)),
            other => other,
        }
    }
}

/// The leg is handed over; the other call is about to say whether it has it.
pub(super) struct Lent {
    rest: Side,
}

impl Lent {
    pub(super) fn handle(self, cx: &mut Context, parties: &mut Parties, input: Input) -> State {
        match input {
            Input::Invite {
                side,
                server,
                request,
            } => {
                parties.respond(cx, side, server, &request, StatusCode::CALL_DOES_NOT_EXIST);
                State::Lent(self)
            }
            _ => State::Lent(self),
        }
    }
}

/// The side that stays behind after a transfer is expected to hang up (RFC 5589 section 6.1); if it
/// does not, we do.
pub(super) struct Departing {
    side: Side,
    deadline: Instant,
}

impl Departing {
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn handle(self, cx: &mut Context, parties: &mut Parties, input: Input) -> State {
        match input {
            Input::Bye { .. } => State::Ending(Ending::default()),
            Input::Deadline | Input::End(_) => {
                let bye = parties.hang_up(cx, self.side, None, None);
                State::Ending(Ending::default().with_bye(self.side, bye))
            }
            Input::Invite {
                side,
                server,
                request,
            } => {
                parties.respond(cx, side, server, &request, StatusCode::CALL_DOES_NOT_EXIST);
                State::Departing(self)
            }
            _ => State::Departing(self),
        }
    }
}

impl Call {
    /// Another call wants that side, and offers it `sdp`.
    pub(crate) fn lend(mut self, cx: &mut Context, side: Side, sdp: Vec<u8>, to: CallId) -> Call {
        let is_free = self.parties.offers().is_none() && self.parties.transfer.is_none();
        if !matches!(self.state, State::Up(_)) || !is_free {
            let status = StatusCode::REQUEST_PENDING;
            let from = self.parties.id;
            cx.notes.push_back(Note::NotLent { from, to, status });
            return self;
        }
        self.state = Lending::start(cx, &mut self.parties, side, sdp, to);
        self
    }

    /// The call that wanted a side does not any more.
    pub(crate) fn loan_unwanted(mut self, cx: &mut Context, to: CallId) -> Call {
        if let State::Lending(lending) = &mut self.state
            && lending.to == to
        {
            cx.cancel(lending.client);
            lending.deadline = None;
        }
        self
    }

    /// The leg that was handed over is another call's now, or, if that call was over, nobody's.
    pub(crate) fn loan_settled(mut self, cx: &mut Context, was_taken: bool) -> Call {
        let State::Lent(Lent { rest }) = self.state else {
            return self;
        };
        let status = match was_taken {
            true => StatusCode::OK,
            false => StatusCode::TEMPORARILY_UNAVAILABLE,
        };
        if was_taken && self.parties.transfer.is_none() {
            let text = format!("{}, whom another call has asked for", the(rest.other()));
            self.parties
                .event(cx, EventKind::CallTransferred, rest.other(), None, text);
        }
        let asker = self.conclude_transfer(cx, status);
        let parties = &mut self.parties;
        let (outcome, because) = match asker {
            Asker::Operator => {
                let refusal = Refusal::TRANSFERRED;
                (Outcome::ended(&refusal), Some(refusal))
            }
            Asker::Side | Asker::Nobody => (Outcome::transferred(rest), None),
        };
        parties.finish(cx, outcome);
        self.state = match asker {
            // Who asked for it hangs up when it has heard of the result.
            Asker::Side => State::Departing(Departing {
                side: rest,
                deadline: cx.now + PATIENCE,
            }),
            Asker::Operator | Asker::Nobody => {
                let bye = parties.hang_up(cx, rest, because.as_ref(), None);
                State::Ending(Ending::default().with_bye(rest, bye))
            }
        };
        self
    }

    /// The leg that this call needs, as its peer answered `response`. The leg comes back if the
    /// call has no use for it any more.
    pub(crate) fn take_over(
        mut self,
        cx: &mut Context,
        leg: Leg,
        response: &Response,
    ) -> (Call, Option<Leg>) {
        match self.state {
            State::Joining(joining) => {
                self.parties.adopt(cx, Side::Callee, leg);
                self.state = joining.joined(cx, &mut self.parties, response);
                (self, None)
            }
            State::Accepted(ref accepted) if is_own(cx, accepted.server()) => {
                let server = accepted.server();
                self.parties.adopt(cx, Side::Caller, leg);
                let answered = self
                    .parties
                    .media
                    .refreshed(cx, Side::Caller, &response.body);
                let uri = self.parties.leg(Side::Caller).contact.uri().clone();
                let request = Request::new(Method::Ack, uri);
                let call = self.step(cx, Input::Ack { server, request });
                match answered {
                    Ok(()) => (call, None),
                    Err(refusal) => (call.step(cx, Input::End(refusal)), None),
                }
            }
            _ => (self, Some(leg)),
        }
    }

    /// The leg that this call needs is not to be had.
    pub(crate) fn not_lent(self, cx: &mut Context, status: StatusCode) -> Call {
        let refusal = Refusal::TRANSFER.with_status(status.code());
        self.give_up_own(cx, refusal)
    }

    /// Ends a call that was made for a transfer, or an INVITE that joins another call.
    pub(crate) fn give_up_own(self, cx: &mut Context, refusal: Refusal) -> Call {
        let mut own = cx.own_invites.iter();
        let own = own.find(|(_, own)| own.call == self.parties.id);
        let own = own.map(|(server, _)| *server);
        let call = self.step(cx, Input::End(refusal));
        match own {
            // Nobody acknowledges what we answered ourselves.
            Some(server) => call.step(cx, Input::ServerGone { server }),
            None => call,
        }
    }
}

impl Parties {
    fn adopt(&mut self, cx: &mut Context, side: Side, leg: Leg) {
        cx.legs.remove(&self.leg(side).key);
        for key in std::iter::once(&leg.key).chain(&leg.other_keys) {
            cx.legs.insert(key.clone(), self.owner(side));
        }
        *self.leg_mut(side) = leg;
    }
}

/// An INVITE of ours to ourselves has no transaction.
fn is_own(cx: &Context, server: ServerKey) -> bool {
    cx.own_invites.contains_key(&server)
}

/// How long the one who asked for a transfer may take to hang up.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
