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
    /// `None` if its connection is closed, or a proxy of the trunk's sent it on.
    pub flow: Option<Flow>,
    /// Where the REGISTER came from, and by which listener; `None` if a proxy of the trunk's sent it
    /// on, and Path or Contact lead to the trunk.
    pub source: Option<(ListenerId, SocketAddr)>,
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
    /// Where its REGISTER came from: over UDP its flow, else who alone may be called at its Contact,
    /// for a connection does not survive us.
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
            source: self.source,
        }
    }

    /// `None` if the record is damaged. `is_udp` tells of a listener whether it is one of UDP.
    pub(super) fn restore(
        record: &BindingRecord,
        is_udp: impl Fn(ListenerId) -> bool,
    ) -> Option<Binding> {
        let by_udp = record.source.filter(|(listener, _)| is_udp(*listener));
        let path = record.path.iter().map(|hop| NameAddr::parse(hop));
        Some(Binding {
            contact: NameAddr::parse(&record.contact)?,
            path: path.collect::<Option<_>>()?,
            call_id: record.call_id.clone(),
            sequence: record.sequence,
            expires: record.expires,
            instance: record.instance.clone(),
            flow: by_udp.map(|(listener, remote)| Flow {
                transport: Transport::Udp,
                listener,
                remote,
                connection: None,
            }),
            source: record.source,
        })
    }
}
