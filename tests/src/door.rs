//! A door into a namespace: connections to a port of this host's loopback go on to a port on the
//! loopback in there. For browsers and people, whose programs run outside.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::agent::Place;

/// An open door; closed when dropped.
pub struct Door {
    local: SocketAddr,
    task: JoinHandle<()>,
}

impl Door {
    /// Leads from a free port of 127.0.0.1 to `inner_port` of 127.0.0.1 at that place.
    pub async fn open(place: Place, inner_port: u16) -> Result<Door> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("opening a port of loopback")?;
        let local = listener.local_addr()?;
        let inner = SocketAddr::from((Ipv4Addr::LOCALHOST, inner_port));
        let task = tokio::spawn(async move {
            while let Ok((outer, _)) = listener.accept().await {
                tokio::spawn(pass(outer, place.clone(), inner));
            }
        });
        Ok(Door { local, task })
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut outer: TcpStream, place: Place, inner: SocketAddr) {
    let connected = tokio::task::spawn_blocking(move || {
        let stream = place.open(|| std::net::TcpStream::connect(inner))?;
        stream.set_nonblocking(true)?;
        Ok::<_, std::io::Error>(stream)
    });
    let Ok(Ok(stream)) = connected.await else {
        // Whoever connected sees the connection close, as it would without the door.
        return;
    };
    if let Ok(mut inner) = TcpStream::from_std(stream) {
        let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
    }
}
