//! What every call shares: transactions, ports, randomness, the way out, and the index that leads
//! from a message to its call.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use media_core::ports::MediaPorts;
use media_core::session::{CallId, Side};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::challenges::Challenges;
use super::leg::Leg;
use super::places::{Branch, ELSEWHERE, Places};
use super::referrals::Referrals;
use super::transfer::NewCall;
use crate::message::{CSeq, HeaderName, Request, Response, StatusCode, response_to, token};
use crate::refusal::Refusal;
use crate::stack::{Command, Counters, Event, Remains, Resolve, ResolveId, StackConfig};
use crate::transaction::{ClientKey, ServerKey, Transactions};
use crate::transport::{Listener, ListenerId, Target, Transport};
use crate::trunk::health::Health;
use crate::trunk::{TargetUri, TrunkLoads};

/// A leg's dialog, by what stays the same in it from the INVITE on: Call-ID and our tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LegKey {
    pub(crate) call_id: String,
    pub(crate) tag: String,
}

/// A leg of a call.
pub(crate) type Owner = (CallId, Side);

/// Everything outside of a call that it uses.
pub(crate) struct Context {
    /// Set by each entry of the stack.
    pub(crate) now: Instant,
    pub(crate) config: StackConfig,
    pub(crate) transactions: Transactions,
    pub(crate) rng: Box<dyn CryptoRng + Send>,
    pub(crate) ports: Box<dyn MediaPorts + Send>,
    pub(crate) commands: VecDeque<Command>,
    pub(crate) counters: Counters,
    pub(crate) loads: TrunkLoads,
    /// Which targets failed lately, or are out of service.
    pub(crate) health: Health,
    /// Who waits for the addresses of a name.
    pub(crate) lookups: Lookups,
    /// Far legs that are over.
    pub(crate) remains: Remains,
    /// Legs that are over, and whose peers may still tell of a REFER.
    pub(crate) referrals: Referrals,
    /// Which leg a request within a dialog belongs to.
    pub(crate) legs: HashMap<LegKey, Owner>,
    /// Whose requests of ours are still without a final response, or may see another 2xx.
    pub(crate) clients: HashMap<ClientKey, Owner>,
    /// INVITEs of ours to ourselves, which no transaction answers.
    pub(crate) own_invites: HashMap<ServerKey, OwnInvite>,
    /// What calls have to tell each other.
    pub(crate) notes: VecDeque<Note>,
    /// INVITEs that are out at several places.
    pub(crate) places: Places,
    /// What peers ask of us before they do what we ask.
    pub(crate) challenges: Challenges,
    /// Whose INVITEs from the peers are being answered or wait for ACK.
    pub(crate) servers: HashMap<ServerKey, Owner>,
}

/// Questions that [`Command::Resolve`] asked.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    next: u64,
    asked: HashMap<ResolveId, Asker>,
}

/// Who asked where a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    Call(CallId),
    /// A probe of the target at that place.
    Probe(usize),
    /// A registration of ours.
    Registration,
    /// A MESSAGE outside any call.
    Message(MessageId),
}

/// Names a MESSAGE outside any call; never re-used in the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MessageId(pub(crate) u64);

impl Lookups {
    /// Who asked; each question is answered once.
    pub(crate) fn take(&mut self, id: ResolveId) -> Option<Asker> {
        self.asked.remove(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.asked.len()
    }

    pub(crate) fn forget_probes(&mut self) {
        self.asked
            .retain(|_, asker| !matches!(asker, Asker::Probe(_)));
    }
}

/// An INVITE that a transfer asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnInvite {
    /// Who hears the responses.
    pub(crate) asker: CallId,
    /// The call that it makes.
    pub(crate) call: CallId,
}

/// From one call to another, or to the stack (SIG-7).
pub(crate) enum Note {
    /// A REFER asks for a call.
    NewCall(Box<NewCall>),
    /// A response to an INVITE of ours to ourselves.
    Answered {
        asker: CallId,
        server: ServerKey,
        response: Box<Response>,
    },
    /// Call `to` wants that side of call `from`, and offers it this SDP.
    Borrow {
        from: CallId,
        side: Side,
        to: CallId,
        offer: Vec<u8>,
    },
    /// Here it is, with its answer.
    Lent {
        from: CallId,
        to: CallId,
        leg: Box<Leg>,
        response: Box<Response>,
    },
    /// It does not agree, or is gone.
    NotLent {
        from: CallId,
        to: CallId,
        status: StatusCode,
    },
    /// It is not wanted any more.
    NotWanted { from: CallId, to: CallId },
    /// Who asked for that call is gone.
    Abandoned { call: CallId },
    /// The first party of a call that we placed has answered: where does the second one's INVITE go?
    FirstAnswered { call: CallId },
}

impl Context {
    /// Asks for the addresses of a name.
    pub(crate) fn resolve(
        &mut self,
        asker: Asker,
        target: TargetUri,
        transports: Vec<Transport>,
    ) -> ResolveId {
        let id = ResolveId(self.lookups.next);
        self.lookups.next += 1;
        self.lookups.asked.insert(id, asker);
        self.commands.push_back(Command::Resolve(Resolve {
            id,
            target,
            transports,
        }));
        id
    }

    /// Sends a request of a leg; its outcome comes to the leg's call.
    pub(crate) fn request(&mut self, owner: Owner, request: Request, target: Target) -> ClientKey {
        let client = self.send(request, target);
        self.clients.insert(client, owner);
        client
    }

    /// Sends an INVITE to several places at once; it is known by its first one. Also the keys of
    /// the others, in order.
    pub(crate) fn request_all(
        &mut self,
        owner: Owner,
        first: (Request, Target),
        others: Vec<(Request, Target)>,
    ) -> (ClientKey, Vec<ClientKey>) {
        let first = self.branch(owner, first);
        let others: Vec<Branch> = others
            .into_iter()
            .map(|other| self.branch(owner, other))
            .collect();
        let keys = (
            first.client,
            others.iter().map(|branch| branch.client).collect(),
        );
        if !others.is_empty() {
            self.places.begin(first, others);
        }
        keys
    }

    fn branch(&mut self, owner: Owner, (request, target): (Request, Target)) -> Branch {
        let mut bare = request.clone();
        let body = Arc::new(Zeroizing::new(std::mem::take(&mut bare.body)));
        Branch {
            client: self.request(owner, request, target.clone()),
            request: bare,
            body,
            target,
            is_open: true,
        }
    }

    /// Sends the INVITE of one of several places once more, with other header lines; the place is in
    /// that transaction now.
    pub(crate) fn request_again(&mut self, owner: Owner, place: Branch) -> ClientKey {
        let mut request = place.request;
        request.body = place.body.to_vec();
        let again = self.branch(owner, (request, place.target));
        let client = again.client;
        self.places.asked_again(place.client, again);
        client
    }

    /// What comes of an INVITE is its call's business no more.
    pub(crate) fn disown(&mut self, invite: ClientKey) {
        for branch in self.places.branches(invite) {
            self.clients.remove(&self.challenges.current(branch));
            self.clients.remove(&branch);
        }
    }

    /// What still comes of an INVITE is for that leg.
    pub(crate) fn reassign(&mut self, invite: ClientKey, owner: Owner) {
        for branch in self.places.branches(invite) {
            for client in [branch, self.challenges.current(branch)] {
                if let Some(known) = self.clients.get_mut(&client) {
                    *known = owner;
                }
            }
        }
    }

    /// Sends a request whose outcome nobody waits for.
    pub(crate) fn request_and_forget(&mut self, request: Request, target: Target) {
        self.send(request, target);
    }

    /// Sends the ACK to a 2xx of `invite`, with the same credentials (RFC 3261 section 13.2.2.4) if it goes
    /// to whom they are for.
    pub(crate) fn acknowledge(&mut self, invite: ClientKey, ack: Request, target: Target) {
        let transaction = self.places.answered(invite);
        self.acknowledge_in(transaction, ack, target);
    }

    /// The same if it was one of several places that answered `invite`.
    pub(crate) fn acknowledge_in(&mut self, invite: ClientKey, mut ack: Request, target: Target) {
        let invite = self.challenges.current(invite);
        for (name, value) in self.challenges.credentials_of(invite, &target) {
            ack.headers.push(*name, value.as_str());
        }
        self.transactions
            .send_ack(self.now, invite, ack, target, &mut *self.rng);
    }

    pub(crate) fn cancel(&mut self, invite: ClientKey) {
        for branch in self.places.cancel(invite) {
            let invite = self.challenges.current(branch);
            self.challenges.give_up(invite);
            self.transactions.cancel(self.now, invite);
        }
    }

    /// Cancels one place of an INVITE that another place has answered.
    pub(crate) fn cancel_elsewhere(&mut self, branch: ClientKey) {
        let invite = self.challenges.current(branch);
        self.challenges.give_up(invite);
        self.transactions
            .cancel_because(self.now, invite, ELSEWHERE);
    }

    /// Sends a request that was challenged once more, with credentials and the next CSeq number of
    /// its leg, or without a leg its own next one (section 8.1.3.5).
    pub(crate) fn send_again(&mut self, challenged: ClientKey, sequence: Option<u32>) {
        let Some(sent) = self.challenges.take(challenged) else {
            return;
        };
        let (mut request, target) = (sent.request, sent.target);
        let own = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let cseq = CSeq::new(sequence.unwrap_or(own + 1), request.method.clone());
        request.headers.set(HeaderName::CSeq, cseq);
        let client = self.send(request, target);
        self.challenges
            .replace(sent.first, client, sent.attempts + 1);
        if let Some(owner) = self.clients.get(&challenged).copied() {
            self.clients.insert(client, owner);
        }
        self.counters.challenges_answered += 1;
    }

    /// Sends a request of no leg, with credentials as far as the peer's challenges are known.
    pub(crate) fn send(&mut self, request: Request, target: Target) -> ClientKey {
        let rng = &mut *self.rng;
        let Some(lines) = self.challenges.credentials_for(&request, &target, rng) else {
            return self.transactions.request(self.now, request, target, rng);
        };
        let mut with_credentials = request.clone();
        for (name, value) in &lines {
            with_credentials.headers.push(*name, value.as_str());
        }
        let client = self
            .transactions
            .request(self.now, with_credentials, target.clone(), rng);
        self.challenges.sent(client, request, target, lines);
        client
    }

    /// A response to `request` with our To tag and name.
    pub(crate) fn response(&self, request: &Request, status: StatusCode, tag: &str) -> Response {
        let mut response = response_to(request, status, Some(tag));
        response
            .headers
            .push(HeaderName::Server, self.config.user_agent.as_str());
        response
    }

    /// An INVITE of ours to ourselves is over; no transaction tells of it.
    pub(crate) fn own_invite_is_over(&mut self, server: ServerKey) {
        self.own_invites.remove(&server);
        self.servers.remove(&server);
    }

    pub(crate) fn respond(&mut self, server: ServerKey, response: &Response) {
        if let Some(own) = self.own_invites.get(&server) {
            let response = Box::new(response.clone());
            return self.notes.push_back(Note::Answered {
                asker: own.asker,
                server,
                response,
            });
        }
        self.transactions.respond(self.now, server, response);
    }

    /// The response that refuses `request`: with our code in Reason, and in Warning with 488.
    pub(crate) fn refusal_response(
        &self,
        request: &Request,
        tag: &str,
        refusal: &Refusal,
        listener: ListenerId,
    ) -> Response {
        let status = StatusCode::new(refusal.status).unwrap_or(StatusCode::SERVER_INTERNAL_ERROR);
        let mut response = self.response(request, status, tag);
        response
            .headers
            .push(HeaderName::Reason, refusal.reason_header());
        if status == StatusCode::NOT_ACCEPTABLE_HERE {
            let agent = self.listener(listener).advertised_host.to_string();
            response
                .headers
                .push(HeaderName::Warning, refusal.warning_header(&agent));
        }
        if refusal.is_for_now() {
            response
                .headers
                .push(HeaderName::RetryAfter, OVERLOAD_RETRY_AFTER);
        }
        response
    }

    pub(crate) fn listener(&self, id: ListenerId) -> &Listener {
        &self.config.listeners[usize::from(id.0)]
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.commands.push_back(Command::Event(event));
    }

    /// A fresh tag or Call-ID.
    pub(crate) fn token(&mut self) -> String {
        token(&mut *self.rng, TOKEN_BYTES)
    }

    /// Seconds from 0 to 10, for Retry-After (RFC 3261 section 14.2).
    pub(crate) fn short_delay(&mut self) -> String {
        (self.rng.next_u32() % 11).to_string()
    }
}

/// Random bytes in a tag or Call-ID; RFC 3261 section 19.3 wants at least 4.
const TOKEN_BYTES: usize = 12;
/// Seconds, in a 503 of ours.
const OVERLOAD_RETRY_AFTER: &str = "5";
