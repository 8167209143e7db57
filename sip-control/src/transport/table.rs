//! Every open connection, and which of them leads where.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sip_core::transport::{ConnectionId, Host, ListenerId};
use sip_core::trunk::TrunkId;
use tokio::sync::{mpsc, oneshot};

use super::alias::{Alias, AliasKey, Shown};
use super::outgoing::Outgoing;

/// Bytes of messages that may wait for one connection, while it is opened or while its peer is
/// slow: a BYE for each of as many calls as there may be fits, as all of them end at a shutdown.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;
/// Connections of one alias whose certificates are looked at, the latest ones: more of them are of a
/// peer that opens one after the other.
const ALIASES_LOOKED_AT: usize = 4;

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
    /// Whom we opened it to, or use it for.
    peers: Vec<PeerKey>,
    /// What its peer wants it to be used for.
    alias: Option<Alias>,
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
    /// The latest last.
    by_alias: HashMap<AliasKey, Vec<ConnectionId>>,
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
            peers: peer.into_iter().collect(),
            alias: None,
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

    /// The connection's peer wants requests to there by it; one alias for each connection.
    pub(super) fn add_alias(&self, id: Option<ConnectionId>, alias: Alias) {
        let Some(id) = id else { return };
        let mut inner = self.lock();
        let Some(handle) = inner.connections.get_mut(&id) else {
            return;
        };
        let key = alias.key;
        if handle.alias.is_none() {
            handle.alias = Some(alias);
            inner.by_alias.entry(key).or_default().push(id);
        }
    }

    /// The latest connections with that alias, and what their peers have shown.
    pub(super) fn aliases(&self, key: &AliasKey) -> Vec<(ConnectionId, Shown)> {
        let inner = self.lock();
        let ids = inner.by_alias.get(key).into_iter().flatten().rev();
        let shown = |id: &ConnectionId| {
            let alias = inner.connections.get(id)?.alias.as_ref()?;
            Some((*id, Arc::clone(&alias.shown)))
        };
        ids.filter_map(shown).take(ALIASES_LOOKED_AT).collect()
    }

    /// What goes to `peer` may use that connection from now on. Whether it lives.
    pub(super) fn use_for(&self, id: ConnectionId, peer: &PeerKey) -> bool {
        let mut inner = self.lock();
        let Some(handle) = inner.connections.get_mut(&id) else {
            return false;
        };
        if !handle.peers.contains(peer) {
            handle.peers.push(peer.clone());
        }
        inner.by_peer.insert(peer.clone(), id);
        true
    }

    /// The connection that we opened to `peer` before, or use for it.
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

    /// New requests of these trunks open new connections; the old ones live on for their calls. Who
    /// has connected to us must prove anew whom it may be used for.
    pub(super) fn forget_peers(&self, of_trunk: impl Fn(Option<TrunkId>) -> bool) {
        let Inner {
            connections,
            by_peer,
            ..
        } = &mut *self.lock();
        let is_aliased = |id: &ConnectionId| {
            connections
                .get(id)
                .is_some_and(|handle| handle.alias.is_some())
        };
        by_peer.retain(|peer, id| !of_trunk(peer.trunk) && !is_aliased(id));
    }

    /// Every connection closes once it has sent what waits. Until the guard is dropped: then at once.
    pub(super) fn close_all(&self) -> impl Sized + use<> {
        let mut inner = self.lock();
        inner.by_peer.clear();
        inner.by_alias.clear();
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
        for peer in handle.peers {
            if self.by_peer.get(&peer) == Some(&id) {
                self.by_peer.remove(&peer);
            }
        }
        let Some(Alias { key, .. }) = handle.alias else {
            return;
        };
        if let Some(ids) = self.by_alias.get_mut(&key) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_alias.remove(&key);
            }
        }
    }
}
