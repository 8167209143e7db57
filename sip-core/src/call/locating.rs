//! A target's name is being resolved: no INVITE is out.

use std::time::Instant;

use media_core::session::Side;

use super::context::Context;
use super::ending::Ending;
use super::hunting::{Hunt, Waiting};
use super::outcome::Outcome;
use super::parties::Parties;
use super::{Input, State};
use crate::message::StatusCode;
use crate::refusal::Refusal;
use crate::stack::ResolveId;
use crate::trunk::{Hop, TargetUri};

pub(super) struct Locating {
    hunt: Box<Hunt>,
    waiting: Waiting,
    target: TargetUri,
    id: ResolveId,
    /// A resolver that says nothing is like a target that does.
    until: Instant,
}

impl Locating {
    pub(super) fn new(
        hunt: Box<Hunt>,
        waiting: Waiting,
        target: TargetUri,
        id: ResolveId,
        until: Instant,
    ) -> Locating {
        Locating {
            hunt,
            waiting,
            target,
            id,
            until,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.until.min(self.waiting.deadline)
    }

    pub(super) fn handle(
        self: Box<Self>,
        cx: &mut Context,
        parties: &mut Parties,
        input: Input,
    ) -> State {
        match input {
            Input::Resolved { id, found } if id == self.id => self.located(cx, parties, found),
            Input::Deadline if self.waiting.deadline <= cx.now => {
                self.give_up(cx, parties, &Refusal::NO_ANSWER)
            }
            Input::Deadline if self.until <= cx.now => {
                self.located(cx, parties, Err("no answer from the resolver".to_owned()))
            }
            Input::Cancel { server } if server == self.waiting.server => self.cancel(cx, parties),
            Input::Bye {
                side: Side::Caller, ..
            } => self.cancel(cx, parties),
            Input::ResponseLost { server } if server == self.waiting.server => {
                self.cancel(cx, parties)
            }
            Input::Invite {
                side: Side::Caller,
                server,
                request,
            } => {
                parties.respond_later(cx, Side::Caller, server, &request);
                State::Locating(self)
            }
            Input::End(refusal) => self.give_up(cx, parties, &refusal),
            _ => State::Locating(self),
        }
    }

    fn located(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        found: Result<Vec<Hop>, String>,
    ) -> State {
        let Locating {
            hunt,
            waiting,
            target,
            ..
        } = self;
        hunt.located(cx, parties, waiting, &target, found)
    }

    fn cancel(self, cx: &mut Context, parties: &mut Parties) -> State {
        let Waiting { server, invite, .. } = &self.waiting;
        let status = StatusCode::REQUEST_TERMINATED;
        parties.respond(cx, Side::Caller, *server, invite, status);
        parties.finish(cx, Outcome::cancelled());
        State::Ending(Ending::default())
    }

    fn give_up(self, cx: &mut Context, parties: &mut Parties, refusal: &Refusal) -> State {
        let Waiting { server, invite, .. } = &self.waiting;
        parties.refuse(cx, Side::Caller, *server, invite, refusal);
        parties.finish(cx, Outcome::refused(refusal));
        State::Ending(Ending::default())
    }
}
