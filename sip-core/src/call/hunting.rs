//! The call goes from target to target until one takes it (TRK-3).
//!
//! Each try is a leg of its own: Call-ID and From tag are new, for a target that still holds an
//! earlier INVITE, or is reached by a proxy that does, would take another one under the same ones
//! for a merged request (RFC 3261 section 8.2.2.2). So is its offer: what the trunk's keys and
//! ports are, one peer knows only.

use std::time::Instant;

use media_core::session::Side;
use rand_core::RngCore;

use super::begin::Way;
use super::bodies::{Description, pass_other_body};
use super::context::{Asker, Context};
use super::crossing::Crossing;
use super::failing::{end_refused, is_ours};
use super::forks::Forks;
use super::headers::{pass_referrer, session_description};
use super::inviting::Inviting;
use super::locating::Locating;
use super::outcome::Failure;
use super::parties::Parties;
use super::places::Place;
use super::sent_invite::SentInvite;
use super::{Call, State};
use crate::message::{HeaderName, RELIABLE, Request, Response, Uri};
use crate::refusal::Refusal;
use crate::sdp::Alternative;
use crate::stack::{EventKind, ResolveId, TriedTarget};
use crate::transaction::{ClientKey, ServerKey};
use crate::transport::{Host, Target};
use crate::trunk::failover::{self, Plan, RedirectError, Step};
use crate::trunk::health::Health;
use crate::trunk::{Hop, TargetUri};

/// The way of a call through its trunk's targets.
pub(super) struct Hunt {
    pub(super) way: Box<Way>,
    pub(super) plan: Plan,
    /// What the first target is offered; made before it was chosen.
    first: Option<FirstOffer>,
    /// Who a redirect says is called.
    pub(super) redirected_to: Option<Uri>,
    /// Why the latest target failed.
    pub(super) cause: Option<Cause>,
    /// The target in hand.
    pub(super) current: Option<(TargetUri, Hop)>,
    /// The early dialogs of the target in hand.
    pub(super) forks: Forks,
}

/// `None`: a late offer.
type FirstOffer = Option<Vec<u8>>;

/// The caller's INVITE, which waits for its answer.
pub(super) struct Waiting {
    pub(super) server: ServerKey,
    pub(super) invite: Box<Request>,
    /// The INVITE has no offer.
    pub(super) late_offer: bool,
    /// When nobody waits any longer.
    pub(super) deadline: Instant,
}

/// Why a target did not take the call.
pub(super) enum Cause {
    Declined(Box<Response>),
    Failed(Failure),
}

/// A target's addresses.
enum Located {
    Known(Vec<Hop>),
    Asked(ResolveId),
}

impl Hunt {
    pub(super) fn new(cx: &mut Context, way: Way, offer: FirstOffer) -> Box<Hunt> {
        let plan = way.plan(&cx.health, cx.now, &mut *cx.rng);
        Box::new(Hunt {
            plan,
            forks: Forks::new(way.callee.settings.origination.early_dialogs),
            way: Box::new(way),
            first: Some(offer),
            redirected_to: None,
            cause: None,
            current: None,
        })
    }

    /// Asks the next target, or where it is; without one the call has failed.
    pub(super) fn advance(
        mut self: Box<Self>,
        cx: &mut Context,
        parties: &mut Parties,
        waiting: Waiting,
    ) -> State {
        loop {
            match self.plan.next() {
                Step::Locate(target) => match self.locate(cx, parties, &target) {
                    Located::Known(hops) => {
                        if let Err(error) = self.found(cx, parties, &target, hops) {
                            return self.refuse_redirect(cx, parties, &waiting, error);
                        }
                    }
                    Located::Asked(id) => {
                        let patience = self.way.callee.settings.origination.no_response;
                        let until = cx.now + patience;
                        return State::Locating(Box::new(Locating::new(
                            self, waiting, target, id, until,
                        )));
                    }
                },
                Step::Call(target, hop) => match self.call(cx, parties, &waiting, target, hop) {
                    Ok(client) => {
                        let patience = self.way.callee.settings.origination.no_response;
                        return State::Inviting(Inviting {
                            server: waiting.server,
                            invite: waiting.invite,
                            client,
                            late_offer: waiting.late_offer,
                            early_answer: None,
                            deadline: waiting.deadline,
                            silent_until: Some(cx.now + patience),
                            held: None,
                            hunt: self,
                        });
                    }
                    Err(refusal) => return end_refused(cx, parties, &waiting, &refusal),
                },
                Step::Exhausted => return self.give_up(cx, parties, &waiting),
            }
        }
    }

    /// The answer to the question where a target is.
    pub(super) fn located(
        mut self: Box<Self>,
        cx: &mut Context,
        parties: &mut Parties,
        waiting: Waiting,
        target: &TargetUri,
        found: Result<Vec<Hop>, String>,
    ) -> State {
        let found = match found {
            Ok(hops) => self.found(cx, parties, target, hops),
            Err(reason) => {
                self.not_located(cx, parties, target, reason);
                Ok(())
            }
        };
        match found {
            Ok(()) => self.advance(cx, parties, waiting),
            Err(error) => self.refuse_redirect(cx, parties, &waiting, error),
        }
    }

    /// Its addresses, if they need not be asked for.
    fn locate(&mut self, cx: &mut Context, parties: &mut Parties, target: &TargetUri) -> Located {
        let trunk = &self.way.callee.settings;
        let transports = trunk.transports(&cx.config.listeners, target);
        match (&target.host, transports.first()) {
            (_, None) => {
                let reason = "no listener of the trunk's realm fits".to_owned();
                self.not_located(cx, parties, target, reason);
                Located::Known(Vec::new())
            }
            (Host::Address(address), Some(&transport)) => Located::Known(vec![Hop {
                transport,
                address: (*address, target.port_for(transport)).into(),
            }]),
            (Host::Name(_), Some(_)) => {
                let asker = Asker::Call(parties.id);
                Located::Asked(cx.resolve(asker, target.clone(), transports))
            }
        }
    }

    /// Takes a target's addresses: those that we can send to, those that failed lately at the end.
    fn found(
        &mut self,
        cx: &mut Context,
        parties: &mut Parties,
        target: &TargetUri,
        mut hops: Vec<Hop>,
    ) -> Result<(), RedirectError> {
        if self.plan.is_redirect()
            && hops
                .iter()
                .any(|hop| failover::is_private(hop.address.ip()) || is_ours(cx, hop))
        {
            return Err(RedirectError::PrivateAddress);
        }
        let were_found = !hops.is_empty();
        let (trunk, listeners) = (&self.way.callee.settings, &cx.config.listeners);
        hops.retain(|hop| trunk.listener_for(listeners, hop).is_some());
        if hops.is_empty() && were_found {
            let reason = "no listener of the trunk's realm fits its addresses".to_owned();
            self.not_located(cx, parties, target, reason);
        }
        hops.sort_by_key(|hop| cx.health.is_bad(cx.now, (hop.transport, hop.address)));
        self.plan.found(hops);
        Ok(())
    }

    /// It is not known where a target is, or nothing leads there.
    fn not_located(
        &mut self,
        cx: &mut Context,
        parties: &mut Parties,
        target: &TargetUri,
        reason: String,
    ) {
        parties.draft.targets.push(TriedTarget {
            uri: target.to_string(),
            hop: None,
            sip_call_id: None,
            status: None,
            outcome: reason.clone(),
        });
        self.current = None;
        parties.event(
            cx,
            EventKind::PeerUnreachable,
            Side::Callee,
            Some(Refusal::ALL_TARGETS_FAILED.code),
            format!("{target}: {reason}"),
        );
        let until = cx.now + self.way.callee.settings.origination.backoff;
        cx.health
            .failed((self.way.callee.id, target.clone()), until);
        self.cause = Some(Cause::Failed(Failure::TransportFailed(reason)));
        self.plan.skip_target();
    }

    /// Sends the INVITE to a target.
    fn call(
        &mut self,
        cx: &mut Context,
        parties: &mut Parties,
        waiting: &Waiting,
        target: TargetUri,
        hop: Hop,
    ) -> Result<ClientKey, Refusal> {
        let received = &waiting.invite;
        let offer = match self.first.take() {
            Some(offer) => offer,
            None => session_description(&received.headers, &received.body)
                .ok()
                .flatten()
                .map(|sdp| parties.media.offer_anew(cx, sdp))
                .transpose()?,
        };
        let redirected = self.redirected_to.as_ref();
        let redirected = redirected.filter(|_| self.plan.is_redirect());
        // A redirect names another place, and that alone.
        let places = match self.plan.is_redirect() {
            true => &[][..],
            false => &self.way.places[..],
        };
        let mut outgoing = self.way.outgoing(cx, received, redirected, &target, hop)?;
        let mut invite = outgoing.request.clone();
        Crossing::request(&self.way.caller.settings, &self.way.callee.settings)
            .pass(&received.headers, &mut invite.headers);
        pass_referrer(&received.headers, &mut invite.headers);
        if let Some(sdp) = offer {
            // An offer of the far side in a reliable response would need its answer in our PRACK,
            // which a caller that knows no PRACK cannot give: so only where the offer is ours.
            // Nor where several places ring: the first to acknowledge would speak for all.
            if places.len() < 2 {
                invite.headers.push(HeaderName::Supported, RELIABLE);
            }
            Description {
                sdp,
                described_by: &received.headers,
                came: &received.body,
            }
            .attach(&mut invite.headers, &mut invite.body);
        } else {
            let came = (&received.headers, &*received.body);
            pass_other_body(came, &mut invite.headers, &mut invite.body);
        }
        outgoing.leg.timer.ask(&mut invite.headers);
        let owner = parties.owner(Side::Callee);
        let client = match places.split_first() {
            Some((first, others)) => {
                let others = beside(cx, parties, others, &invite, received)?;
                let (request, target) = first.invite(&invite);
                (outgoing.request, outgoing.target) = first.invite(&outgoing.request);
                ring(cx, parties, (request, target), others)
            }
            None => cx.request(owner, invite, outgoing.target.clone()),
        };
        let mut leg = outgoing.leg;
        outgoing.request.headers.shrink_to_fit();
        leg.invite = Some(Box::new(SentInvite {
            client,
            request: outgoing.request,
            target: outgoing.target,
            forced_transport: leg.trunk.forced_transport(),
            sips: leg.sips,
            nat: leg.trunk.settings.may_be_behind_nat(),
        }));
        cx.legs.insert(leg.key.clone(), owner);
        parties.draft.targets.reserve_exact(1);
        parties.draft.targets.push(TriedTarget {
            uri: target.to_string(),
            hop: Some(hop),
            sip_call_id: Some(leg.key.call_id.clone()),
            status: None,
            outcome: ASKED.to_owned(),
        });
        *parties.leg_mut(Side::Callee) = leg;
        self.current = Some((target, hop));
        parties.rings_no_more();
        self.forks.begin();
        Ok(client)
    }
}

impl Way {
    /// The targets of the trunk, in the order in which they are asked now.
    pub(crate) fn plan(&self, health: &Health, now: Instant, rng: &mut dyn RngCore) -> Plan {
        let settings = &self.callee.settings;
        let origination = &settings.origination;
        let standing = |target: &TargetUri| health.standing(now, &(self.callee.id, target.clone()));
        let targets = origination.order(standing, rng);
        let secured = |target: &TargetUri| settings.secured(target);
        let fallback = origination.fallback.as_ref().map(secured);
        match self.places.first() {
            Some(place) => Plan::new(vec![place.target_uri()], None),
            None => Plan::new(targets.iter().map(secured).collect(), fallback),
        }
    }
}

impl Call {
    pub(crate) fn handle_resolved(
        self,
        cx: &mut Context,
        id: ResolveId,
        found: Result<Vec<Hop>, String>,
    ) -> Call {
        self.step(cx, super::Input::Resolved { id, found })
    }
}

/// The INVITE as it goes to the other places of an account, each with an offer of its own: under
/// one key all of them could read what we send to the one that answers, and from the keys of
/// several answers none would tell whose packet it is (RFC 4568 section 7.3).
fn beside(
    cx: &mut Context,
    parties: &mut Parties,
    others: &[Place],
    invite: &Request,
    received: &Request,
) -> Result<Vec<Beside>, Refusal> {
    let one = |place: &Place| -> Result<Beside, Refusal> {
        let (mut request, target) = place.invite(invite);
        let sdp = session_description(&received.headers, &received.body);
        let offered = match sdp.ok().flatten() {
            Some(sdp) => {
                let (sdp, offered) = parties.media.offer_beside(cx, sdp)?;
                let description = Description {
                    sdp,
                    described_by: &received.headers,
                    came: &received.body,
                };
                description.replace(&mut request.headers, &mut request.body);
                Some(offered)
            }
            None => None,
        };
        Ok(((request, target), offered))
    };
    others.iter().map(one).collect()
}

/// An INVITE to one place, and what is offered there, if anything is.
type Beside = ((Request, Target), Option<Alternative>);

/// Sends the INVITE to all places of an account.
fn ring(
    cx: &mut Context,
    parties: &mut Parties,
    first: (Request, Target),
    others: Vec<Beside>,
) -> ClientKey {
    let (requests, offered): (Vec<_>, Vec<_>) = others.into_iter().unzip();
    let owner = parties.owner(Side::Callee);
    let (first, others) = cx.request_all(owner, first, requests);
    let offered = others.into_iter().zip(offered);
    let offered = offered.filter_map(|(client, offered)| Some((client, offered?)));
    parties.media.wait_for_one_of(offered.collect());
    first
}

/// An outcome that is still to come.
pub(super) const ASKED: &str = "no final response";
