//! A simulated network: two user agents with the stack between them, or more than one on the callee's
//! side, links that lose, duplicate and reorder datagrams, names that resolve, and a clock that moves
//! from one event to the next.

mod agent;
mod network;
mod ports;
#[path = "../../../../fuzz/src/rng.rs"]
pub mod rng;
pub(crate) mod sdp;
mod setup;
mod usual;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::report::{Digit, MediaEvent, MediaReport};
use media_core::session::{CallId, Session, Side};
use sip_core::registrar::Snapshot;
use sip_core::stack::{
    CallRecord, Command, Event, EventKind, Listener, LiveCall, MediaCommand, ResolveId, Stack,
    StackConfig, Unreachable,
};
use sip_core::transport::{ConnectionId, Host, Origin, TlsPeer, Transport};
use sip_core::trunk::Hop;

pub(crate) use self::agent::{Agent, Guard, Phase};
pub(crate) use self::ports::{MEDIA_ADDRESS, PortList};
pub use self::rng::SeededRng;
pub(crate) use self::sdp::Profile;
pub(crate) use self::setup::{
    CALLEE, CALLER, Link, SECOND, THIRD, Wire, agent_address, config, edge_address, target, trunk,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Edge,
    Agent(usize),
}

struct Packet {
    to: Node,
    origin: Origin,
    bytes: Vec<u8>,
}

/// One TCP or TLS connection; the dialling end has an ephemeral port.
#[derive(Clone, Copy)]
struct Connection {
    dialled_by: Node,
    to: Node,
    transport: Transport,
    open: bool,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) stack: Stack,
    pub(crate) agents: Vec<Agent>,
    pub(crate) ports: PortList,
    pub(crate) link: Link,
    pub(crate) records: Vec<CallRecord>,
    pub(crate) events: Vec<Event>,
    /// In order; the last of an address-of-record counts.
    pub(crate) stored: Vec<Snapshot>,
    /// What the media plane carries now.
    pub(crate) sessions: HashMap<CallId, Session>,
    /// Every session that it was ever given.
    pub(crate) applied: Vec<Session>,
    /// Connections dialled by anybody.
    pub(crate) dials: usize,
    /// Agents that neither send nor receive.
    pub(crate) dead: Vec<bool>,
    /// What of this does the edge fail to send: messages to that agent.
    pub(crate) unreachable: Vec<bool>,
    /// Agents whose certificate the edge refuses.
    pub(crate) mistrusted: Vec<bool>,
    /// What names resolve to; others do not exist. `None`: there is never an answer.
    pub(crate) names: HashMap<String, Option<Vec<Hop>>>,
    /// Names that were asked for.
    pub(crate) lookups: Vec<String>,
    /// Drops datagrams and frames on their way for which it says so.
    pub(crate) drop: Option<Drop>,
    /// What the TLS sessions of each agent's connections say of it.
    pub(crate) tls: [Option<Arc<TlsPeer>>; 2],
    listeners: Vec<Listener>,
    rng: SeededRng,
    queue: BTreeMap<(Instant, u64), Packet>,
    media_events: BTreeMap<(Instant, u64), MediaEvent>,
    found: BTreeMap<(Instant, u64), (ResolveId, Found)>,
    sequence: u64,
    connections: Vec<Connection>,
}

/// What became of a name.
type Found = Result<Vec<Hop>, String>;

/// Whether to lose a message.
pub(crate) type Drop = Box<dyn FnMut(&[u8]) -> bool>;

/// Each way takes this long.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);

impl World {
    pub(crate) fn new(wires: [Wire; 2], seed: u64) -> World {
        World::with_config(wires, seed, config(wires))
    }

    pub(crate) fn with_config(wires: [Wire; 2], seed: u64, config: StackConfig) -> World {
        World::with_targets(&wires, seed, config)
    }

    /// With more agents on the callee's side, in the order of `wires`.
    pub(crate) fn with_targets(wires: &[Wire], seed: u64, config: StackConfig) -> World {
        let now = Instant::now();
        let ports = PortList::default();
        let agents = (0..wires.len()).map(|index| {
            let transport = wires[index].transport();
            let address = agent_address(index, transport);
            let seed = seed.wrapping_mul(31).wrapping_add(index as u64 + 1);
            Agent::new(
                address,
                edge_address(transport),
                transport,
                wires[index].profile(),
                seed,
            )
        });
        let listeners = config.listeners.clone();
        World {
            now,
            stack: Stack::new(
                config,
                Box::new(SeededRng(seed)),
                Box::new(ports.clone()),
                now,
            ),
            dead: vec![false; wires.len()],
            unreachable: vec![false; wires.len()],
            mistrusted: vec![false; wires.len()],
            agents: agents.collect(),
            ports,
            link: Link::default(),
            records: Vec::new(),
            events: Vec::new(),
            stored: Vec::new(),
            sessions: HashMap::new(),
            applied: Vec::new(),
            dials: 0,
            names: HashMap::new(),
            lookups: Vec::new(),
            drop: None,
            tls: [None, None],
            listeners,
            rng: SeededRng(seed ^ 0x5eed),
            queue: BTreeMap::new(),
            media_events: BTreeMap::new(),
            found: BTreeMap::new(),
            sequence: 0,
            connections: Vec::new(),
        }
    }

    pub(crate) fn caller(&mut self) -> &mut Agent {
        &mut self.agents[CALLER]
    }

    pub(crate) fn callee(&mut self) -> &mut Agent {
        &mut self.agents[CALLEE]
    }

    /// Lets that agent do something, now.
    pub(crate) fn tell<T>(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Agent, Instant) -> T,
    ) -> T {
        let result = act(&mut self.agents[index], self.now);
        self.flush();
        result
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    pub(crate) fn run_ms(&mut self, milliseconds: u64) {
        self.run_for(Duration::from_millis(milliseconds));
    }

    pub(crate) fn phases(&self) -> [Phase; 2] {
        [self.agents[CALLER].phase, self.agents[CALLEE].phase]
    }

    /// The one call's record.
    pub(crate) fn record(&self) -> &CallRecord {
        assert_eq!(self.records.len(), 1, "{:?}", self.records);
        &self.records[0]
    }

    pub(crate) fn has_event(&self, kind: EventKind) -> bool {
        self.events.iter().any(|event| event.kind == kind)
    }

    /// After all timers: nothing is left of any call, and each call has its record.
    pub(crate) fn assert_drained(&mut self, records: usize) {
        self.run_for(Duration::from_secs(200));
        assert!(self.agents.iter().all(|agent| agent.unreadable == 0));
        assert_eq!(self.stack.calls(), 0, "calls");
        assert_eq!(self.stack.transactions(), 0, "transactions");
        assert!(self.stack.is_idle());
        assert_eq!(self.ports.given_out(), 0, "ports");
        assert!(self.sessions.is_empty(), "sessions");
        assert_eq!(self.stack.poll_timeout(), None, "timers");
        assert_eq!(self.records.len(), records, "{:?}", self.records);
    }

    /// Bytes that come to the edge from anywhere.
    pub(crate) fn inject(&mut self, origin: Origin, bytes: &[u8]) {
        self.stack.handle_message(self.now, origin, bytes);
        self.flush();
    }

    /// Where that agent's datagrams come from.
    pub(crate) fn origin_of(&self, index: usize) -> Origin {
        self.origin(Node::Agent(index), Node::Edge, Transport::Udp, None)
    }

    pub(crate) fn media_timeout(&mut self) {
        let call = *self.sessions.keys().next().expect("a session");
        let event = MediaEvent::Timeout {
            call,
            silent_for: Duration::from_secs(60),
        };
        self.stack.handle_media(self.now, event);
        self.flush();
    }

    /// A telephone event with that code came from a side.
    pub(crate) fn digit(&mut self, from: Side, code: u8) {
        let call = *self.sessions.keys().next().expect("a session");
        let digit = Digit::from_event_code(code).expect("a digit");
        let event = MediaEvent::Digit { call, from, digit };
        self.stack.handle_media(self.now, event);
        self.flush();
    }

    pub(crate) fn media_failure(&mut self) {
        let call = *self.sessions.keys().next().expect("a session");
        let event = MediaEvent::Failed {
            call,
            reason: "no next hop".to_owned(),
        };
        self.stack.handle_media(self.now, event);
        self.flush();
    }

    /// An operator does something, now.
    pub(crate) fn operate<T>(&mut self, act: impl FnOnce(&mut Stack, Instant) -> T) -> T {
        let result = act(&mut self.stack, self.now);
        self.flush();
        result
    }

    /// The one call that there is.
    pub(crate) fn live(&self) -> LiveCall {
        let mut live = self.stack.live_calls();
        assert_eq!(live.len(), 1, "{live:?}");
        live.remove(0)
    }

    /// What was told of calls, in order.
    pub(crate) fn told(&self) -> Vec<&'static str> {
        let calls = self.events.iter().filter(|event| event.call.is_some());
        calls.map(|event| event.kind.name()).collect()
    }

    pub(crate) fn shut_down(&mut self) {
        self.stack.shut_down(self.now);
        self.flush();
    }

    /// ICMP gives a datagram of the edge's back.
    pub(crate) fn give_back(&mut self, datagram: &Unreachable) {
        self.stack.handle_unreachable(self.now, datagram);
        self.flush();
    }

    /// Every connection is reset.
    pub(crate) fn close_connections(&mut self) {
        for index in 0..self.connections.len() {
            if std::mem::replace(&mut self.connections[index].open, false) {
                self.stack
                    .handle_connection_closed(self.now, ConnectionId(index as u64));
            }
        }
        self.flush();
    }

    fn next_event(&self) -> Option<Instant> {
        let arrival = self.queue.keys().next().map(|(at, _)| *at);
        let media = self.media_events.keys().next().map(|(at, _)| *at);
        let agents = self.agents.iter().filter_map(Agent::poll_timeout).min();
        let found = self.found.keys().next().map(|(at, _)| *at);
        [arrival, media, found, agents, self.stack.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn step(&mut self) {
        let now = self.now;
        if let Some(entry) = self
            .queue
            .first_entry()
            .filter(|entry| entry.key().0 <= now)
        {
            let packet = entry.remove();
            self.deliver(packet);
        } else if let Some(entry) = self
            .media_events
            .first_entry()
            .filter(|entry| entry.key().0 <= now)
        {
            let event = entry.remove();
            self.stack.handle_media(now, event);
        } else if let Some(entry) = self
            .found
            .first_entry()
            .filter(|entry| entry.key().0 <= now)
        {
            let (id, found) = entry.remove();
            self.stack.handle_resolved(now, id, found);
        } else {
            self.stack.handle_timeout(now);
            for agent in &mut self.agents {
                agent.handle_timeout(now);
            }
        }
        self.flush();
    }

    fn deliver(&mut self, packet: Packet) {
        match packet.to {
            Node::Edge => self
                .stack
                .handle_message(self.now, packet.origin, &packet.bytes),
            Node::Agent(index) if !self.dead[index] => {
                self.agents[index].handle_message(self.now, packet.origin, &packet.bytes);
            }
            Node::Agent(_) => {}
        }
    }

    /// Takes what everybody wants done.
    fn flush(&mut self) {
        for index in 0..self.agents.len() {
            while let Some(transmit) = self.agents[index].poll_transmit() {
                if !self.dead[index] {
                    self.send(Node::Agent(index), &transmit.target, transmit.bytes);
                }
            }
        }
        while let Some(command) = self.stack.poll_command() {
            match command {
                Command::Send(transmit) => {
                    self.send_from_edge(transmit.id, &transmit.target, transmit.bytes);
                }
                Command::Media(MediaCommand::Apply(session)) => {
                    let session = Arc::unwrap_or_clone(session);
                    self.applied.push(session.clone());
                    self.sessions.insert(session.call, session);
                }
                Command::Media(MediaCommand::Remove(call)) => {
                    assert!(
                        self.sessions.remove(&call).is_some(),
                        "removed what was never applied"
                    );
                    let report = MediaReport::default();
                    let at = self.later(Duration::from_millis(3));
                    self.media_events
                        .insert(at, MediaEvent::Removed { call, report });
                }
                Command::Resolve(resolve) => self.resolve(resolve.id, &resolve.target.host),
                Command::Record(record) => self.records.push(*record),
                Command::Store(snapshot) => self.stored.push(snapshot),
                Command::Event(event) => self.events.push(event),
            }
        }
    }

    fn resolve(&mut self, id: ResolveId, host: &Host) {
        let name = host.to_string();
        self.lookups.push(name.clone());
        let found = match self.names.get(&name) {
            Some(Some(hops)) => Ok(hops.clone()),
            Some(None) => return,
            None => Err(format!("{name} does not exist")),
        };
        let at = self.later(5 * LATENCY);
        self.found.insert(at, (id, found));
    }
}
