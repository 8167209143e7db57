//! Both sides talk.

use media_core::session::Side;

use super::bodies::{Description, pass_other_body};
use super::context::Context;
use super::ending::Ending;
use super::headers::session_description;
use super::outcome::Outcome;
use super::parties::Parties;
use super::refreshing::Refreshing;
use super::reinviting::Reinviting;
use super::{Input, State};
use crate::message::{Method, Request, StatusCode};
use crate::refusal::Refusal;
use crate::stack::EventKind;
use crate::transaction::ServerKey;

pub(super) struct Up;

impl Up {
    pub(super) fn handle(self, cx: &mut Context, parties: &mut Parties, input: Input) -> State {
        match input {
            Input::Bye { side, request } => {
                parties.finish(cx, Outcome::hung_up(side));
                let bye = parties.hang_up(cx, side.other(), None, Some(&request));
                State::Ending(Ending::default().with_bye(side.other(), bye))
            }
            Input::Invite {
                side,
                server,
                request,
            } => self.invite(cx, parties, side, server, request),
            Input::Refresh { side } => {
                Refreshing::start(cx, parties, side).unwrap_or(State::Up(self))
            }
            Input::End(refusal) => end(cx, parties, &refusal),
            Input::Response {
                side: Side::Callee,
                origin,
                response,
                ..
            } => {
                parties.refuse_fork(cx, &origin, &response);
                State::Up(self)
            }
            _ => State::Up(self),
        }
    }

    /// A side's re-INVITE goes on to the other one.
    pub(super) fn invite(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        side: Side,
        server: ServerKey,
        request: Request,
    ) -> State {
        // The body's type was checked when it came.
        let offer = session_description(&request.headers, &request.body)
            .ok()
            .flatten();
        let offered = offer
            .map(|sdp| parties.media.offer(cx, side, sdp))
            .transpose();
        let body = match offered {
            Ok(sdp) => sdp.map(|sdp| Description {
                sdp,
                described_by: &request.headers,
                came: &request.body,
            }),
            Err(refusal) => {
                parties.event(
                    cx,
                    EventKind::ReinviteRefused,
                    side,
                    Some(refusal.code),
                    refusal.text.to_owned(),
                );
                parties.refuse(cx, side, server, &request, &refusal);
                return State::Up(self);
            }
        };
        let late_offer = body.is_none();
        let far = side.other();
        let Some((mut invite, target)) = parties.leg_mut(far).request(cx, Method::Invite) else {
            parties.respond(
                cx,
                side,
                server,
                &request,
                StatusCode::SERVER_INTERNAL_ERROR,
            );
            return State::Up(self);
        };
        parties
            .request_from(side)
            .pass(&request.headers, &mut invite.headers);
        match body {
            Some(body) => body.attach(&mut invite.headers, &mut invite.body),
            None => pass_other_body(
                (&request.headers, &request.body),
                &mut invite.headers,
                &mut invite.body,
            ),
        }
        let client = cx.request(parties.owner(far), invite, target);
        let patience = match request.method {
            Method::Invite => cx.config.ring_timeout,
            // Whoever sent an UPDATE waits 64*T1 for its response (RFC 3261 section 17.1.2.2).
            _ => cx.config.timers.timeout() * 3 / 4,
        };
        State::Reinviting(Reinviting {
            inviter: side,
            server,
            invite: Box::new(request),
            client,
            late_offer,
            deadline: Some(cx.now + patience),
        })
    }
}

/// We end the call: BYE to both.
pub(super) fn end(cx: &mut Context, parties: &mut Parties, refusal: &Refusal) -> State {
    parties.finish(cx, Outcome::ended(refusal));
    let mut ending = Ending::default();
    for side in [Side::Caller, Side::Callee] {
        let bye = parties.hang_up(cx, side, Some(refusal), None);
        ending = ending.with_bye(side, bye);
    }
    State::Ending(ending)
}
