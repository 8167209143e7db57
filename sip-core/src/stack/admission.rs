//! A new INVITE, or a MESSAGE outside any dialog: whose is it, may it, and where does it go.

use media_core::session::CallId;

use super::authentication::Checked;
use super::refusing::Refused;
use super::{Event, EventKind, Stack};
use crate::call::headers::{accepts_sdp, session_description};
use crate::call::leg::LegTrunk;
use crate::call::session_timer::judge;
use crate::call::within::{check_extensions, describe_unsupported, interval_too_small};
use crate::call::{NewInvite, Way};
use crate::message::{Method, Request, Response, Scheme, StatusCode};
use crate::refusal::Refusal;
use crate::transaction::ServerKey;
use crate::transport::{ListenerId, Origin};
use crate::trunk::TrunkId;
use crate::trunk::acl::{NotAdmitted, admit, connected_to_other};
use crate::trunk::session::SessionPolicy;

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
}

/// RFC 3261 section 16.3: a request without the header.
pub(super) const DEFAULT_MAX_FORWARDS: u8 = 70;
