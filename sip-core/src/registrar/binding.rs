//! One place where an address-of-record is reached.

use std::net::SocketAddr;
use std::time::Instant;

use crate::message::NameAddr;
use crate::transport::{ConnectionId, ListenerId, Transport};

/// A binding (RFC 3261 section 10.3), and the flow that it came by (RFC 5626 section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// As it came, with its parameters.
    pub contact: NameAddr,
    /// The proxies between us and it (RFC 3327), nearest first.
    pub path: Vec<NameAddr>,
    /// Of the REGISTER that made it.
    pub call_id: String,
    pub sequence: u32,
    pub expires: Instant,
    /// RFC 5626 section 4.2: `+sip.instance` and `reg-id`, if it has both.
    pub instance: Option<(String, u32)>,
    /// `None` if proxies stand between, or its connection is closed.
    pub flow: Option<Flow>,
}

/// The way that a REGISTER came by from its sender itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub transport: Transport,
    pub listener: ListenerId,
    /// The source address: behind NAT the only one that leads there.
    pub remote: SocketAddr,
    pub connection: Option<ConnectionId>,
}

/// A binding as the store keeps it: text, and what of its flow outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingRecord {
    pub contact: Vec<u8>,
    pub path: Vec<Vec<u8>>,
    pub call_id: String,
    pub sequence: u32,
    pub expires: Instant,
    pub instance: Option<(String, u32)>,
    /// Only of UDP: a connection does not survive us.
    pub source: Option<(ListenerId, SocketAddr)>,
}

impl Binding {
    /// Whether `other` is a newer state of the same place: the same instance and flow of it, or
    /// without those the same Contact (RFC 5626 section 6, RFC 3261 section 10.3, step 7).
    pub(super) fn is_same_place(&self, other: &Binding) -> bool {
        match (&self.instance, &other.instance) {
            (Some(own), Some(other)) => own == other,
            (None, None) => self.contact.uri().equivalent(other.contact.uri()),
            _ => false,
        }
    }

    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.flow.and_then(|flow| flow.connection)
    }

    pub(super) fn forget_connection(&mut self, closed: ConnectionId) {
        self.flow.take_if(|flow| flow.connection == Some(closed));
    }

    pub(super) fn record(&self) -> BindingRecord {
        let source = self
            .flow
            .filter(|flow| flow.transport == Transport::Udp)
            .map(|flow| (flow.listener, flow.remote));
        BindingRecord {
            contact: self.contact.as_bytes().to_vec(),
            path: self
                .path
                .iter()
                .map(|hop| hop.as_bytes().to_vec())
                .collect(),
            call_id: self.call_id.clone(),
            sequence: self.sequence,
            expires: self.expires,
            instance: self.instance.clone(),
            source,
        }
    }

    /// `None` if the record is damaged.
    pub(super) fn restore(record: &BindingRecord) -> Option<Binding> {
        let path = record.path.iter().map(|hop| NameAddr::parse(hop));
        Some(Binding {
            contact: NameAddr::parse(&record.contact)?,
            path: path.collect::<Option<_>>()?,
            call_id: record.call_id.clone(),
            sequence: record.sequence,
            expires: record.expires,
            instance: record.instance.clone(),
            flow: record.source.map(|(listener, remote)| Flow {
                transport: Transport::Udp,
                listener,
                remote,
                connection: None,
            }),
        })
    }
}
