//! What a transaction table tells its user, and what it wants sent.

use std::fmt;

use super::gate::Overload;
use crate::message::{Request, Response, StatusCode};
use crate::transport::{Origin, Target};

/// A server transaction; never re-used in the life of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(pub(super) u64);

/// A client transaction; never re-used in the life of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey(pub(super) u64);

/// Either kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransactionKey {
    Client(ClientKey),
    Server(ServerKey),
}

impl From<ClientKey> for TransactionKey {
    fn from(key: ClientKey) -> TransactionKey {
        TransactionKey::Client(key)
    }
}

impl From<ServerKey> for TransactionKey {
    fn from(key: ServerKey) -> TransactionKey {
        TransactionKey::Server(key)
    }
}

/// Something that the transaction user has to know.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new request other than ACK and CANCEL. Its top Via has `received` and `rport` filled in.
    /// The user answers it with [`super::Transactions::respond`].
    Request {
        key: ServerKey,
        origin: Origin,
        request: Request,
    },
    /// As [`Event::Request`], but another transaction with the same From tag, Call-ID and CSeq is
    /// still there: the request took two ways to us. To be answered 482 (section 8.2.2.2).
    Merged {
        key: ServerKey,
        origin: Origin,
        request: Request,
    },
    /// The first ACK to a 2xx that `invite` was answered with. Its retransmissions are absorbed.
    Ack {
        invite: ServerKey,
        origin: Origin,
        request: Request,
    },
    /// No ACK came in 64*T1 for the final response. After a 2xx the session must be ended with BYE
    /// (section 13.3.1.4); after others there is nothing to do.
    AckTimedOut {
        invite: ServerKey,
        status: StatusCode,
    },
    /// An INVITE that has no final response yet is cancelled: to be answered 487. The CANCEL itself
    /// has been answered 200 already (section 9.2).
    Cancel {
        invite: ServerKey,
        origin: Origin,
        request: Request,
    },
    /// A response that the client transaction did not absorb: each provisional one, the first final
    /// one, and for INVITE each 2xx with a To tag that no ACK was sent for.
    Response {
        key: ClientKey,
        origin: Origin,
        response: Response,
    },
    /// A 2xx to an INVITE of ours whose transaction is gone (RFC 6026): a very late answer.
    StrayResponse { origin: Origin, response: Response },
    /// No final response came in time: as if 408 had been received (section 8.1.3.1).
    TimedOut { key: ClientKey },
    /// The request could not be sent: as if 503 had been received (section 8.1.3.1). The reason is
    /// the transport's.
    TransportFailed { key: ClientKey, reason: String },
    /// A response could not be sent. The transaction goes on: a final response is repeated for a
    /// retransmitted request and by timer G, and a missing ACK is reported in its time.
    ServerTransportFailed { key: ServerKey },
    /// Requests are answered 503 because the table is full: this one of that source, and others
    /// that are only counted. Told once in 64*T1.
    Overflowed { origin: Origin },
    /// An INVITE outside any dialog was answered 503 and forgotten, because of overload. Its
    /// retransmission is another one.
    Shed {
        origin: Origin,
        request: Request,
        overload: Overload,
    },
    /// The transaction is gone: the last event that names it, and the only one that always comes.
    Ended { key: TransactionKey },
}

/// A message to send.
#[derive(Clone)]
pub struct Transmit {
    pub target: Target,
    pub bytes: Vec<u8>,
    /// Whom to tell with [`super::Transactions::handle_transport_error`] if it cannot be sent.
    pub transaction: Option<TransactionKey>,
}

// Bodies hold SRTP keys: only the length is shown.
impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmit")
            .field("target", &self.target)
            .field("bytes", &self.bytes.len())
            .field("transaction", &self.transaction)
            .finish()
    }
}

/// What the table did by itself; all but the first few should stay near zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that repeat one we have.
    pub request_retransmissions: u64,
    /// Messages that we sent once more: requests, responses and ACKs.
    pub retransmissions: u64,
    /// Responses that match nothing of ours.
    pub stray_responses: u64,
    /// ACKs that match nothing of ours.
    pub stray_acks: u64,
    /// CANCELs that match nothing of ours, answered 481.
    pub stray_cancels: u64,
    /// Messages of a transaction over TLS that came over UDP or TCP: dropped.
    pub insecure: u64,
    /// Requests without what a transaction needs.
    pub malformed: u64,
    /// Requests answered 503 because the table was full.
    pub overflowed: u64,
    /// INVITEs answered 503 because of overload.
    pub shed: u64,
    /// Client transactions without a final response in time.
    pub client_timeouts: u64,
    /// Final responses to INVITE without an ACK in time.
    pub ack_timeouts: u64,
    /// Messages that could not be sent.
    pub transport_errors: u64,
}
