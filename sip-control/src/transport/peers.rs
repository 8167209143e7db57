//! What the transports know of trunks: whose address it is, and how its TLS is checked.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use sip_core::trunk::{Trunk, TrunkId};

use super::tls::{self, Verify};
use crate::config::{Config, PeerTls};

/// One trunk.
pub(super) struct Peer {
    pub(super) name: String,
    trunk: Trunk,
    settings: Option<PeerTls>,
    /// To connect with; `None` for trunks that are not reached by TLS.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl Peer {
    pub(super) fn is_unverified(&self) -> bool {
        self.settings
            .as_ref()
            .is_some_and(|settings| settings.verify == Verify::Off)
    }
}

/// Indexed by [`TrunkId`].
pub(super) struct Peers(Vec<Peer>);

impl Peers {
    pub(super) fn of(config: &Config) -> Result<Peers, rustls::Error> {
        let peer = |configured: &crate::config::TrunkConfig| {
            let tls = match (&configured.tls, &configured.trunk.destination) {
                (Some(settings), Some(destination)) => {
                    Some(tls::client_config(settings, &destination.host)?)
                }
                _ => None,
            };
            Ok(Peer {
                name: configured.trunk.name.clone(),
                trunk: configured.trunk.clone(),
                settings: configured.tls.clone(),
                tls,
            })
        };
        config
            .trunks
            .iter()
            .map(peer)
            .collect::<Result<_, _>>()
            .map(Peers)
    }

    pub(super) fn get(&self, trunk: Option<TrunkId>) -> Option<&Peer> {
        self.0.get(usize::from(trunk?.0))
    }

    /// The first trunk whose ACL has the address, for log lines about what never became a message.
    pub(super) fn trunk_of(&self, address: IpAddr) -> Option<&str> {
        self.0
            .iter()
            .find(|peer| peer.trunk.allows(address))
            .map(|peer| peer.name.as_str())
    }

    /// Whether connections of that trunk, opened under `self`, are good enough for `new`.
    pub(super) fn same_tls(&self, new: &Peers, trunk: Option<TrunkId>) -> bool {
        let (Some(old), Some(new)) = (self.get(trunk), new.get(trunk)) else {
            return trunk.is_none();
        };
        let same_destination = old.trunk.destination == new.trunk.destination;
        match (&old.settings, &new.settings) {
            (Some(old), Some(new)) => same_destination && old.same_as(new),
            (None, None) => true,
            _ => false,
        }
    }
}
