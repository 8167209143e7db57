//! What the transports know of trunks: whose address it is, and how its TLS is checked.

use std::net::IpAddr;

use rustls_pki_types::CertificateDer;
use sip_core::trunk::{Trunk, TrunkId};

use super::tls::{PeerTls, Verify};
use crate::config::{Config, TrunkConfig};

/// One trunk.
pub(super) struct Peer {
    trunk: Trunk,
    /// `None` for trunks that are not connected to by TLS.
    pub(super) tls: Option<PeerTls>,
}

impl Peer {
    pub(super) fn name(&self) -> &str {
        &self.trunk.name
    }

    pub(super) fn is_unverified(&self) -> bool {
        self.tls
            .as_ref()
            .is_some_and(|tls| tls.verify() == Verify::Off)
    }
}

/// Indexed by [`TrunkId`].
pub(super) struct Peers(Vec<Peer>);

impl Peers {
    pub(super) fn of(config: &Config) -> Peers {
        let peer = |configured: &TrunkConfig| Peer {
            trunk: configured.trunk.clone(),
            tls: configured.tls.clone(),
        };
        Peers(config.trunks.iter().map(peer).collect())
    }

    pub(super) fn get(&self, trunk: Option<TrunkId>) -> Option<&Peer> {
        self.0.get(usize::from(trunk?.0))
    }

    /// The first trunk whose ACL has the address, for log lines about what never became a message.
    pub(super) fn trunk_of(&self, address: IpAddr) -> Option<&str> {
        self.0
            .iter()
            .find(|peer| peer.trunk.knows(address))
            .map(Peer::name)
    }

    /// The trunks that ask callers for certificates, and whose these are.
    pub(super) fn proven_by(&self, chain: &[CertificateDer<'_>]) -> Vec<TrunkId> {
        let is_proven = |peer: &Peer| {
            let mut tls = peer.tls.iter();
            !chain.is_empty() && tls.any(|tls| tls.is_proven_by(chain))
        };
        (0..=u16::MAX)
            .map(TrunkId)
            .zip(&self.0)
            .filter(|(_, peer)| is_proven(peer))
            .map(|(id, _)| id)
            .collect()
    }

    /// Whether connections of that trunk, opened under `self`, are good enough for `new`.
    pub(super) fn same_tls(&self, new: &Peers, trunk: Option<TrunkId>) -> bool {
        let tls = |peers: &Peers| peers.get(trunk).and_then(|peer| peer.tls.clone());
        tls(self) == tls(new)
    }
}
