//! IP networks: what source addresses and media addresses are compared with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// An IP network: address and prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

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

/// Whether `acl` names `address` among some; one that names all there are names nobody.
pub(crate) fn names(acl: &[Allowed], address: IpAddr) -> bool {
    let mut networks = acl.iter().map(|allowed| allowed.network);
    networks.any(|network| network.prefix > 0 && network.contains(address))
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

/// Who may send to us: a network, and the source ports in it if that is to be said (TRK-1).
///
/// Ports are of use for peers that send from one they chose: SIP over UDP usually comes from 5060, a
/// TCP or TLS connection from any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub network: Network,
    /// `None`: every port.
    pub ports: Option<RangeInclusive<u16>>,
}

impl Allowed {
    /// Whether requests from there are allowed.
    pub fn contains(&self, source: SocketAddr) -> bool {
        let ports = self.ports.as_ref();
        self.network.contains(source.ip()) && ports.is_none_or(|all| all.contains(&source.port()))
    }
}

impl From<Network> for Allowed {
    fn from(network: Network) -> Allowed {
        Allowed {
            network,
            ports: None,
        }
    }
}

/// Not an IP network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address or network, like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")]
pub struct BadNetwork;

#[cfg(test)]
mod tests {
    use super::*;

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
}
