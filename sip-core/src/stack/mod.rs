//! The one entry of signalling: messages, time and media events in, commands out.
//!
//! A message is parsed here, goes through [`crate::transaction`], and what that tells is led to
//! its call (`dispatch`), to a new one (`admission`), or answered at once. What is due then leaves
//! as [`Command`]s.

mod admission;
mod authentication;
mod command;
mod config;
mod control;
mod counters;
mod destination;
mod dispatch;
mod event;
mod malformed;
mod media;
mod messaging;
mod our_registrations;
mod places;
mod placing;
mod probing;
mod record;
mod refusals;
mod refusing;
mod registering;
mod remains;
mod status;
mod stepping;
mod transferring;

pub use self::command::{
    Command, MediaCommand, Resolve, ResolveId, Transmit, TransmitId, TransportFailure, Unreachable,
};
pub use self::config::StackConfig;
pub use self::control::{ControlError, Place, TransferHow};
pub use self::counters::Counters;
pub use self::event::{Event, EventKind};
pub use self::probing::{ProbeState, TargetStatus};
pub use self::record::{CallRecord, CallState, EndedBy, LegRecord, LiveCall, TriedTarget};
pub use crate::transport::Listener;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::ports::MediaPorts;
use media_core::report::MediaEvent;
use media_core::session::CallId;
use rand_core::CryptoRng;

use self::authentication::Authentication;
use self::messaging::Messages;
use self::our_registrations::OurRegistration;
use self::probing::Prober;
use self::refusals::{LimitsTold, Told};
pub(crate) use self::remains::Remains;
use crate::call::Call;
use crate::call::challenges::Challenges;
use crate::call::context::{Asker, Context, Lookups};
use crate::call::places::Places;
use crate::call::referrals::Referrals;
use crate::message::Message;
use crate::refusal::Refusal;
use crate::registrar::{Aor, Registrar, Snapshot};
use crate::transaction::{TransactionConfig, Transactions};
use crate::transport::{ConnectionId, Origin};
use crate::trunk::health::Health;
use crate::trunk::{Hop, Route, Trunk, TrunkId, TrunkLoads};

/// Trunkline's signalling: every transaction, dialog and call of the process.
///
/// No I/O. Call `handle_*` with what happened; after each, take every [`Command`] from
/// [`Stack::poll_command`] and do them in order, then sleep until [`Stack::poll_timeout`] or the
/// next thing that happens, and call [`Stack::handle_timeout`] when that time has come. `now` never
/// goes backwards. Nothing that comes from the wire panics.
pub struct Stack {
    cx: Context,
    trunks: Vec<Arc<Trunk>>,
    /// The trunk of each account (SIG-4).
    accounts: HashMap<Aor, TrunkId>,
    calls: HashMap<CallId, CallEntry>,
    /// Every [`CallEntry::scheduled`].
    deadlines: BTreeSet<(Instant, CallId)>,
    prober: Prober,
    authentication: Authentication,
    registrar: Registrar,
    registrations: Vec<OurRegistration>,
    messages: Messages,
    /// Connections that a message of a call came by.
    call_connections: HashSet<ConnectionId>,
    next_call: u64,
    shutting_down: bool,
    /// No new calls, by an operator's wish.
    draining: bool,
    told: Told,
    limits_told: LimitsTold,
    /// When overload was last told of.
    overload_told: Option<Instant>,
}

struct CallEntry {
    call: Call,
    scheduled: Option<Instant>,
}

impl Stack {
    pub fn new(
        mut config: StackConfig,
        mut rng: Box<dyn CryptoRng + Send>,
        ports: Box<dyn MediaPorts + Send>,
        now: Instant,
    ) -> Stack {
        let transactions = TransactionConfig {
            timers: config.timers,
            listeners: config.listeners.clone(),
            max_server_transactions: config.max_transactions,
            max_invites_per_second: config.calls_per_second,
        };
        let trunks: Vec<Arc<Trunk>> = std::mem::take(&mut config.trunks)
            .into_iter()
            .map(Arc::new)
            .collect();
        let prober = Prober::of(&trunks, now, &mut *rng);
        let mut challenges = Challenges::default();
        challenges.configure(&trunks);
        let authentication = Authentication::new(now, &mut *rng);
        let next_call = config.first_call;
        let mut stack = Stack {
            cx: Context {
                now,
                transactions: Transactions::new(transactions, &mut *rng),
                config,
                rng,
                ports,
                commands: VecDeque::new(),
                counters: Counters::default(),
                loads: TrunkLoads::default(),
                health: Health::default(),
                lookups: Lookups::default(),
                remains: Remains::default(),
                referrals: Referrals::default(),
                legs: HashMap::new(),
                clients: HashMap::new(),
                servers: HashMap::new(),
                own_invites: HashMap::new(),
                notes: VecDeque::new(),
                challenges,
                places: Places::default(),
            },
            trunks,
            accounts: HashMap::new(),
            calls: HashMap::new(),
            deadlines: BTreeSet::new(),
            prober,
            authentication,
            registrar: Registrar::default(),
            registrations: Vec::new(),
            messages: Messages::default(),
            call_connections: HashSet::new(),
            next_call,
            shutting_down: false,
            draining: false,
            told: Told::default(),
            limits_told: LimitsTold::default(),
            overload_told: None,
        };
        stack.configure_registrations();
        stack.configure_aliases();
        stack.configure_accounts();
        stack
    }

    /// The messages that are handed over from now on have waited that long since they arrived.
    pub fn set_lateness(&mut self, waited: Duration) {
        let most = self.cx.config.max_queue_delay;
        self.cx
            .transactions
            .set_late(most.is_some_and(|most| waited > most));
    }

    /// One complete message: a datagram, or a frame that [`crate::framing`] cut from a stream.
    pub fn handle_message(&mut self, now: Instant, origin: Origin, bytes: &[u8]) {
        self.cx.now = now;
        match Message::parse_within(bytes, &self.cx.config.message_limits) {
            Ok(message) => {
                self.cx.counters.messages_received += 1;
                let insecure = self.cx.transactions.counters().insecure;
                match message {
                    Message::Request(request) => {
                        self.cx.transactions.handle_request(now, origin, request);
                    }
                    Message::Response(response) => {
                        self.cx.transactions.handle_response(now, &origin, response);
                    }
                }
                self.cx.counters.insecure_dropped +=
                    self.cx.transactions.counters().insecure - insecure;
            }
            Err(error) => self.handle_malformed(&origin, &error),
        }
        self.drive();
    }

    /// A [`Transmit`] could not be sent.
    pub fn handle_transport_failure(&mut self, now: Instant, failure: TransportFailure) {
        self.cx.now = now;
        self.cx.counters.transport_failures += 1;
        if let TransmitId(Some(transaction)) = failure.id {
            if failure.handshake_refused {
                self.asking_is_vain(transaction);
            }
            self.cx
                .transactions
                .handle_transport_error(now, transaction, failure.reason);
        }
        self.drive();
    }

    /// ICMP speaks of a datagram; only if it can be believed does it mean anything.
    pub fn handle_unreachable(&mut self, now: Instant, given_back: &Unreachable) {
        self.cx.now = now;
        let to = (given_back.listener, given_back.to);
        let transactions = &mut self.cx.transactions;
        match transactions.handle_unreachable(now, to, &given_back.quoted, &given_back.reason) {
            true => self.cx.counters.transport_failures += 1,
            false => self.cx.counters.unreachables_ignored += 1,
        }
        self.drive();
    }

    /// A connection was closed, by either side: the dialogs that used it go on over a new one.
    pub fn handle_connection_closed(&mut self, now: Instant, connection: ConnectionId) {
        self.cx.now = now;
        self.registrar.connection_closed(connection);
        self.registration_connection_closed(connection);
        if self.call_connections.remove(&connection) {
            for entry in self.calls.values_mut() {
                entry.call.connection_closed(connection);
            }
        }
    }

    /// The answer to a [`Resolve`]: the addresses of the target, the best one first, or why there is
    /// none. Each is answered once; one that nobody waits for any more does nothing.
    pub fn handle_resolved(
        &mut self,
        now: Instant,
        id: ResolveId,
        found: Result<Vec<Hop>, String>,
    ) {
        self.cx.now = now;
        match self.cx.lookups.take(id) {
            Some(Asker::Call(call)) => {
                self.with_call(call, |call, cx| call.handle_resolved(cx, id, found));
            }
            Some(Asker::Probe(place)) => self.probe_located(place, found),
            Some(Asker::Registration) => self.registrar_located(id, found),
            Some(Asker::Message(message)) => self.message_located(message, id, found),
            None => {}
        }
        self.drive();
    }

    /// The media plane has something to say.
    pub fn handle_media(&mut self, now: Instant, event: MediaEvent) {
        self.cx.now = now;
        match event {
            MediaEvent::Timeout { call, silent_for } => self.end_silent_call(call, silent_for),
            MediaEvent::Failed { call, reason } => self.end_failed_call(call, reason),
            MediaEvent::Digit { call, from, digit } => self.tell_of_digit(call, from, digit),
            MediaEvent::Removed { call, report } => self.with_call(call, |mut call, cx| {
                call.media_removed(cx, report);
                call
            }),
        }
        self.drive();
    }

    /// The time of [`Stack::poll_timeout`] has come. A call too early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.cx.now = now;
        self.cx.transactions.handle_timeout(now);
        self.drive();
        while let Some(&(deadline, id)) = self
            .deadlines
            .first()
            .filter(|(deadline, _)| *deadline <= now)
        {
            self.deadlines.remove(&(deadline, id));
            if let Some(entry) = self.calls.get_mut(&id) {
                entry.scheduled = None;
            }
            self.with_call(id, Call::handle_timeout);
            self.drive();
        }
        self.answer_held();
        self.expire_bindings();
        self.send_registrations();
        self.probe();
        self.ask_further();
        self.drive();
        self.cx.remains.expire(now);
        self.cx.give_up_referrals(Some(now));
    }

    /// When [`Stack::handle_timeout`] wants to be called; `None`: nothing is pending.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(deadline, _)| *deadline);
        [
            self.cx.transactions.poll_timeout(),
            deadline,
            self.cx.remains.next_expiry(),
            self.cx.referrals.next_expiry(),
            self.prober.next_due(),
            self.authentication.next_answer(),
            self.registrar.next_expiry(),
            self.next_registration(),
            self.messages.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.cx.commands.pop_front()
    }

    /// Takes effect with the next call; calls that are up do not change (SEC-1).
    ///
    /// A [`crate::trunk::TrunkId`] must keep its meaning: a trunk that is removed keeps its place,
    /// with no ACL, no domains and no destination.
    pub fn reconfigure(&mut self, trunks: Vec<Trunk>, routes: Vec<Route>) {
        self.trunks = trunks.into_iter().map(Arc::new).collect();
        self.cx.challenges.configure(&self.trunks);
        self.configure_registrations();
        self.configure_aliases();
        self.configure_accounts();
        self.cx.config.routes = routes;
        self.reconfigure_probes();
    }

    fn configure_aliases(&mut self) {
        let ids = (0..=u16::MAX).map(TrunkId);
        let aliased = ids
            .zip(&self.trunks)
            .filter(|(_, trunk)| trunk.asks_for_alias);
        self.cx
            .transactions
            .ask_for_aliases(aliased.map(|(id, _)| id));
    }

    /// Ends every call (BYE, CANCEL, 503) and takes no new one; finished when [`Stack::is_idle`].
    pub fn shut_down(&mut self, now: Instant) {
        self.cx.now = now;
        self.shutting_down = true;
        self.end_probes();
        self.leave_registrations();
        self.end_messages();
        self.cx.give_up_referrals(None);
        let mut ids: Vec<CallId> = self.calls.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.with_call(id, |call, cx| call.end(cx, Refusal::SHUTTING_DOWN));
        }
        self.drive();
    }

    /// Takes what [`Command::Store`] had kept before a restart, of accounts that are still there;
    /// how many bindings live.
    pub fn restore(&mut self, now: Instant, kept: &[Snapshot]) -> usize {
        self.cx.now = now;
        let accounts = self.trunks.iter().flat_map(|trunk| &trunk.accounts);
        let known: HashSet<Aor> = accounts.map(|account| account.aor.clone()).collect();
        kept.iter()
            .filter(|snapshot| known.contains(&snapshot.aor))
            .map(|snapshot| self.restore_one(snapshot))
            .sum()
    }
}
