//! Where messages come from and go to, as the transport layer (RFC 3261 section 18) sees it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use media_core::ports::RealmId;

use crate::trunk::TrunkId;

/// A SIP transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    /// The token in Via, upper case: `UDP`, `TCP`, `TLS`.
    pub fn via_token(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// The value of a URI's transport parameter, lower case.
    pub fn uri_token(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }

    /// From either token, in any case (RFC 3261 section 7.3.1).
    pub fn from_token(token: &str) -> Option<Transport> {
        [Transport::Udp, Transport::Tcp, Transport::Tls]
            .into_iter()
            .find(|transport| transport.uri_token().eq_ignore_ascii_case(token))
    }

    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    pub fn is_secure(self) -> bool {
        self == Transport::Tls
    }

    /// 5061 for TLS, else 5060.
    pub fn default_port(self) -> u16 {
        if self.is_secure() { 5061 } else { 5060 }
    }
}

/// One of our listeners, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u16);

/// A socket that we receive on, and what we call it towards peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub transport: Transport,
    /// Bound address.
    pub address: SocketAddr,
    /// What Via and Contact say: the address or name that peers reach us by, which is not the
    /// bound one behind NAT.
    pub advertised_host: Host,
    pub advertised_port: u16,
    /// The network that it faces (TRK-8).
    pub realm: RealmId,
}

/// One TCP or TLS connection; never re-used in the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Where a message came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub transport: Transport,
    pub listener: ListenerId,
    /// Our address.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// The connection, for TCP and TLS.
    pub connection: Option<ConnectionId>,
    /// What its TLS session says of the peer; `None` for UDP and TCP.
    pub tls: Option<Arc<TlsPeer>>,
}

impl Origin {
    /// Whether the peer has proven by its certificate to be of that trunk.
    pub fn proves(&self, trunk: TrunkId) -> bool {
        self.tls
            .as_ref()
            .is_some_and(|peer| peer.proven.contains(&trunk))
    }

    /// The name that the peer asked for when it connected.
    pub fn server_name(&self) -> Option<&str> {
        self.tls.as_ref()?.server_name.as_deref()
    }
}

/// What a TLS session says of the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsPeer {
    /// The name that it asked for (SNI, RFC 6066 section 3), if it connected to us.
    pub server_name: Option<String>,
    /// The trunks that its certificate has proven it to be of.
    pub proven: Vec<TrunkId>,
}

/// A host as SIP names it: a name that DNS resolves, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Name(String),
    Address(IpAddr),
}

/// As in a URI: an IPv6 address stands in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub transport: Transport,
    /// Whose socket (UDP) or address (TCP, TLS) to send from.
    pub listener: ListenerId,
    /// The connection to use while it lives: responses, and requests within a dialog.
    pub connection: Option<ConnectionId>,
    pub host: Host,
    /// Where the host was found to be (RFC 3263 section 4); `None`: whoever sends finds out.
    pub address: Option<IpAddr>,
    pub port: u16,
    /// Nobody named the port: SRV records of the host, if it has any, say which of its machines and
    /// ports it is (RFC 3263 section 4.2), and `port` is for a host without.
    pub by_service: bool,
    /// Whose CA bundle, client certificate and verification mode a new TLS connection uses.
    pub trunk: Option<TrunkId>,
}
