//! What a TLS session says of the peer, under the rules that are in force.

use std::sync::Arc;

use rustls::ServerConnection;
use rustls_pki_types::CertificateDer;
use sip_core::transport::{Origin, TlsPeer};
use sip_core::trunk::TrunkId;

use super::alias::{Alias, Watch};
use super::peers::Peers;

/// The peer of one TLS connection.
pub(super) struct Session {
    server_name: Option<String>,
    /// What it has shown, its own certificate first, and the listener has verified.
    shown: Vec<CertificateDer<'static>>,
    watch: Watch,
    /// The trunk that it had to prove to be of when we connected to it.
    dialled: Option<TrunkId>,
    /// What all that means under these rules.
    known: Option<(Arc<Peers>, Arc<TlsPeer>)>,
}

impl Session {
    /// Of a peer that connected to us.
    pub(super) fn accepted(connection: &ServerConnection) -> Session {
        let shown = connection.peer_certificates().unwrap_or_default().to_vec();
        Session {
            server_name: connection.server_name().map(str::to_owned),
            watch: Watch::of(&shown),
            shown,
            dialled: None,
            known: None,
        }
    }

    /// Of a peer that we connected to, and that has proven to be of that trunk.
    pub(super) fn dialled(proven: Option<TrunkId>) -> Session {
        Session {
            server_name: None,
            shown: Vec::new(),
            watch: Watch::of(&[]),
            dialled: proven,
            known: None,
        }
    }

    /// The peer has sent that: what it wants to get by the same connection, if it says so now.
    pub(super) fn alias(&mut self, message: &[u8], origin: &Origin) -> Option<Alias> {
        self.watch.look(message, origin)
    }

    /// As the trunks are now: a reload may have changed what they ask for.
    pub(super) fn peer(&mut self, peers: &Arc<Peers>) -> Arc<TlsPeer> {
        if let Some((of, peer)) = &self.known
            && Arc::ptr_eq(of, peers)
        {
            return Arc::clone(peer);
        }
        let mut proven = peers.proven_by(&self.shown);
        proven.extend(self.dialled);
        let peer = Arc::new(TlsPeer {
            server_name: self.server_name.clone(),
            proven,
        });
        self.known = Some((Arc::clone(peers), Arc::clone(&peer)));
        peer
    }
}
