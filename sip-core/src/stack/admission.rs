//! A new INVITE, or a MESSAGE outside any dialog: whose is it, may it, and where does it go; and what
//! becomes of one that is refused.

use std::time::{Duration, Instant};

use media_core::session::CallId;

use super::authentication::Checked;
use super::refusals::{is_strangers, note};
use super::{CallRecord, Command, Event, EventKind, LegRecord, Stack};
use crate::call::headers::{accepts_sdp, session_description};
use crate::call::leg::LegTrunk;
use crate::call::outcome::Outcome;
use crate::call::session_timer::judge;
use crate::call::within::{check_extensions, describe_unsupported, interval_too_small};
use crate::call::{NewInvite, Way};
use crate::message::{Method, Request, Response, Scheme, StatusCode};
use crate::refusal::Refusal;
use crate::transaction::{Overload, ServerKey};
use crate::transport::{ListenerId, Origin};
use crate::trunk::TrunkId;
use crate::trunk::acl::{NotAdmitted, admit, connected_to_other};
use crate::trunk::session::SessionPolicy;

/// Why an INVITE makes no call, with a response that says more than the refusal alone, and the
/// caller's trunk as far as it is known.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    response: Option<Box<Response>>,
    trunk: Option<TrunkId>,
    /// More than the refusal's text says.
    detail: Option<String>,
    /// How long the answer is held back.
    delay: Option<Duration>,
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
    pub(super) fn handle_invite(&mut self, server: ServerKey, origin: Origin, request: Request) {
        let mut invite = self.new_invite(server, origin, request);
        let caller = match self.authenticated(&mut invite) {
            Ok(Some(caller)) => Ok(caller),
            Ok(None) => return,
            Err(refused) => Err(refused),
        };
        let is_message = invite.request.method == Method::Message;
        match invite.request.headers.replaces() {
            _ if caller.is_err() || is_message => {}
            Ok(None) => {}
            Ok(Some(replaces)) => return self.handle_replacing(invite, &replaces),
            Err(_) => return self.refuse(&invite, Refused::of(Refusal::MALFORMED, None)),
        }
        let way = caller.and_then(|caller| match self.draining {
            true => Err(Refused::of(Refusal::DRAINING, Some(caller))),
            false => self.way_from(&invite, caller),
        });
        let trunk = match &way {
            Ok(way) => Some(way.caller.id),
            Err(refused) => refused.trunk,
        };
        if let Some(trunk) = trunk {
            self.cx.transactions.set_trunk(server, trunk);
        }
        let way = match way {
            Ok(way) => way,
            Err(refused) => return self.refuse(&invite, refused),
        };
        self.tell_of_server_name(&invite, &way.caller);
        if is_message {
            return self.begin_message(invite, way);
        }
        let connection = invite.origin.connection;
        match invite.begin(&mut self.cx, &way) {
            Ok(call) => {
                self.call_connections.extend(connection);
                self.put(call, None);
            }
            Err((invite, refusal)) => {
                if refusal.code == Refusal::NO_MEDIA_PORT.code {
                    self.cx.counters.media_ports_exhausted += 1;
                }
                self.refuse(&invite, Refused::of(refusal, Some(way.caller.id)));
            }
        }
    }

    /// RFC 3261 section 8.2.2.2.
    pub(super) fn handle_merged(&mut self, server: ServerKey, origin: Origin, request: Request) {
        if request.method != Method::Invite {
            return self.respond(server, &request, StatusCode::LOOP_DETECTED);
        }
        let invite = self.new_invite(server, origin, request);
        self.refuse(&invite, Refused::of(Refusal::MERGED, None));
    }

    /// Every INVITE that may become a call has one, for its record.
    pub(super) fn next_call(&mut self) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        id
    }

    fn new_invite(&mut self, server: ServerKey, origin: Origin, request: Request) -> NewInvite {
        let id = self.next_call();
        let tag = self.cx.token();
        NewInvite {
            id,
            server,
            origin,
            request,
            tag,
            user: None,
        }
    }

    /// Whose the INVITE is, if it may call; `None`: it was challenged, and will come again.
    fn authenticated(&mut self, invite: &mut NewInvite) -> Result<Option<TrunkId>, Refused> {
        let caller = self.admitted(invite)?;
        let NewInvite {
            origin, request, ..
        } = invite;
        match self.check_credentials(caller, invite.server, origin, request, &invite.tag) {
            Ok(Checked::Good(user)) => {
                invite.user = user;
                Ok(Some(caller))
            }
            Ok(Checked::Challenged) => Ok(None),
            Err((refusal, delay)) => Err(Refused {
                delay,
                ..Refused::of(refusal, Some(caller))
            }),
        }
    }

    /// The trunk that an INVITE comes from, if it is one that we take.
    pub(super) fn admitted(&self, invite: &NewInvite) -> Result<TrunkId, Refused> {
        let host = invite.request.uri.host();
        let listeners = &self.cx.config.listeners;
        admit(&self.trunks, listeners, host, &invite.origin)
            .map_err(|NotAdmitted { trunk, refusal }| Refused::of(refusal, trunk))
    }

    /// What is asked of every INVITE of that trunk's, whatever becomes of it; the Max-Forwards of the
    /// INVITE that we send for it.
    pub(super) fn acceptable(
        &mut self,
        invite: &NewInvite,
        caller: TrunkId,
    ) -> Result<u8, Refused> {
        let request = &invite.request;
        let refuse = |refusal| Refused::of(refusal, Some(caller));
        if self.shutting_down {
            return Err(refuse(Refusal::SHUTTING_DOWN));
        }
        let method = &request.method;
        if *method == Method::Invite && self.calls.len() >= self.cx.config.max_calls {
            let what = format!("{} calls at once", self.cx.config.max_calls);
            self.tell_of_limit(None, what);
            return Err(refuse(Refusal::LIMIT));
        }
        self.admit_to(caller, method).map_err(|detail| Refused {
            detail: Some(detail),
            ..refuse(Refusal::LIMIT)
        })?;
        let max_forwards = match request.headers.max_forwards() {
            Ok(hops) => hops.unwrap_or(DEFAULT_MAX_FORWARDS).checked_sub(1),
            Err(_) => return Err(refuse(Refusal::MALFORMED)),
        };
        let max_forwards = max_forwards.ok_or(refuse(Refusal::TOO_MANY_HOPS))?;
        let session = self
            .leg_trunk(caller)
            .map(|trunk| trunk.settings.session)
            .unwrap_or_default();
        self.check_content(request, &invite.tag, invite.origin.listener, &session)
            .map_err(|(refusal, response)| Refused {
                response,
                ..refuse(refusal)
            })?;
        Ok(max_forwards)
    }

    /// Where an INVITE of that trunk's goes.
    pub(super) fn way_from(&mut self, invite: &NewInvite, caller: TrunkId) -> Result<Way, Refused> {
        let max_forwards = self.acceptable(invite, caller)?;
        let request = &invite.request;
        let refuse = |refusal| Refused::of(refusal, Some(caller));
        let destination = self.destination(caller, request);
        let destination = destination.map_err(|refusal| match refusal {
            Refusal::ALL_TARGETS_FAILED => refuse(refusal).because("none is enabled".to_owned()),
            _ => refuse(refusal),
        })?;
        let caller = self.leg_trunk(caller).ok_or(refuse(Refusal::NO_ROUTE))?;
        self.admit_to(destination.trunk.id, &request.method)
            .map_err(|detail| Refused {
                detail: Some(detail),
                ..refuse(Refusal::LIMIT)
            })?;
        Ok(destination.way_of(caller, max_forwards))
    }

    /// That we can read what the INVITE asks for: URI, extensions, body.
    fn check_content(
        &self,
        request: &Request,
        tag: &str,
        listener: ListenerId,
        session: &SessionPolicy,
    ) -> Result<(), (Refusal, Option<Box<Response>>)> {
        if request.uri.scheme() == Scheme::Other {
            return Err((Refusal::URI_SCHEME, None));
        }
        if let Err(response) = check_extensions(&self.cx, request, tag, session.timers) {
            return Err((Refusal::BAD_EXTENSION, Some(Box::new(response))));
        }
        if request.method == Method::Message {
            return Ok(());
        }
        if let Err(short) = judge(session, &request.headers) {
            let response = interval_too_small(&self.cx, request, tag, short);
            return Err((Refusal::INTERVAL_TOO_SMALL, Some(Box::new(response))));
        }
        if let Err(unsupported) = session_description(&request.headers, &request.body) {
            let refusal = Refusal::MEDIA_TYPE;
            let mut response = self.cx.refusal_response(request, tag, &refusal, listener);
            describe_unsupported(&mut response.headers, unsupported);
            return Err((refusal, Some(Box::new(response))));
        }
        if !accepts_sdp(&request.headers) {
            return Err((Refusal::SDP_NOT_ACCEPTED, None));
        }
        Ok(())
    }

    /// TRK-2: the call goes on, as its trunk does not refuse it for that.
    pub(super) fn tell_of_server_name(&mut self, invite: &NewInvite, caller: &LegTrunk) {
        let origin = &invite.origin;
        let Some(other) = connected_to_other(&self.trunks, caller.id, origin) else {
            return;
        };
        let text = format!(
            "connected to the name of trunk {}, called {}",
            other.name, invite.request.uri
        );
        self.cx.event(Event {
            kind: EventKind::ServerNameMismatch,
            call: Some(invite.id),
            trunk: Some(caller.settings.name.clone()),
            peer: Some((origin.transport, origin.remote)),
            code: None,
            text,
        });
    }

    pub(super) fn leg_trunk(&self, id: TrunkId) -> Option<LegTrunk> {
        let settings = self.trunks.get(usize::from(id.0))?.clone();
        Some(LegTrunk { id, settings })
    }

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

/// RFC 3261 section 16.3: a request without the header.
pub(super) const DEFAULT_MAX_FORWARDS: u8 = 70;
