//! Every open connection, and which of them leads where.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sip_core::transport::{ConnectionId, Host, ListenerId};
use sip_core::trunk::TrunkId;
use tokio::sync::{mpsc, oneshot};

use super::outgoing::Outgoing;

/// Bytes of messages that may wait for one connection, while it is opened or while its peer is
/// slow: a BYE for each of as many calls as there may be fits, as all of them end at a shutdown.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// What a connection that we opened may be used for again. The trunk belongs to it: another
/// trunk may check certificates in another way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PeerKey {
    pub(super) listener: ListenerId,
    pub(super) host: Host,
    /// Which of the host's addresses, where that was chosen.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    /// [`sip_core::transport::Target::by_service`].
    pub(super) by_service: bool,
    pub(super) trunk: Option<TrunkId>,
}

/// The connection task's end of the table's entry.
pub(super) struct Ends {
    pub(super) id: ConnectionId,
    /// What to send; ends when the connection is to be closed after sending.
    pub(super) queue: Queue,
    /// Resolves when the connection is to be closed at once.
    pub(super) killed: oneshot::Receiver<()>,
}

/// Messages that wait for a connection.
pub(super) struct Queue {
    messages: mpsc::UnboundedReceiver<Outgoing>,
    bytes: Arc<AtomicUsize>,
}

impl Queue {
    /// The next message; `None` when there will be none any more.
    pub(super) async fn next(&mut self) -> Option<Outgoing> {
        let outgoing = self.messages.recv().await?;
        self.bytes
            .fetch_sub(outgoing.transmit.bytes.len(), Ordering::Relaxed);
        Some(outgoing)
    }

    /// Takes no more messages; those that wait are still there.
    pub(super) fn close(&mut self) {
        self.messages.close();
    }
}

struct Handle {
    queue: mpsc::UnboundedSender<Outgoing>,
    /// What waits in the queue.
    bytes: Arc<AtomicUsize>,
    peer: Option<PeerKey>,
    /// Dropped with the handle, which the connection notices.
    kill: oneshot::Sender<()>,
}

/// What became of a message that was to go by a connection.
pub(super) enum Queued {
    Yes,
    /// There is no such connection any more.
    Gone(Outgoing),
    /// Too much waits already. The connection lives on with what it has: whether its peer reads
    /// is for the writer to find out.
    Overflow(Outgoing),
}

#[derive(Default)]
struct Inner {
    last_id: u64,
    connections: HashMap<ConnectionId, Handle>,
    by_peer: HashMap<PeerKey, ConnectionId>,
}

/// Locked for moments only; never across an await.
#[derive(Default)]
pub(super) struct Table(Mutex<Inner>);

impl Table {
    /// A new connection; with `peer`, messages to there may use it from now on.
    pub(super) fn insert(&self, peer: Option<PeerKey>) -> Ends {
        let (queue, messages) = mpsc::unbounded_channel();
        let bytes = Arc::new(AtomicUsize::new(0));
        let (kill, killed) = oneshot::channel();
        let mut inner = self.lock();
        inner.last_id += 1;
        let id = ConnectionId(inner.last_id);
        if let Some(peer) = &peer {
            inner.by_peer.insert(peer.clone(), id);
        }
        let handle = Handle {
            queue,
            bytes: Arc::clone(&bytes),
            peer,
            kill,
        };
        inner.connections.insert(id, handle);
        Ends {
            id,
            queue: Queue { messages, bytes },
            killed,
        }
    }

    pub(super) fn remove(&self, id: ConnectionId) {
        self.lock().remove(id);
    }

    /// The connection to `peer` that we opened before.
    pub(super) fn to_peer(&self, peer: &PeerKey) -> Option<ConnectionId> {
        self.lock().by_peer.get(peer).copied()
    }

    /// Gives a message to a connection, if it lives.
    pub(super) fn send(&self, id: ConnectionId, outgoing: Outgoing) -> Queued {
        let inner = self.lock();
        let Some(handle) = inner.connections.get(&id) else {
            return Queued::Gone(outgoing);
        };
        let length = outgoing.transmit.bytes.len();
        // Only ever added to under the lock: what has been looked at does not grow meanwhile.
        if handle.bytes.load(Ordering::Relaxed) + length > QUEUE_BYTES {
            return Queued::Overflow(outgoing);
        }
        handle.bytes.fetch_add(length, Ordering::Relaxed);
        match handle.queue.send(outgoing) {
            Ok(()) => Queued::Yes,
            Err(mpsc::error::SendError(outgoing)) => Queued::Gone(outgoing),
        }
    }

    /// New requests of these trunks open new connections; the old ones live on for their calls.
    pub(super) fn forget_peers(&self, of_trunk: impl Fn(Option<TrunkId>) -> bool) {
        self.lock().by_peer.retain(|peer, _| !of_trunk(peer.trunk));
    }

    /// Every connection closes once it has sent what waits. Until the guard is dropped: then at once.
    pub(super) fn close_all(&self) -> impl Sized + use<> {
        let mut inner = self.lock();
        inner.by_peer.clear();
        let handles: Vec<Handle> = inner
            .connections
            .drain()
            .map(|(_, handle)| handle)
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.kill)
            .collect::<Vec<_>>()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remove(&mut self, id: ConnectionId) {
        let Some(handle) = self.connections.remove(&id) else {
            return;
        };
        let Some(peer) = handle.peer else { return };
        if self.by_peer.get(&peer) == Some(&id) {
            self.by_peer.remove(&peer);
        }
    }
}
