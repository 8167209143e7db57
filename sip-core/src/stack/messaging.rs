//! MESSAGE outside any dialog (RFC 3428): it takes the way of a call, without media, and its response
//! comes back. Nothing of it is kept once it is answered.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use super::Stack;
use super::refusing::Refused;
use crate::call::context::{Asker, MessageId};
use crate::call::outcome::{Failure, hop_refusal};
use crate::call::places::Place;
use crate::call::{NewInvite, Way};
use crate::message::Response;
use crate::refusal::Refusal;
use crate::stack::ResolveId;
use crate::transaction::ClientKey;
use crate::transport::Host;
use crate::trunk::failover::{self, Plan, Step, Verdict};
use crate::trunk::{Hop, TargetUri};

/// Those that have no final response.
#[derive(Default)]
pub(super) struct Messages {
    next: u64,
    pending: HashMap<MessageId, Pending>,
    by_client: HashMap<ClientKey, MessageId>,
    /// How long each may wait for the target in hand.
    deadlines: BTreeSet<(Instant, MessageId)>,
}

struct Pending {
    hunt: Hunt,
    stage: Stage,
    until: Instant,
}

/// The way of a MESSAGE through its trunk's targets.
struct Hunt {
    received: NewInvite,
    way: Way,
    plan: Plan,
    /// Those that the plan still has to come to, if it leads to an account.
    places: VecDeque<Place>,
    /// Targets that were asked.
    asked: usize,
    /// Why the latest target did not take it.
    cause: Option<Cause>,
}

enum Stage {
    Locating(ResolveId),
    Asking(ClientKey, TargetUri, Hop),
}

enum Cause {
    Declined(Response),
    Failed(String),
}

impl Messages {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    pub(super) fn is_waiting_for(&self, client: ClientKey) -> bool {
        self.by_client.contains_key(&client)
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len() + self.by_client.len() + self.deadlines.len()
    }

    fn take(&mut self, id: MessageId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.deadlines.remove(&(pending.until, id));
        if let Stage::Asking(client, ..) = pending.stage {
            self.by_client.remove(&client);
        }
        Some(pending)
    }

    fn take_asking(&mut self, client: ClientKey) -> Option<(MessageId, Pending)> {
        let id = *self.by_client.get(&client)?;
        Some((id, self.take(id)?))
    }

    fn put(&mut self, id: MessageId, pending: Pending) {
        self.deadlines.insert((pending.until, id));
        if let Stage::Asking(client, ..) = pending.stage {
            self.by_client.insert(client, id);
        }
        self.pending.insert(id, pending);
    }
}

impl Stack {
    /// A MESSAGE that was admitted.
    pub(super) fn begin_message(&mut self, received: NewInvite, way: Way) {
        if self.messages.pending.len() >= MOST_MESSAGES {
            let refused = Refused::of(Refusal::LIMIT, Some(way.caller.id));
            return self.refuse(&received, refused);
        }
        let id = MessageId(self.messages.next);
        self.messages.next += 1;
        let plan = match way.places.is_empty() {
            true => way.plan(&self.cx.health, self.cx.now, &mut *self.cx.rng),
            // Of the places of an account one after the other, until somebody takes it.
            false => Plan::new(way.places.iter().map(Place::target_uri).collect(), None),
        };
        let hunt = Hunt {
            places: way.places.iter().cloned().collect(),
            received,
            way,
            plan,
            asked: 0,
            cause: None,
        };
        self.ask_next(id, hunt);
    }

    /// Asks the next target, or where it is; without one nobody takes the MESSAGE.
    fn ask_next(&mut self, id: MessageId, mut hunt: Hunt) {
        let stage = loop {
            match hunt.plan.next() {
                Step::Locate(target) => {
                    if let Some(asked) = self.locate_for(id, &mut hunt, &target) {
                        break Stage::Locating(asked);
                    }
                }
                Step::Call(target, hop) => match self.ask_at(&mut hunt, &target, hop) {
                    Ok(client) => {
                        hunt.asked += 1;
                        break Stage::Asking(client, target, hop);
                    }
                    Err(refusal) => {
                        let refused = Refused::of(refusal, Some(hunt.way.caller.id));
                        return self.refuse(&hunt.received, refused);
                    }
                },
                Step::Exhausted => return self.nobody_took(hunt),
            }
        };
        let until = self.cx.now + hunt.way.callee.settings.origination.no_response;
        self.messages.put(id, Pending { hunt, stage, until });
    }

    /// A question for the target's addresses, if they must be asked for.
    fn locate_for(
        &mut self,
        id: MessageId,
        hunt: &mut Hunt,
        target: &TargetUri,
    ) -> Option<ResolveId> {
        let settings = &hunt.way.callee.settings;
        let transports = settings.transports(&self.cx.config.listeners, target);
        match (&target.host, transports.first()) {
            (_, None) => hunt.failed(NO_LISTENER.to_owned()),
            (Host::Address(address), Some(&transport)) => {
                let address = (*address, target.port_for(transport)).into();
                hunt.plan.found(vec![Hop { transport, address }]);
            }
            (Host::Name(_), Some(_)) => {
                let asker = Asker::Message(id);
                return Some(self.cx.resolve(asker, target.clone(), transports));
            }
        }
        None
    }

    pub(super) fn message_located(
        &mut self,
        id: MessageId,
        asked: ResolveId,
        found: Result<Vec<Hop>, String>,
    ) {
        let is_waiting = self.messages.pending.get(&id).is_some_and(
            |pending| matches!(&pending.stage, Stage::Locating(current) if *current == asked),
        );
        let Some(pending) = is_waiting.then(|| self.messages.take(id)).flatten() else {
            return;
        };
        let mut hunt = pending.hunt;
        match found {
            Ok(mut hops) => {
                let settings = &hunt.way.callee.settings;
                let listeners = &self.cx.config.listeners;
                hops.retain(|hop| settings.listener_for(listeners, hop).is_some());
                let (health, now) = (&self.cx.health, self.cx.now);
                hops.sort_by_key(|hop| health.is_bad(now, (hop.transport, hop.address)));
                hunt.plan.found(hops);
            }
            Err(reason) => hunt.failed(reason),
        }
        self.ask_next(id, hunt);
    }

    fn ask_at(
        &mut self,
        hunt: &mut Hunt,
        target: &TargetUri,
        hop: Hop,
    ) -> Result<ClientKey, Refusal> {
        let received = &hunt.received.request;
        let (request, to) = hunt.way.message(&mut self.cx, received, target, hop)?;
        let (request, to) = match hunt.places.pop_front() {
            Some(place) => place.invite(&request),
            None => (request, to),
        };
        Ok(self.cx.send(request, to))
    }

    /// A response to a MESSAGE that was passed on.
    pub(super) fn message_answered(&mut self, client: ClientKey, response: &Response) {
        if response.status.is_provisional() {
            return;
        }
        let Some((
            id,
            Pending {
                mut hunt, stage, ..
            },
        )) = self.messages.take_asking(client)
        else {
            return;
        };
        let verdict = failover::verdict(response.status);
        if !matches!(verdict, Verdict::NextAddress | Verdict::NextTarget) {
            return self.pass_message_response(&hunt, response);
        }
        if failover::is_targets_fault(response.status) {
            self.avoid(&hunt, &stage, verdict == Verdict::NextAddress);
        }
        if verdict == Verdict::NextTarget {
            hunt.plan.skip_target();
        }
        hunt.cause = Some(Cause::Declined(response.clone()));
        self.ask_next(id, hunt);
    }

    /// A MESSAGE that was passed on got no response.
    pub(super) fn message_failed(&mut self, client: ClientKey, failure: &Failure) {
        if let Some((
            id,
            Pending {
                mut hunt, stage, ..
            },
        )) = self.messages.take_asking(client)
        {
            self.avoid(&hunt, &stage, true);
            hunt.cause = Some(Cause::Failed(failure.text().to_owned()));
            self.ask_next(id, hunt);
        }
    }

    /// Those that have waited long enough for a target: the next one is asked.
    pub(super) fn ask_further(&mut self) {
        let now = self.cx.now;
        while let Some(&(_, id)) = self
            .messages
            .deadlines
            .first()
            .filter(|(deadline, _)| *deadline <= now)
        {
            let Some(Pending {
                mut hunt, stage, ..
            }) = self.messages.take(id)
            else {
                return;
            };
            match &stage {
                Stage::Locating(..) => hunt.failed("no answer from the resolver".to_owned()),
                Stage::Asking(client, ..) => {
                    self.forget_message(*client);
                    self.avoid(&hunt, &stage, true);
                    hunt.cause = Some(Cause::Failed(Failure::TimedOut.text().to_owned()));
                }
            }
            self.ask_next(id, hunt);
        }
    }

    /// Nobody is asked any more.
    pub(super) fn end_messages(&mut self) {
        let mut ids: Vec<MessageId> = self.messages.pending.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(Pending { hunt, stage, .. }) = self.messages.take(id) else {
                continue;
            };
            if let Stage::Asking(client, ..) = stage {
                self.forget_message(client);
            }
            let refused = Refused::of(Refusal::SHUTTING_DOWN, Some(hunt.way.caller.id));
            self.refuse(&hunt.received, refused);
        }
    }

    /// It is not sent again, whichever transaction it is in by now.
    fn forget_message(&mut self, client: ClientKey) {
        let current = self.cx.challenges.current(client);
        self.cx.transactions.abandon(self.cx.now, current);
    }

    fn pass_message_response(&mut self, hunt: &Hunt, response: &Response) {
        if let Some(refusal) = hop_refusal(response.status) {
            let refused = Refused::of(refusal, Some(hunt.way.caller.id));
            return self.refuse(&hunt.received, refused);
        }
        let NewInvite {
            server,
            request,
            tag,
            ..
        } = &hunt.received;
        let passed = hunt
            .way
            .message_response(&self.cx, (request, tag), response);
        self.cx.respond(*server, &passed);
        self.cx.counters.texts_passed += 1;
    }

    /// Where there was but one target, its own word says more than ours.
    fn nobody_took(&mut self, hunt: Hunt) {
        let detail = match &hunt.cause {
            Some(Cause::Declined(response)) if hunt.asked == 1 => {
                return self.pass_message_response(&hunt, response);
            }
            Some(Cause::Declined(response)) => response.status.to_string(),
            Some(Cause::Failed(reason)) => reason.clone(),
            None => "none is enabled".to_owned(),
        };
        let caller = Some(hunt.way.caller.id);
        let refused = Refused::of(Refusal::ALL_TARGETS_FAILED, caller).because(detail);
        self.refuse(&hunt.received, refused);
    }

    /// Other calls and messages avoid the target in hand for a while, and its address if that is at
    /// fault.
    fn avoid(&mut self, hunt: &Hunt, stage: &Stage, and_address: bool) {
        let Stage::Asking(_, target, hop) = stage else {
            return;
        };
        let callee = &hunt.way.callee;
        let backoff = callee.settings.origination.backoff;
        let until = self.cx.now + backoff;
        self.cx.health.failed((callee.id, target.clone()), until);
        if and_address {
            let address = (hop.transport, hop.address);
            self.cx.health.address_failed(self.cx.now, address, backoff);
        }
    }
}

impl Hunt {
    /// The target in hand cannot be asked.
    fn failed(&mut self, reason: String) {
        self.places.pop_front();
        self.cause = Some(Cause::Failed(reason));
        self.plan.skip_target();
    }
}

/// At once; each is a few KB.
const MOST_MESSAGES: usize = 10_000;
const NO_LISTENER: &str = "no listener of the trunk's realm fits";
