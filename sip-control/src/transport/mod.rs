//! Sockets of signalling (RFC 3261 section 18): datagrams and streams in as whole messages with
//! their [`Origin`], messages out to their [`Target`](sip_core::transport::Target).
//!
//! One task reads each UDP socket, accepts for each TCP or TLS listener, and serves each
//! connection. None of them decides anything: all ends in [`Arrival`]s for the driver.

mod accept;
mod admission;
mod alias;
mod connection;
mod dial;
mod keep_alive;
mod outgoing;
mod peers;
mod session;
mod socket;
mod streams;
mod table;
pub mod tls;
mod udp;
mod unreachable;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use sip_core::stack::{
    Event, Resolve, ResolveId, Transmit, TransmitId, TransportFailure, Unreachable,
};
use sip_core::transport::{ConnectionId, ListenerId, Origin, Transport};
use sip_core::trunk::{Hop, TrunkId};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use self::admission::Admission;
use self::outgoing::Outgoing;
use self::peers::Peers;
use self::table::Table;
use crate::config::{Config, Limits};
use crate::dns::Resolver;
use crate::line_limit::LineLimit;
use crate::metrics::TransportCounters;

/// How long connections may take at the end to send what waits.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the transports tell the driver.
pub enum Arrival {
    /// A whole message.
    Message { origin: Origin, bytes: Vec<u8> },
    /// A message that was taken could not be sent.
    Failed(TransportFailure),
    /// ICMP has given a datagram back.
    Unreachable(Unreachable),
    /// Where a target is, or why that is not known.
    Resolved {
        id: ResolveId,
        found: Result<Vec<Hop>, String>,
    },
    /// A connection is gone.
    Closed(ConnectionId),
    /// Something that an operator wants to see.
    Event(Event),
}

/// Without the message: its SDP may hold keys.
impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arrival::Message { origin, bytes } => f
                .debug_struct("Message")
                .field("origin", origin)
                .field("length", &bytes.len())
                .finish(),
            Arrival::Failed(failure) => f.debug_tuple("Failed").field(failure).finish(),
            Arrival::Unreachable(unreachable) => f
                .debug_struct("Unreachable")
                .field("to", &unreachable.to)
                .field("reason", &unreachable.reason)
                .finish(),
            Arrival::Resolved { id, found } => f
                .debug_struct("Resolved")
                .field("id", id)
                .field("found", found)
                .finish(),
            Arrival::Event(event) => f.debug_tuple("Event").field(event).finish(),
            Arrival::Closed(connection) => f.debug_tuple("Closed").field(connection).finish(),
        }
    }
}

/// A listener that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("listener {name}: {transport} {address} cannot be bound: {error}", transport = transport.uri_token())]
pub struct BindError {
    name: String,
    transport: Transport,
    address: SocketAddr,
    error: std::io::Error,
}

/// Every socket of signalling.
pub struct Transports {
    shared: Arc<Shared>,
    /// Indexed by [`ListenerId`].
    listeners: Vec<Listener>,
    accepting: Vec<AbortHandle>,
}

struct Listener {
    transport: Transport,
    /// For UDP.
    datagrams: Option<Arc<UdpSocket>>,
}

/// What every task of the transports needs.
struct Shared {
    arrivals: mpsc::Sender<(Instant, Arrival)>,
    table: Table,
    resolver: Resolver,
    limits: Limits,
    /// Where each listener is bound, indexed by [`ListenerId`]: what connections leave from.
    addresses: Vec<IpAddr>,
    counters: TransportCounters,
    lines: LineLimits,
    /// Connections that may still be accepted, handshakes that may still begin.
    room: Admission,
    handshakes: Admission,
    /// Tasks of connections, accepted or opened.
    open: AtomicUsize,
    reloadable: RwLock<Reloadable>,
}

/// Of lines that strangers can cause.
#[derive(Default)]
struct LineLimits {
    refused: LineLimit,
    handshakes: LineLimit,
    framing: LineLimit,
    slow_senders: LineLimit,
    accepting: LineLimit,
    /// Connections of ours that failed: each call to a dead peer may cause one.
    dialled: LineLimit,
}

/// What SIGHUP changes.
struct Reloadable {
    peers: Arc<Peers>,
    /// Indexed by [`ListenerId`].
    servers: Vec<Option<Arc<ServerConfig>>>,
}

impl Reloadable {
    fn of(config: &Config) -> Reloadable {
        Reloadable {
            peers: Arc::new(Peers::of(config)),
            servers: config
                .listeners
                .iter()
                .map(|listener| listener.tls.clone())
                .collect(),
        }
    }
}

impl Transports {
    /// Opens every listener. Must be called within a runtime.
    pub fn start(
        config: &Config,
        arrivals: mpsc::Sender<(Instant, Arrival)>,
    ) -> Result<Transports, BindError> {
        let shared = Arc::new(Shared {
            arrivals,
            table: Table::default(),
            resolver: Resolver::new(&config.name_servers),
            limits: config.limits,
            addresses: config
                .listeners
                .iter()
                .map(|listener| listener.listener.address.ip())
                .collect(),
            counters: TransportCounters::default(),
            lines: LineLimits::default(),
            room: Admission::new(
                config.limits.max_connections,
                config.limits.max_connections_per_address,
            ),
            handshakes: Admission::new(
                config.limits.max_handshakes,
                config.limits.max_handshakes_per_address,
            ),
            open: AtomicUsize::new(0),
            reloadable: RwLock::new(Reloadable::of(config)),
        });
        let mut transports = Transports {
            shared,
            listeners: Vec::new(),
            accepting: Vec::new(),
        };
        for (index, listener) in config.listeners.iter().enumerate() {
            let id = ListenerId(
                u16::try_from(index).expect("the configuration bounds the number of listeners"),
            );
            transports
                .open(id, &listener.listener)
                .map_err(|error| BindError {
                    name: listener.name.clone(),
                    transport: listener.listener.transport,
                    address: listener.listener.address,
                    error,
                })?;
        }
        Ok(transports)
    }

    fn open(
        &mut self,
        id: ListenerId,
        listener: &sip_core::transport::Listener,
    ) -> std::io::Result<()> {
        let transport = listener.transport;
        let datagrams = match transport {
            Transport::Udp => {
                let socket = Arc::new(socket::datagram(listener.address)?);
                tokio::spawn(udp::receive(
                    id,
                    Arc::clone(&socket),
                    Arc::clone(&self.shared),
                ));
                tokio::spawn(unreachable::hear(
                    id,
                    Arc::clone(&socket),
                    Arc::clone(&self.shared),
                ));
                Some(socket)
            }
            Transport::Tcp | Transport::Tls => {
                let socket = socket::stream_listener(listener.address)?;
                let accepting = accept::run(id, transport, socket, Arc::clone(&self.shared));
                self.accepting.push(tokio::spawn(accepting).abort_handle());
                None
            }
        };
        self.listeners.push(Listener {
            transport,
            datagrams,
        });
        Ok(())
    }

    /// Sends a message, or takes it for sending; then a failure comes as [`Arrival::Failed`].
    /// Never waits.
    pub fn send(&self, transmit: Transmit) -> Result<(), TransportFailure> {
        let Some(listener) = self.listeners.get(usize::from(transmit.target.listener.0)) else {
            return Err(failure(transmit.id, "no such listener"));
        };
        match (&listener.datagrams, transmit.target.transport) {
            (Some(socket), Transport::Udp) => udp::send(transmit, socket, &self.shared),
            (None, transport) if transport == listener.transport => {
                self.shared.send_on_stream(Outgoing::new(transmit))
            }
            _ => Err(failure(transmit.id, "the listener is of another transport")),
        }
    }

    /// Finds out where a target is; the answer comes as [`Arrival::Resolved`]. Never waits.
    pub fn resolve(&self, resolve: Resolve) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let found = shared
                .resolver
                .locate(&resolve.target, &resolve.transports)
                .await;
            let found = found.map_err(|error| error.to_string());
            let id = resolve.id;
            shared.arrive(Arrival::Resolved { id, found }).await;
        });
    }

    /// Takes certificates and trunks from a new configuration. Connections stay; a trunk whose
    /// TLS settings have changed gets new ones for its next requests.
    pub fn reconfigure(&self, config: &Config) {
        let new = Reloadable::of(config);
        let mut reloadable = self
            .shared
            .reloadable
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        self.shared
            .table
            .forget_peers(|trunk| !reloadable.peers.same_tls(&new.peers, trunk));
        *reloadable = new;
    }

    /// The trunk whose peer is not verified, for the warning that goes with its calls.
    pub fn unverified_trunk(&self, trunk: TrunkId) -> Option<String> {
        self.shared
            .peers()
            .get(Some(trunk))
            .filter(|peer| peer.is_unverified())
            .map(|peer| peer.name().to_owned())
    }

    pub fn counters(&self) -> &TransportCounters {
        &self.shared.counters
    }

    /// Connections that are open or being opened.
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Takes no new connections; what is open goes on.
    pub fn stop_accepting(&mut self) {
        for accepting in self.accepting.drain(..) {
            accepting.abort();
        }
    }

    /// Closes every connection, after what waits has been sent or a second has passed.
    pub async fn close(mut self) {
        self.stop_accepting();
        let _alive = self.shared.table.close_all();
        let deadline = tokio::time::Instant::now() + LAST_WORDS;
        while self.open_connections() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Shared {
    /// Waits when the driver is busy: then the peers wait too.
    async fn arrive(&self, arrival: Arrival) {
        // Without a driver the daemon is ending.
        let _ = self.arrivals.send((Instant::now(), arrival)).await;
    }

    async fn fail(&self, id: TransmitId, reason: &str) {
        self.arrive(Arrival::Failed(failure(id, reason))).await;
    }

    fn peers(&self) -> Arc<Peers> {
        Arc::clone(
            &self
                .reloadable
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .peers,
        )
    }

    fn server(&self, listener: ListenerId) -> Option<Arc<ServerConfig>> {
        let reloadable = self
            .reloadable
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        reloadable
            .servers
            .get(usize::from(listener.0))
            .cloned()
            .flatten()
    }

    /// Counts a connection's task for as long as the guard lives.
    fn count_open(self: &Arc<Shared>) -> OpenGuard {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenGuard(Arc::clone(self))
    }
}

struct OpenGuard(Arc<Shared>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn failure(id: TransmitId, reason: &str) -> TransportFailure {
    TransportFailure {
        id,
        reason: reason.to_owned(),
        handshake_refused: false,
    }
}
