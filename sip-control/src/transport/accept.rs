//! Connections that peers open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sip_core::refusal::Refusal;
use sip_core::stack::{Event, EventKind};
use sip_core::transport::{ListenerId, Origin, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::admission::Full;
use super::connection::{Opened, run as serve};
use super::session::Session;
use super::{Arrival, Shared, socket, tls};

/// After an error that will not go away at once: no descriptors, no memory.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until it is aborted.
pub(super) async fn run(
    listener: ListenerId,
    transport: Transport,
    socket: TcpListener,
    shared: Arc<Shared>,
) {
    loop {
        match socket.accept().await {
            Ok((stream, remote)) => {
                let accepted = Accepted {
                    listener,
                    transport,
                    remote,
                };
                accepted.admit(stream, &shared);
            }
            Err(error) => {
                if shared.lines.accepting.admits("errors of accepting") {
                    tracing::warn!(transport = transport.uri_token(), "accepting: {error}");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

struct Accepted {
    listener: ListenerId,
    transport: Transport,
    remote: SocketAddr,
}

impl Accepted {
    /// Gives the connection a task of its own, if there is room for it.
    fn admit(self, stream: TcpStream, shared: &Arc<Shared>) {
        let room = match shared
            .room
            .admit(self.remote.ip(), self.is_stranger(shared))
        {
            Ok(room) => room,
            Err(Full::All) => {
                return self.refuse("too many are open (limits.max_connections)", shared);
            }
            Err(Full::Address) => {
                let limit = "too many of its address are open (limits.max_connections_per_address)";
                return self.refuse(limit, shared);
            }
        };
        shared.counters.connections_accepted.add_one();
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let _open = shared.count_open();
            if let Err(error) = self.serve(stream, &shared).await {
                tracing::debug!(peer = %self.remote, "connection not taken: {error}");
            }
            drop(room);
        });
    }

    async fn serve(&self, stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
        socket::tune(&stream)?;
        let local = stream.local_addr()?;
        let secured = match self.transport {
            Transport::Tls => match self.handshake(stream, shared).await {
                Some(secured) => Ok(secured),
                None => return Ok(()),
            },
            Transport::Udp | Transport::Tcp => Err(stream),
        };
        let ends = shared.table.insert(None);
        let origin = Origin {
            transport: self.transport,
            listener: self.listener,
            local,
            remote: self.remote,
            connection: Some(ends.id),
            tls: None,
        };
        match secured {
            Ok(stream) => {
                let session = Some(Session::accepted(stream.get_ref().1));
                serve(stream, (origin, session), Opened::ByPeer, ends, shared).await;
            }
            Err(stream) => serve(stream, (origin, None), Opened::ByPeer, ends, shared).await,
        }
        Ok(())
    }

    /// TLS within the time and the number of handshakes that are allowed; what fails is logged.
    async fn handshake(&self, stream: TcpStream, shared: &Shared) -> Option<TlsStream<TcpStream>> {
        let server = shared.server(self.listener)?;
        let address = self.remote.ip();
        let place = match shared.handshakes.admit(address, self.is_stranger(shared)) {
            Ok(place) => place,
            Err(full) => {
                self.refuse(
                    match full {
                        Full::All => "too many handshakes (limits.max_handshakes)",
                        Full::Address => {
                            "too many handshakes of its address (limits.max_handshakes_per_address)"
                        }
                    },
                    shared,
                );
                return None;
            }
        };
        let accepting = TlsAcceptor::from(server).accept(stream);
        let accepted = timeout(shared.limits.handshake_timeout, accepting)
            .await
            .unwrap_or_else(|_| {
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "not finished in time",
                ))
            });
        drop(place);
        match accepted {
            Ok(stream) => Some(stream),
            Err(error) => {
                self.tell_failure(&error, shared).await;
                None
            }
        }
    }

    /// Whether no trunk has the peer's address.
    fn is_stranger(&self, shared: &Shared) -> bool {
        shared.peers().trunk_of(self.remote.ip()).is_none()
    }

    fn refuse(&self, reason: &str, shared: &Shared) {
        shared.counters.connections_refused.add_one();
        if shared.lines.refused.admits("refused connections") {
            tracing::warn!(peer = %self.remote, "connection refused: {reason}");
        }
    }

    /// SEC-3: counted, and told with the peer's address and its trunk, if an ACL has it.
    async fn tell_failure(&self, error: &io::Error, shared: &Shared) {
        shared.counters.handshakes_failed.add_one();
        let is_old_version = tls::is_version_mismatch(error);
        if is_old_version {
            shared.counters.tls_version_refused.add_one();
        }
        if !shared.lines.handshakes.admits("failed TLS handshakes") {
            return;
        }
        let refusal = Refusal::TLS_VERSION;
        let text = match is_old_version {
            true => format!(
                "{}: the peer wants a deprecated one ({error})",
                refusal.text
            ),
            false => format!("TLS handshake failed: {error}"),
        };
        let event = Event {
            kind: EventKind::TlsFailed,
            call: None,
            trunk: shared.peers().trunk_of(self.remote.ip()).map(str::to_owned),
            peer: Some((self.transport, self.remote)),
            code: is_old_version.then_some(refusal.code),
            text,
        };
        shared.arrive(Arrival::Event(event)).await;
    }
}
