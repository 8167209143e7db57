//! The peers of the edge: five trunks and a stranger, and how the edge is set up for them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use media_core::ports::RealmId;
use media_core::srtp::profile::Suite;
use sip_core::auth::client::Password;
use sip_core::auth::{CredentialSet, Login};
use sip_core::message::Uri;
use sip_core::registrar::{Account, Aor};
use sip_core::registration::RegistrationSettings;
use sip_core::stack::{Listener, StackConfig};
use sip_core::transport::{Host, ListenerId, Transport};

use sip_core::trunk::{Hop, Network, Origination, Route, SecureMode, TargetUri, Trunk, TrunkId};

/// Few enough that a sequence of operations meets the limit.
pub(super) const MAX_CALLS: usize = 5;
pub(super) const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// How many peers there are.
pub(super) const COUNT: usize = 6;
/// Name, address, mode and usual transport; the last is nobody's trunk.
const PEERS: [(&str, [u8; 4], SecureMode, Transport); COUNT] = [
    (
        "carrier",
        [192, 0, 2, 10],
        SecureMode::Disabled,
        Transport::Udp,
    ),
    ("pbx", [192, 0, 2, 20], SecureMode::Disabled, Transport::Tcp),
    ("tls", [192, 0, 2, 30], SecureMode::Tls, Transport::Tls),
    ("srtp", [192, 0, 2, 40], SecureMode::Srtp, Transport::Tls),
    (
        "phones",
        [192, 0, 2, 50],
        SecureMode::Disabled,
        Transport::Udp,
    ),
    (
        "stranger",
        [203, 0, 113, 200],
        SecureMode::Disabled,
        Transport::Udp,
    ),
];
/// Challenges us, and has us registered.
const PBX: usize = 1;
/// Must authenticate, and may register.
const PHONES: usize = 4;
const STRANGER: usize = 5;
/// The called numbers of the accounts.
pub(super) const ACCOUNTS: [&str; 2] = ["500", "501"];
/// Of every account, and of ours with the PBX.
pub(super) const PASSWORD: &str = "correct horse";

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Peer(usize);

impl Peer {
    pub(super) fn chosen(by: usize) -> Peer {
        Peer(by % PEERS.len())
    }

    pub(super) fn at(host: &Host) -> Option<Peer> {
        let Host::Address(IpAddr::V4(address)) = host else {
            return None;
        };
        let found = PEERS
            .iter()
            .position(|(_, own, ..)| address.octets() == *own);
        found.map(Peer)
    }

    pub(super) fn with_trunk(name: &str) -> Option<Peer> {
        let found = PEERS.iter().position(|(own, ..)| *own == name);
        found.filter(|&found| found != STRANGER).map(Peer)
    }

    pub(super) fn address(self, transport: Transport) -> SocketAddr {
        SocketAddr::from((PEERS[self.0].1, transport.default_port()))
    }

    pub(super) fn name(self) -> &'static str {
        PEERS[self.0].0
    }

    pub(super) fn ip(self) -> String {
        self.address(Transport::Udp).ip().to_string()
    }

    pub(super) fn usual_transport(self) -> Transport {
        PEERS[self.0].3
    }

    fn mode(self) -> SecureMode {
        PEERS[self.0].2
    }

    /// Nothing may reach it but by TLS.
    pub(super) fn is_secure(self) -> bool {
        self.mode() != SecureMode::Disabled
    }

    /// Its media is SRTP.
    pub(super) fn is_srtp(self) -> bool {
        self.mode() == SecureMode::Srtp
    }

    /// Its address; and a name, for calls that its address does not take.
    fn origination(self) -> Origination {
        let transport = self.usual_transport();
        let target = |host, port| TargetUri {
            host,
            port,
            transport: Some(transport),
        };
        let address = self.address(transport);
        let name = Host::Name(format!("{}.example", PEERS[self.0].0));
        let mut origination =
            Origination::to(target(Host::Address(address.ip()), Some(address.port())));
        let mut by_name = origination.uris[0].clone();
        by_name.uri = target(name, None);
        by_name.priority = 1;
        origination.uris.push(by_name);
        origination
    }

    /// Where its name leads.
    pub(super) fn hop(self, transport: Transport) -> Hop {
        Hop {
            transport,
            address: self.address(transport),
        }
    }

    fn trunk(self) -> Trunk {
        let (name, address, mode, transport) = PEERS[self.0];
        let address = IpAddr::from(address);
        Trunk {
            credentials: (self.0 == PHONES).then(credentials),
            auth: (self.0 == PBX).then(|| Password::new("edge", PASSWORD)),
            register: (self.0 == PBX).then(registration),
            accounts: if self.0 == PHONES {
                accounts()
            } else {
                Vec::new()
            },
            mode,
            acl: vec![
                Network {
                    address,
                    prefix: 32,
                }
                .into(),
            ],
            origination: self.origination(),
            suites: Suite::ALL.to_vec(),
            t38: true,
            video: true,
            ..Trunk::new(name, listener(transport), RealmId(0))
        }
    }
}

fn credentials() -> Arc<CredentialSet> {
    let logins = ACCOUNTS.map(|user| Login::of_password(user, "edge", PASSWORD));
    let set = CredentialSet::new("edge", logins.to_vec());
    Arc::new(set.expect("every user has a password"))
}

/// Of the accounts.
pub(super) fn addresses_of_record() -> Vec<String> {
    let accounts = accounts().into_iter();
    accounts
        .map(|account| account.aor.as_str().to_owned())
        .collect()
}

fn accounts() -> Vec<Account> {
    let domain = edge(Transport::Udp).ip().to_string();
    let account = |user: &str| Account {
        aor: Aor::new(user, &domain),
        user: user.to_owned(),
    };
    ACCOUNTS.map(account).to_vec()
}

fn registration() -> RegistrationSettings {
    RegistrationSettings {
        aor: Uri::parse(b"sip:edge@192.0.2.20").expect("a URI"),
        expires: Duration::from_secs(600),
    }
}

/// The listener of a transport.
pub(super) fn listener(transport: Transport) -> ListenerId {
    ListenerId(
        TRANSPORTS
            .iter()
            .position(|own| *own == transport)
            .unwrap_or(0) as u16,
    )
}

pub(super) fn edge(transport: Transport) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], transport.default_port()))
}

/// The trunk of each peer but the stranger.
pub(super) fn trunks() -> Vec<Trunk> {
    (0..STRANGER).map(|index| Peer(index).trunk()).collect()
}

/// The first digit of the called number says whose it is: 1 to 5; others are nobody's.
pub(super) fn routes() -> Vec<Route> {
    let to = |index: usize| {
        let prefix = (index + 1).to_string();
        Route::new(None, &prefix, TrunkId(index as u16))
    };
    (0..STRANGER).map(to).collect()
}

pub(super) fn config() -> StackConfig {
    let listeners = TRANSPORTS.map(|transport| Listener {
        transport,
        address: edge(transport),
        advertised_host: Host::Address(edge(transport).ip()),
        advertised_port: transport.default_port(),
        realm: RealmId(0),
    });
    StackConfig {
        trunks: trunks(),
        routes: routes(),
        listeners: listeners.to_vec(),
        ring_timeout: Duration::from_secs(60),
        max_calls: MAX_CALLS,
        ..StackConfig::default()
    }
}
