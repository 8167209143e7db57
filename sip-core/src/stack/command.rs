//! What the stack asks the driver to do.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use media_core::session::{CallId, Session};

use super::event::Event;
use super::record::CallRecord;
use crate::registrar::Snapshot;
use crate::transaction::TransactionKey;
use crate::transport::{ListenerId, Target, Transport};
use crate::trunk::TargetUri;

/// One effect, in the order in which it must happen.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send a message.
    Send(Transmit),
    /// Find out where a target is, and tell it by [`super::Stack::handle_resolved`].
    Resolve(Resolve),
    /// Change a call's media.
    Media(MediaCommand),
    /// The bindings of an address-of-record have changed: keep them for [`super::Stack::restore`].
    Store(Snapshot),
    /// A call is over, or was refused: write its record.
    Record(Box<CallRecord>),
    /// Something an operator wants to see.
    Event(Event),
}

/// A message to send.
#[derive(Clone)]
pub struct Transmit {
    /// [`Target::connection`] first, if it still lives; else a connection to host and port, which
    /// may be one that is already open to the same place with the same trunk's TLS settings.
    pub target: Target,
    pub bytes: Vec<u8>,
    pub id: TransmitId,
}

// Bodies hold SRTP keys: only the length is shown.
impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmit")
            .field("target", &self.target)
            .field("bytes", &self.bytes.len())
            .field("id", &self.id)
            .finish()
    }
}

/// A name whose addresses are wanted (RFC 3263 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    pub id: ResolveId,
    /// Its host is a name; address literals need no resolving.
    pub target: TargetUri,
    /// The transports that may be used, the preferred one first; at least one. With more than one,
    /// NAPTR or SRV records choose.
    pub transports: Vec<Transport>,
}

/// Names a [`Resolve`] in its answer; never re-used in the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResolveId(pub(crate) u64);

/// Names a [`Transmit`] in a [`TransportFailure`]; opaque to the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransmitId(pub(super) Option<TransactionKey>);

/// A message could not be sent: no route, connection refused or reset, handshake failed, queue full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportFailure {
    pub id: TransmitId,
    /// For the event and the call record.
    pub reason: String,
    /// One side refused the other in the TLS handshake, for its certificate, its name or what it speaks
    /// (RFC 8446 section 6.2): it will do so again until somebody sets that right.
    pub handshake_refused: bool,
}

/// ICMP has given a datagram of ours back: the host, its network, protocol or port is unreachable, or
/// a header was not understood (RFC 3261 section 18.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// Whose socket the datagram left from, and where it went.
    pub listener: ListenerId,
    pub to: SocketAddr,
    /// The first bytes of the datagram, as many as the message quotes.
    pub quoted: Vec<u8>,
    /// For the event and the call record.
    pub reason: String,
}

/// What the media plane must do for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaCommand {
    /// Make the call's flows be these; the first one creates them.
    Apply(Arc<Session>),
    /// Remove the call's flows, and then report [`media_core::report::MediaEvent::Removed`].
    Remove(CallId),
}
