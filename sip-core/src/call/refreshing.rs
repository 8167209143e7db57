//! We refresh a leg's session (RFC 4028 section 10): by UPDATE without an offer if the peer takes
//! that, whatever the call does meanwhile; else by a re-INVITE with the description that the peer
//! has already, for which the call must be up.
//!
//! A re-INVITE also tells a caller what another target than the one whose answer it has
//! acknowledged (RFC 3262) took up of its offer. If it does not agree, the call ends: nobody would
//! hear anything. And it tells a side of a hold of ours ([`super::holding`]).

use std::time::{Duration, Instant};

use media_core::session::Side;

use super::accepted::Deferred;
use super::context::Context;
use super::ending::Ending;
use super::glare::retry_delay;
use super::headers::{ACCEPT, session_description};
use super::inviting::sequence;
use super::outcome::{Failure, Outcome};
use super::parties::Parties;
use super::up::{self, Up};
use super::{Call, Input, State};
use crate::message::{HeaderName, Method, Response, StatusCode};
use crate::refusal::Refusal;
use crate::transaction::ClientKey;

impl Call {
    /// A session must be refreshed.
    pub(super) fn refresh(mut self, cx: &mut Context, side: Side) -> Call {
        let owner = self.parties.owner(side);
        let leg = self.parties.leg_mut(side);
        leg.timer.put_off(cx.now, BUSY_DELAY);
        if leg.allows_update {
            if let Some((update, target)) = leg.request(cx, Method::Update) {
                let client = cx.request(owner, update, target);
                leg.timer.refreshing(client);
            }
            self
        } else if let State::Up(_) = self.state {
            self.step(cx, Input::Refresh { side })
        } else {
            // An INVITE is on its way already, and refreshes too, or is about to be over.
            self
        }
    }

    /// The final response to an UPDATE of ours that refreshes.
    pub(super) fn handle_refreshed(
        mut self,
        cx: &mut Context,
        side: Side,
        response: &Response,
    ) -> Call {
        let leg = self.parties.leg_mut(side);
        leg.timer.refresh_settled();
        match response.status {
            status if status.is_success() => {
                if let Some(dialog) = leg.dialog_now() {
                    // A Contact that cannot be read changes nothing.
                    let _ = dialog.refresh(&response.headers);
                }
            }
            StatusCode::INTERVAL_TOO_SMALL if leg.timer.raise(&response.headers) => {
                return self.refresh(cx, side);
            }
            StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => {
                return self.step(cx, Input::End(Refusal::DIALOG_LOST));
            }
            // What it said in Allow is not so.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                leg.allows_update = false;
                leg.timer.put_off(cx.now, Duration::ZERO);
            }
            _ => {}
        }
        self
    }

    pub(super) fn handle_refresh_failure(
        mut self,
        cx: &mut Context,
        side: Side,
        failure: &Failure,
    ) -> Call {
        self.parties.leg_mut(side).timer.refresh_settled();
        match failure {
            Failure::TimedOut => self.step(cx, Input::End(Refusal::DIALOG_LOST)),
            Failure::TransportFailed(_) => self,
        }
    }

    /// Offers the caller what it was not answered, as soon as that may be.
    pub(super) fn correct_caller(mut self, cx: &mut Context) -> Call {
        let parties = &mut self.parties;
        let due = parties.media.correction_due();
        if !matches!(self.state, State::Up(_)) || due.is_none_or(|due| due > cx.now) {
            return self;
        }
        if parties.offers().is_some() {
            parties.media.put_off_correction(cx.now + SHORT_DELAY);
            return self;
        }
        match Refreshing::correct(cx, parties) {
            Some(state) => self.state = state,
            None => parties.media.forget_correction(),
        }
        self
    }
}

/// A re-INVITE of our own is out to one side.
pub(super) struct Refreshing {
    side: Side,
    purpose: Purpose,
    client: ClientKey,
    /// When we stop waiting; `None` once it is cancelled.
    deadline: Option<Instant>,
    /// A re-INVITE of the other side: it waits its turn.
    deferred: Option<Box<Deferred>>,
}

/// What it is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The session timer.
    Refresh,
    /// The side had another description before.
    Correct,
    /// A hold of ours begins, or ends.
    Hold { on: bool },
}

impl Refreshing {
    /// Sends it. `None` if there is nothing to send.
    pub(super) fn start(cx: &mut Context, parties: &mut Parties, side: Side) -> Option<State> {
        let offer = parties.media.settled(side)?;
        Refreshing::offer(cx, parties, side, offer, Purpose::Refresh)
    }

    fn correct(cx: &mut Context, parties: &mut Parties) -> Option<State> {
        let offer = parties.media.correction()?;
        Refreshing::offer(cx, parties, Side::Caller, offer, Purpose::Correct)
    }

    /// Tells a side that the call is held by us, or is not any more. `None` if it cannot be told.
    pub(super) fn turn(
        cx: &mut Context,
        parties: &mut Parties,
        side: Side,
        on: bool,
    ) -> Option<State> {
        let offer = parties.media.redirected(side)?;
        Refreshing::offer(cx, parties, side, offer, Purpose::Hold { on })
    }

    fn offer(
        cx: &mut Context,
        parties: &mut Parties,
        side: Side,
        offer: Vec<u8>,
        purpose: Purpose,
    ) -> Option<State> {
        let owner = parties.owner(side);
        let (mut invite, target) = parties.leg_mut(side).request(cx, Method::Invite)?;
        invite.headers.push(HeaderName::ContentType, ACCEPT);
        invite.body = offer;
        let client = cx.request(owner, invite, target);
        Some(State::Refreshing(Refreshing {
            side,
            purpose,
            client,
            deadline: Some(cx.now + cx.config.timers.timeout()),
            deferred: None,
        }))
    }

    pub(super) fn side(&self) -> Side {
        self.side
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn handle(mut self, cx: &mut Context, parties: &mut Parties, input: Input) -> State {
        match input {
            Input::Response {
                client, response, ..
            } if client == self.client => self.handle_response(cx, parties, &response),
            Input::Failed {
                client, failure, ..
            } if client == self.client => match failure {
                Failure::TimedOut => self.end_answered(cx, parties, &Refusal::DIALOG_LOST),
                Failure::TransportFailed(_) if self.purpose == Purpose::Correct => {
                    self.end_answered(cx, parties, &failure.refusal())
                }
                Failure::TransportFailed(reason) => {
                    if let Purpose::Hold { on } = self.purpose {
                        parties.hold_lost(cx, self.side, on, &reason);
                    }
                    self.resume(cx, parties)
                }
            },
            Input::Response {
                side: Side::Callee,
                origin,
                response,
                ..
            } => {
                parties.refuse_fork(cx, &origin, &response);
                State::Refreshing(self)
            }
            Input::Deadline => {
                cx.cancel(self.client);
                self.deadline = None;
                State::Refreshing(self)
            }
            Input::Bye { side, request } => {
                self.settle(cx, parties);
                parties.finish(cx, Outcome::hung_up(side));
                cx.cancel(self.client);
                let bye = parties.hang_up(cx, side.other(), None, Some(&request));
                let ending = Ending::default().with_bye(side.other(), bye);
                State::Ending(ending.with_invite(self.side, self.client))
            }
            Input::Invite {
                side,
                server,
                request,
            } => {
                let invite = Deferred {
                    side,
                    server,
                    request,
                };
                if side == self.side {
                    // RFC 3261 section 14.2: ours is in progress there.
                    invite.respond(cx, parties, StatusCode::REQUEST_PENDING);
                } else if self.deferred.is_some() {
                    parties.respond_later(cx, side, server, &invite.request);
                } else {
                    self.deferred = Some(Box::new(invite));
                }
                State::Refreshing(self)
            }
            Input::Cancel { server } => {
                if let Some(deferred) = self.deferred.take_if(|invite| invite.server == server) {
                    deferred.respond(cx, parties, StatusCode::REQUEST_TERMINATED);
                }
                State::Refreshing(self)
            }
            Input::End(refusal) => self.end(cx, parties, &refusal),
            _ => State::Refreshing(self),
        }
    }

    fn handle_response(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        response: &Response,
    ) -> State {
        let leg = parties.leg_mut(self.side);
        match response.status {
            status if status.is_provisional() => return State::Refreshing(self),
            status if status.is_success() => {
                if let Some(dialog) = &mut leg.dialog {
                    // A Contact that cannot be read changes nothing.
                    let _ = dialog.refresh(&response.headers);
                }
                parties.acknowledge(cx, self.side, self.client, sequence(response), None);
                if let Err(refusal) = self.take_answer(cx, parties, response) {
                    return self.end_answered(cx, parties, &refusal);
                }
                if let Purpose::Hold { on } = self.purpose {
                    parties.hold.told(self.side, on);
                }
            }
            StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => {
                return self.end_answered(cx, parties, &Refusal::DIALOG_LOST);
            }
            StatusCode::INTERVAL_TOO_SMALL if leg.timer.raise(&response.headers) => {
                leg.timer.put_off(cx.now, Duration::ZERO);
            }
            StatusCode::REQUEST_PENDING if self.may_ask_again(cx, parties) => {}
            _ if self.purpose == Purpose::Correct => {
                return self.end_answered(cx, parties, &Refusal::NO_COMMON_CODEC);
            }
            status => {
                // A refresh is not so important.
                if let Purpose::Hold { on } = self.purpose {
                    let why = format!("{status} {}", status.reason());
                    parties.hold_refused(cx, self.side, on, &why);
                }
            }
        }
        self.resume(cx, parties)
    }

    /// Glare: the same once more after a while, but not for ever. A refresh is bounded by the end of
    /// the session.
    fn may_ask_again(&self, cx: &mut Context, parties: &mut Parties) -> bool {
        let delay = retry_delay(cx, parties.leg(self.side));
        let until = cx.now + delay;
        parties.leg_mut(self.side).timer.put_off(cx.now, delay);
        parties.media.put_off_correction(until);
        match self.purpose {
            Purpose::Refresh => true,
            Purpose::Correct => parties.media.correction_may_wait(cx, delay),
            Purpose::Hold { .. } => {
                parties.hold.put_off(until);
                parties.hold.glare.may_wait(cx, delay)
            }
        }
    }

    fn take_answer(
        &self,
        cx: &mut Context,
        parties: &mut Parties,
        response: &Response,
    ) -> Result<(), Refusal> {
        match session_description(&response.headers, &response.body) {
            Ok(Some(answer)) => match self.purpose {
                Purpose::Refresh => parties.media.refreshed(cx, self.side, answer),
                Purpose::Correct => parties.media.corrected(cx, answer),
                Purpose::Hold { on } => parties.media.turned(cx, self.side, answer, on),
            },
            _ if self.purpose == Purpose::Correct => Err(Refusal::NO_SDP),
            _ => Ok(()),
        }
    }

    /// The call goes on, with the re-INVITE that had to wait.
    fn resume(self, cx: &mut Context, parties: &mut Parties) -> State {
        match self.deferred {
            Some(invite) => Up.invite(cx, parties, invite.side, invite.server, invite.request),
            None => State::Up(Up),
        }
    }

    fn end_answered(&self, cx: &mut Context, parties: &mut Parties, refusal: &Refusal) -> State {
        self.settle(cx, parties);
        up::end(cx, parties, refusal)
    }

    fn end(self, cx: &mut Context, parties: &mut Parties, refusal: &Refusal) -> State {
        cx.cancel(self.client);
        match self.end_answered(cx, parties, refusal) {
            State::Ending(ending) => State::Ending(ending.with_invite(self.side, self.client)),
            other => other,
        }
    }

    fn settle(&self, cx: &mut Context, parties: &Parties) {
        if let Some(deferred) = &self.deferred {
            deferred.respond(cx, parties, StatusCode::REQUEST_TERMINATED);
        }
    }
}

/// Until the next try if a refresh was neither taken nor fatally refused.
const BUSY_DELAY: Duration = Duration::from_secs(20);
/// Until an offer that is in the way is answered.
const SHORT_DELAY: Duration = Duration::from_millis(200);
