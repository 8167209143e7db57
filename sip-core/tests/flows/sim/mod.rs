//! A simulated network: two user agents with the stack between them, or more than one on the callee's
//! side, links that lose, duplicate and reorder datagrams, names that resolve, and a clock that moves
//! from one event to the next.

mod agent;
mod ports;
mod rng;
pub(crate) mod sdp;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::ports::RealmId;
use media_core::report::{Digit, MediaEvent, MediaReport};
use media_core::session::{CallId, Session, Side};
use media_core::srtp::profile::Suite;
use sip_core::registrar::Snapshot;
use sip_core::stack::{
    CallRecord, Command, Event, EventKind, Listener, LiveCall, MediaCommand, ResolveId, Stack,
    StackConfig, TransmitId, TransportFailure,
};
use sip_core::transport::{ConnectionId, Host, ListenerId, Origin, Target, TlsPeer, Transport};
use sip_core::trunk::{
    AdvertisedMedia, CallLimits, HeaderPolicy, Hop, Network, Origination, Passthrough, Route,
    SecureMode, SourceMode, TargetUri, Trunk, TrunkId,
};

pub(crate) use self::agent::{Agent, Guard, Phase};
pub(crate) use self::ports::{MEDIA_ADDRESS, PortList};
pub(crate) use self::rng::SeededRng;
pub(crate) use self::sdp::Profile;

pub(crate) const CALLER: usize = 0;
pub(crate) const CALLEE: usize = 1;
/// Further agents on the callee's side, for [`World::with_targets`].
pub(crate) const SECOND: usize = 2;
pub(crate) const THIRD: usize = 3;

/// How the links between the agents and the edge treat datagrams. Streams lose nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) loss_percent: u32,
    pub(crate) duplicate_percent: u32,
    /// Added to the 10 ms of each way at random, so that later datagrams overtake.
    pub(crate) jitter: Duration,
}

/// How an agent is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Udp,
    Tcp,
    /// TLS with RTP.
    Tls,
    /// TLS with SRTP.
    Srtp,
}

impl Wire {
    pub(crate) const ALL: [Wire; 4] = [Wire::Udp, Wire::Tcp, Wire::Tls, Wire::Srtp];

    pub(crate) fn transport(self) -> Transport {
        match self {
            Wire::Udp => Transport::Udp,
            Wire::Tcp => Transport::Tcp,
            Wire::Tls | Wire::Srtp => Transport::Tls,
        }
    }

    pub(crate) fn mode(self) -> SecureMode {
        match self {
            Wire::Udp | Wire::Tcp => SecureMode::Disabled,
            Wire::Tls => SecureMode::Tls,
            Wire::Srtp => SecureMode::Srtp,
        }
    }

    pub(crate) fn profile(self) -> Profile {
        if self == Wire::Srtp {
            Profile::Srtp
        } else {
            Profile::Rtp
        }
    }

    fn listener(self) -> ListenerId {
        ListenerId(match self.transport() {
            Transport::Udp => 0,
            Transport::Tcp => 1,
            Transport::Tls => 2,
        })
    }
}

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

pub(crate) fn edge_address(transport: Transport) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 1], transport.default_port()))
}

pub(crate) fn agent_address(index: usize, transport: Transport) -> SocketAddr {
    let ip = match index {
        CALLER => [192, 0, 2, 10],
        _ => [198, 51, 100, 10 + 10 * index as u8],
    };
    SocketAddr::from((ip, transport.default_port()))
}

/// How that agent is called.
pub(crate) fn target(index: usize, wire: Wire) -> TargetUri {
    let address = agent_address(index, wire.transport());
    TargetUri {
        host: Host::Address(address.ip()),
        port: Some(address.port()),
        transport: Some(wire.transport()),
    }
}

pub(crate) fn trunk(index: usize, wire: Wire) -> Trunk {
    let address = agent_address(index, wire.transport());
    Trunk {
        name: ["carrier", "pbx", "second", "third"][index].to_owned(),
        domains: Vec::new(),
        credentials: None,
        auth: None,
        register: None,
        accounts: Vec::new(),
        mode: wire.mode(),
        limits: CallLimits::default(),
        acl: vec![
            Network {
                address: address.ip(),
                prefix: 32,
            }
            .into(),
        ],
        origination: Origination::to(target(index, wire)),
        listener: wire.listener(),
        realm: RealmId(index as u16),
        advertised_media: AdvertisedMedia::default(),
        suites: Suite::ALL.to_vec(),
        source: SourceMode::Strict,
        media_acl: Vec::new(),
        passthrough: Passthrough::Never,
        pass_sips: false,
        dial_plan: None,
        nat: false,
        needs_certificate: false,
        opportunistic: false,
        refuse_other_server_names: false,
        mki: false,
        video: false,
        t38: false,
        session: Default::default(),
        headers: HeaderPolicy::default(),
        refer: Default::default(),
        dscp: None,
        max_packet_rate: None,
        codecs: ["PCMU", "PCMA", "TELEPHONE-EVENT"]
            .map(str::to_owned)
            .to_vec(),
    }
}

/// Calls from the first agent's trunk to the second's, and back.
pub(crate) fn config(wires: [Wire; 2]) -> StackConfig {
    // Realm 0 faces the caller, realm 1 the callee: three listeners each.
    let listeners = (0..6).map(|index| {
        let transport = [Transport::Udp, Transport::Tcp, Transport::Tls][index % 3];
        let address = edge_address(transport);
        Listener {
            transport,
            address,
            advertised_host: Host::Address(address.ip()),
            advertised_port: address.port(),
            realm: RealmId((index / 3) as u16),
        }
    });
    let mut trunks = vec![trunk(CALLER, wires[0]), trunk(CALLEE, wires[1])];
    trunks[CALLEE].listener.0 += 3;
    let route = |from, to| Route::new(Some(TrunkId(from)), "", TrunkId(to));
    StackConfig {
        trunks,
        routes: vec![route(0, 1), route(1, 0)],
        listeners: listeners.collect(),
        ..StackConfig::default()
    }
}

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

    /// Caller to callee, answered at once: both are up.
    pub(crate) fn establish(&mut self) {
        self.callee().manners.invite = Some(200);
        self.tell(CALLER, Agent::invite);
        self.run_ms(500);
        assert_eq!(self.phases(), [Phase::Up, Phase::Up]);
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

    fn send_from_edge(&mut self, id: TransmitId, target: &Target, bytes: Vec<u8>) {
        let listener = &self.listeners[usize::from(target.listener.0)];
        assert_eq!(
            listener.transport, target.transport,
            "a listener sends by its own transport"
        );
        let is_unreachable = match self.node_at(target) {
            Some(Node::Agent(index)) => self.unreachable[index],
            _ => false,
        };
        if !is_unreachable {
            return self.send(Node::Edge, target, bytes);
        }
        let reason = "connection refused".to_owned();
        self.stack
            .handle_transport_failure(self.now, TransportFailure { id, reason });
        self.flush();
    }

    fn send(&mut self, from: Node, target: &Target, bytes: Vec<u8>) {
        let Some(to) = self.node_at(target) else {
            return;
        };
        if self.drop.as_mut().is_some_and(|drop| drop(&bytes)) {
            return;
        }
        if target.transport.is_reliable() {
            let connection = self.connection(from, to, target);
            let origin = self.origin(from, to, target.transport, Some(connection));
            // In order: nothing overtakes on a stream.
            let at = self.later(LATENCY);
            self.queue.insert(at, Packet { to, origin, bytes });
            return;
        }
        if !self.listens(to, target) {
            return;
        }
        let origin = self.origin(from, to, Transport::Udp, None);
        let copies = 1 + u32::from(self.rng.chance(self.link.duplicate_percent));
        for _ in 0..copies {
            if self.rng.chance(self.link.loss_percent) {
                continue;
            }
            let jitter = self.link.jitter.as_micros() as u64;
            let jitter = Duration::from_micros(self.rng.below(jitter.max(1)));
            let at = self.later(LATENCY + jitter);
            self.queue.insert(
                at,
                Packet {
                    to,
                    origin: origin.clone(),
                    bytes: bytes.clone(),
                },
            );
        }
    }

    /// Whether a datagram to that port is received by anybody.
    fn listens(&self, to: Node, target: &Target) -> bool {
        match to {
            Node::Edge => target.port == edge_address(Transport::Udp).port(),
            Node::Agent(index) => target.port == self.agents[index].address.port(),
        }
    }

    fn connection(&mut self, from: Node, to: Node, target: &Target) -> ConnectionId {
        let transport = target.transport;
        let usable = |connection: &Connection| {
            connection.open
                && connection.transport == transport
                && [connection.dialled_by, connection.to]
                    .iter()
                    .all(|node| [from, to].contains(node))
        };
        if let Some(ConnectionId(id)) = target.connection
            && self.connections.get(id as usize).is_some_and(usable)
        {
            return ConnectionId(id);
        }
        // The driver may share a connection that it dialled itself.
        let shared = |connection: &Connection| usable(connection) && connection.dialled_by == from;
        if let Some(index) = self.connections.iter().position(shared) {
            return ConnectionId(index as u64);
        }
        assert!(
            self.listens_for_streams(to, target),
            "nobody listens at {target:?}"
        );
        assert!(
            from != Node::Edge || !transport.is_secure() || target.trunk.is_some(),
            "only a trunk says which certificates a new TLS connection uses"
        );
        self.dials += 1;
        self.connections.push(Connection {
            dialled_by: from,
            to,
            transport,
            open: true,
        });
        ConnectionId(self.connections.len() as u64 - 1)
    }

    fn listens_for_streams(&self, to: Node, target: &Target) -> bool {
        match to {
            Node::Edge => target.port == edge_address(target.transport).port(),
            Node::Agent(index) => {
                let agent = &self.agents[index];
                let speaks = target.transport == agent.transport || agent.manners.every_transport;
                speaks && target.port == agent.address.port()
            }
        }
    }

    fn origin(
        &self,
        from: Node,
        to: Node,
        transport: Transport,
        connection: Option<ConnectionId>,
    ) -> Origin {
        let mut remote = self.address(from, transport);
        let mut local = self.address(to, transport);
        if let Some(ConnectionId(id)) = connection {
            let ephemeral = 40_000 + id as u16;
            match self.connections[id as usize].dialled_by == from {
                true => remote.set_port(ephemeral),
                false => local.set_port(ephemeral),
            }
        }
        let listener = match (to, from) {
            (Node::Edge, Node::Agent(index)) => {
                let wire = match transport {
                    Transport::Udp => Wire::Udp,
                    Transport::Tcp => Wire::Tcp,
                    Transport::Tls => Wire::Tls,
                };
                ListenerId(wire.listener().0 + 3 * index.min(CALLEE) as u16)
            }
            _ => ListenerId(0),
        };
        Origin {
            transport,
            listener,
            local,
            remote,
            connection,
            tls: match from {
                Node::Agent(index) if transport.is_secure() => {
                    self.tls.get(index).cloned().flatten()
                }
                _ => None,
            },
        }
    }

    fn address(&self, node: Node, transport: Transport) -> SocketAddr {
        match node {
            Node::Edge => edge_address(transport),
            Node::Agent(index) => self.agents[index].address,
        }
    }

    fn node_at(&self, target: &Target) -> Option<Node> {
        match target.address {
            Some(address) => self.node(&Host::Address(address)),
            None => self.node(&target.host),
        }
    }

    fn node(&self, host: &Host) -> Option<Node> {
        let Host::Address(ip) = host else {
            return None;
        };
        if *ip == edge_address(Transport::Udp).ip() {
            return Some(Node::Edge);
        }
        self.agents
            .iter()
            .position(|agent| agent.address.ip() == *ip)
            .map(Node::Agent)
    }

    fn later(&mut self, by: Duration) -> (Instant, u64) {
        self.sequence += 1;
        (self.now + by, self.sequence)
    }
}
