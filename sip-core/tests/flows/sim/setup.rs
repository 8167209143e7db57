//! The world that most tests begin with: addresses, wires, two trunks and the routes between them.

use std::net::SocketAddr;
use std::time::Duration;

use media_core::ports::RealmId;
use media_core::srtp::profile::Suite;
use sip_core::stack::{Listener, StackConfig};
use sip_core::transport::{Host, ListenerId, Transport};
use sip_core::trunk::{Network, Origination, Route, SecureMode, TargetUri, Trunk, TrunkId};

use super::sdp::Profile;

pub(crate) const CALLER: usize = 0;
pub(crate) const CALLEE: usize = 1;
/// Further agents on the callee's side, for [`World::with_targets`].
pub(crate) const SECOND: usize = 2;
pub(crate) const THIRD: usize = 3;

/// How the links between the agents and the edge treat datagrams. Streams lose nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) loss_percent: u32,
    pub(crate) duplicate_percent: u32,
    /// Added to the 10 ms of each way at random, so that later datagrams overtake.
    pub(crate) jitter: Duration,
}

/// How an agent is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Udp,
    Tcp,
    /// TLS with RTP.
    Tls,
    /// TLS with SRTP.
    Srtp,
}

impl Wire {
    pub(crate) const ALL: [Wire; 4] = [Wire::Udp, Wire::Tcp, Wire::Tls, Wire::Srtp];

    pub(crate) fn transport(self) -> Transport {
        match self {
            Wire::Udp => Transport::Udp,
            Wire::Tcp => Transport::Tcp,
            Wire::Tls | Wire::Srtp => Transport::Tls,
        }
    }

    pub(crate) fn mode(self) -> SecureMode {
        match self {
            Wire::Udp | Wire::Tcp => SecureMode::Disabled,
            Wire::Tls => SecureMode::Tls,
            Wire::Srtp => SecureMode::Srtp,
        }
    }

    pub(crate) fn profile(self) -> Profile {
        if self == Wire::Srtp {
            Profile::Srtp
        } else {
            Profile::Rtp
        }
    }

    pub(super) fn listener(self) -> ListenerId {
        ListenerId(match self.transport() {
            Transport::Udp => 0,
            Transport::Tcp => 1,
            Transport::Tls => 2,
        })
    }
}

pub(crate) fn edge_address(transport: Transport) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 1], transport.default_port()))
}

pub(crate) fn agent_address(index: usize, transport: Transport) -> SocketAddr {
    let ip = match index {
        CALLER => [192, 0, 2, 10],
        _ => [198, 51, 100, 10 + 10 * index as u8],
    };
    SocketAddr::from((ip, transport.default_port()))
}

/// How that agent is called.
pub(crate) fn target(index: usize, wire: Wire) -> TargetUri {
    let address = agent_address(index, wire.transport());
    TargetUri {
        host: Host::Address(address.ip()),
        port: Some(address.port()),
        transport: Some(wire.transport()),
    }
}

pub(crate) fn trunk(index: usize, wire: Wire) -> Trunk {
    let address = agent_address(index, wire.transport());
    let name = ["carrier", "pbx", "second", "third"][index];
    Trunk {
        mode: wire.mode(),
        acl: vec![
            Network {
                address: address.ip(),
                prefix: 32,
            }
            .into(),
        ],
        origination: Origination::to(target(index, wire)),
        suites: Suite::ALL.to_vec(),
        ..Trunk::new(name, wire.listener(), RealmId(index as u16))
    }
}

/// Calls from the first agent's trunk to the second's, and back.
pub(crate) fn config(wires: [Wire; 2]) -> StackConfig {
    // Realm 0 faces the caller, realm 1 the callee: three listeners each.
    let listeners = (0..6).map(|index| {
        let transport = [Transport::Udp, Transport::Tcp, Transport::Tls][index % 3];
        let address = edge_address(transport);
        Listener {
            transport,
            address,
            advertised_host: Host::Address(address.ip()),
            advertised_port: address.port(),
            realm: RealmId((index / 3) as u16),
        }
    });
    let mut trunks = vec![trunk(CALLER, wires[0]), trunk(CALLEE, wires[1])];
    trunks[CALLEE].listener.0 += 3;
    let route = |from, to| Route::new(Some(TrunkId(from)), "", TrunkId(to));
    StackConfig {
        trunks,
        routes: vec![route(0, 1), route(1, 0)],
        listeners: listeners.collect(),
        ..StackConfig::default()
    }
}
