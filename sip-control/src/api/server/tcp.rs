//! The TCP port: TLS (RFC 8446), or plain on the loopback.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::REST;
use super::connection::{Connection, Peer};
use super::http::{self, Version};
use super::places::{Places, Share};
use sip_core::trunk::Network;

const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Port {
    pub(super) listener: TcpListener,
    pub(super) tls: Arc<RwLock<Option<Arc<ServerConfig>>>>,
    /// Who may connect; empty: anybody.
    pub(super) allow: Vec<Network>,
    pub(super) places: Places,
}

impl Port {
    pub(super) async fn accept(self, router: Router, mut closed: watch::Receiver<bool>) {
        let mut serving = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = serving.join_next() => continue,
                _ = closed.wait_for(|closing| *closing) => break,
            };
            match accepted {
                Ok((stream, from)) => {
                    if !self.allows(from) {
                        tracing::debug!(%from, "API: api.allow does not have this address");
                        continue;
                    }
                    let Some((place, share)) = self.places.admit(from.ip()) else {
                        tracing::debug!(%from, "API: too many connections");
                        continue;
                    };
                    let client = Client {
                        stream,
                        from,
                        tls: self.tls(),
                        share,
                    };
                    let (router, closed) = (router.clone(), closed.clone());
                    serving.spawn(async move {
                        client.serve(router, closed).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("api.listen: {error}");
                    tokio::time::sleep(REST).await;
                }
            }
        }
        drop(self.listener);
        while serving.join_next().await.is_some() {}
    }

    fn allows(&self, from: SocketAddr) -> bool {
        let address = from.ip().to_canonical();
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(address))
    }

    fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

struct Client {
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    share: Share,
}

impl Client {
    async fn serve(self, router: Router, closed: watch::Receiver<bool>) {
        // Small answers should not wait for the client's ACK of the ones before.
        let _ = self.stream.set_nodelay(true);
        let peer = Peer::Tcp(self.from);
        let connection = Connection::new(peer, self.tls.is_some()).with_share(self.share);
        let connection = Arc::new(connection);
        let Some(tls) = self.tls else {
            return http::serve(self.stream, Version::One, connection, router, closed).await;
        };
        let handshake = TlsAcceptor::from(tls).accept(self.stream);
        match timeout(HANDSHAKE_PATIENCE, handshake).await {
            Ok(Ok(stream)) => {
                let version = match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => Version::Two,
                    _ => Version::One,
                };
                http::serve(stream, version, connection, router, closed).await;
            }
            Ok(Err(error)) => tracing::debug!(from = %self.from, "API: TLS handshake: {error}"),
            Err(_) => tracing::debug!(from = %self.from, "API: no TLS handshake in time"),
        }
    }
}
