//! The edge and what its peers remember of it: what comes goes in here, and what the stack wants done
//! is done and looked at.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::report::{MediaEvent, MediaReport};
use media_core::session::CallId;
use sip_core::message::{Message, Request, Response};
use sip_core::registrar::{LONGEST, MAX_BINDINGS};
use sip_core::stack::{Command, MediaCommand, Resolve, Stack, TransmitId};
use sip_core::transport::{ConnectionId, Origin, Target, Transport};

use super::check::{self, PortPool, Seen};
use super::peer::{self, ACCOUNTS, MAX_CALLS, Peer};
use crate::rng::SeededRng;

/// Messages that later operations may come back to.
const REMEMBERED: usize = 48;
/// How often time may stand still.
const MOST_AT_ONCE: usize = 1_000;

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) stack: Stack,
    pub(super) ports: PortPool,
    pub(super) seen: Seen,
    /// What the stack sent, the latest last.
    pub(super) sent: VecDeque<(Message, Target, TransmitId)>,
    /// What peers sent, the latest last.
    pub(super) came: VecDeque<(Origin, Vec<u8>)>,
    /// Calls whose flows the media plane is taking away.
    pub(super) removing: VecDeque<CallId>,
    /// Names that the resolver is asked for.
    pub(super) asked: VecDeque<Resolve>,
    pub(super) connections: BTreeMap<(Peer, Transport), ConnectionId>,
    pub(super) next_connection: u64,
    /// Messages that peers wrote, for what must differ.
    pub(super) count: u32,
    /// What came last could not be read.
    pub(super) was_malformed: bool,
}

impl World {
    pub(super) fn new() -> World {
        let now = Instant::now();
        let ports = PortPool::default();
        let rng = Box::new(SeededRng(7));
        World {
            now,
            stack: Stack::new(peer::config(), rng, Box::new(ports.clone()), now),
            ports,
            seen: Seen::default(),
            sent: VecDeque::new(),
            came: VecDeque::new(),
            removing: VecDeque::new(),
            asked: VecDeque::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            count: 0,
            was_malformed: false,
        }
    }

    pub(super) fn receive(&mut self, peer: Peer, transport: Transport, bytes: Vec<u8>) {
        let origin = self.origin(peer, transport);
        self.receive_by(origin, bytes);
    }

    pub(super) fn receive_by(&mut self, origin: Origin, bytes: Vec<u8>) {
        self.was_malformed = Message::parse(&bytes).is_err();
        self.stack.handle_message(self.now, origin.clone(), &bytes);
        self.came.push_back((origin, bytes));
        if self.came.len() > REMEMBERED {
            self.came.pop_front();
        }
    }

    /// Streams keep their connection until it closes.
    pub(super) fn origin(&mut self, peer: Peer, transport: Transport) -> Origin {
        let connection = transport.is_reliable().then(|| {
            let next = ConnectionId(self.next_connection);
            let id = *self.connections.entry((peer, transport)).or_insert(next);
            if id == next {
                self.next_connection += 1;
            }
            id
        });
        Origin {
            transport,
            listener: peer::listener(transport),
            local: peer::edge(transport),
            remote: peer.address(transport),
            connection,
            tls: None,
        }
    }

    /// A message of a peer, the latest for 0. Connections that closed say nothing any more.
    pub(super) fn remembered(&self, which: u8) -> Option<(Origin, Vec<u8>)> {
        let count = self.came.len();
        let index = count.checked_sub(1 + usize::from(which) % count.max(1))?;
        let (origin, bytes) = self.came.get(index)?;
        let is_open = origin
            .connection
            .is_none_or(|id| self.connections.values().any(|open| *open == id));
        is_open.then(|| (origin.clone(), bytes.clone()))
    }

    /// The request of a peer that `response` answers, if its connection lives.
    pub(super) fn request_of(&self, response: &Response) -> Option<(Origin, Request)> {
        (0..self.came.len()).find_map(|which| {
            let (origin, bytes) = self.remembered(which as u8)?;
            match Message::parse(&bytes) {
                Ok(Message::Request(request))
                    if request.headers.call_id() == response.headers.call_id()
                        && request.headers.cseq() == response.headers.cseq() =>
                {
                    Some((origin, request))
                }
                _ => None,
            }
        })
    }

    /// A message of ours that `take` takes, the latest for 0, and where it went.
    pub(super) fn latest<T>(
        &self,
        which: u8,
        take: impl Fn(&Message) -> Option<T>,
    ) -> Option<(T, Target)> {
        let mut found: Vec<(T, &Target)> = self
            .sent
            .iter()
            .rev()
            .filter_map(|(message, target, _)| Some((take(message)?, target)))
            .collect();
        let index = usize::from(which) % found.len().max(1);
        if index >= found.len() {
            return None;
        }
        let (taken, target) = found.swap_remove(index);
        Some((taken, target.clone()))
    }

    pub(super) fn run_until(&mut self, until: Instant) {
        let mut at_once = 0;
        while let Some(due) = self.stack.poll_timeout().filter(|due| *due <= until) {
            at_once = if due > self.now { 0 } else { at_once + 1 };
            assert!(at_once < MOST_AT_ONCE, "time stands still");
            self.now = self.now.max(due);
            self.stack.handle_timeout(self.now);
            self.settle();
        }
        self.now = self.now.max(until);
    }

    /// The media plane has done what it was asked first.
    pub(super) fn flows_are_gone(&mut self) {
        if let Some(call) = self.removing.pop_front() {
            self.seen.gone(call);
            let report = MediaReport::default();
            self.stack
                .handle_media(self.now, MediaEvent::Removed { call, report });
        }
    }

    /// Does what the stack wants done, and looks at it.
    pub(super) fn settle(&mut self) {
        while let Some(command) = self.stack.poll_command() {
            match command {
                Command::Send(transmit) => {
                    let live = self.stack.live_calls();
                    if let Some(message) = check::transmit(&transmit, self.was_malformed, &live) {
                        self.sent.push_back((message, transmit.target, transmit.id));
                    }
                    if self.sent.len() > REMEMBERED {
                        self.sent.pop_front();
                    }
                }
                Command::Media(MediaCommand::Apply(session)) => {
                    let live = self.stack.live_calls();
                    self.seen
                        .apply(Arc::unwrap_or_clone(session), &live, &self.ports);
                }
                Command::Media(MediaCommand::Remove(call)) => {
                    self.seen.remove(call);
                    self.removing.push_back(call);
                }
                Command::Resolve(resolve) => {
                    assert!(!resolve.transports.is_empty());
                    self.asked.push_back(resolve);
                }
                Command::Record(record) => self.seen.record(&record),
                Command::Event(event) => self.seen.event(&event),
                Command::Store(snapshot) => {
                    assert!(ACCOUNTS.contains(&snapshot.aor.user()));
                    assert!(snapshot.bindings.len() <= MAX_BINDINGS);
                }
            }
        }
        let calls = self.stack.calls();
        assert!(calls <= MAX_CALLS, "{calls} calls");
        let transactions = self.stack.transactions();
        let bound = 16 * (calls + transactions + self.connections.len() + self.seen.recorded.len());
        let entries = self.stack.entries();
        assert!(
            entries <= bound,
            "{entries} entries for {calls} calls, {transactions} transactions"
        );
        assert!(self.stack.bindings() <= ACCOUNTS.len() * MAX_BINDINGS);
    }

    /// Everybody falls silent: everything ends, and nothing is left.
    pub(super) fn end(mut self) {
        self.stack.shut_down(self.now);
        self.settle();
        for connection in std::mem::take(&mut self.connections).into_values() {
            self.stack.handle_connection_closed(self.now, connection);
        }
        let deadline = self.now + LONGEST + Duration::from_secs(600);
        loop {
            self.settle();
            while let Some(asked) = self.asked.pop_front() {
                let found = Err("there is no resolver any more".to_owned());
                self.stack.handle_resolved(self.now, asked.id, found);
                self.settle();
            }
            while !self.removing.is_empty() {
                self.flows_are_gone();
                self.settle();
            }
            match self.stack.poll_timeout() {
                Some(due) if due <= deadline => self.run_until(due),
                _ => break,
            }
        }
        assert_eq!(self.stack.calls(), 0, "calls");
        assert_eq!(self.stack.transactions(), 0, "transactions");
        assert!(self.stack.is_idle());
        assert_eq!(self.stack.poll_timeout(), None, "timers");
        assert_eq!(self.stack.entries(), 0, "entries");
        assert_eq!(self.stack.bindings(), 0, "bindings");
        assert!(self.seen.sessions.is_empty(), "flows");
        assert_eq!(self.ports.given_out(), 0, "ports");
        let missing: Vec<_> = self.seen.told.difference(&self.seen.recorded).collect();
        assert!(missing.is_empty(), "no record of {missing:?}");
        let counters = self.stack.counters();
        // Of a flood of refusals some are only counted.
        let calls = counters.calls_started + counters.calls_refused - counters.refusals_untold;
        assert_eq!(self.seen.recorded.len() as u64, calls, "records");
    }
}
