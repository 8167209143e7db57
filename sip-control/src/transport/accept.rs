//! Connections that peers open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sip_core::transport::{ListenerId, Origin, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::{Opened, run as serve};
use super::{Shared, socket, tls};

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
        let Some(room) = shared.room.admit(self.is_stranger(shared)) else {
            return self.refuse("too many are open (limits.max_connections)", shared);
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
        };
        match secured {
            Ok(stream) => serve(stream, origin, Opened::ByPeer, ends, shared).await,
            Err(stream) => serve(stream, origin, Opened::ByPeer, ends, shared).await,
        }
        Ok(())
    }

    /// TLS within the time and the number of handshakes that are allowed; what fails is logged.
    async fn handshake(&self, stream: TcpStream, shared: &Shared) -> Option<TlsStream<TcpStream>> {
        let server = shared.server(self.listener)?;
        let Some(place) = shared.handshakes.admit(self.is_stranger(shared)) else {
            self.refuse("too many handshakes (limits.max_handshakes)", shared);
            return None;
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
        accepted
            .map_err(|error| self.log_failure(&error, shared))
            .ok()
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

    fn log_failure(&self, error: &io::Error, shared: &Shared) {
        shared.counters.handshakes_failed.add_one();
        let is_old_version = tls::is_version_mismatch(error);
        if is_old_version {
            shared.counters.tls_version_refused.add_one();
        }
        if !shared.lines.handshakes.admits("failed TLS handshakes") {
            return;
        }
        let peers = shared.peers();
        let trunk = peers.trunk_of(self.remote.ip()).unwrap_or("unknown");
        let peer = self.remote;
        if is_old_version {
            let code = tls::TLS_VERSION_CODE;
            tracing::warn!(%peer, trunk, code, "TLS handshake refused: the peer wants a deprecated version ({error})");
        } else {
            tracing::warn!(%peer, trunk, "TLS handshake failed: {error}");
        }
    }
}
