//! How an agent's messages travel: UDP, TCP or TLS, opened where the agent lives.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::pki_types::ServerName;
use sip_core::transport::Transport;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::message::{SipMessage, complete_length};
use super::place::Place;
use super::tls::Credentials;

/// How long an agent waits for anything before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Where a message came from, and how to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    Datagram(SocketAddr),
    Connection(u64),
}

enum Happened {
    Message(Via, SipMessage),
    Opened(u64, mpsc::UnboundedSender<Vec<u8>>),
    Broken(String),
}

/// An agent's signalling socket, its listener and its connections.
pub struct Signalling {
    place: Place,
    transport: Transport,
    credentials: Option<Arc<Credentials>>,
    local: SocketAddr,
    udp: Option<Arc<UdpSocket>>,
    writers: HashMap<u64, mpsc::UnboundedSender<Vec<u8>>>,
    happened: mpsc::UnboundedReceiver<Happened>,
    happen: mpsc::UnboundedSender<Happened>,
    tasks: Vec<JoinHandle<()>>,
}

impl Signalling {
    /// Listens on `address` at the transport's port.
    pub async fn open(
        place: &Place,
        transport: Transport,
        local: SocketAddr,
        credentials: Option<Arc<Credentials>>,
    ) -> Result<Signalling> {
        let (happen, happened) = mpsc::unbounded_channel();
        let mut signalling = Signalling {
            place: place.clone(),
            transport,
            credentials,
            local,
            udp: None,
            writers: HashMap::new(),
            happened,
            happen,
            tasks: Vec::new(),
        };
        if transport == Transport::Udp {
            let socket = place
                .open(|| std::net::UdpSocket::bind(local))
                .with_context(|| format!("binding {local}"))?;
            socket.set_nonblocking(true)?;
            let socket = Arc::new(UdpSocket::from_std(socket)?);
            signalling.tasks.push(tokio::spawn(read_datagrams(
                Arc::clone(&socket),
                signalling.happen.clone(),
            )));
            signalling.udp = Some(socket);
        } else {
            let listener = place
                .open(|| std::net::TcpListener::bind(local))
                .with_context(|| format!("binding {local}"))?;
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            let acceptor = signalling
                .credentials
                .as_ref()
                .map(|credentials| TlsAcceptor::from(credentials.server()));
            signalling.tasks.push(tokio::spawn(accept(
                listener,
                acceptor,
                signalling.happen.clone(),
            )));
        }
        Ok(signalling)
    }

    pub fn local(&self) -> SocketAddr {
        self.local
    }

    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// A way to `remote`: for TCP and TLS a new connection.
    pub async fn connect(&mut self, remote: SocketAddr) -> Result<Via> {
        if self.transport == Transport::Udp {
            return Ok(Via::Datagram(remote));
        }
        // From the agent's own address, which its trunk's ACL names; any port.
        let socket = self.place.open(|| {
            if remote.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }
        })?;
        socket.bind(SocketAddr::new(self.local.ip(), 0))?;
        let stream = tokio::time::timeout(PATIENCE, socket.connect(remote))
            .await
            .with_context(|| format!("connecting to {remote}"))??;
        stream.set_nodelay(true)?;
        let id = connection_id();
        let happen = self.happen.clone();
        match &self.credentials {
            Some(credentials) => {
                let name = ServerName::from(remote.ip());
                let stream = TlsConnector::from(credentials.client())
                    .connect(name, stream)
                    .await
                    .context("TLS handshake with the edge")?;
                self.adopt(id, stream, happen);
            }
            None => self.adopt(id, stream, happen),
        }
        Ok(Via::Connection(id))
    }

    pub async fn send(&mut self, via: Via, message: &SipMessage) -> Result<()> {
        match via {
            Via::Datagram(remote) => {
                self.udp
                    .as_ref()
                    .context("not a UDP agent")?
                    .send_to(&message.to_bytes(), remote)
                    .await?;
            }
            Via::Connection(id) => {
                let writer = self.writers.get(&id).context("the connection is gone")?;
                writer
                    .send(message.to_bytes())
                    .ok()
                    .context("the connection is closed")?;
            }
        }
        Ok(())
    }

    /// The next message, within `limit`.
    pub async fn receive(&mut self, limit: Duration) -> Result<(Via, SipMessage)> {
        tokio::time::timeout(limit, async {
            loop {
                match self.happened.recv().await.context("no more sockets")? {
                    Happened::Message(via, message) => return Ok((via, message)),
                    Happened::Opened(id, writer) => drop(self.writers.insert(id, writer)),
                    Happened::Broken(why) => bail!("{why}"),
                }
            }
        })
        .await
        .context("nothing came from the edge in time")?
    }

    fn adopt(
        &mut self,
        id: u64,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        happen: mpsc::UnboundedSender<Happened>,
    ) {
        let (writer, task) = serve(id, stream, happen);
        self.writers.insert(id, writer);
        self.tasks.push(task);
    }
}

impl Drop for Signalling {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn connection_id() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

async fn read_datagrams(socket: Arc<UdpSocket>, happen: mpsc::UnboundedSender<Happened>) {
    let mut buffer = vec![0; 65_535];
    while let Ok((length, remote)) = socket.recv_from(&mut buffer).await {
        let event = match SipMessage::parse(&buffer[..length]) {
            Ok(message) => Happened::Message(Via::Datagram(remote), message),
            Err(error) => Happened::Broken(format!("the edge sent what is not SIP: {error:#}")),
        };
        if happen.send(event).is_err() {
            return;
        }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    happen: mpsc::UnboundedSender<Happened>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        // Else an answer waits for the acknowledgement of the TLS session ticket before it.
        let _ = stream.set_nodelay(true);
        let id = connection_id();
        let writer = match &acceptor {
            Some(acceptor) => match acceptor.accept(stream).await {
                Ok(stream) => serve(id, stream, happen.clone()).0,
                Err(error) => {
                    let _ = happen.send(Happened::Broken(format!(
                        "TLS handshake by the edge: {error}"
                    )));
                    continue;
                }
            },
            None => serve(id, stream, happen.clone()).0,
        };
        if happen.send(Happened::Opened(id, writer)).is_err() {
            return;
        }
    }
}

/// Reads and writes one connection until either end closes it.
fn serve(
    id: u64,
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    happen: mpsc::UnboundedSender<Happened>,
) -> (mpsc::UnboundedSender<Vec<u8>>, JoinHandle<()>) {
    let (reader, writer) = tokio::io::split(stream);
    let (send, queue) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        tokio::select! {
            () = read_stream(id, reader, happen) => {}
            () = write_stream(writer, queue) => {}
        }
    });
    (send, task)
}

async fn write_stream(
    mut writer: WriteHalf<impl AsyncWrite>,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    while let Some(bytes) = queue.recv().await {
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

async fn read_stream(
    id: u64,
    mut reader: ReadHalf<impl AsyncRead>,
    happen: mpsc::UnboundedSender<Happened>,
) {
    let mut stream = Vec::new();
    loop {
        match complete_length(&stream) {
            Ok(Some(length)) => {
                let bytes: Vec<u8> = stream.drain(..length).collect();
                let event = match SipMessage::parse(&bytes) {
                    Ok(message) => Happened::Message(Via::Connection(id), message),
                    Err(error) => {
                        Happened::Broken(format!("the edge sent what is not SIP: {error:#}"))
                    }
                };
                if happen.send(event).is_err() {
                    return;
                }
            }
            Ok(None) => {
                if !matches!(reader.read_buf(&mut stream).await, Ok(1..)) {
                    return;
                }
            }
            Err(error) => {
                let _ = happen.send(Happened::Broken(format!("{error:#}")));
                return;
            }
        }
    }
}
