//! How messages travel: links that lose, duplicate and reorder datagrams, and connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_core::stack::{TransmitId, TransportFailure};
use sip_core::transport::{ConnectionId, Host, ListenerId, Origin, Target, Transport};

use super::{CALLEE, Connection, LATENCY, Node, Packet, Wire, World, edge_address};

impl World {
    pub(super) fn send_from_edge(&mut self, id: TransmitId, target: &Target, bytes: Vec<u8>) {
        let listener = &self.listeners[usize::from(target.listener.0)];
        assert_eq!(
            listener.transport, target.transport,
            "a listener sends by its own transport"
        );
        let agent = match self.node_at(target) {
            Some(Node::Agent(index)) => Some(index),
            _ => None,
        };
        let (reason, handshake_refused) = match agent {
            Some(index) if self.unreachable[index] => ("connection refused", false),
            Some(index) if self.mistrusted[index] => ("TLS: invalid peer certificate", true),
            _ => return self.send(Node::Edge, target, bytes),
        };
        let failure = TransportFailure {
            id,
            reason: reason.to_owned(),
            handshake_refused,
        };
        self.stack.handle_transport_failure(self.now, failure);
        self.flush();
    }

    pub(super) fn send(&mut self, from: Node, target: &Target, bytes: Vec<u8>) {
        let Some(to) = self.node_at(target) else {
            return;
        };
        if self.drop.as_mut().is_some_and(|drop| drop(&bytes)) {
            return;
        }
        if target.transport.is_reliable() {
            let connection = self.connection(from, to, target);
            let origin = self.origin(from, to, target.transport, Some(connection));
            // In order: nothing overtakes on a stream.
            let at = self.later(LATENCY);
            self.queue.insert(at, Packet { to, origin, bytes });
            return;
        }
        if !self.listens(to, target) {
            return;
        }
        let origin = self.origin(from, to, Transport::Udp, None);
        let copies = 1 + u32::from(self.rng.chance(self.link.duplicate_percent));
        for _ in 0..copies {
            if self.rng.chance(self.link.loss_percent) {
                continue;
            }
            let jitter = self.link.jitter.as_micros() as u64;
            let jitter = Duration::from_micros(self.rng.below(jitter));
            let at = self.later(LATENCY + jitter);
            self.queue.insert(
                at,
                Packet {
                    to,
                    origin: origin.clone(),
                    bytes: bytes.clone(),
                },
            );
        }
    }

    /// Whether a datagram to that port is received by anybody.
    pub(super) fn listens(&self, to: Node, target: &Target) -> bool {
        match to {
            Node::Edge => target.port == edge_address(Transport::Udp).port(),
            Node::Agent(index) => target.port == self.agents[index].address.port(),
        }
    }

    pub(super) fn connection(&mut self, from: Node, to: Node, target: &Target) -> ConnectionId {
        let transport = target.transport;
        let usable = |connection: &Connection| {
            connection.open
                && connection.transport == transport
                && [connection.dialled_by, connection.to]
                    .iter()
                    .all(|node| [from, to].contains(node))
        };
        if let Some(ConnectionId(id)) = target.connection
            && self.connections.get(id as usize).is_some_and(usable)
        {
            return ConnectionId(id);
        }
        // The driver may share a connection that it dialled itself.
        let shared = |connection: &Connection| usable(connection) && connection.dialled_by == from;
        if let Some(index) = self.connections.iter().position(shared) {
            return ConnectionId(index as u64);
        }
        assert!(
            self.listens_for_streams(to, target),
            "nobody listens at {target:?}"
        );
        assert!(
            from != Node::Edge || !transport.is_secure() || target.trunk.is_some(),
            "only a trunk says which certificates a new TLS connection uses"
        );
        self.dials += 1;
        self.connections.push(Connection {
            dialled_by: from,
            to,
            transport,
            open: true,
        });
        ConnectionId(self.connections.len() as u64 - 1)
    }

    pub(super) fn listens_for_streams(&self, to: Node, target: &Target) -> bool {
        match to {
            Node::Edge => target.port == edge_address(target.transport).port(),
            Node::Agent(index) => {
                let agent = &self.agents[index];
                let speaks = target.transport == agent.transport || agent.manners.every_transport;
                speaks && target.port == agent.address.port()
            }
        }
    }

    pub(super) fn origin(
        &self,
        from: Node,
        to: Node,
        transport: Transport,
        connection: Option<ConnectionId>,
    ) -> Origin {
        let mut remote = self.address(from, transport);
        let mut local = self.address(to, transport);
        if let Some(ConnectionId(id)) = connection {
            let ephemeral = 40_000 + id as u16;
            match self.connections[id as usize].dialled_by == from {
                true => remote.set_port(ephemeral),
                false => local.set_port(ephemeral),
            }
        }
        let listener = match (to, from) {
            (Node::Edge, Node::Agent(index)) => {
                let wire = match transport {
                    Transport::Udp => Wire::Udp,
                    Transport::Tcp => Wire::Tcp,
                    Transport::Tls => Wire::Tls,
                };
                ListenerId(wire.listener().0 + 3 * index.min(CALLEE) as u16)
            }
            _ => ListenerId(0),
        };
        Origin {
            transport,
            listener,
            local,
            remote,
            connection,
            tls: match from {
                Node::Agent(index) if transport.is_secure() => {
                    self.tls.get(index).cloned().flatten()
                }
                _ => None,
            },
        }
    }

    pub(super) fn address(&self, node: Node, transport: Transport) -> SocketAddr {
        match node {
            Node::Edge => edge_address(transport),
            Node::Agent(index) => self.agents[index].address,
        }
    }

    pub(super) fn node_at(&self, target: &Target) -> Option<Node> {
        match target.address {
            Some(address) => self.node(&Host::Address(address)),
            None => self.node(&target.host),
        }
    }

    pub(super) fn node(&self, host: &Host) -> Option<Node> {
        let Host::Address(ip) = host else {
            return None;
        };
        if *ip == edge_address(Transport::Udp).ip() {
            return Some(Node::Edge);
        }
        self.agents
            .iter()
            .position(|agent| agent.address.ip() == *ip)
            .map(Node::Agent)
    }

    pub(super) fn later(&mut self, by: Duration) -> (Instant, u64) {
        self.sequence += 1;
        (self.now + by, self.sequence)
    }
}
