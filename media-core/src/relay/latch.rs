//! Where packets may come from, and what may decide it.

use std::net::{IpAddr, SocketAddr};

use media_common::counters::DropReason;

use super::config::Source;
use crate::srtp::Authenticated;

/// Proof that a packet may lock the source: all checks of its leg are behind it.
pub(super) struct Admitted(());

impl Admitted {
    /// A leg under our keys: only its tag admits a packet.
    pub(super) fn by_tag(_: &Authenticated) -> Admitted {
        Admitted(())
    }

    /// A leg without keys of ours: version, form, payload type and network had to do.
    pub(super) fn by_form(_: WellFormed) -> Admitted {
        Admitted(())
    }
}

/// Proof that a packet is RTP or RTCP of an allowed kind; made by the flow's checks.
#[derive(Clone, Copy)]
pub(super) struct WellFormed {
    pub(super) rtcp: bool,
}

/// The source rule and its state.
pub(super) enum Gate {
    Unknown,
    Exactly(SocketAddr),
    Open(Vec<(IpAddr, u8)>),
    /// Was open; the first packet that was sent on came from there.
    Latched(SocketAddr),
}

impl Gate {
    /// `kept` is the source that an earlier configuration of the same generation locked.
    pub(super) fn new(source: &Source, kept: Option<SocketAddr>) -> Gate {
        match source {
            Source::Unknown => Gate::Unknown,
            Source::Exactly(peer) => Gate::Exactly(canonical(*peer)),
            Source::Latch { allowed, latched } => {
                let kept = kept.filter(|peer| is_allowed(allowed, peer.ip()));
                match latched.or(kept) {
                    Some(peer) => Gate::Latched(canonical(peer)),
                    None => Gate::Open(allowed.clone()),
                }
            }
        }
    }

    pub(super) fn latched(&self) -> Option<SocketAddr> {
        match self {
            Gate::Latched(peer) => Some(*peer),
            Gate::Unknown | Gate::Exactly(_) | Gate::Open(_) => None,
        }
    }

    pub(super) fn check(&self, source: SocketAddr) -> Result<(), DropReason> {
        let may_pass = match self {
            Gate::Unknown => return Err(DropReason::NoPeer),
            Gate::Exactly(peer) | Gate::Latched(peer) => same(*peer, source),
            Gate::Open(allowed) => is_allowed(allowed, source.ip()),
        };
        if may_pass {
            Ok(())
        } else {
            Err(DropReason::WrongSource)
        }
    }

    /// Locks an open gate to `source`; says so the one time that it does.
    pub(super) fn lock(&mut self, source: SocketAddr, _: Admitted) -> Option<SocketAddr> {
        if !matches!(self, Gate::Open(_)) {
            return None;
        }
        let source = canonical(source);
        *self = Gate::Latched(source);
        Some(source)
    }
}

/// Flow label and scope are no part of a peer's address here.
fn same(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.ip() == b.ip().to_canonical()
}

/// An IPv4 peer of a dual-stack socket as IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether `address` is in one of the networks; no network means any address.
pub(crate) fn is_allowed(networks: &[(IpAddr, u8)], address: IpAddr) -> bool {
    networks.is_empty() || networks.iter().any(|network| contains(*network, address))
}

/// Whether `address` is in the network; a prefix longer than the address takes none.
fn contains((network, prefix): (IpAddr, u8), address: IpAddr) -> bool {
    let (network, address, width) = match (network.to_canonical(), address.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (
            u128::from(network.to_bits()),
            u128::from(address.to_bits()),
            32,
        ),
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    match width.cmp(&u32::from(prefix)) {
        std::cmp::Ordering::Less => false,
        _ => {
            (network ^ address)
                .checked_shr(width - u32::from(prefix))
                .unwrap_or(0)
                == 0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_their_prefix_says() {
        let cases = [
            ("10.0.0.0", 8, "10.255.1.2", true),
            ("10.0.0.0", 8, "11.0.0.0", false),
            ("192.0.2.1", 32, "192.0.2.1", true),
            ("192.0.2.1", 32, "192.0.2.0", false),
            ("192.0.2.1", 33, "192.0.2.1", false),
            ("0.0.0.0", 0, "198.51.100.7", true),
            ("0.0.0.0", 0, "2001:db8::1", false),
            ("10.0.0.0", 8, "::ffff:10.1.1.1", true),
            ("2001:db8::", 32, "2001:db8:ffff::1", true),
            ("2001:db8::", 32, "2001:db9::1", false),
            ("::", 0, "2001:db8::1", true),
        ];
        for (network, prefix, address, inside) in cases {
            let network = (network.parse().unwrap(), prefix);
            assert_eq!(
                contains(network, address.parse().unwrap()),
                inside,
                "{network:?} {address}"
            );
        }
    }

    #[test]
    fn a_scope_or_a_mapped_form_does_not_make_another_peer() {
        let scoped = SocketAddr::V6(std::net::SocketAddrV6::new(
            "fe80::1".parse().unwrap(),
            4000,
            0,
            3,
        ));
        let gate = Gate::new(&Source::Exactly("[fe80::1]:4000".parse().unwrap()), None);
        assert_eq!(gate.check(scoped), Ok(()));
        let gate = Gate::new(&Source::Exactly("192.0.2.1:4000".parse().unwrap()), None);
        assert_eq!(
            gate.check("[::ffff:192.0.2.1]:4000".parse().unwrap()),
            Ok(())
        );
        assert_eq!(
            gate.check("192.0.2.1:4001".parse().unwrap()),
            Err(DropReason::WrongSource)
        );
    }
}
