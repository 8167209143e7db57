//! Whose call is it: the trunk is found by the host that the caller asks for, and then the
//! caller's address must be allowed; trunks without domains are found by address (TRK-1, TRK-2).

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;

use super::{Network, SecureMode, Trunk, TrunkId};
use crate::refusal::Refusal;
use crate::transport::{Host, Listener, Origin};

impl Network {
    /// Whether `address` is in the network; IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => same_prefix(
                u128::from(network.to_bits()) << 96,
                u128::from(address.to_bits()) << 96,
                self.prefix,
            ),
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_prefix(network.to_bits(), address.to_bits(), self.prefix)
            }
            _ => false,
        }
    }
}

fn same_prefix(a: u128, b: u128, prefix: u8) -> bool {
    let differing = a ^ b;
    differing
        .checked_shr(128u32.saturating_sub(u32::from(prefix)))
        .unwrap_or(0)
        == 0
}

/// `address/prefix`, or an address alone for that host; bits beyond the prefix are ignored.
impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Network, BadNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| BadNetwork)?;
        let longest = if address.is_ipv4() {
            Ipv4Addr::BITS as u8
        } else {
            128
        };
        let prefix = match prefix {
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|prefix| *prefix <= longest)
                .ok_or(BadNetwork)?,
            None => longest,
        };
        Ok(Network { address, prefix })
    }
}

/// Not an IP network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address or network, like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")]
pub struct BadNetwork;

impl Trunk {
    /// Whether the trunk lets `address` send to us: its ACL does, or it has none and asks for
    /// credentials instead.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.longest_match(address).is_some()
    }

    /// Whether the trunk's ACL names `address`.
    pub fn knows(&self, address: IpAddr) -> bool {
        !self.acl.is_empty() && self.allows(address)
    }

    /// Whether calls of this trunk must be signalled over TLS (SEC-1, SEC-2).
    pub fn requires_tls(&self) -> bool {
        self.mode != SecureMode::Disabled
    }

    /// Why a request for this trunk, which is `own`, may not come this way (SEC-2, SEC-4).
    pub fn refuses_way(&self, own: TrunkId, origin: &Origin) -> Option<Refusal> {
        if self.requires_tls() && !origin.transport.is_secure() {
            return Some(Refusal::TLS_REQUIRED);
        }
        (self.needs_certificate && !origin.proves(own)).then_some(Refusal::CERTIFICATE)
    }

    fn longest_match(&self, address: IpAddr) -> Option<u8> {
        if self.acl.is_empty() && self.credentials.is_some() {
            return Some(0);
        }
        self.acl
            .iter()
            .filter(|network| network.contains(address))
            .map(|network| network.prefix)
            .max()
    }

    fn has_domain(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.domains.iter().any(|domain| {
            domain
                .strip_suffix('.')
                .unwrap_or(domain)
                .eq_ignore_ascii_case(host)
        })
    }
}

/// A refused request's trunk, as far as it is known, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAdmitted {
    pub trunk: Option<TrunkId>,
    pub refusal: Refusal,
}

/// The trunk of a request for `host` (of the Request-URI) that came by `origin`, with every check
/// of who may send how: domain, ACL, realm, and that a trunk with TLS is reached over TLS.
pub fn admit(
    trunks: &[Arc<Trunk>],
    listeners: &[Listener],
    host: Option<&Host>,
    origin: &Origin,
) -> Result<TrunkId, NotAdmitted> {
    let by_domain = host.and_then(|host| by_name(trunks, &host.to_string()));
    let id = match by_domain.or_else(|| by_server_name(trunks, listeners, host, origin)) {
        Some(id) => id,
        None => by_address(trunks, listeners, host, origin)?,
    };
    let trunk = &trunks[usize::from(id.0)];
    let refuse = |refusal| {
        Err(NotAdmitted {
            trunk: Some(id),
            refusal,
        })
    };
    if !trunk.allows(origin.remote.ip()) || !faces(trunk, listeners, origin) {
        return refuse(Refusal::ACL);
    }
    if let Some(refusal) = trunk.refuses_way(id, origin) {
        return refuse(refusal);
    }
    if trunk.refuse_other_server_names && connected_to_other(trunks, id, origin).is_some() {
        return refuse(Refusal::SERVER_NAME);
    }
    Ok(id)
}

/// The trunk whose name the peer asked for when it connected, if that is another one than `called`
/// (TRK-2). A peer may well use one connection for all its trunks, so that this alone is no reason to
/// refuse: what a trunk demands of its callers is checked whatever the connection was opened for.
pub fn connected_to_other<'a>(
    trunks: &'a [Arc<Trunk>],
    called: TrunkId,
    origin: &Origin,
) -> Option<&'a Trunk> {
    let connected_to = by_name(trunks, origin.server_name()?)?;
    let other = trunks.get(usize::from(connected_to.0))?;
    (connected_to != called).then_some(other)
}

fn by_name(trunks: &[Arc<Trunk>], host: &str) -> Option<TrunkId> {
    identified(trunks)
        .find(|(_, trunk)| trunk.has_domain(host))
        .map(|(id, _)| id)
}

/// A Request-URI that names the edge as a whole says nothing of the trunk: the name that the peer
/// connected to may.
fn by_server_name(
    trunks: &[Arc<Trunk>],
    listeners: &[Listener],
    host: Option<&Host>,
    origin: &Origin,
) -> Option<TrunkId> {
    let Host::Name(host) = host? else {
        return None;
    };
    let listener = listeners.get(usize::from(origin.listener.0))?;
    let is_edge =
        matches!(&listener.advertised_host, Host::Name(ours) if ours.eq_ignore_ascii_case(host));
    is_edge
        .then_some(origin.server_name()?)
        .and_then(|name| by_name(trunks, name))
}

/// Among trunks without domains: the one made for the listener and transport that the request
/// came by, then the one with the narrowest network.
fn by_address(
    trunks: &[Arc<Trunk>],
    listeners: &[Listener],
    host: Option<&Host>,
    origin: &Origin,
) -> Result<TrunkId, NotAdmitted> {
    let address = origin.remote.ip();
    let fit = |trunk: &Trunk, prefix: u8| {
        (
            trunk.requires_tls() == origin.transport.is_secure(),
            trunk.listener == origin.listener,
            prefix,
        )
    };
    identified(trunks)
        .filter(|(_, trunk)| trunk.domains.is_empty() && faces(trunk, listeners, origin))
        .filter_map(|(id, trunk)| Some((fit(trunk, trunk.longest_match(address)?), id)))
        // Of equals the first in the configuration.
        .max_by_key(|(fit, id)| (*fit, std::cmp::Reverse(*id)))
        .map(|(_, id)| id)
        .ok_or_else(|| unknown(trunks, listeners, host, origin))
}

/// Nobody's call (TRK-2). Where trunks have domains a name that is none of them is what is wrong,
/// whoever asks for it; an address of ours is, for peers of those trunks, and where nobody is known
/// by address at all.
fn unknown(
    trunks: &[Arc<Trunk>],
    listeners: &[Listener],
    host: Option<&Host>,
    origin: &Origin,
) -> NotAdmitted {
    let here = || identified(trunks).filter(|(_, trunk)| faces(trunk, listeners, origin));
    let mut with_domains = here().filter(|(_, trunk)| !trunk.domains.is_empty());
    let peers = with_domains.clone();
    let trunk = peers
        .filter(|(_, trunk)| trunk.knows(origin.remote.ip()))
        .map(|(id, _)| id)
        .next();
    let by_address = |trunk: &Trunk| trunk.domains.is_empty() && !trunk.acl.is_empty();
    let is_foreign = matches!(host, Some(Host::Name(name)) if !is_ours(listeners, name));
    let wants_domain = with_domains.next().is_some()
        && (trunk.is_some() || is_foreign || !here().any(|(_, trunk)| by_address(trunk)));
    NotAdmitted {
        trunk,
        refusal: if wants_domain {
            Refusal::UNKNOWN_DOMAIN
        } else {
            Refusal::ACL
        },
    }
}

/// Whether we call ourselves that: as good as an address.
fn is_ours(listeners: &[Listener], name: &str) -> bool {
    listeners.iter().any(|listener| {
        matches!(&listener.advertised_host, Host::Name(ours) if ours.eq_ignore_ascii_case(name))
    })
}

fn identified(trunks: &[Arc<Trunk>]) -> impl Iterator<Item = (TrunkId, &Trunk)> + Clone {
    (0..=u16::MAX)
        .map(TrunkId)
        .zip(trunks.iter().map(|trunk| &**trunk))
}

/// Whether the trunk belongs to the network of the listener that the request came by (TRK-8).
fn faces(trunk: &Trunk, listeners: &[Listener], origin: &Origin) -> bool {
    listeners
        .get(usize::from(origin.listener.0))
        .is_some_and(|listener| listener.realm == trunk.realm)
}

#[cfg(test)]
mod tests {
    use media_core::ports::RealmId;

    use super::*;
    use crate::auth::{CredentialSet, Login};
    use crate::transport::{ListenerId, TlsPeer, Transport};
    use crate::trunk::{
        AdvertisedMedia, CallLimits, HeaderPolicy, Origination, Passthrough, SourceMode,
    };

    #[test]
    fn networks_hold_their_addresses() {
        for (network, address, inside) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("0.0.0.0/0", "::ffff:203.0.113.9", true),
            ("192.0.2.0/23", "::ffff:192.0.3.1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
            ("2001:db8::1", "2001:db8::1", true),
            ("2001:db8::1/127", "2001:db8::2", false),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                inside,
                "{address} in {network:?}"
            );
        }
        for bad in [
            "",
            "192.0.2.0/33",
            "192.0.2/24",
            "2001:db8::/129",
            "192.0.2.0/",
            "a/8",
            "192.0.2.0/-1",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(BadNetwork), "{bad}");
        }
    }

    const UDP: ListenerId = ListenerId(0);
    const TLS: ListenerId = ListenerId(1);
    const PRIVATE_UDP: ListenerId = ListenerId(2);

    fn listeners() -> Vec<Listener> {
        [
            (Transport::Udp, 0, "198.51.100.1"),
            (Transport::Tls, 0, "edge.example.com"),
            (Transport::Udp, 1, "198.51.100.1"),
        ]
        .map(|(transport, realm, advertised)| Listener {
            transport,
            address: "198.51.100.1:5060".parse().unwrap(),
            advertised_host: host(advertised),
            advertised_port: 5060,
            realm: RealmId(realm),
        })
        .to_vec()
    }

    fn trunk(
        domain: &str,
        mode: SecureMode,
        acl: &[&str],
        listener: ListenerId,
        realm: u16,
    ) -> Trunk {
        Trunk {
            name: String::new(),
            domains: Some(domain)
                .filter(|domain| !domain.is_empty())
                .map(str::to_owned)
                .into_iter()
                .collect(),
            mode,
            limits: CallLimits::default(),
            credentials: None,
            auth: None,
            register: None,
            accounts: Vec::new(),
            acl: acl.iter().map(|network| network.parse().unwrap()).collect(),
            origination: Origination::default(),
            listener,
            realm: RealmId(realm),
            advertised_media: AdvertisedMedia::default(),
            suites: Vec::new(),
            source: SourceMode::Strict,
            media_acl: Vec::new(),
            passthrough: Passthrough::Never,
            pass_sips: false,
            dial_plan: None,
            nat: false,
            needs_certificate: false,
            opportunistic: false,
            refuse_other_server_names: false,
            mki: false,
            video: false,
            t38: false,
            session: Default::default(),
            headers: HeaderPolicy::default(),
            refer: Default::default(),
            dscp: None,
            max_packet_rate: None,
            codecs: Vec::new(),
        }
    }

    fn host(text: &str) -> Host {
        match text.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(text.to_owned()),
        }
    }

    #[test]
    fn trk_2_where_every_trunk_has_a_domain_an_address_is_the_wrong_host() {
        let trunks = [trunk(
            "a.sip.example.com",
            SecureMode::Disabled,
            &["192.0.2.0/24"],
            UDP,
            0,
        )]
        .map(Arc::new);
        for (called, source, trunk) in [
            ("198.51.100.1", "203.0.113.9", None),
            ("edge.example.com", "203.0.113.9", None),
            ("198.51.100.1", "192.0.2.9", Some(TrunkId(0))),
            ("b.sip.example.com", "203.0.113.9", None),
        ] {
            let origin = Origin {
                transport: Transport::Udp,
                listener: UDP,
                local: "198.51.100.1:5060".parse().unwrap(),
                remote: std::net::SocketAddr::new(source.parse().unwrap(), 5060),
                connection: None,
                tls: None,
            };
            let refused = NotAdmitted {
                trunk,
                refusal: Refusal::UNKNOWN_DOMAIN,
            };
            assert_eq!(
                admit(&trunks, &listeners(), Some(&host(called)), &origin),
                Err(refused),
                "{called} from {source}"
            );
        }
    }

    #[test]
    fn trk_2_a_request_belongs_to_the_trunk_of_its_host_and_else_of_its_source() {
        use SecureMode::{Disabled, Srtp};
        let trunks = [
            trunk("a.sip.example.com", Srtp, &["192.0.2.0/24"], TLS, 0),
            trunk("b.sip.example.com", Disabled, &["192.0.2.0/24"], UDP, 0),
            trunk("", Disabled, &["203.0.113.0/24"], UDP, 0),
            trunk("", Srtp, &["203.0.113.7"], TLS, 0),
            trunk("", Disabled, &["203.0.113.0/24"], PRIVATE_UDP, 1),
            trunk("", Disabled, &["203.0.113.8"], UDP, 0),
        ]
        .map(Arc::new);
        type Expected = Result<u16, (Option<u16>, Refusal)>;
        let cases: &[(&str, &str, ListenerId, Expected)] = &[
            ("a.sip.example.com", "192.0.2.1", TLS, Ok(0)),
            ("A.SIP.example.COM", "192.0.2.1", TLS, Ok(0)),
            ("a.sip.example.com.", "192.0.2.1", TLS, Ok(0)),
            (
                "a.sip.example.com",
                "192.0.2.1",
                UDP,
                Err((Some(0), Refusal::TLS_REQUIRED)),
            ),
            (
                "a.sip.example.com",
                "203.0.113.1",
                TLS,
                Err((Some(0), Refusal::ACL)),
            ),
            ("b.sip.example.com", "192.0.2.1", UDP, Ok(1)),
            ("b.sip.example.com", "192.0.2.1", TLS, Ok(1)),
            (
                "b.sip.example.com",
                "192.0.2.1",
                PRIVATE_UDP,
                Err((Some(1), Refusal::ACL)),
            ),
            (
                "c.sip.example.com",
                "192.0.2.1",
                TLS,
                Err((Some(0), Refusal::UNKNOWN_DOMAIN)),
            ),
            (
                "198.51.100.1",
                "192.0.2.1",
                TLS,
                Err((Some(0), Refusal::UNKNOWN_DOMAIN)),
            ),
            (
                "198.51.100.1",
                "198.51.100.99",
                UDP,
                Err((None, Refusal::ACL)),
            ),
            // Nobody's domain, whoever asks; an address is right for those that are known by theirs.
            (
                "c.sip.example.com",
                "198.51.100.99",
                UDP,
                Err((None, Refusal::UNKNOWN_DOMAIN)),
            ),
            (
                "edge.example.com",
                "198.51.100.99",
                UDP,
                Err((None, Refusal::ACL)),
            ),
            // The private network has no trunk with a domain.
            (
                "c.sip.example.com",
                "198.51.100.99",
                PRIVATE_UDP,
                Err((None, Refusal::ACL)),
            ),
            (
                "198.51.100.1",
                "192.0.2.1",
                PRIVATE_UDP,
                Err((None, Refusal::ACL)),
            ),
            ("198.51.100.1", "203.0.113.1", UDP, Ok(2)),
            ("198.51.100.1", "203.0.113.1", PRIVATE_UDP, Ok(4)),
            ("198.51.100.1", "203.0.113.7", TLS, Ok(3)),
            ("198.51.100.1", "203.0.113.7", UDP, Ok(2)),
            ("198.51.100.1", "203.0.113.8", UDP, Ok(5)),
        ];
        for (called, source, listener, expected) in cases {
            let host = host(called);
            let origin = Origin {
                transport: listeners()[usize::from(listener.0)].transport,
                listener: *listener,
                local: "198.51.100.1:5060".parse().unwrap(),
                remote: std::net::SocketAddr::new(source.parse().unwrap(), 5060),
                connection: None,
                tls: None,
            };
            let admitted = admit(&trunks, &listeners(), Some(&host), &origin);
            let expected = expected
                .map(TrunkId)
                .map_err(|(trunk, refusal)| NotAdmitted {
                    trunk: trunk.map(TrunkId),
                    refusal,
                });
            assert_eq!(admitted, expected, "{called} from {source} by {listener:?}");
        }
    }

    /// A trunk of each domain, and an edge with a name.
    fn tenants() -> (Vec<Arc<Trunk>>, Vec<Listener>) {
        let tenant = |name: &str, certificate, refuses| Trunk {
            needs_certificate: certificate,
            refuse_other_server_names: refuses,
            ..trunk(name, SecureMode::Tls, &["0.0.0.0/0"], TLS, 0)
        };
        let trunks = vec![
            tenant("a.sip.example", false, false),
            tenant("b.sip.example", true, false),
            tenant("c.sip.example", false, true),
        ];
        let mut listeners = listeners();
        listeners[1].advertised_host = Host::Name("edge.example".to_owned());
        (trunks.into_iter().map(Arc::new).collect(), listeners)
    }

    fn by_tls(server_name: Option<&str>, proven: &[u16]) -> Origin {
        Origin {
            transport: Transport::Tls,
            listener: TLS,
            local: "198.51.100.1:5061".parse().unwrap(),
            remote: "203.0.113.7:40000".parse().unwrap(),
            connection: None,
            tls: Some(Arc::new(TlsPeer {
                server_name: server_name.map(str::to_owned),
                proven: proven.iter().copied().map(TrunkId).collect(),
            })),
        }
    }

    #[test]
    fn trk_2_the_name_that_was_connected_to_is_a_hint_and_no_proof() {
        let (trunks, listeners) = tenants();
        let names = ["a.sip.example", "b.sip.example", "c.sip.example"];
        let [a, b, c] = names.map(Some);
        for (host, server_name, proven, expected) in [
            ("a.sip.example", a, &[][..], Ok(0)),
            ("a.sip.example", None, &[], Ok(0)),
            ("a.sip.example", Some("elsewhere.example"), &[], Ok(0)),
            // Only told, unless the trunk called refuses it.
            ("a.sip.example", c, &[], Ok(0)),
            ("c.sip.example", c, &[], Ok(2)),
            (
                "c.sip.example",
                a,
                &[],
                Err((Some(2), Refusal::SERVER_NAME)),
            ),
            // The edge as a whole was called: the connection's name says which trunk.
            ("edge.example", a, &[], Ok(0)),
            ("EDGE.example", Some("A.sip.example."), &[], Ok(0)),
            (
                "edge.example",
                None,
                &[],
                Err((Some(0), Refusal::UNKNOWN_DOMAIN)),
            ),
            // An address is no domain, and another name is nobody's.
            (
                "198.51.100.1",
                a,
                &[],
                Err((Some(0), Refusal::UNKNOWN_DOMAIN)),
            ),
            (
                "other.example",
                a,
                &[],
                Err((Some(0), Refusal::UNKNOWN_DOMAIN)),
            ),
            // What a trunk asks for is asked whatever was connected to.
            ("b.sip.example", b, &[1], Ok(1)),
            (
                "b.sip.example",
                b,
                &[0, 2],
                Err((Some(1), Refusal::CERTIFICATE)),
            ),
            ("edge.example", b, &[], Err((Some(1), Refusal::CERTIFICATE))),
        ] {
            let called = match host.parse() {
                Ok(address) => Host::Address(address),
                Err(_) => Host::Name(host.to_owned()),
            };
            let origin = by_tls(server_name, proven);
            let admitted = admit(&trunks, &listeners, Some(&called), &origin);
            let expected = expected
                .map(TrunkId)
                .map_err(|(trunk, refusal)| NotAdmitted {
                    trunk: trunk.map(TrunkId),
                    refusal,
                });
            assert_eq!(admitted, expected, "{host} by {server_name:?}");
        }
        let other = connected_to_other(&trunks, TrunkId(0), &by_tls(c, &[]));
        assert_eq!(other.map(|trunk| trunk.domains[0].as_str()), c);
        assert!(connected_to_other(&trunks, TrunkId(0), &by_tls(a, &[])).is_none());
    }

    #[test]
    fn trk_1_credentials_open_a_trunk_without_an_acl_and_do_not_open_an_acl() {
        let set = CredentialSet::new("r", vec![Login::of_password("u", "r", "p")]).unwrap();
        let with_credentials = |acl: &[&str]| {
            let mut trunk = trunk("", SecureMode::Disabled, acl, ListenerId(0), 0);
            trunk.credentials = Some(Arc::new(set.clone()));
            trunk
        };
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let open = with_credentials(&[]);
        assert!(open.allows(address) && !open.knows(address));
        let closed = with_credentials(&["198.51.100.0/24"]);
        assert!(!closed.allows(address) && !closed.knows(address));
        let nobody = trunk("", SecureMode::Disabled, &[], ListenerId(0), 0);
        assert!(!nobody.allows(address));
    }
}
