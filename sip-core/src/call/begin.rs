//! A call begins: the caller's leg is made from its INVITE, the far leg from the trunk that the
//! route named, and our INVITE leaves.

use media_core::session::{CallId, Side};

use super::context::{Context, LegKey};
use super::crossing::Crossing;
use super::headers::{ALLOW, session_description};
use super::identity::{self, Sips};
use super::inviting::Inviting;
use super::leg::{Leg, LegTrunk, NewLeg, SentInvite};
use super::media::CallMedia;
use super::parties::{Description, Parties};
use super::record::Draft;
use super::reliable::Provisionals;
use super::{Call, State};
use crate::dialog::{Dialog, NewRequest, Path};
use crate::message::{HeaderName, Method, RELIABLE, Request, StatusCode, response_to};
use crate::refusal::Refusal;
use crate::sdp::{LegPolicy, Negotiation};
use crate::transaction::ServerKey;
use crate::transport::{ListenerId, Origin, Target, Transport};
use crate::trunk::{Destination, Numbers};

/// The far leg, and the INVITE that makes it.
struct Outgoing {
    leg: Leg,
    request: Request,
    target: Target,
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
}

/// Where an INVITE that was admitted goes.
pub(crate) struct Way {
    pub(crate) caller: LegTrunk,
    pub(crate) callee: LegTrunk,
    /// As the far side is to see them.
    pub(crate) numbers: Numbers,
    /// Of the INVITE that we send.
    pub(crate) max_forwards: u8,
}

impl NewInvite {
    /// Sends our INVITE. A refusal leaves the caller's INVITE to be answered.
    pub(crate) fn begin(
        self,
        cx: &mut Context,
        way: &Way,
    ) -> Result<Call, (Box<NewInvite>, Refusal)> {
        let caller = self.caller_leg(cx, way);
        let legs = caller.and_then(|caller| Ok((caller, self.callee_leg(cx, way)?)));
        let (caller_leg, outgoing) = match legs {
            Ok(legs) => legs,
            Err(refusal) => return Err((Box::new(self), refusal)),
        };
        let [caller, callee] =
            [&way.caller, &way.callee].map(|trunk| LegPolicy::of(&trunk.settings));
        let mut negotiation = Negotiation::new(self.id, caller, callee);
        let body = session_description(&self.request.headers, &self.request.body)
            .ok()
            .flatten();
        let offer =
            body.map(|sdp| negotiation.offer(Side::Caller, sdp, &mut *cx.ports, &mut *cx.rng));
        match offer.transpose() {
            Ok(offer) => Ok(self.send(cx, caller_leg, outgoing, negotiation, offer)),
            Err(refusal) => {
                for (realm, media) in negotiation.local_media() {
                    cx.ports.release(cx.now, realm, media);
                }
                Err((Box::new(self), refusal))
            }
        }
    }

    fn send(
        self,
        cx: &mut Context,
        caller: Leg,
        outgoing: Outgoing,
        negotiation: Negotiation,
        offer: Option<Vec<u8>>,
    ) -> Call {
        let headers = &self.request.headers;
        let late_offer = offer.is_none();
        let trying = response_to(&self.request, StatusCode::TRYING, None);
        cx.respond(self.server, &trying);
        let mut invite = outgoing.request.clone();
        Crossing::request(&caller.trunk.settings, &outgoing.leg.trunk.settings)
            .pass(headers, &mut invite.headers);
        if let Some(sdp) = offer {
            // An offer of the far side in a reliable response would need its answer in our PRACK,
            // which a caller that knows no PRACK cannot give: so only where the offer is ours.
            invite.headers.push(HeaderName::Supported, RELIABLE);
            Description {
                sdp,
                described_by: headers,
            }
            .attach(&mut invite.headers, &mut invite.body);
        }
        outgoing.leg.timer.ask(&mut invite.headers);
        let client = cx.request((self.id, Side::Callee), invite, outgoing.target.clone());
        let mut callee = outgoing.leg;
        callee.invite = Some(SentInvite {
            client,
            request: outgoing.request,
            target: outgoing.target,
            forced_transport: callee.trunk.forced_transport(),
            sips: callee.sips,
        });
        let from = headers
            .from()
            .map_or(String::new(), |from| from.uri().to_string());
        let draft = Draft::new(from, self.request.uri.to_string(), cx.now);
        let media = CallMedia::new(self.id, negotiation);
        let provisionals = Provisionals::to(headers, cx.rng.next_u32());
        let mut parties = Parties::new(self.id, [caller, callee], media, draft, provisionals);
        for side in [Side::Caller, Side::Callee] {
            cx.legs
                .insert(parties.leg(side).key.clone(), parties.owner(side));
        }
        cx.servers.insert(self.server, parties.owner(Side::Caller));
        parties.started(cx);
        let state = Inviting {
            server: self.server,
            invite: Box::new(self.request),
            client,
            late_offer,
            early_answer: None,
            deadline: cx.now + cx.config.ring_timeout,
            held: None,
        };
        Call {
            parties: Box::new(parties),
            state: State::Inviting(state),
        }
    }

    fn caller_leg(&self, cx: &Context, way: &Way) -> Result<Leg, Refusal> {
        let request = &self.request;
        let sips = Sips::of(&request.uri, way.caller.settings.pass_sips);
        let listener = cx.listener(self.origin.listener);
        let contact = identity::contact(request.uri.user(), listener, sips);
        let path = Path::to_sender(
            &request.headers,
            &self.origin,
            Some(way.caller.id),
            way.caller.forced_transport(),
        );
        let path = path
            .map_err(|_| Refusal::MALFORMED)?
            .with_listeners(&cx.config.listeners);
        let dialog = Dialog::from_request(request, &self.tag, contact.clone(), path)
            .map_err(|_| Refusal::MALFORMED)?;
        let mut leg = Leg::from(NewLeg {
            trunk: way.caller.clone(),
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

    fn callee_leg(&self, cx: &mut Context, way: &Way) -> Result<Outgoing, Refusal> {
        let destination = way.destination().ok_or(Refusal::NO_ROUTE)?;
        let listener = way
            .outgoing_listener(cx, &destination)
            .ok_or(Refusal::ALL_TARGETS_FAILED)?;
        let sips = Sips::of(&self.request.uri, way.callee.settings.pass_sips);
        let key = LegKey {
            call_id: cx.token(),
            tag: cx.token(),
        };
        let ours = cx.listener(listener);
        let headers = &self.request.headers;
        let (from, to) = match (headers.from(), headers.to()) {
            (Ok(from), Ok(to)) => (from, to),
            _ => return Err(Refusal::MALFORMED),
        };
        let called = &self.request.uri;
        let to = identity::renumbered_to(&to, called, &way.numbers.called);
        let called = identity::renumbered(called, &way.numbers.called);
        let from = from.with_uri(identity::renumbered(from.uri(), &way.numbers.caller));
        let contact = identity::contact(identity::user(from.uri()).as_deref(), ours, sips);
        let request = NewRequest {
            method: Method::Invite,
            uri: identity::request_uri(&called, &destination, sips),
            from: identity::from(&from, ours, sips).with_tag(&key.tag),
            to: identity::to(&to, &destination, sips),
            call_id: key.call_id.clone(),
            sequence: FIRST_SEQUENCE,
            contact: Some(contact.clone()),
        };
        let mut request = request.build();
        request
            .headers
            .set(HeaderName::MaxForwards, way.max_forwards.to_string());
        request.headers.push(HeaderName::Allow, ALLOW);
        request
            .headers
            .push(HeaderName::UserAgent, cx.config.user_agent.as_str());
        let transport = destination.transport;
        let target = Target {
            transport,
            listener,
            connection: None,
            host: destination.host,
            port: destination.port,
            trunk: Some(way.callee.id),
        };
        let leg = Leg::from(NewLeg {
            trunk: way.callee.clone(),
            listener,
            key,
            contact,
            sips,
            transport,
            remote: None,
            dialog: None,
        });
        Ok(Outgoing {
            leg,
            request,
            target,
        })
    }
}

impl Way {
    /// SEC-2: a trunk with TLS is called over TLS, whatever its destination says.
    fn destination(&self) -> Option<Destination> {
        let destination = self.callee.settings.destination.clone()?;
        if !self.callee.settings.requires_tls() || destination.transport.is_secure() {
            return Some(destination);
        }
        let port = match destination.port {
            port if port == destination.transport.default_port() => Transport::Tls.default_port(),
            port => port,
        };
        Some(Destination {
            transport: Transport::Tls,
            port,
            ..destination
        })
    }

    /// The trunk's listener, or if that has another transport the first of its realm that fits.
    fn outgoing_listener(&self, cx: &Context, destination: &Destination) -> Option<ListenerId> {
        let trunk = &self.callee.settings;
        let fits = |id: &ListenerId| {
            let listener = cx.config.listeners.get(usize::from(id.0));
            listener.is_some_and(|listener| {
                listener.transport == destination.transport && listener.realm == trunk.realm
            })
        };
        let all = (0..=u16::MAX)
            .map(ListenerId)
            .take(cx.config.listeners.len());
        std::iter::once(trunk.listener).chain(all).find(fits)
    }
}

/// CSeq number of the INVITE that makes a leg (RFC 3261 section 8.1.1.5: any will do).
const FIRST_SEQUENCE: u32 = 1;
