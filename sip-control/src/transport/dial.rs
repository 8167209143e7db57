//! Connections that we open.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sip_core::refusal::Refusal;
use sip_core::transport::{Origin, Transport};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{Connect, TlsConnector};

use super::connection::{Opened, Unsent, finish, run as serve};
use super::session::Session;
use super::table::{Ends, PeerKey};
use super::tls::Verify;
use super::{Shared, socket, tls};

/// For one address: below the time after which a call fails over (TRK-3, 4 s).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection to be opened. What is queued for it meanwhile is sent, or fails, with it.
pub(super) struct Dial {
    pub(super) peer: PeerKey,
    pub(super) transport: Transport,
    /// Our address.
    pub(super) from: IpAddr,
}

impl Dial {
    pub(super) async fn run(self, mut ends: Ends, shared: Arc<Shared>) {
        let _open = shared.count_open();
        shared.counters.connections_dialled.add_one();
        let dialled = tokio::select! {
            dialled = self.dial(&shared) => dialled,
            // Only ever resolves because the sender was dropped.
            _ = &mut ends.killed => Err(Unsent::from("the connection was closed".to_owned())),
        };
        match dialled {
            Ok(Dialled::Plain(stream)) => {
                self.serve(stream, |stream| stream, None, ends, &shared)
                    .await;
            }
            Ok(Dialled::Tls(stream, session)) => {
                self.serve(
                    *stream,
                    |stream| stream.get_ref().0,
                    Some(session),
                    ends,
                    &shared,
                )
                .await;
            }
            Err(why) => {
                shared.counters.connections_failed.add_one();
                if shared.lines.dialled.admits("connections that failed") {
                    tracing::warn!(peer = %self.peer.host, port = self.peer.port, "connection failed: {}", why.reason);
                }
                finish(ends, Vec::new(), &why, false, &shared).await;
            }
        }
    }

    async fn serve<S>(
        &self,
        stream: S,
        tcp: impl FnOnce(&S) -> &TcpStream,
        session: Option<Session>,
        ends: Ends,
        shared: &Arc<Shared>,
    ) where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite,
    {
        let socket = tcp(&stream);
        let (local, remote) = match (socket.local_addr(), socket.peer_addr()) {
            (Ok(local), Ok(remote)) => (local, remote),
            (Err(error), _) | (_, Err(error)) => {
                let why = Unsent::from(error.to_string());
                return finish(ends, Vec::new(), &why, true, shared).await;
            }
        };
        let origin = Origin {
            transport: self.transport,
            listener: self.peer.listener,
            local,
            remote,
            connection: Some(ends.id),
            tls: None,
        };
        serve(stream, (origin, session), Opened::ByUs, ends, shared).await;
    }

    /// Each address in turn, until one takes the connection and proves to be the peer.
    async fn dial(&self, shared: &Shared) -> Result<Dialled, Unsent> {
        let peer = &self.peer;
        let places = match peer.address {
            Some(address) => vec![SocketAddr::new(address, peer.port)],
            None => {
                let port = (!peer.by_service).then_some(peer.port);
                let ipv6 = self.from.is_ipv6();
                let places = shared
                    .resolver
                    .places(&peer.host, port, self.transport, ipv6);
                places.await.map_err(|error| error.to_string())?
            }
        };
        let mut why = Unsent::from(String::new());
        for to in places {
            match self.dial_address(to, shared).await {
                Ok(dialled) => return Ok(dialled),
                Err(failed) => {
                    why = Unsent {
                        reason: format!("{to}: {}", failed.reason),
                        ..failed
                    }
                }
            }
        }
        Err(why)
    }

    async fn dial_address(&self, to: SocketAddr, shared: &Shared) -> Result<Dialled, Unsent> {
        let stream = self.connect(to).await?;
        if self.transport != Transport::Tls {
            return Ok(Dialled::Plain(stream));
        }
        let (connecting, session) = self.handshake(stream, shared)?;
        let connected = timeout(shared.limits.handshake_timeout, connecting).await;
        match connected.map_err(late)? {
            Ok(stream) => Ok(Dialled::Tls(Box::new(stream), session)),
            Err(error) => {
                let refusal = Refusal::TLS_VERSION;
                let reason = match tls::is_version_mismatch(&error) {
                    true => format!("TLS: {error} ({} {})", refusal.code, refusal.text),
                    false => format!("TLS: {error}"),
                };
                Err(Unsent {
                    reason,
                    handshake_refused: tls::is_refusal(&error),
                })
            }
        }
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        timeout(CONNECT_TIMEOUT, socket::connect(self.from, to))
            .await
            .map_err(late)?
    }

    fn handshake(
        &self,
        stream: TcpStream,
        shared: &Shared,
    ) -> io::Result<(Connect<TcpStream>, Session)> {
        let peers = shared.peers();
        let tls = peers
            .get(self.peer.trunk)
            .and_then(|peer| peer.tls.as_ref())
            .ok_or_else(|| io::Error::other("the trunk has no TLS settings"))?;
        let name = tls.name_for(&self.peer.host).map_err(io::Error::other)?;
        let connecting = TlsConnector::from(tls.client()).connect(name, stream);
        let proven = (tls.verify() != Verify::Off).then_some(self.peer.trunk);
        Ok((connecting, Session::dialled(proven.flatten())))
    }
}

fn late(_: Elapsed) -> io::Error {
    io::ErrorKind::TimedOut.into()
}

enum Dialled {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>, Session),
}
