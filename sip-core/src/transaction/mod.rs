//! Transactions: RFC 3261 section 17 with the Accepted state of RFC 6026.
//!
//! One table for client and server transactions, between the transport (messages in, [`Transmit`]s
//! out) and the transaction user, which is the call layer ([`Event`]s out, requests and responses
//! in). What the table does by itself, so that its user need not:
//!
//! - retransmits requests and final responses, absorbs what is retransmitted to us;
//! - sends 100 Trying for an INVITE that its user leaves unanswered for 200 ms, or at the INVITE's
//!   first retransmission (section 17.2.1);
//! - acknowledges refusals of our INVITEs (section 17.1.1.3);
//! - answers CANCEL (section 9.2): 200 if its INVITE is there, else 481;
//! - holds a CANCEL of ours back until a provisional response came (section 9.1);
//! - retransmits a 2xx to INVITE until its ACK comes (section 13.3.1.4), found by dialog and CSeq;
//! - repeats the user's ACK for each retransmitted 2xx (section 13.2.2.4);
//! - sends requests that are too large for a datagram by TCP, and by UDP if the peer has no TCP
//!   (section 18.1.1);
//! - drops what belongs to a transaction over TLS and came over UDP or TCP (SEC-2).
//!
//! | timer | runs in | length | over TCP and TLS |
//! |---|---|---|---|
//! | A | client INVITE, Calling | T1, doubling | – |
//! | B | client INVITE, Calling | 64*T1 | the same |
//! | D | client INVITE, Completed | 32 s | 0 |
//! | E | client non-INVITE, Trying, Proceeding | T1, doubling to T2; T2 in Proceeding | – |
//! | F | client non-INVITE, Trying, Proceeding | 64*T1 | the same |
//! | G | server INVITE, Completed, Accepted | T1, doubling to T2 | only in Accepted |
//! | H | server INVITE, Completed | 64*T1 | the same |
//! | I | server INVITE, Confirmed | T4 | 0 |
//! | J | server non-INVITE, Completed | 64*T1 | 0 |
//! | K | client non-INVITE, Completed | T4 | 0 |
//! | L | server INVITE, Accepted | 64*T1 | the same |
//! | M | client INVITE, Accepted | 64*T1 | the same |
//!
//! Timer C is a proxy's; how long a call may ring is the call layer's to say.

mod client_invite;
mod client_non_invite;
mod clients;
mod effects;
mod event;
mod gate;
mod hop;
mod inbound;
mod key;
mod large;
mod server_invite;
mod server_non_invite;
mod servers;
#[cfg(test)]
mod tests;
mod timers;
mod unreachable;
mod via;

pub use self::event::{ClientKey, Counters, Event, ServerKey, TransactionKey, Transmit};
pub use self::gate::Overload;
pub use self::timers::Timers;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Instant;

use rand_core::RngCore;

use self::client_invite::Ack;
use self::clients::Clients;
use self::effects::Outputs;
use self::gate::Gate;
use self::key::ClientMatch;
use self::large::{Fallback, LARGEST_DATAGRAM_BYTES, LargeRequests};
use self::servers::Servers;
use crate::message::{HeaderName, Request, Response};
use crate::transport::{Listener, ListenerId, Origin, Target, Transport};
use crate::trunk::TrunkId;

/// What a table of transactions is started with.
#[derive(Clone, Debug)]
pub struct TransactionConfig {
    pub timers: Timers,
    /// Indexed by [`crate::transport::ListenerId`]: what our Via says.
    pub listeners: Vec<Listener>,
    /// Server transactions at once; above it a request is answered 503 and forgotten. An eighth is
    /// kept for requests within dialogs and CANCEL. Over UDP one that is over stays for up to 32 s to
    /// absorb retransmissions, so this bounds requests per 32 s, too. About 1.3 KB each: the default
    /// is 260 MB at the most.
    pub max_server_transactions: usize,
    /// INVITEs outside dialogs that are let in per second, whoever sends them; `None`: any number.
    /// Others are answered 503 and forgotten ([`Event::Shed`]).
    pub max_invites_per_second: Option<u32>,
}

impl Default for TransactionConfig {
    fn default() -> TransactionConfig {
        TransactionConfig {
            timers: Timers::default(),
            listeners: Vec::new(),
            max_server_transactions: 200_000,
            max_invites_per_second: None,
        }
    }
}

/// Every transaction, client and server, INVITE and other.
///
/// No I/O. After each `handle_*` call, and after [`Transactions::request`],
/// [`Transactions::respond`], [`Transactions::cancel`] and [`Transactions::send_ack`], take every
/// [`Event`] and every [`Transmit`] with `poll_*`; call [`Transactions::handle_timeout`] when
/// [`Transactions::poll_timeout`] has come. `now` never goes backwards.
pub struct Transactions {
    listeners: Vec<Listener>,
    /// [`crate::trunk::Trunk::asks_for_alias`].
    aliased: HashSet<TrunkId>,
    max_server_transactions: usize,
    gate: Gate,
    /// Makes the To tags of responses that the table sends by itself.
    tag_seed: u64,
    /// When [`Event::Overflowed`] was last told.
    overflow_told: Option<Instant>,
    servers: Servers,
    clients: Clients,
    large: LargeRequests,
    out: Outputs,
}

impl Transactions {
    pub fn new(config: TransactionConfig, rng: &mut dyn RngCore) -> Transactions {
        Transactions {
            listeners: config.listeners,
            aliased: HashSet::new(),
            max_server_transactions: config.max_server_transactions,
            gate: Gate::new(config.max_invites_per_second),
            tag_seed: rng.next_u64(),
            overflow_told: None,
            servers: Servers::default(),
            clients: Clients::default(),
            large: LargeRequests::default(),
            out: Outputs {
                timers: config.timers,
                ..Outputs::default()
            },
        }
    }

    /// While `late`, INVITEs outside dialogs are answered 503 and forgotten: their user has not
    /// even come to those that it has.
    pub fn set_late(&mut self, late: bool) {
        self.gate.is_late = late;
    }

    /// Requests of these trunks that leave over TLS ask for an alias (RFC 5923).
    pub fn ask_for_aliases(&mut self, trunks: impl IntoIterator<Item = TrunkId>) {
        self.aliased = trunks.into_iter().collect();
    }

    /// A request came. [`crate::message::Message::parse`] has seen to it that it has what section
    /// 8.1.1 demands; one that a user of this type made otherwise is dropped.
    pub fn handle_request(&mut self, now: Instant, origin: Origin, request: Request) {
        let Ok(via) = request.headers.top_via() else {
            self.out.counters.malformed += 1;
            return;
        };
        if self.dispatch_request(now, &origin, &via, request).is_err() {
            self.out.counters.malformed += 1;
        }
    }

    /// A response came.
    pub fn handle_response(&mut self, now: Instant, origin: &Origin, response: Response) {
        let Ok(Some(matching)) = ClientMatch::of(&response) else {
            self.out.counters.stray_responses += 1;
            return;
        };
        // Section 8.1.3.3: more than one Via means that it went astray.
        if response.headers.list(HeaderName::Via).nth(1).is_some() {
            self.out.counters.stray_responses += 1;
            return;
        }
        if let Some(key) = self.clients.find(&matching) {
            if !self.clients.trusts(key, origin) {
                self.out.counters.insecure += 1;
                return;
            }
            self.clients
                .handle_response(now, key, origin, response, &mut self.out);
            return;
        }
        self.out.counters.stray_responses += 1;
        if response.status.is_success() && matching.is_invite() {
            self.out.events.push_back(Event::StrayResponse {
                origin: origin.clone(),
                response,
            });
        }
    }

    /// The message with [`Transmit::transaction`] `key` could not be sent, for that reason.
    pub fn handle_transport_error(&mut self, now: Instant, key: TransactionKey, reason: String) {
        self.out.counters.transport_errors += 1;
        match key {
            TransactionKey::Client(key) => {
                let fell_back = self.clients.fall_back(now, key, &mut self.out);
                if let Some(target) = fell_back {
                    return self.large.refused(now, &target);
                }
                self.clients
                    .handle_transport_error(now, key, reason, &mut self.out);
            }
            TransactionKey::Server(key) => {
                self.servers.handle_transport_error(now, key, &mut self.out);
            }
        }
    }

    /// ICMP has given back a datagram to `to` of which these are the first bytes. If they show that
    /// it was a request of ours that still waits for the peer's first word, that request has failed.
    /// Whether it was.
    pub fn handle_unreachable(
        &mut self,
        now: Instant,
        to: (ListenerId, SocketAddr),
        quoted: &[u8],
        reason: &str,
    ) -> bool {
        let asked = unreachable::quoted_request(quoted);
        let key = asked.and_then(|matching| self.clients.find(&matching));
        let Some(key) = key.filter(|key| self.clients.waits_for(*key, to)) else {
            return false;
        };
        self.handle_transport_error(now, TransactionKey::Client(key), reason.to_owned());
        true
    }

    /// The time of [`Transactions::poll_timeout`] has come. A call too early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((owner, timer)) = self.out.queue.pop(now) {
            match owner {
                TransactionKey::Client(key) => {
                    self.clients.handle_timer(now, key, timer, &mut self.out);
                }
                TransactionKey::Server(key) => {
                    self.servers.handle_timer(now, key, timer, &mut self.out);
                }
            }
        }
    }

    /// When [`Transactions::handle_timeout`] wants to be called; `None`: nothing is pending.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.out.queue.first()
    }

    /// Sends a request other than ACK and CANCEL, which needs From, To, Call-ID, CSeq and
    /// Max-Forwards and has no Via of ours: that is put on top, with the advertised address of
    /// `target.listener`.
    pub fn request(
        &mut self,
        now: Instant,
        mut request: Request,
        target: Target,
        rng: &mut dyn RngCore,
    ) -> ClientKey {
        let branch = self.stamp(&mut request, &target, rng);
        let bytes = request.to_bytes();
        if target.transport == Transport::Udp
            && bytes.len() > LARGEST_DATAGRAM_BYTES
            && let Some(by_tcp) = self.large.by_tcp(now, &target, &self.listeners)
        {
            let listener = &self.listeners[usize::from(by_tcp.listener.0)];
            let first = large::with_via_of(&request, listener, &branch);
            let fallback = Fallback {
                request,
                branch: branch.clone(),
                bytes,
                target,
            };
            let start = (first.to_bytes(), by_tcp, Some(fallback));
            return self
                .clients
                .start(now, &first, &branch, start, &mut self.out);
        }
        let start = (bytes, target, None);
        self.clients
            .start(now, &request, &branch, start, &mut self.out)
    }

    /// Responses leave with this trunk's TLS settings if the connection that the request came by is
    /// gone and they need a new one (section 18.2.2). The table cannot tell whose a request is.
    pub fn set_trunk(&mut self, key: ServerKey, trunk: TrunkId) {
        self.servers.set_trunk(key, trunk);
    }

    /// A key that no transaction has: for a request that never came by any transport.
    pub(crate) fn reserve_server_key(&mut self) -> ServerKey {
        self.servers.reserve_key()
    }

    /// Answers. Whether it was sent: not if a final response was already, or the transaction is
    /// gone.
    pub fn respond(&mut self, now: Instant, key: ServerKey, response: &Response) -> bool {
        self.servers.respond(now, key, response, &mut self.out)
    }

    /// Cancels an INVITE of ours (section 9.1): at once if a provisional response came, else as
    /// soon as one comes; never, if the final response is there first. That response comes as an
    /// event in any case, after at most 64*T1 from the CANCEL as [`Event::TimedOut`]; it may well
    /// be a 2xx, to be acknowledged and ended with BYE.
    pub fn cancel(&mut self, now: Instant, key: ClientKey) {
        self.clients.cancel(now, key, None, &mut self.out);
    }

    /// The same with a Reason in the CANCEL (RFC 3326).
    pub fn cancel_because(&mut self, now: Instant, key: ClientKey, reason: &str) {
        self.clients.cancel(now, key, Some(reason), &mut self.out);
    }

    /// Forgets a request other than INVITE: it is not sent again, and its response is a stray one.
    pub fn abandon(&mut self, now: Instant, key: ClientKey) {
        self.clients.abandon(now, key, &mut self.out);
    }

    /// Sends the ACK to a 2xx (section 13.2.2.4), which [`crate::dialog::Dialog::ack`] builds. While the
    /// transaction lives, each retransmission of that 2xx is answered with the same bytes.
    pub fn send_ack(
        &mut self,
        now: Instant,
        invite: ClientKey,
        mut ack: Request,
        target: Target,
        rng: &mut dyn RngCore,
    ) {
        let branch = self.stamp(&mut ack, &target, rng);
        let bytes = ack.to_bytes();
        let to_tag = key::to_tag(&ack.headers).unwrap_or_default();
        let is_large = target.transport == Transport::Udp && bytes.len() > LARGEST_DATAGRAM_BYTES;
        let by_tcp = is_large.then(|| self.large.by_tcp(now, &target, &self.listeners));
        let ack = match by_tcp.flatten() {
            Some(by_tcp) => {
                let listener = &self.listeners[usize::from(by_tcp.listener.0)];
                let first = large::with_via_of(&ack, listener, &branch).to_bytes();
                Ack::new(to_tag, (by_tcp, first), Some((target, bytes)))
            }
            None => Ack::new(to_tag, (target, bytes), None),
        };
        self.out.transmits.push_back(ack.transmit(invite));
        self.clients.acknowledge(invite, ack);
    }

    /// What the user has to know next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// What is to be sent next, in this order.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.transmits.pop_front()
    }

    /// Transactions that exist, those included that only absorb retransmissions.
    pub fn len(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Transactions in which something is still expected: a response, or an ACK. Looks at each.
    pub fn active(&self) -> usize {
        self.servers.active() + self.clients.active()
    }

    pub fn counters(&self) -> &Counters {
        &self.out.counters
    }

    fn stamp(&self, request: &mut Request, target: &Target, rng: &mut dyn RngCore) -> String {
        let listener = self
            .listeners
            .get(usize::from(target.listener.0))
            .expect("a target's listener is one of the configuration's");
        let asks_for_alias = target
            .trunk
            .is_some_and(|trunk| self.aliased.contains(&trunk));
        via::stamp_ours(request, target, (listener, asks_for_alias), rng)
    }
}
