//! Where the API is reached: a Unix socket, and a TCP port with TLS (RFC 9110, RFC 9112, RFC 9113).
//! Clients are bounded in number, and none of them in time is waited for without end.

mod connection;
mod deadline;
mod http;
mod places;
mod tcp;
mod unix;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(super) use self::connection::{Connection, Peer};
use super::Told;
use crate::config::ApiConfig;

/// How long those who are being answered may take when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(2);
/// Before the next try, when none more can be accepted.
const REST: Duration = Duration::from_millis(100);
/// Connections beside those of clients that listen for events.
const OTHERS: usize = 256;

/// The open doors; the file of the socket is removed when it is closed.
pub(crate) struct ApiServer {
    socket: Option<PathBuf>,
    closing: watch::Sender<bool>,
    accepting: Vec<JoinHandle<()>>,
}

impl ApiServer {
    /// Opens the socket and the port that are configured. A file that a dead daemon left behind is
    /// replaced.
    pub(crate) async fn open(
        socket: Option<&Path>,
        api: &ApiConfig,
        told: &Told,
        router: Router,
    ) -> anyhow::Result<ApiServer> {
        let (closing, closed) = watch::channel(false);
        let mut server = ApiServer {
            socket: socket.map(Path::to_owned),
            closing,
            accepting: Vec::new(),
        };
        if let Some(path) = socket {
            let listener =
                unix::bind(path).with_context(|| format!("control.socket {}", path.display()))?;
            let accepting = unix::accept(listener, router.clone(), closed.clone());
            server.accepting.push(tokio::spawn(accepting));
        }
        if let Some(listen) = api.listen {
            let listener = tokio::net::TcpListener::bind(listen)
                .await
                .with_context(|| format!("api.listen {listen}"))?;
            let port = tcp::Port {
                listener,
                tls: Arc::clone(&told.tls),
                allow: api.allow.clone(),
                places: places::Places::new(api.event_clients + OTHERS),
            };
            let accepting = port.accept(router, closed);
            server.accepting.push(tokio::spawn(accepting));
        }
        Ok(server)
    }

    /// Ends every connection; what holds the daemon's parts is gone afterwards.
    pub(crate) async fn close(self) {
        self.closing.send_replace(true);
        for mut accepting in self.accepting {
            // Those that it serves end with it.
            if timeout(FAREWELL, &mut accepting).await.is_err() {
                accepting.abort();
                let _ = accepting.await;
            }
        }
        if let Some(path) = &self.socket
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::warn!("{}: {error}", path.display());
        }
    }
}
