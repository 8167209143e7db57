//! Transactions on a movable clock: one table against handwritten messages ([`bench`]), and two
//! tables over a simulated link ([`link`]).

mod bench;
mod cancel;
mod client_invite;
mod client_non_invite;
mod large;
mod link;
mod link_flows;
mod matching;
mod random;
mod secure;
mod server_invite;
mod server_non_invite;
mod transport;
mod unreachable;

use std::net::SocketAddr;

use media_core::ports::RealmId;
use rand_core::RngCore;

use crate::message::Message;
use crate::transport::{ConnectionId, Host, Listener, ListenerId, Origin, Target, Transport};

/// A small generator that gives the same each time (xorshift64).
pub(super) struct FixedRng(pub(super) u64);

impl RngCore for FixedRng {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.next_u64() as u8);
    }
}

pub(super) const US: &str = "192.0.2.1:5060";
pub(super) const PEER: &str = "198.51.100.9:5060";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Where messages between `local` and `remote` come from, seen by `local`.
fn origin(transport: Transport, local: &str, remote: &str) -> Origin {
    Origin {
        transport,
        listener: listener_of(transport),
        local: address(local),
        remote: address(remote),
        connection: transport.is_reliable().then_some(ConnectionId(7)),
        tls: None,
    }
}

fn target(transport: Transport, remote: &str) -> Target {
    let remote = address(remote);
    Target {
        transport,
        listener: listener_of(transport),
        connection: None,
        host: Host::Address(remote.ip()),
        address: None,
        port: remote.port(),
        by_service: false,
        trunk: None,
    }
}

/// UDP, TCP and TLS on one address, in this order.
fn listeners(local: &str) -> Vec<Listener> {
    let listener = |transport| Listener {
        transport,
        address: address(local),
        advertised_host: Host::Address(address(local).ip()),
        advertised_port: address(local).port(),
        realm: RealmId(0),
    };
    [Transport::Udp, Transport::Tcp, Transport::Tls]
        .map(listener)
        .into()
}

fn listener_of(transport: Transport) -> ListenerId {
    ListenerId(match transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
    })
}

/// The method or the status of a message.
fn name(bytes: &[u8]) -> String {
    match Message::parse(bytes).unwrap() {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => response.status.to_string(),
    }
}
