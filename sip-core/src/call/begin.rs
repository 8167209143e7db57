//! A call begins: the caller's leg is made from its INVITE, and the way of our INVITE through the
//! targets of the trunk that the route named.

use media_core::session::{CallId, Side};

use super::Call;
use super::context::{Context, LegKey};
use super::headers::{allow, session_description};
use super::hunting::{Hunt, Waiting};
use super::identity::{self, Sips};
use super::leg::{Leg, LegTrunk, NewLeg};
use super::media::CallMedia;
use super::parties::Parties;
use super::places::Place;
use super::record::Draft;
use super::reliable::Provisionals;
use crate::dialog::{Dialog, NewRequest, Path};
use crate::message::{HeaderName, NameAddr, Request, StatusCode, Uri, response_to};
use crate::refusal::Refusal;
use crate::sdp::{LegPolicy, Negotiation};
use crate::transaction::ServerKey;
use crate::transport::{Origin, Target, Transport};
use crate::trunk::{Destination, Hop, Numbers, Passthrough, TargetUri};

/// The far leg, and the INVITE that makes it.
pub(super) struct Outgoing {
    pub(super) leg: Leg,
    pub(super) request: Request,
    pub(super) target: Target,
}

/// An INVITE outside any dialog.
pub(crate) struct NewInvite {
    /// The call that it may become.
    pub(crate) id: CallId,
    pub(crate) server: ServerKey,
    pub(crate) origin: Origin,
    pub(crate) request: Request,
    /// Our To tag.
    pub(crate) tag: String,
    /// Who it authenticated as, whatever From says.
    pub(crate) user: Option<String>,
}

/// Where an INVITE that was admitted goes.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) caller: LegTrunk,
    pub(crate) callee: LegTrunk,
    /// As the far side is to see them.
    pub(crate) numbers: Numbers,
    /// Where a registered account is: all of them ring at once. Empty: the trunk's targets are
    /// called.
    pub(crate) places: Vec<Place>,
    /// Of the INVITE that we send.
    pub(crate) max_forwards: u8,
    /// The parameters of the URI that is called say more of who it is than its user does: it was a
    /// peer that named it in Refer-To.
    pub(crate) keeps_parameters: bool,
}

impl NewInvite {
    /// Starts the call. A refusal leaves the caller's INVITE to be answered.
    pub(crate) fn begin(
        self,
        cx: &mut Context,
        way: &Way,
    ) -> Result<Call, (Box<NewInvite>, Refusal)> {
        let caller_leg = match self.caller_leg(cx, &way.caller) {
            Ok(leg) => leg,
            Err(refusal) => return Err((Box::new(self), refusal)),
        };
        let [caller, mut callee] =
            [&way.caller, &way.callee].map(|trunk| LegPolicy::of(&trunk.settings));
        if way.places.len() > 1 {
            // The caller's own key is for one peer only.
            callee.passthrough = Passthrough::Never;
        }
        let mut negotiation = Negotiation::new(self.id, caller, callee);
        let body = session_description(&self.request.headers, &self.request.body)
            .ok()
            .flatten();
        let offer =
            body.map(|sdp| negotiation.offer(Side::Caller, sdp, &mut *cx.ports, &mut *cx.rng));
        match offer.transpose() {
            Ok(offer) => Ok(self.start(cx, way, caller_leg, negotiation, offer)),
            Err(refusal) => {
                for (realm, media) in negotiation.local_media() {
                    cx.ports.release(cx.now, realm, media);
                }
                Err((Box::new(self), refusal))
            }
        }
    }

    fn start(
        self,
        cx: &mut Context,
        way: &Way,
        caller: Leg,
        negotiation: Negotiation,
        offer: Option<Vec<u8>>,
    ) -> Call {
        let trying = response_to(&self.request, StatusCode::TRYING, None);
        cx.respond(self.server, &trying);
        let from = self.request.headers.from();
        let from = from.map_or(String::new(), |from| from.uri().to_string());
        let draft = Draft::new(from, self.request.uri.to_string(), cx.now).by(self.user);
        let callee = way.leg_before_any_target(cx, &caller);
        let media = CallMedia::new(self.id, negotiation);
        let provisionals = Provisionals::to(&self.request.headers, cx.rng.next_u32());
        let mut parties = Parties::new(self.id, [caller, callee], media, draft, provisionals);
        let owner = parties.owner(Side::Caller);
        cx.legs.insert(parties.leg(Side::Caller).key.clone(), owner);
        cx.servers.insert(self.server, owner);
        parties.started(cx);
        let waiting = Waiting {
            server: self.server,
            invite: Box::new(self.request),
            late_offer: offer.is_none(),
            deadline: cx.now + cx.config.ring_timeout,
        };
        let state = Hunt::new(cx, way.clone(), offer).advance(cx, &mut parties, waiting);
        Call {
            parties: Box::new(parties),
            state,
        }
    }

    pub(super) fn caller_leg(&self, cx: &Context, trunk: &LegTrunk) -> Result<Leg, Refusal> {
        let request = &self.request;
        let sips = Sips::of(&request.uri, trunk.settings.pass_sips);
        let listener = cx.listener(self.origin.listener);
        let contact = identity::contact(request.uri.user(), listener, sips);
        let path = Path::to_sender(
            &request.headers,
            &self.origin,
            Some(trunk.id),
            trunk.forced_transport(),
        );
        let mut path = path
            .map_err(|_| Refusal::MALFORMED)?
            .with_listeners(&cx.config.listeners);
        if trunk.settings.may_be_behind_nat() {
            path = path.behind_nat(Some(&request.headers), &self.origin);
        }
        let dialog = Dialog::from_request(request, &self.tag, contact.clone(), path)
            .map_err(|_| Refusal::MALFORMED)?;
        // What each target is told, too.
        request.headers.to().map_err(|_| Refusal::MALFORMED)?;
        let mut leg = Leg::from(NewLeg {
            trunk: trunk.clone(),
            listener: self.origin.listener,
            key: LegKey {
                call_id: dialog.id().call_id.to_string(),
                tag: self.tag.clone(),
            },
            contact,
            sips,
            transport: self.origin.transport,
            remote: Some(self.origin.remote),
            dialog: Some(dialog),
        });
        leg.learn(&request.headers);
        Ok(leg)
    }
}

/// A request outside any dialog as it goes to a target.
pub(super) struct Addressed {
    pub(super) request: Request,
    pub(super) target: Target,
    key: LegKey,
    contact: NameAddr,
    sips: Sips,
}

impl Way {
    /// The far leg and its INVITE, without what is passed on from the caller's. `redirected` is who
    /// a redirect said is called.
    pub(super) fn outgoing(
        &self,
        cx: &mut Context,
        received: &Request,
        redirected: Option<&Uri>,
        target: &TargetUri,
        hop: Hop,
    ) -> Result<Outgoing, Refusal> {
        let Addressed {
            mut request,
            target,
            key,
            contact,
            sips,
        } = self.addressed(cx, received, redirected, target, hop)?;
        request.headers.push(HeaderName::Contact, &contact);
        let allowed = allow(self.callee.settings.refer);
        request.headers.push(HeaderName::Allow, allowed);
        let leg = Leg::from(NewLeg {
            trunk: self.callee.clone(),
            listener: target.listener,
            key,
            contact,
            sips,
            transport: target.transport,
            remote: None,
            dialog: None,
        });
        Ok(Outgoing {
            leg,
            request,
            target,
        })
    }

    /// A request like `received` to a target, without Contact and what is passed on.
    pub(super) fn addressed(
        &self,
        cx: &mut Context,
        received: &Request,
        redirected: Option<&Uri>,
        target: &TargetUri,
        hop: Hop,
    ) -> Result<Addressed, Refusal> {
        let listener = self
            .callee
            .settings
            .listener_for(&cx.config.listeners, &hop)
            .ok_or(Refusal::ALL_TARGETS_FAILED)?;
        let transport = hop.transport;
        let destination = Destination {
            host: target.host.clone(),
            port: target.port_for(transport),
            transport,
        };
        let sips = Sips::of(&received.uri, self.callee.settings.pass_sips);
        let key = LegKey {
            call_id: cx.token(),
            tag: cx.token(),
        };
        let ours = cx.listener(listener);
        let headers = &received.headers;
        let (from, to) = match (headers.from(), headers.to()) {
            (Ok(from), Ok(to)) => (from, to),
            _ => return Err(Refusal::MALFORMED),
        };
        let numbers = &self.numbers;
        let to = identity::renumbered_to(&to, &received.uri, &numbers.called);
        let renumbered = identity::renumbered(&received.uri, &numbers.called);
        let called = redirected.unwrap_or(&renumbered);
        let from = from.with_uri(identity::renumbered(from.uri(), &numbers.caller));
        let contact = identity::contact(identity::user(from.uri()).as_deref(), ours, sips);
        let request = NewRequest {
            method: received.method.clone(),
            uri: match self.keeps_parameters {
                true => identity::full_request_uri(called, &destination, sips),
                false => identity::request_uri(called, &destination, sips),
            },
            from: identity::from(&from, ours, sips).with_tag(&key.tag),
            to: identity::to(&to, &destination, sips),
            call_id: key.call_id.clone(),
            sequence: FIRST_SEQUENCE,
            contact: None,
        };
        let mut request = request.build();
        let headers = &mut request.headers;
        headers.set(HeaderName::MaxForwards, self.max_forwards.to_string());
        headers.push(HeaderName::UserAgent, cx.config.user_agent.as_str());
        let target = Target {
            transport,
            listener,
            connection: None,
            host: destination.host,
            address: Some(hop.address.ip()),
            port: hop.address.port(),
            by_service: false,
            trunk: Some(self.callee.id),
        };
        Ok(Addressed {
            request,
            target,
            key,
            contact,
            sips,
        })
    }

    pub(super) fn leg_before_any_target(&self, cx: &mut Context, caller: &Leg) -> Leg {
        let first = self.callee.settings.origination.first();
        let transport = first.and_then(|target| self.callee.settings.secured(target).transport);
        Leg::from(NewLeg {
            trunk: self.callee.clone(),
            listener: caller.listener,
            key: LegKey {
                call_id: cx.token(),
                tag: cx.token(),
            },
            contact: caller.contact.clone(),
            sips: Sips::HopByHop,
            transport: transport.unwrap_or(Transport::Udp),
            remote: None,
            dialog: None,
        })
    }
}

/// CSeq number of the INVITE that makes a leg (RFC 3261 section 8.1.1.5: any will do).
const FIRST_SEQUENCE: u32 = 1;
