//! Whose call is it: the trunk is found by the host that the caller asks for, and then the
//! caller's address must be allowed; trunks without domains are found by address (TRK-1, TRK-2).

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

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
    /// Whether the trunk's ACL lets `address` send to us.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.longest_match(address).is_some()
    }

    /// Whether calls of this trunk must be signalled over TLS (SEC-1, SEC-2).
    pub fn requires_tls(&self) -> bool {
        self.mode != SecureMode::Disabled
    }

    fn longest_match(&self, address: IpAddr) -> Option<u8> {
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
    trunks: &[Trunk],
    listeners: &[Listener],
    host: Option<&Host>,
    origin: &Origin,
) -> Result<TrunkId, NotAdmitted> {
    let id = match host.and_then(|host| by_domain(trunks, host)) {
        Some(id) => id,
        None => by_address(trunks, listeners, origin)?,
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
    if trunk.requires_tls() && !origin.transport.is_secure() {
        return refuse(Refusal::TLS_REQUIRED);
    }
    Ok(id)
}

fn by_domain(trunks: &[Trunk], host: &Host) -> Option<TrunkId> {
    let host = host.to_string();
    identified(trunks)
        .find(|(_, trunk)| trunk.has_domain(&host))
        .map(|(id, _)| id)
}

/// Among trunks without domains: the one made for the listener and transport that the request
/// came by, then the one with the narrowest network.
fn by_address(
    trunks: &[Trunk],
    listeners: &[Listener],
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
        .ok_or_else(|| {
            let known = identified(trunks).find(|(_, trunk)| trunk.allows(address));
            match known {
                // A peer that we know asks for a host that is not ours (TRK-2).
                Some((id, _)) => NotAdmitted {
                    trunk: Some(id),
                    refusal: Refusal::UNKNOWN_DOMAIN,
                },
                None => NotAdmitted {
                    trunk: None,
                    refusal: Refusal::ACL,
                },
            }
        })
}

fn identified(trunks: &[Trunk]) -> impl Iterator<Item = (TrunkId, &Trunk)> {
    (0..=u16::MAX).map(TrunkId).zip(trunks)
}

/// Whether the trunk belongs to the network of the listener that the request came by (TRK-8).
fn faces(trunk: &Trunk, listeners: &[Listener], origin: &Origin) -> bool {
    listeners
        .get(usize::from(origin.listener.0))
        .is_some_and(|listener| listener.realm == trunk.realm)
}
