//! An INVITE with Replaces (RFC 3891): the far side of another call of ours is asked to talk to
//! its sender instead. Until that agrees, this call has no far leg.

use media_core::session::{CallId, Side};

use super::accepted::Accepted;
use super::begin::NewInvite;
use super::bodies::Description;
use super::context::{Context, Note};
use super::ending::Ending;
use super::headers::session_description;
use super::leg::{Leg, LegTrunk};
use super::media::CallMedia;
use super::outcome::Outcome;
use super::parties::Parties;
use super::record::Draft;
use super::reliable::Provisionals;
use super::{Call, Input, State};
use crate::message::{Request, Response, StatusCode, response_to};
use crate::refusal::Refusal;
use crate::sdp::{DescriptionOrigin, LegPolicy, Negotiation};
use crate::transaction::ServerKey;

/// The side of a call that may get another peer.
pub(crate) struct Joint {
    pub(crate) call: CallId,
    pub(crate) side: Side,
    /// Like that side's leg, without its dialog.
    pub(crate) husk: Leg,
    pub(crate) origin: Option<DescriptionOrigin>,
}

pub(super) struct Joining {
    server: ServerKey,
    invite: Box<Request>,
    donor: CallId,
}

impl NewInvite {
    /// Asks for the far side of the call that it joins.
    pub(crate) fn join(
        self,
        cx: &mut Context,
        caller: &LegTrunk,
        joint: Joint,
    ) -> Result<Call, (Box<NewInvite>, Refusal)> {
        let leg = match self.caller_leg(cx, caller) {
            Ok(leg) => leg,
            Err(refusal) => return Err((Box::new(self), refusal)),
        };
        // Keys that another peer knows are not passed on.
        let [own, far] = [&caller.settings, &joint.husk.trunk.settings].map(|trunk| LegPolicy {
            passthrough: crate::trunk::Passthrough::Never,
            ..LegPolicy::of(trunk)
        });
        let mut negotiation = Negotiation::new(self.id, own, far);
        if let Some(origin) = joint.origin {
            negotiation.continue_from(Side::Callee, origin);
        }
        let offer = session_description(&self.request.headers, &self.request.body)
            .ok()
            .flatten()
            .ok_or(Refusal::NO_SDP)
            .and_then(|sdp| negotiation.offer(Side::Caller, sdp, &mut *cx.ports, &mut *cx.rng));
        let offer = match offer {
            Ok(offer) => offer,
            Err(refusal) => {
                for (realm, media) in negotiation.local_media() {
                    cx.ports.release(cx.now, realm, media);
                }
                return Err((Box::new(self), refusal));
            }
        };
        let trying = response_to(&self.request, StatusCode::TRYING, None);
        cx.respond(self.server, &trying);
        let headers = &self.request.headers;
        let from = headers
            .from()
            .map_or(String::new(), |from| from.uri().to_string());
        let draft = Draft::new(from, self.request.uri.to_string(), cx.now).by(self.user);
        let provisionals = Provisionals::to(headers, cx.rng.next_u32());
        let media = CallMedia::new(self.id, negotiation);
        let mut parties = Parties::new(self.id, [leg, joint.husk], media, draft, provisionals);
        let owner = parties.owner(Side::Caller);
        cx.legs.insert(parties.leg(Side::Caller).key.clone(), owner);
        cx.servers.insert(self.server, owner);
        parties.started(cx);
        cx.notes.push_back(Note::Borrow {
            from: joint.call,
            side: joint.side,
            to: self.id,
            offer,
        });
        Ok(Call {
            parties: Box::new(parties),
            state: State::Joining(Joining {
                server: self.server,
                invite: Box::new(self.request),
                donor: joint.call,
            }),
        })
    }
}

impl Joining {
    pub(super) fn handle(self, cx: &mut Context, parties: &mut Parties, input: Input) -> State {
        match input {
            Input::Cancel { server } if server == self.server => {
                let status = StatusCode::REQUEST_TERMINATED;
                parties.respond(cx, Side::Caller, server, &self.invite, status);
                self.give_up(cx, parties, Outcome::cancelled())
            }
            Input::Bye { .. } => {
                let status = StatusCode::REQUEST_TERMINATED;
                parties.respond(cx, Side::Caller, self.server, &self.invite, status);
                self.give_up(cx, parties, Outcome::cancelled())
            }
            Input::End(refusal) => {
                parties.refuse(cx, Side::Caller, self.server, &self.invite, &refusal);
                self.give_up(cx, parties, Outcome::refused(&refusal))
            }
            Input::Invite {
                side,
                server,
                request,
            } => {
                parties.respond_later(cx, side, server, &request);
                State::Joining(self)
            }
            _ => State::Joining(self),
        }
    }

    /// The far side agreed, and its leg is here.
    pub(super) fn joined(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        response: &Response,
    ) -> State {
        let answer = session_description(&response.headers, &response.body)
            .ok()
            .flatten()
            .ok_or(Refusal::NO_SDP)
            .and_then(|sdp| parties.media.answer(cx, Side::Callee, sdp));
        let sdp = match answer {
            Ok(sdp) => sdp,
            Err(refusal) => {
                parties.refuse(cx, Side::Caller, self.server, &self.invite, &refusal);
                parties.finish(cx, Outcome::refused(&refusal));
                let bye = parties.hang_up(cx, Side::Callee, Some(&refusal), None);
                return State::Ending(Ending::default().with_bye(Side::Callee, bye));
            }
        };
        let body = Some(Description {
            sdp,
            described_by: &response.headers,
            came: &response.body,
        });
        if let Some(dialog) = &mut parties.leg_mut(Side::Caller).dialog {
            dialog.confirm();
        }
        let invite = (self.server, &*self.invite);
        parties.pass_response(cx, Side::Caller, invite, response, body);
        parties.answered(cx);
        parties.media.confirm(cx);
        State::Accepted(Accepted::awaiting_ack(Side::Caller, self.server))
    }

    fn give_up(self, cx: &mut Context, parties: &mut Parties, outcome: Outcome) -> State {
        cx.notes.push_back(Note::NotWanted {
            from: self.donor,
            to: parties.id,
        });
        parties.finish(cx, outcome);
        State::Ending(Ending::default())
    }
}
