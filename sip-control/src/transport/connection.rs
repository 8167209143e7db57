//! One TCP or TLS connection: bytes to messages, messages to bytes, until either side has enough.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sip_core::framing::{FramingError, StreamFramer, StreamItem};
use sip_core::stack::TransmitId;
use sip_core::transport::Origin;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::table::{Ends, Queue};
use super::{Arrival, Shared};

/// How long a peer may take to say its first word, or the rest of a message that it began.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a peer may take to read what we write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// The answer to a ping (RFC 5626 section 4.4.1).
const PONG: &[u8] = b"\r\n";
/// Pings that wait for their answer; more are a flood and share one.
const PONGS_WAITING: usize = 4;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("closed by the peer")]
    ByPeer,
    #[error("closed: the peer does not read")]
    SlowReader,
    #[error("closed: silent for too long")]
    Idle,
    #[error("closed: {0}")]
    Framing(#[from] FramingError),
    #[error("{0}")]
    Io(#[from] io::Error),
    /// We wanted it.
    #[error("closed")]
    ByUs,
}

/// Whose word is awaited first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    ByPeer,
    ByUs,
}

/// Runs a connection to its end and tells the driver of it.
pub(super) async fn run<S>(
    stream: S,
    origin: Origin,
    opened: Opened,
    mut ends: Ends,
    shared: &Arc<Shared>,
) where
    S: AsyncRead + AsyncWrite,
{
    let (reader, writer) = split(stream);
    let (pong, pongs) = mpsc::channel(PONGS_WAITING);
    let mut in_flight = None;
    let reading = Reading {
        reader,
        origin: &origin,
        opened,
        pong,
        shared,
    };
    let ended = tokio::select! {
        ended = reading.run() => ended,
        ended = write(writer, &mut ends.queue, pongs, &mut in_flight) => ended,
        ended = killed(&mut ends.killed) => ended,
    };
    log_end(&origin, &ended, shared);
    let id = ends.id;
    finish(ends, in_flight, &ended.to_string(), shared).await;
    shared.arrive(Arrival::Closed(id)).await;
}

/// Takes the connection from the table and reports every message that it did not send.
pub(super) async fn finish(
    mut ends: Ends,
    in_flight: Option<TransmitId>,
    reason: &str,
    shared: &Arc<Shared>,
) {
    shared.table.remove(ends.id);
    ends.queue.close();
    if let Some(id) = in_flight {
        shared.fail(id, reason).await;
    }
    while let Some(transmit) = ends.queue.next().await {
        shared.fail(transmit.id, reason).await;
    }
}

async fn killed(killed: &mut oneshot::Receiver<()>) -> Ended {
    // Only ever resolves because the sender was dropped.
    let _ = killed.await;
    Ended::ByUs
}

struct Reading<'a, S> {
    reader: ReadHalf<S>,
    origin: &'a Origin,
    opened: Opened,
    pong: mpsc::Sender<()>,
    shared: &'a Shared,
}

impl<S: AsyncRead + AsyncWrite> Reading<'_, S> {
    async fn run(mut self) -> Ended {
        match self.read().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn read(&mut self) -> Result<std::convert::Infallible, Ended> {
        let mut framer = StreamFramer::new(self.shared.limits.max_message_bytes);
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        let mut has_spoken = self.opened == Opened::ByUs;
        loop {
            let hurry = framer.is_mid_message() || !has_spoken;
            let patience = if hurry {
                PATIENCE
            } else {
                self.shared.limits.idle_timeout
            };
            let length = timeout(patience, self.reader.read(&mut buffer))
                .await
                .map_err(|_| Ended::Idle)??;
            if length == 0 {
                return Err(Ended::ByPeer);
            }
            framer.push(&buffer[..length]);
            while let Some(item) = framer.next()? {
                has_spoken = true;
                self.take(item).await;
            }
        }
    }

    async fn take(&self, item: StreamItem) {
        match item {
            StreamItem::Message(bytes) => {
                self.shared
                    .arrive(Arrival::Message {
                        origin: self.origin.clone(),
                        bytes,
                    })
                    .await;
            }
            // Full: the peer gets its answer for the pings before.
            StreamItem::Ping => drop(self.pong.try_send(())),
        }
    }
}

async fn write<S: AsyncRead + AsyncWrite>(
    mut writer: WriteHalf<S>,
    queue: &mut Queue,
    mut pongs: mpsc::Receiver<()>,
    in_flight: &mut Option<TransmitId>,
) -> Ended {
    loop {
        let written = tokio::select! {
            next = queue.next() => match next {
                Some(transmit) => {
                    *in_flight = Some(transmit.id);
                    write_whole(&mut writer, &transmit.bytes).await
                }
                None => {
                    // The peer may have gone already: then it needs no farewell.
                    let _ = timeout(WRITE_TIMEOUT, writer.shutdown()).await;
                    return Ended::ByUs;
                }
            },
            Some(()) = pongs.recv() => write_whole(&mut writer, PONG).await,
        };
        if let Err(ended) = written {
            return ended;
        }
        *in_flight = None;
    }
}

async fn write_whole<S: AsyncWrite>(writer: &mut WriteHalf<S>, bytes: &[u8]) -> Result<(), Ended> {
    let writing = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    timeout(WRITE_TIMEOUT, writing)
        .await
        .map_err(|_| Ended::SlowReader)?
        .map_err(Ended::Io)
}

fn log_end(origin: &Origin, ended: &Ended, shared: &Shared) {
    let transport = origin.transport.uri_token();
    let peer = origin.remote;
    match ended {
        Ended::Framing(_) => {
            shared.counters.framing_lost.add_one();
            if shared.lines.framing.admits("streams without SIP") {
                tracing::warn!(%peer, transport, "connection {ended}");
            }
        }
        Ended::SlowReader => {
            shared.counters.slow_readers.add_one();
            tracing::warn!(%peer, transport, "connection {ended}");
        }
        _ => tracing::debug!(%peer, transport, "connection {ended}"),
    }
}
