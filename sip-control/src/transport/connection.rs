//! One TCP or TLS connection: bytes to messages, messages to bytes, until either side has enough.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sip_core::framing::{FramingError, StreamFramer, StreamItem};
use sip_core::stack::TransportFailure;
use sip_core::transport::Origin;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::keep_alive::{Due, Heard, KeepAlive, PING, PONG};
use super::outgoing::{Outgoing, Unconfirmed};
use super::session::Session;
use super::table::{Ends, Queue};
use super::{Arrival, LAST_WORDS, Shared};

/// How long a peer may take to read what we write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
const READ_BUFFER_BYTES: usize = 16 * 1024;
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
    /// It has not been said in time what a connection is for, or the rest of a message.
    #[error("closed: no whole message in time")]
    SlowSender,
    #[error("closed: the peer does not answer pings any more")]
    NoPong,
    #[error("closed: {0}")]
    Framing(#[from] FramingError),
    #[error("{0}")]
    Io(#[from] io::Error),
    /// We wanted it.
    #[error("closed")]
    ByUs,
}

impl Ended {
    /// Whether what the peer may not have had is worth another connection: the old one broke, but not
    /// by the peer's or our own wish to hear no more.
    fn may_try_again(&self) -> bool {
        match self {
            Ended::ByPeer | Ended::Idle | Ended::NoPong | Ended::Io(_) => true,
            Ended::SlowReader | Ended::SlowSender | Ended::Framing(_) | Ended::ByUs => false,
        }
    }
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
    (origin, session): (Origin, Option<Session>),
    opened: Opened,
    mut ends: Ends,
    shared: &Arc<Shared>,
) where
    S: AsyncRead + AsyncWrite,
{
    let (reader, writer) = split(stream);
    let (pong, pongs) = mpsc::channel(PONGS_WAITING);
    let heard = Heard::default();
    let mut unconfirmed = Unconfirmed::default();
    let reading = Reading {
        reader,
        origin: origin.clone(),
        session,
        opened,
        pong,
        heard: &heard,
        shared,
    };
    let keep_alive = shared
        .limits
        .keepalive
        .filter(|_| opened == Opened::ByUs)
        .map(|every| KeepAlive::new(every, ends.id));
    let writing = Writing {
        writer,
        pongs,
        heard: &heard,
        keep_alive,
        unconfirmed: &mut unconfirmed,
    };
    let ended = tokio::select! {
        ended = reading.run() => ended,
        ended = writing.run(&mut ends.queue) => ended,
        ended = killed(&mut ends.killed) => ended,
    };
    log_end(&origin, &ended, shared);
    let id = ends.id;
    let unsent = unconfirmed.into_messages(&heard);
    let may_try_again = ended.may_try_again();
    let why = Unsent::from(ended.to_string());
    finish(ends, unsent, &why, may_try_again, shared).await;
    shared.arrive(Arrival::Closed(id)).await;
}

/// Why what waits for a connection is not sent.
pub(super) struct Unsent {
    /// [`TransportFailure::reason`].
    pub(super) reason: String,
    /// [`TransportFailure::handshake_refused`].
    pub(super) handshake_refused: bool,
}

impl From<io::Error> for Unsent {
    fn from(error: io::Error) -> Unsent {
        Unsent::from(error.to_string())
    }
}

impl From<String> for Unsent {
    fn from(reason: String) -> Unsent {
        Unsent {
            reason,
            handshake_refused: false,
        }
    }
}

/// Takes the connection from the table. What the peer has not had is sent by another connection, once,
/// or reported.
pub(super) async fn finish(
    mut ends: Ends,
    mut unsent: Vec<Outgoing>,
    why: &Unsent,
    may_try_again: bool,
    shared: &Arc<Shared>,
) {
    shared.table.remove(ends.id);
    ends.queue.close();
    while let Some(outgoing) = ends.queue.next().await {
        unsent.push(outgoing);
    }
    for outgoing in unsent {
        let id = outgoing.transmit.id.clone();
        let outcome = match outgoing.again().filter(|_| may_try_again) {
            Some(again) => {
                shared.counters.messages_sent_again.add_one();
                shared.send_on_stream(again)
            }
            None => Err(TransportFailure {
                id,
                reason: why.reason.clone(),
                handshake_refused: why.handshake_refused,
            }),
        };
        if let Err(failure) = outcome {
            shared.arrive(Arrival::Failed(failure)).await;
        }
    }
}

async fn killed(killed: &mut oneshot::Receiver<()>) -> Ended {
    // Only ever resolves because the sender was dropped.
    let _ = killed.await;
    Ended::ByUs
}

struct Reading<'a, S> {
    reader: ReadHalf<S>,
    origin: Origin,
    /// For TLS.
    session: Option<Session>,
    opened: Opened,
    pong: mpsc::Sender<()>,
    heard: &'a Heard,
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
        let limits = &self.shared.limits;
        let mut framer = StreamFramer::new(limits.message.message_bytes);
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        // Since when a whole message is due: who connects must say what for, and a message that has
        // begun must end, however slowly its bytes trickle in.
        let mut due_since = (self.opened == Opened::ByPeer).then(Instant::now);
        loop {
            let (patience, out_of_patience) = match due_since {
                Some(since) => (
                    limits.message_timeout.saturating_sub(since.elapsed()),
                    Ended::SlowSender,
                ),
                None => (limits.idle_timeout, Ended::Idle),
            };
            let length = timeout(patience, self.reader.read(&mut buffer))
                .await
                .map_err(|_| out_of_patience)??;
            if length == 0 {
                return Err(Ended::ByPeer);
            }
            let bytes = &buffer[..length];
            self.heard.note(bytes, !framer.is_mid_message());
            framer.push(bytes);
            loop {
                match framer.next() {
                    Ok(None) => break,
                    Ok(Some(item)) => {
                        due_since = None;
                        self.take(item).await;
                    }
                    Err(error) => {
                        if matches!(error, FramingError::TooLong { .. }) {
                            self.hear_out(&mut buffer).await;
                        }
                        return Err(error.into());
                    }
                }
            }
            if framer.is_mid_message() {
                due_since = due_since.or_else(|| Some(Instant::now()));
            }
        }
    }

    /// The refusal of a message that is too long is on its way: what is left of the message is read
    /// and thrown away for a moment, as a connection that closes with unread bytes is reset, and the
    /// refusal lost with it.
    async fn hear_out(&mut self, buffer: &mut [u8]) {
        let rest = async {
            while self
                .reader
                .read(buffer)
                .await
                .is_ok_and(|length| length > 0)
            {}
        };
        let _ = timeout(LAST_WORDS, rest).await;
    }

    async fn take(&mut self, item: StreamItem) {
        match item {
            StreamItem::Message(bytes) => {
                if let Some(session) = &mut self.session {
                    // Before the driver sees the message: what it sends then may need the alias.
                    if let Some(alias) = session.alias(&bytes, &self.origin) {
                        self.shared.table.add_alias(self.origin.connection, alias);
                    }
                    self.origin.tls = Some(session.peer(&self.shared.peers()));
                }
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

struct Writing<'a, S> {
    writer: WriteHalf<S>,
    /// Pings of the peer that are to be answered.
    pongs: mpsc::Receiver<()>,
    heard: &'a Heard,
    keep_alive: Option<KeepAlive>,
    unconfirmed: &'a mut Unconfirmed,
}

impl<S: AsyncRead + AsyncWrite> Writing<'_, S> {
    async fn run(mut self, queue: &mut Queue) -> Ended {
        loop {
            let ping_at = self.keep_alive.as_ref().map(KeepAlive::due);
            let written = tokio::select! {
                next = queue.next() => match next {
                    Some(outgoing) => self.send(outgoing).await,
                    None => {
                        // The peer may have gone already: then it needs no farewell.
                        let _ = timeout(WRITE_TIMEOUT, self.writer.shutdown()).await;
                        return Ended::ByUs;
                    }
                },
                Some(()) = self.pongs.recv() => write_whole(&mut self.writer, PONG).await,
                () = at(ping_at) => self.keep_alive().await,
            };
            if let Err(ended) = written {
                return ended;
            }
        }
    }

    async fn send(&mut self, outgoing: Outgoing) -> Result<(), Ended> {
        let bytes = self.unconfirmed.begin(outgoing, self.heard);
        write_whole(&mut self.writer, bytes).await?;
        self.unconfirmed.written();
        Ok(())
    }

    async fn keep_alive(&mut self) -> Result<(), Ended> {
        match self
            .keep_alive
            .as_mut()
            .map(|keep_alive| keep_alive.next(self.heard))
        {
            Some(Due::Ping) => write_whole(&mut self.writer, PING).await,
            Some(Due::Dead) => Err(Ended::NoPong),
            Some(Due::Nothing) | None => Ok(()),
        }
    }
}

/// Never, without a time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
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
        Ended::SlowSender => {
            shared.counters.slow_senders.add_one();
            if shared.lines.slow_senders.admits("slow senders") {
                tracing::warn!(%peer, transport, "connection {ended}");
            }
        }
        Ended::NoPong => {
            shared.counters.pings_unanswered.add_one();
            tracing::warn!(%peer, transport, "connection {ended}");
        }
        Ended::SlowReader => {
            shared.counters.slow_readers.add_one();
            tracing::warn!(%peer, transport, "connection {ended}");
        }
        _ => tracing::debug!(%peer, transport, "connection {ended}"),
    }
}
