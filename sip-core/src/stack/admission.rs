//! A new INVITE: whose is it, may it, and where does it go; and what becomes of one that is refused.

use media_core::session::CallId;

use super::{CallRecord, Command, Event, EventKind, LegRecord, Stack};
use crate::call::Incoming;
use crate::call::headers::session_description;
use crate::call::identity;
use crate::call::leg::LegTrunk;
use crate::call::outcome::Outcome;
use crate::call::within::{check_extensions, describe_unsupported};
use crate::message::{Request, Response, Scheme};
use crate::refusal::Refusal;
use crate::transaction::ServerKey;
use crate::transport::{ListenerId, Origin};
use crate::trunk::TrunkId;
use crate::trunk::acl::{NotAdmitted, admit};
use crate::trunk::routing::route;

/// Why an INVITE makes no call, with a response that says more than the refusal alone, and the
/// caller's trunk as far as it is known.
struct Refused {
    refusal: Refusal,
    response: Option<Box<Response>>,
    trunk: Option<TrunkId>,
}

impl Stack {
    pub(super) fn handle_invite(&mut self, server: ServerKey, origin: Origin, request: Request) {
        let id = CallId(self.next_call);
        self.next_call += 1;
        let tag = self.cx.token();
        match self.incoming(id, server, &origin, &request, &tag) {
            Ok(incoming) => match incoming.begin(&mut self.cx) {
                Ok(call) => {
                    self.call_connections.extend(origin.connection);
                    self.put(call, None);
                }
                Err((incoming, refusal)) => {
                    if refusal.code == Refusal::NO_MEDIA_PORT.code {
                        self.cx.counters.media_ports_exhausted += 1;
                    }
                    let refused = Refused {
                        refusal,
                        response: None,
                        trunk: Some(incoming.caller.id),
                    };
                    self.refuse(id, server, &origin, &request, &tag, refused);
                }
            },
            Err(refused) => self.refuse(id, server, &origin, &request, &tag, refused),
        }
    }

    /// RFC 3261 section 8.2.2.2.
    pub(super) fn handle_merged(&mut self, server: ServerKey, origin: &Origin, request: &Request) {
        let id = CallId(self.next_call);
        self.next_call += 1;
        let tag = self.cx.token();
        let refused = Refused {
            refusal: Refusal::MERGED,
            response: None,
            trunk: None,
        };
        self.refuse(id, server, origin, request, &tag, refused);
    }

    fn incoming(
        &mut self,
        id: CallId,
        server: ServerKey,
        origin: &Origin,
        request: &Request,
        tag: &str,
    ) -> Result<Incoming, Refused> {
        let caller = admit(
            &self.trunks,
            &self.cx.config.listeners,
            request.uri.host(),
            origin,
        )
        .map_err(|NotAdmitted { trunk, refusal }| Refused {
            refusal,
            response: None,
            trunk,
        })?;
        let refuse = |refusal| Refused {
            refusal,
            response: None,
            trunk: Some(caller),
        };
        if self.shutting_down {
            return Err(refuse(Refusal::SHUTTING_DOWN));
        }
        if self.calls.len() >= self.cx.config.max_calls {
            self.cx.counters.calls_over_limit += 1;
            return Err(refuse(Refusal::LIMIT));
        }
        let max_forwards = match request.headers.max_forwards() {
            Ok(hops) => hops.unwrap_or(DEFAULT_MAX_FORWARDS),
            Err(_) => return Err(refuse(Refusal::MALFORMED)),
        };
        let max_forwards = max_forwards
            .checked_sub(1)
            .ok_or(refuse(Refusal::TOO_MANY_HOPS))?;
        self.check_content(request, tag, origin.listener)
            .map_err(|(refusal, response)| Refused {
                response,
                ..refuse(refusal)
            })?;
        let callee = route(&self.cx.config.routes, caller, &called_number(request))
            .and_then(|callee| self.leg_trunk(callee))
            .filter(|callee| callee.settings.destination.is_some())
            .ok_or(refuse(Refusal::NO_ROUTE))?;
        Ok(Incoming {
            id,
            server,
            origin: origin.clone(),
            request: request.clone(),
            tag: tag.to_owned(),
            caller: self.leg_trunk(caller).ok_or(refuse(Refusal::NO_ROUTE))?,
            callee,
            max_forwards,
        })
    }

    /// That we can read what the INVITE asks for: URI, extensions, body.
    fn check_content(
        &self,
        request: &Request,
        tag: &str,
        listener: ListenerId,
    ) -> Result<(), (Refusal, Option<Box<Response>>)> {
        if request.uri.scheme() == Scheme::Other {
            return Err((Refusal::URI_SCHEME, None));
        }
        if let Err(response) = check_extensions(&self.cx, request, tag) {
            return Err((Refusal::BAD_EXTENSION, Some(Box::new(response))));
        }
        if let Err(unsupported) = session_description(&request.headers, &request.body) {
            let refusal = Refusal::MEDIA_TYPE;
            let mut response = self.cx.refusal_response(request, tag, &refusal, listener);
            describe_unsupported(&mut response.headers, unsupported);
            return Err((refusal, Some(Box::new(response))));
        }
        Ok(())
    }

    fn leg_trunk(&self, id: TrunkId) -> Option<LegTrunk> {
        let settings = self.trunks.get(usize::from(id.0))?.clone();
        Some(LegTrunk { id, settings })
    }

    /// Answers an INVITE that makes no call, with an event and a record.
    fn refuse(
        &mut self,
        id: CallId,
        server: ServerKey,
        origin: &Origin,
        request: &Request,
        tag: &str,
        refused: Refused,
    ) {
        let refusal = refused.refusal;
        match refused.response {
            Some(response) => self.cx.respond(server, &response),
            None => {
                let response = self
                    .cx
                    .refusal_response(request, tag, &refusal, origin.listener);
                self.cx.respond(server, &response);
            }
        }
        self.cx.counters.calls_refused += 1;
        let trunk = refused
            .trunk
            .and_then(|id| self.leg_trunk(id))
            .map(|trunk| trunk.settings.name.clone());
        self.cx.event(Event {
            kind: EventKind::CallRefused,
            call: Some(id),
            trunk: trunk.clone(),
            peer: Some((origin.transport, origin.remote)),
            code: Some(refusal.code),
            text: format!("{} {}: {}", refusal.status, refusal.text, request.uri),
        });
        let record = self.refused_record(id, origin, request, trunk, &refusal);
        self.cx
            .commands
            .push_back(Command::Record(Box::new(record)));
    }

    fn refused_record(
        &self,
        call: CallId,
        origin: &Origin,
        request: &Request,
        trunk: Option<String>,
        refusal: &Refusal,
    ) -> CallRecord {
        let outcome = Outcome::refused(refusal);
        let headers = &request.headers;
        CallRecord {
            call,
            caller: LegRecord {
                sip_call_id: headers.call_id().unwrap_or_default().to_owned(),
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
            start: self.cx.now,
            answer: None,
            end: self.cx.now,
            ended_by: outcome.ended_by,
            status: outcome.status,
            code: outcome.code,
            reason: outcome.reason,
            codec: None,
            media: None,
        }
    }
}

/// The user part that routes are matched with: escapes decoded, without separators.
fn called_number(request: &Request) -> String {
    match request.uri.scheme() {
        Scheme::Tel => identity::user(&request.uri).unwrap_or_default(),
        _ => request
            .uri
            .user_unescaped()
            .unwrap_or_default()
            .into_owned(),
    }
}

/// RFC 3261 section 16.3: a request without the header.
const DEFAULT_MAX_FORWARDS: u8 = 70;
