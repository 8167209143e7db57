//! What calls have to tell each other in a transfer (SIG-7): the new call is made, legs go from
//! one to the other.

use media_core::session::CallId;

use super::Stack;
use super::refusing::Refused;
use crate::call::context::{LegKey, Note, OwnInvite};
use crate::call::transfer::NewCall;
use crate::call::{Joint, NewInvite};
use crate::dialog::NewRequest;
use crate::message::{Field, HeaderName, Method, Replaces, Request, StatusCode, Via};
use crate::refusal::Refusal;
use crate::trunk::{Passthrough, Trunk, TrunkId};

impl Stack {
    pub(super) fn handle_note(&mut self, note: Note) {
        match note {
            Note::NewCall(new) => self.make_new_call(*new),
            Note::Answered {
                asker,
                server,
                response,
            } => self.with_call(asker, |call, cx| {
                call.handle_own_response(cx, server, *response)
            }),
            Note::Borrow {
                from,
                side,
                to,
                offer,
            } => {
                if self.calls.contains_key(&from) {
                    self.with_call(from, |call, cx| call.lend(cx, side, offer, to));
                } else {
                    let status = StatusCode::CALL_DOES_NOT_EXIST;
                    self.with_call(to, |call, cx| call.not_lent(cx, status));
                }
            }
            Note::Lent {
                from,
                to,
                leg,
                response,
            } => {
                let mut left = Some(*leg);
                self.with_call(to, |call, cx| {
                    let Some(leg) = left.take() else {
                        return call;
                    };
                    let (call, back) = call.take_over(cx, leg, &response);
                    left = back;
                    call
                });
                let was_taken = left.is_none();
                if let Some(leg) = left {
                    // It has been talked into a call that is over: it hears so.
                    leg.abandon(&mut self.cx);
                    self.with_call(to, |call, cx| call.give_up_own(cx, Refusal::TRANSFER));
                }
                self.with_call(from, |call, cx| call.loan_settled(cx, was_taken));
            }
            Note::NotLent { from, to, status } => {
                self.with_call(from, |call, cx| call.loan_refused(cx, status));
                self.with_call(to, |call, cx| call.not_lent(cx, status));
            }
            Note::NotWanted { from, to } => {
                self.with_call(from, |call, cx| call.loan_unwanted(cx, to));
            }
            Note::FirstAnswered { call } => self.call_second(call),
            Note::Abandoned { call } => {
                self.with_call(call, |call, cx| call.give_up_own(cx, Refusal::TRANSFER));
            }
        }
    }

    /// The call that a REFER asked for.
    fn make_new_call(&mut self, new: NewCall) {
        let asker = new.asker;
        let made = self.new_call(new);
        self.with_call(asker, |call, cx| call.transfer_began(cx, made));
    }

    fn new_call(&mut self, new: NewCall) -> Result<CallId, StatusCode> {
        let id = self.next_call();
        let request = self.own_invite(&new).ok_or(StatusCode::BAD_REQUEST)?;
        let invite = NewInvite {
            id,
            server: new.server,
            origin: new.caller_origin.clone(),
            request,
            tag: self.cx.token(),
            user: None,
        };
        let own = OwnInvite {
            asker: new.asker,
            call: id,
        };
        self.cx.own_invites.insert(new.server, own);
        let made = match Replaces::of_uri(new.refer_to.uri()) {
            Ok(None) => self.call_own(invite, &new),
            Ok(Some(replaces)) => self.join_own(invite, &new, &replaces),
            Err(_) => Err(Refusal::MALFORMED.status),
        };
        made.map(|()| id).map_err(|status| {
            self.cx.own_invite_is_over(new.server);
            StatusCode::new(status).unwrap_or(StatusCode::SERVER_INTERNAL_ERROR)
        })
    }

    /// By the routes of who asked for it.
    fn call_own(&mut self, invite: NewInvite, new: &NewCall) -> Result<(), u16> {
        let mut way = match self.way_from(&invite, new.transferor.id) {
            Ok(way) => way,
            Err(refused) => {
                let status = refused.refusal.status;
                self.refuse(&invite, refused);
                return Err(status);
            }
        };
        way.caller = new.caller.clone();
        way.keeps_parameters = true;
        // Keys that another peer knows are not passed on.
        way.caller.settings = std::sync::Arc::new(Trunk {
            passthrough: Passthrough::Never,
            ..Trunk::clone(&new.caller.settings)
        });
        self.begin_own(invite, new, |invite, cx| invite.begin(cx, &way))
    }

    /// With the far side of another call of who asked for it (RFC 5589 section 7).
    fn join_own(
        &mut self,
        invite: NewInvite,
        new: &NewCall,
        replaces: &Replaces,
    ) -> Result<(), u16> {
        let joint = match self.joint(replaces, new.transferor.id) {
            Ok(joint) if joint.call != new.asker => joint,
            Ok(_) => return Err(Refusal::NO_DIALOG.status),
            Err(refusal) => return Err(refusal.status),
        };
        let caller = new.caller.clone();
        self.begin_own(invite, new, |invite, cx| invite.join(cx, &caller, joint))
    }

    fn begin_own(
        &mut self,
        invite: NewInvite,
        new: &NewCall,
        begin: impl FnOnce(
            NewInvite,
            &mut crate::call::context::Context,
        ) -> Result<crate::call::Call, (Box<NewInvite>, Refusal)>,
    ) -> Result<(), u16> {
        match begin(invite, &mut self.cx) {
            Ok(mut call) => {
                call.has_no_caller_yet(new.description.clone());
                self.put(call, None);
                Ok(())
            }
            Err((invite, refusal)) => {
                self.refuse(&invite, Refused::of(refusal, Some(new.transferor.id)));
                Err(refusal.status)
            }
        }
    }

    /// The INVITE that the side which remains would have sent, with what Refer-To asks for besides
    /// (RFC 3515 section 2.1), as far as the trunk of who wrote it may have headers cross.
    fn own_invite(&mut self, new: &NewCall) -> Option<Request> {
        let uri = new.refer_to.uri().as_request_uri();
        let request = NewRequest {
            method: Method::Invite,
            from: new.caller_address.clone(),
            to: crate::message::NameAddr::new(uri.clone()),
            uri,
            call_id: self.cx.token(),
            sequence: 1,
            contact: Some(new.caller_contact.clone()),
        };
        let mut request = request.build();
        let origin = &new.caller_origin;
        let via = format!(
            "SIP/2.0/{} {};branch={}",
            origin.transport.via_token(),
            origin.remote,
            crate::message::branch(&mut *self.cx.rng)
        );
        Via::parse(via.as_bytes())?;
        request.headers.push_front(HeaderName::Via, via);
        request.headers.extend(new.referred_by.iter());
        let wanted = new.refer_to.uri().wanted_headers()?;
        let policy = &new.transferor.settings.headers;
        let may_ask = |field: &Field<'_>| policy.passes(field) && !is_identity(field);
        request.headers.extend(wanted.iter().filter(may_ask));
        request
            .headers
            .push(HeaderName::ContentType, crate::call::headers::ACCEPT);
        request.body.clone_from(&new.offer);
        Some(request)
    }

    /// An INVITE with Replaces from outside. It takes a place among the calls of its trunk like any
    /// other; on the far side's trunk no call is added.
    pub(super) fn handle_replacing(&mut self, invite: NewInvite, replaces: &Replaces) {
        let caller = match self.admitted(&invite) {
            Ok(caller) => caller,
            Err(refused) => return self.refuse(&invite, refused),
        };
        self.cx.transactions.set_trunk(invite.server, caller);
        if let Err(refused) = self.acceptable(&invite, caller) {
            return self.refuse(&invite, refused);
        }
        let joint = self.joint(replaces, caller);
        let (joint, trunk) = match (joint, self.leg_trunk(caller)) {
            (Ok(joint), Some(trunk)) => (joint, trunk),
            (joint, _) => {
                let refusal = joint.err().unwrap_or(Refusal::NO_DIALOG);
                return self.refuse(&invite, Refused::of(refusal, Some(caller)));
            }
        };
        self.tell_of_server_name(&invite, &trunk);
        let connection = invite.origin.connection;
        match invite.join(&mut self.cx, &trunk, joint) {
            Ok(call) => {
                self.call_connections.extend(connection);
                self.put(call, None);
            }
            Err((invite, refusal)) => {
                if refusal.code == Refusal::NO_MEDIA_PORT.code {
                    self.cx.counters.media_ports_exhausted += 1;
                }
                self.refuse(&invite, Refused::of(refusal, Some(caller)));
            }
        }
    }

    /// The side that talks to the dialog's peer, if the dialog is one of that trunk's (RFC 3891
    /// section 3).
    fn joint(&self, replaces: &Replaces, trunk: TrunkId) -> Result<Joint, Refusal> {
        let key = LegKey {
            call_id: replaces.call_id.clone(),
            tag: replaces.to_tag.clone(),
        };
        let &(id, side) = self.cx.legs.get(&key).ok_or(Refusal::NO_DIALOG)?;
        let entry = self.calls.get(&id).ok_or(Refusal::NO_DIALOG)?;
        let joint = entry.call.joint(side, &replaces.from_tag, trunk);
        match joint {
            Some(_) if replaces.early_only => Err(Refusal::NO_DIALOG.with_status(486)),
            Some(joint) => Ok(joint),
            None => Err(Refusal::NO_DIALOG),
        }
    }
}

/// Whoever asks for a transfer vouches for nobody (RFC 3261 section 19.1.5: such a header of a URI is
/// not to be honoured unless it is verified).
fn is_identity(field: &Field<'_>) -> bool {
    matches!(
        field.name,
        Some(HeaderName::PAssertedIdentity | HeaderName::RemotePartyId)
    )
}
