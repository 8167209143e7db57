//! The server half of the table: requests find their transaction, responses leave by it.

use std::collections::HashMap;
use std::time::Instant;

use super::effects::{Effects, Outputs};
use super::event::{Event, ServerKey};
use super::key::{AckMatch, MergeMatch, ServerMatch};
use super::server_invite::{AckUse, ServerInvite};
use super::server_non_invite::ServerNonInvite;
use super::timers::Timer;
use crate::message::{Response, StatusCode};
use crate::transport::{Origin, Target};
use crate::trunk::TrunkId;

/// Every server transaction, and the ways to find one.
#[derive(Default)]
pub(super) struct Servers {
    next: u64,
    table: HashMap<ServerKey, Server>,
    by_match: HashMap<ServerMatch, ServerKey>,
    by_merge: HashMap<MergeMatch, ServerKey>,
    by_ack: HashMap<AckMatch, ServerKey>,
}

/// One server transaction.
struct Server {
    matching: ServerMatch,
    merge: Option<MergeMatch>,
    ack: Option<AckMatch>,
    /// The request came over TLS.
    secure: bool,
    /// The latest To tag that the user sent.
    to_tag: Option<Box<[u8]>>,
    /// Has no user: the table answers it.
    quiet: bool,
    machine: Machine,
}

enum Machine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

/// A new transaction's nature.
pub(super) enum Kind {
    Invite {
        trying: Vec<u8>,
    },
    NonInvite,
    /// A CANCEL: answered by the table.
    Cancel,
}

impl Servers {
    pub(super) fn find(&self, matching: &ServerMatch) -> Option<ServerKey> {
        self.by_match.get(matching).copied()
    }

    /// Whether a message that came so may belong to that request (SEC-2): what came over TLS is
    /// repeated, acknowledged and cancelled over TLS.
    pub(super) fn trusts(&self, key: ServerKey, origin: &Origin) -> bool {
        origin.transport.is_secure() || !self.table.get(&key).is_some_and(|server| server.secure)
    }

    /// Whether another copy of the request is being answered (section 8.2.2.2).
    pub(super) fn is_merged(&self, merge: &MergeMatch) -> bool {
        self.by_merge.contains_key(merge)
    }

    /// The INVITE whose 2xx made the dialog of that ACK.
    pub(super) fn find_accepted(&self, ack: &AckMatch) -> Option<ServerKey> {
        self.by_ack.get(ack).copied()
    }

    pub(super) fn start(
        &mut self,
        now: Instant,
        matching: ServerMatch,
        merge: Option<MergeMatch>,
        target: Target,
        kind: Kind,
        out: &mut Outputs,
    ) -> ServerKey {
        let key = self.reserve_key();
        let quiet = matches!(kind, Kind::Cancel);
        let secure = target.transport.is_secure();
        let machine = match kind {
            Kind::Invite { trying } => Machine::Invite(ServerInvite::start(
                target,
                trying,
                &mut out.of(key, now, quiet),
            )),
            Kind::NonInvite | Kind::Cancel => Machine::NonInvite(ServerNonInvite::start(target)),
        };
        self.by_match.insert(matching.clone(), key);
        if let Some(merge) = &merge {
            self.by_merge.entry(merge.clone()).or_insert(key);
        }
        let server = Server {
            matching,
            merge,
            ack: None,
            secure,
            to_tag: None,
            quiet,
            machine,
        };
        self.table.insert(key, server);
        key
    }

    pub(super) fn reserve_key(&mut self) -> ServerKey {
        let key = ServerKey(self.next);
        self.next += 1;
        key
    }

    pub(super) fn handle_retransmission(
        &mut self,
        now: Instant,
        key: ServerKey,
        out: &mut Outputs,
    ) {
        self.step(now, key, out, |machine, fx| match machine {
            Machine::Invite(machine) => machine.handle_retransmission(fx).map(Machine::Invite),
            Machine::NonInvite(machine) => {
                machine.handle_retransmission(fx).map(Machine::NonInvite)
            }
        });
    }

    pub(super) fn handle_ack(&mut self, now: Instant, key: ServerKey, out: &mut Outputs) -> AckUse {
        let mut usage = AckUse::Absorbed;
        self.step(now, key, out, |machine, fx| match machine {
            Machine::Invite(machine) => {
                let (machine, found) = machine.handle_ack(fx);
                usage = found;
                machine.map(Machine::Invite)
            }
            other => Some(other),
        });
        usage
    }

    /// Whether the transaction may still be answered.
    pub(super) fn is_open(&self, key: ServerKey) -> bool {
        match self.table.get(&key).map(|server| &server.machine) {
            Some(Machine::Invite(machine)) => machine.is_proceeding(),
            Some(Machine::NonInvite(machine)) => machine.is_open(),
            None => false,
        }
    }

    /// The latest To tag that the user sent.
    pub(super) fn to_tag(&self, key: ServerKey) -> Option<&[u8]> {
        self.table.get(&key)?.to_tag.as_deref()
    }

    pub(super) fn set_trunk(&mut self, key: ServerKey, trunk: TrunkId) {
        let server = self.table.get_mut(&key);
        if let Some(target) = server.and_then(|server| server.machine.target_mut()) {
            target.trunk = Some(trunk);
        }
    }

    /// Whether it was sent: only while [`Servers::is_open`].
    pub(super) fn respond(
        &mut self,
        now: Instant,
        key: ServerKey,
        response: &Response,
        out: &mut Outputs,
    ) -> bool {
        if !self.is_open(key) {
            return false;
        }
        self.remember_dialog(key, response);
        let (status, bytes) = (response.status, response.to_bytes());
        self.step(now, key, out, |machine, fx| {
            respond(machine, status, bytes, fx)
        });
        true
    }

    fn remember_dialog(&mut self, key: ServerKey, response: &Response) {
        let Some(server) = self.table.get_mut(&key) else {
            return;
        };
        if let Some(tag) = super::key::to_tag(&response.headers) {
            server.to_tag = Some(tag);
        }
        if !matches!(server.machine, Machine::Invite(_)) || !response.status.is_success() {
            return;
        }
        if let Ok(ack) = AckMatch::of(&response.headers) {
            self.by_ack.insert(ack.clone(), key);
            server.ack = Some(ack);
        }
    }

    pub(super) fn handle_timer(
        &mut self,
        now: Instant,
        key: ServerKey,
        timer: Timer,
        out: &mut Outputs,
    ) {
        self.step(now, key, out, |machine, fx| match machine {
            Machine::Invite(machine) => machine.handle_timer(timer, fx).map(Machine::Invite),
            Machine::NonInvite(machine) => machine.handle_timer(timer).map(Machine::NonInvite),
        });
    }

    /// A response could not be sent. The user is told, and the transaction goes on as RFC 6026
    /// section 7.1 has it after a 2xx: were it gone, as section 17.2.4 has it for the rest, a
    /// retransmission of the request would be taken for a new one and done twice.
    pub(super) fn handle_transport_error(
        &mut self,
        now: Instant,
        key: ServerKey,
        out: &mut Outputs,
    ) {
        self.step(now, key, out, |machine, fx| {
            if machine.minds_transport_error() {
                fx.tell(Event::ServerTransportFailed { key });
            }
            Some(machine)
        });
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Transactions that do more than absorb retransmissions.
    pub(super) fn active(&self) -> usize {
        let active = |server: &&Server| match &server.machine {
            Machine::Invite(machine) => machine.is_active(),
            Machine::NonInvite(machine) => machine.is_open(),
        };
        self.table.values().filter(active).count()
    }

    /// Lets the machine make its transition; a machine that is gone takes its entries along.
    fn step(
        &mut self,
        now: Instant,
        key: ServerKey,
        out: &mut Outputs,
        transition: impl FnOnce(Machine, &mut Effects<'_, ServerKey>) -> Option<Machine>,
    ) {
        let Some(server) = self.table.remove(&key) else {
            return;
        };
        let mut fx = out.of(key, now, server.quiet);
        match transition(server.machine, &mut fx) {
            Some(machine) => {
                self.table.insert(key, Server { machine, ..server });
            }
            None => {
                fx.stop_all();
                fx.tell(Event::Ended { key: key.into() });
                self.by_match.remove(&server.matching);
                if let Some(ack) = server.ack {
                    self.by_ack.remove(&ack);
                }
                if let Some(merge) = server
                    .merge
                    .filter(|merge| self.by_merge.get(merge) == Some(&key))
                {
                    self.by_merge.remove(&merge);
                }
            }
        }
    }
}

impl Machine {
    fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            Machine::Invite(machine) => machine.target_mut(),
            Machine::NonInvite(machine) => Some(machine.target_mut()),
        }
    }

    fn minds_transport_error(&self) -> bool {
        match self {
            Machine::Invite(machine) => machine.is_active(),
            Machine::NonInvite(_) => true,
        }
    }
}

fn respond(
    machine: Machine,
    status: StatusCode,
    bytes: Vec<u8>,
    fx: &mut Effects<'_, ServerKey>,
) -> Option<Machine> {
    match machine {
        Machine::Invite(machine) => machine.respond(status, bytes, fx).map(Machine::Invite),
        Machine::NonInvite(machine) => machine.respond(status, bytes, fx).map(Machine::NonInvite),
    }
}
