//! An INVITE or MESSAGE that makes no call: the answer, the event and the record.

use std::time::{Duration, Instant};

use media_core::session::CallId;

use super::refusals::{is_strangers, note};
use super::{CallRecord, Command, Event, EventKind, LegRecord, Stack};
use crate::call::NewInvite;
use crate::call::outcome::Outcome;
use crate::message::{Method, Request, Response};
use crate::refusal::Refusal;
use crate::transaction::Overload;
use crate::transport::Origin;
use crate::trunk::TrunkId;

/// Why an INVITE makes no call, with a response that says more than the refusal alone, and the
/// caller's trunk as far as it is known.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) response: Option<Box<Response>>,
    pub(super) trunk: Option<TrunkId>,
    /// More than the refusal's text says.
    pub(super) detail: Option<String>,
    /// How long the answer is held back.
    pub(super) delay: Option<Duration>,
}

impl Refused {
    pub(super) fn because(self, detail: String) -> Refused {
        Refused {
            detail: Some(detail),
            ..self
        }
    }

    pub(super) fn of(refusal: Refusal, trunk: Option<TrunkId>) -> Refused {
        Refused {
            refusal,
            response: None,
            trunk,
            detail: None,
            delay: None,
        }
    }
}

impl Stack {
    /// Answers an INVITE that makes no call, with an event and a record.
    pub(super) fn refuse(&mut self, invite: &NewInvite, refused: Refused) {
        let NewInvite {
            origin, request, ..
        } = invite;
        let refusal = refused.refusal;
        let response = refused.response.map_or_else(
            || {
                self.cx
                    .refusal_response(request, &invite.tag, &refusal, origin.listener)
            },
            |response| *response,
        );
        match refused.delay {
            Some(delay) => self.hold_back(invite.server, origin, response, delay),
            None => self.cx.respond(invite.server, &response),
        }
        if refusal == Refusal::LIMIT {
            self.cx.counters.calls_over_limit += 1;
        }
        let is_stranger = is_strangers(&refusal, refused.trunk.is_some());
        let trunk = refused.trunk.and_then(|id| self.leg_trunk(id));
        let trunk = trunk.map(|trunk| trunk.settings.name.clone());
        let call = (invite.id, origin, request);
        let user = invite.user.clone();
        self.tell_refusal(call, (trunk, user), is_stranger, (refusal, refused.detail));
    }

    /// An INVITE that was turned away in overload: nothing of it was looked at.
    pub(super) fn handle_shed(&mut self, origin: &Origin, request: &Request, overload: Overload) {
        self.cx.counters.calls_shed += 1;
        let what = match overload {
            Overload::Late => "messages wait too long".to_owned(),
            Overload::Rate(rate) => format!("more than {rate} calls per second"),
        };
        let pause = self.cx.config.timers.timeout();
        let now = self.cx.now;
        if self.overload_told.is_none_or(|told| now >= told + pause) {
            self.overload_told = Some(now);
            self.tell_overload(origin, what.clone());
        }
        let call = (self.next_call(), origin, request);
        self.tell_refusal(call, (None, None), true, (Refusal::OVERLOADED, Some(what)));
    }

    /// Counts a refused INVITE, and leaves its event and record unless there are too many.
    fn tell_refusal(
        &mut self,
        (call, origin, request): (CallId, &Origin, &Request),
        (trunk, user): (Option<String>, Option<String>),
        is_stranger: bool,
        (refusal, detail): (Refusal, Option<String>),
    ) {
        self.cx.counters.calls_refused += 1;
        let Some(untold) = self.told.admit(self.cx.now, is_stranger) else {
            self.cx.counters.refusals_untold += 1;
            return;
        };
        let mut outcome = Outcome::refused(&refusal);
        if let Some(detail) = detail {
            outcome.reason = format!("{}: {detail}", outcome.reason);
        }
        let kind = match request.method {
            Method::Message => {
                outcome.reason = format!("MESSAGE: {}", outcome.reason);
                EventKind::MessageRefused
            }
            _ => EventKind::CallRefused,
        };
        let reason = &outcome.reason;
        self.cx.event(Event {
            kind,
            call: Some(call),
            trunk: trunk.clone(),
            peer: Some((origin.transport, origin.remote)),
            code: Some(refusal.code),
            text: format!(
                "{} {reason}: {}{}",
                refusal.status,
                request.uri,
                note(untold)
            ),
        });
        let mut record = refused_record((call, origin, request), trunk, outcome, self.cx.now);
        record.caller.user = user;
        self.cx
            .commands
            .push_back(Command::Record(Box::new(record)));
    }
}

/// The record of an INVITE that made no call.
pub(super) fn refused_record(
    (call, origin, request): (CallId, &Origin, &Request),
    trunk: Option<String>,
    outcome: Outcome,
    now: Instant,
) -> CallRecord {
    let headers = &request.headers;
    CallRecord {
        call,
        caller: LegRecord {
            sip_call_id: headers.call_id().unwrap_or_default().to_owned(),
            user: None,
            trunk,
            transport: origin.transport,
            remote: Some(origin.remote),
            profile: None,
            suite: None,
        },
        callee: None,
        from: headers
            .from()
            .map_or(String::new(), |from| from.uri().to_string()),
        to: request.uri.to_string(),
        start: now,
        answer: None,
        end: now,
        ended_by: outcome.ended_by,
        status: outcome.status,
        code: outcome.code,
        reason: outcome.reason,
        codec: None,
        media: None,
        targets: Vec::new(),
        first_party: Vec::new(),
    }
}
