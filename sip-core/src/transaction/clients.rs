//! The client half of the table: requests leave by a transaction, responses find it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::client_invite::{Ack, CancelDue, ClientInvite};
use super::client_non_invite::ClientNonInvite;
use super::effects::{Effects, Outputs};
use super::event::{ClientKey, Event};
use super::hop::Hop;
use super::key::ClientMatch;
use super::large::Fallback;
use super::timers::Timer;
use super::unreachable;
use crate::message::{Method, Request, Response};
use crate::transport::{ListenerId, Origin, Target};

/// Every client transaction, and the way to find one.
#[derive(Default)]
pub(super) struct Clients {
    next: u64,
    table: HashMap<ClientKey, Client>,
    by_match: HashMap<ClientMatch, ClientKey>,
}

/// One client transaction.
struct Client {
    matching: ClientMatch,
    /// The request left over TLS.
    secure: bool,
    /// Has no user: a CANCEL.
    quiet: bool,
    machine: Machine,
    /// How to send the request if it cannot be sent as it was.
    fallback: Option<Box<Fallback>>,
}

enum Machine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

impl Machine {
    fn start(
        request: &Request,
        branch: &str,
        bytes: Vec<u8>,
        target: Target,
        fx: &mut Effects<'_, ClientKey>,
    ) -> Machine {
        if request.method == Method::Invite {
            let hop = Box::new(Hop::of(request, branch, target));
            Machine::Invite(ClientInvite::start(hop, bytes, fx))
        } else {
            Machine::NonInvite(ClientNonInvite::start(target, bytes, fx))
        }
    }

    /// The peer has not been heard, and the user still wants an answer.
    fn is_unheard(&self) -> bool {
        match self {
            Machine::Invite(machine) => machine.is_unheard(),
            Machine::NonInvite(machine) => machine.is_unheard(),
        }
    }
}

impl Clients {
    pub(super) fn find(&self, matching: &ClientMatch) -> Option<ClientKey> {
        self.by_match.get(matching).copied()
    }

    /// Whether a response that came so may be one to that request (SEC-2): nobody but the peer
    /// of the TLS connection answers what was sent over it, whatever a datagram's branch says.
    pub(super) fn trusts(&self, key: ClientKey, origin: &Origin) -> bool {
        origin.transport.is_secure() || !self.table.get(&key).is_some_and(|client| client.secure)
    }

    /// Whether that request went there by a datagram, and nothing has been heard of the peer.
    pub(super) fn waits_for(&self, key: ClientKey, to: (ListenerId, SocketAddr)) -> bool {
        let target = self
            .table
            .get(&key)
            .and_then(|client| match &client.machine {
                Machine::Invite(machine) => machine.unheard_target(),
                Machine::NonInvite(machine) => machine.unheard_target(),
            });
        target.is_some_and(|target| unreachable::is_to(target, to))
    }

    /// Sends a request that has its Via, with that branch: as these bytes, to that target.
    pub(super) fn start(
        &mut self,
        now: Instant,
        request: &Request,
        branch: &str,
        (bytes, target, fallback): (Vec<u8>, Target, Option<Fallback>),
        out: &mut Outputs,
    ) -> ClientKey {
        let key = self.next_key();
        let matching = ClientMatch::new(branch, request.method.clone());
        let secure = target.transport.is_secure();
        let fx = &mut out.of(key, now, false);
        let machine = Machine::start(request, branch, bytes, target, fx);
        self.insert(
            key,
            Client {
                matching,
                secure,
                quiet: false,
                machine,
                fallback: fallback.map(Box::new),
            },
        );
        key
    }

    /// The request, or its ACK, could not be sent: sends it the other way, if there is one and nothing
    /// has been heard of it. The target of that way.
    pub(super) fn fall_back(
        &mut self,
        now: Instant,
        key: ClientKey,
        out: &mut Outputs,
    ) -> Option<Target> {
        let client = self.table.get_mut(&key)?;
        if let Machine::Invite(invite) = &mut client.machine
            && let Some(target) = invite.fall_back(&mut out.of(key, now, false))
        {
            return Some(target);
        }
        let fallback = client.fallback.take()?;
        if !client.machine.is_unheard() {
            return None;
        }
        let Fallback {
            request,
            branch,
            bytes,
            target,
        } = *fallback;
        let fx = &mut out.of(key, now, false);
        fx.stop_all();
        client.machine = Machine::start(&request, &branch, bytes, target.clone(), fx);
        Some(target)
    }

    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        key: ClientKey,
        origin: &Origin,
        response: Response,
        out: &mut Outputs,
    ) {
        if let Some(client) = self.table.get_mut(&key) {
            client.fallback = None;
        }
        let mut due = CancelDue::No;
        self.step(now, key, out, |machine, fx| match machine {
            Machine::Invite(machine) => {
                let (machine, cancel) = machine.handle_response(origin, response, fx);
                due = cancel;
                machine.map(Machine::Invite)
            }
            Machine::NonInvite(machine) => machine
                .handle_response(origin, response, fx)
                .map(Machine::NonInvite),
        });
        self.send_cancel(now, due, out);
    }

    pub(super) fn cancel(
        &mut self,
        now: Instant,
        key: ClientKey,
        reason: Option<&str>,
        out: &mut Outputs,
    ) {
        let mut due = CancelDue::No;
        self.step(now, key, out, |machine, fx| match machine {
            Machine::Invite(machine) => {
                let (machine, cancel) = machine.cancel(reason, fx);
                due = cancel;
                Some(Machine::Invite(machine))
            }
            other => Some(other),
        });
        self.send_cancel(now, due, out);
    }

    /// For requests other than INVITE, which may still make a dialog.
    pub(super) fn abandon(&mut self, now: Instant, key: ClientKey, out: &mut Outputs) {
        self.step(now, key, out, |machine, _| match machine {
            Machine::NonInvite(_) => None,
            invite => Some(invite),
        });
    }

    /// The CANCEL is a transaction of its own, with the INVITE's branch (section 9.1).
    fn send_cancel(&mut self, now: Instant, due: CancelDue, out: &mut Outputs) {
        let CancelDue::Now(hop) = due else {
            return;
        };
        let key = self.next_key();
        let matching = ClientMatch::new(&hop.branch, Method::Cancel);
        let secure = hop.target.transport.is_secure();
        let bytes = hop.cancel().to_bytes();
        let fx = &mut out.of(key, now, true);
        let machine = Machine::NonInvite(ClientNonInvite::start(hop.target, bytes, fx));
        self.insert(
            key,
            Client {
                matching,
                secure,
                quiet: true,
                machine,
                fallback: None,
            },
        );
    }

    /// The ACK to a 2xx was sent.
    pub(super) fn acknowledge(&mut self, key: ClientKey, ack: Ack) {
        if let Some(Client {
            machine: Machine::Invite(machine),
            ..
        }) = self.table.get_mut(&key)
        {
            machine.acknowledge(ack);
        }
    }

    pub(super) fn handle_timer(
        &mut self,
        now: Instant,
        key: ClientKey,
        timer: Timer,
        out: &mut Outputs,
    ) {
        self.step(now, key, out, |machine, fx| match machine {
            Machine::Invite(machine) => machine.handle_timer(timer, fx).map(Machine::Invite),
            Machine::NonInvite(machine) => machine.handle_timer(timer, fx).map(Machine::NonInvite),
        });
    }

    pub(super) fn handle_transport_error(
        &mut self,
        now: Instant,
        key: ClientKey,
        reason: String,
        out: &mut Outputs,
    ) {
        self.step(now, key, out, |machine, fx| match machine {
            Machine::Invite(machine) => machine
                .handle_transport_error(reason, fx)
                .map(Machine::Invite),
            Machine::NonInvite(machine) => machine
                .handle_transport_error(reason, fx)
                .map(Machine::NonInvite),
        });
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Transactions that do more than absorb retransmissions.
    pub(super) fn active(&self) -> usize {
        let active = |client: &&Client| match &client.machine {
            Machine::Invite(machine) => machine.is_active(),
            Machine::NonInvite(machine) => machine.is_active(),
        };
        self.table.values().filter(active).count()
    }

    fn next_key(&mut self) -> ClientKey {
        let key = ClientKey(self.next);
        self.next += 1;
        key
    }

    fn insert(&mut self, key: ClientKey, client: Client) {
        self.by_match.insert(client.matching.clone(), key);
        self.table.insert(key, client);
    }

    /// Lets the machine make its transition; a machine that is gone takes its entries along.
    fn step(
        &mut self,
        now: Instant,
        key: ClientKey,
        out: &mut Outputs,
        transition: impl FnOnce(Machine, &mut Effects<'_, ClientKey>) -> Option<Machine>,
    ) {
        let Some(client) = self.table.remove(&key) else {
            return;
        };
        let mut fx = out.of(key, now, client.quiet);
        match transition(client.machine, &mut fx) {
            Some(machine) => {
                self.table.insert(key, Client { machine, ..client });
            }
            None => {
                fx.stop_all();
                fx.tell(Event::Ended { key: key.into() });
                self.by_match.remove(&client.matching);
            }
        }
    }
}
