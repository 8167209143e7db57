//! A call that an operator asked for (OPS-3): we call both parties (RFC 3725).
//!
//! The flow is that RFC's third, with an offer to the second party as in its first:
//!
//! ```text
//! first party                  Trunkline                  second party
//!     │◄──────── INVITE, no offer ─┤                            │
//!     ├─ 200, its offer ──────────►│                            │
//!     │◄──── ACK, answer: inactive ┤                            │
//!     │                            ├─ INVITE, offer ───────────►│
//!     │                            │◄──────────── 200, answer ──┤
//!     │◄──── INVITE, that answer ──┤ ACK ──────────────────────►│
//!     ├─ 200 ─────────────────────►│                            │
//! ```
//!
//! The first party's offer says under which of its keys it can be reached, so no key is invented that
//! nobody asked for; it is acknowledged at once, however long the second party rings, which flow I
//! cannot do; and the second party gets an ordinary INVITE with an offer, where flows III and IV would
//! send it one without, which many do not take.
//!
//! While the first party is called it stands in the callee's place, and all that finds a callee finds
//! it. When it has answered it becomes the caller, and an INVITE of ours to ourselves is passed on to
//! the second party as if it had come from the first. The call, its record and its events are one from
//! the beginning.

use media_core::session::{CallId, Side};
use zeroize::Zeroizing;

use super::begin::Way;
use super::bodies::Description;
use super::bridging::Bridge;
use super::context::{Context, LegKey, Note, OwnInvite};
use super::ending::Ending;
use super::headers::{ACCEPT, session_description};
use super::hunting::{Hunt, Waiting};
use super::identity::{self, Sips};
use super::inviting::{Inviting, sequence};
use super::leg::{Leg, NewLeg};
use super::media::CallMedia;
use super::outcome::Outcome;
use super::parties::Parties;
use super::record::Draft;
use super::reliable::Provisionals;
use super::{Call, Input, State};
use crate::message::{HeaderName, Headers, Request, Response};
use crate::refusal::Refusal;
use crate::sdp::{LegPolicy, Negotiation};
use crate::transaction::{ClientKey, ServerKey};
use crate::transport::Transport;
use crate::trunk::TrunkId;

/// A call that is to be placed.
pub(crate) struct NewPlaced {
    pub(crate) id: CallId,
    /// To the first party, whose trunk is both caller's and callee's.
    pub(crate) way: Way,
    pub(crate) first: Request,
    /// The INVITE that the first party would send, without its offer.
    pub(crate) second: Request,
    /// By whose routes that goes.
    pub(crate) source: TrunkId,
}

/// What is still to be done for a call that we placed, until both parties talk.
pub(super) struct Placed {
    second: Box<Request>,
    source: TrunkId,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    /// The first party is called.
    First,
    /// The second one is, by that INVITE of ours to ourselves.
    Second(ServerKey),
    /// It has answered: the first one is to hear of it.
    Bridging(Box<Bridge>),
}

impl NewPlaced {
    pub(crate) fn begin(self, cx: &mut Context) -> Call {
        let NewPlaced {
            id,
            way,
            first,
            second,
            source,
        } = self;
        let uri = |request: &Request| {
            let to = request.headers.to();
            to.map_or_else(|_| request.uri.to_string(), |to| to.uri().to_string())
        };
        let draft = Draft::new(uri(&first), uri(&second), cx.now);
        let legs = [(); 2].map(|()| way.party(cx));
        let policy = || LegPolicy::of(&way.callee.settings);
        let media = CallMedia::new(id, Negotiation::new(id, policy(), policy()));
        let provisionals = Provisionals::to(&first.headers, cx.rng.next_u32());
        let mut parties = Parties::new(id, legs, media, draft, provisionals);
        parties.placed = Some(Box::new(Placed {
            second: Box::new(second),
            source,
            stage: Stage::First,
        }));
        parties.started(cx);
        let waiting = Waiting {
            server: own_server(cx, id),
            invite: Box::new(first),
            late_offer: true,
            deadline: cx.now + cx.config.ring_timeout,
        };
        let state = Hunt::new(cx, way, None).advance(cx, &mut parties, waiting);
        Call {
            parties: Box::new(parties),
            state,
        }
    }
}

impl Way {
    /// A leg for the first party, before it is called.
    fn party(&self, cx: &mut Context) -> Leg {
        let trunk = &self.callee;
        let listener = trunk.settings.listener;
        let target = trunk.settings.origination.first();
        let transport = target.and_then(|target| trunk.settings.secured(target).transport);
        Leg::from(NewLeg {
            trunk: trunk.clone(),
            listener,
            key: LegKey {
                call_id: cx.token(),
                tag: cx.token(),
            },
            contact: identity::contact(None, cx.listener(listener), Sips::HopByHop),
            sips: Sips::HopByHop,
            transport: transport.unwrap_or(Transport::Udp),
            remote: None,
            dialog: None,
        })
    }
}

/// The first party has answered, and is to be acknowledged with what says of the second one.
pub(super) struct Placing {
    client: ClientKey,
    sequence: u32,
    offer: Zeroizing<Vec<u8>>,
}

impl Placing {
    pub(super) fn handle(self, cx: &mut Context, parties: &mut Parties, input: Input) -> State {
        match input {
            Input::Bye { side, .. } => {
                parties.finish(cx, Outcome::hung_up(side));
                State::Ending(Ending::default())
            }
            Input::End(refusal) => self.refuse(cx, parties, &refusal),
            Input::Invite {
                side,
                server,
                request,
            } => {
                parties.respond_later(cx, side, server, &request);
                State::Placing(self)
            }
            _ => State::Placing(self),
        }
    }

    /// The second party is not called. The first one gets BYE, like after all that ends a call now.
    fn refuse(self, cx: &mut Context, parties: &mut Parties, refusal: &Refusal) -> State {
        parties.acknowledge(cx, Side::Caller, self.client, self.sequence, None);
        parties.finish(cx, Outcome::refused(refusal));
        State::Ending(Ending::default())
    }

    fn call_second(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        way: Way,
        mut invite: Request,
    ) -> State {
        let policies = [&way.caller, &way.callee].map(|trunk| LegPolicy {
            // Keys that another peer knows are not passed on.
            passthrough: crate::trunk::Passthrough::Never,
            ..LegPolicy::of(&trunk.settings)
        });
        let [caller, callee] = policies;
        let mut negotiation = Negotiation::new(parties.id, caller, callee);
        let described = negotiation
            .offer(Side::Caller, &self.offer, &mut *cx.ports, &mut *cx.rng)
            .and_then(|offer| {
                let answer = negotiation.hold_offerer(&mut *cx.ports, &mut *cx.rng)?;
                Ok((offer, answer))
            });
        let (offer, answer) = match described {
            Ok(described) => described,
            Err(refusal) => {
                for (realm, media) in negotiation.local_media() {
                    cx.ports.release(cx.now, realm, media);
                }
                return self.refuse(cx, parties, &refusal);
            }
        };
        negotiation.shut();
        parties.media = CallMedia::new(parties.id, negotiation);
        let answer = Description {
            sdp: answer,
            described_by: &Headers::new(),
            came: &[],
        };
        parties.acknowledge(cx, Side::Caller, self.client, self.sequence, Some(answer));
        *parties.leg_mut(Side::Callee) = way.leg_before_any_target(cx, parties.leg(Side::Caller));
        parties.count(cx, Side::Callee);
        let server = own_server(cx, parties.id);
        if let Some(placed) = &mut parties.placed {
            placed.stage = Stage::Second(server);
        }
        invite.headers.push(HeaderName::ContentType, ACCEPT);
        invite.body = self.offer.to_vec();
        let waiting = Waiting {
            server,
            invite: Box::new(invite),
            late_offer: false,
            deadline: cx.now + cx.config.ring_timeout,
        };
        Hunt::new(cx, way, Some(offer)).advance(cx, parties, waiting)
    }
}

impl Inviting {
    /// The first party's 2xx, of which the dialog is made already.
    pub(super) fn first_party_answered(
        self,
        cx: &mut Context,
        parties: &mut Parties,
        response: &Response,
    ) -> State {
        cx.own_invite_is_over(self.server);
        parties.first_party_calls(cx, self.client);
        let offer = session_description(&response.headers, &response.body);
        let placing = Placing {
            client: self.client,
            sequence: sequence(response),
            offer: Zeroizing::new(offer.ok().flatten().unwrap_or_default().to_vec()),
        };
        if placing.offer.is_empty() {
            return placing.refuse(cx, parties, &Refusal::NO_SDP);
        }
        cx.notes.push_back(Note::FirstAnswered { call: parties.id });
        State::Placing(placing)
    }
}

impl Call {
    /// The INVITE to the second party, as the first one would send it, and whose routes it goes by.
    pub(crate) fn second_invite(&self) -> Option<(&Request, TrunkId)> {
        let placed = self.parties.placed.as_ref()?;
        Some((&placed.second, placed.source))
    }

    /// It goes that way, or not at all.
    pub(crate) fn call_second(mut self, cx: &mut Context, way: Result<Way, Refusal>) -> Call {
        let State::Placing(placing) = self.state else {
            return self;
        };
        let parties = &mut self.parties;
        let invite = parties
            .placed
            .as_ref()
            .map(|placed| (*placed.second).clone());
        self.state = match (way, invite) {
            (Ok(mut way), Some(invite)) => {
                way.caller = parties.leg(Side::Caller).trunk.clone();
                placing.call_second(cx, parties, way, invite)
            }
            (Err(refusal), _) => placing.refuse(cx, parties, &refusal),
            (Ok(_), None) => placing.refuse(cx, parties, &Refusal::OPERATOR),
        };
        self.leave_first_party(cx)
    }

    /// The call is over before both parties talk: the first one, if it has answered, hears so.
    pub(super) fn leave_first_party(mut self, cx: &mut Context) -> Call {
        let State::Ending(ending) = &mut self.state else {
            return self;
        };
        let parties = &mut self.parties;
        let Some(placed) = parties.placed.take() else {
            return self;
        };
        if let Stage::Bridging(bridge) = placed.stage
            && let Some(client) = bridge.client
        {
            cx.cancel(client);
            ending.wait_for_invite(Side::Caller, client);
        }
        // What it acknowledges is our own.
        ending.wait_for_no_ack(Side::Caller);
        let bye = parties.hang_up(cx, Side::Caller, None, None);
        ending.wait_for_bye(Side::Caller, bye);
        self
    }

    /// The first party hangs up before both talk: nothing is sent to it any more.
    pub(super) fn first_party_left(&mut self, side: Side) {
        if side == Side::Caller && self.parties.placed.is_some() {
            self.parties.leg_mut(side).dialog = None;
        }
    }
}

impl Parties {
    /// The first party of a call that we placed is called.
    pub(super) fn calls_first_party(&self) -> bool {
        let placed = self.placed.as_ref();
        placed.is_some_and(|placed| matches!(placed.stage, Stage::First))
    }

    /// Where a side stands for others: who is called first is the caller.
    pub(super) fn place_of(&self, side: Side) -> Side {
        match self.calls_first_party() {
            true => side.other(),
            false => side,
        }
    }

    /// The first party has answered `invite`, and takes the caller's place.
    fn first_party_calls(&mut self, cx: &mut Context, invite: ClientKey) {
        self.exchange_legs();
        let owner = self.owner(Side::Caller);
        let leg = self.leg(Side::Caller);
        for key in std::iter::once(&leg.key).chain(&leg.other_keys) {
            cx.legs.insert(key.clone(), owner);
        }
        cx.reassign(invite, owner);
        self.begin_anew();
        if let Some(placed) = &mut self.placed {
            placed.stage = Stage::Second(cx.transactions.reserve_server_key());
        }
    }
}

/// For an INVITE of ours to ourselves in a call.
fn own_server(cx: &mut Context, call: CallId) -> ServerKey {
    let server = cx.transactions.reserve_server_key();
    let own = OwnInvite { asker: call, call };
    cx.own_invites.insert(server, own);
    server
}
