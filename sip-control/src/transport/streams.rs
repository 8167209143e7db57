//! Which connection a message goes by.

use std::sync::Arc;

use sip_core::stack::TransportFailure;
use sip_core::transport::{ConnectionId, Host};

use super::alias::{AliasKey, Shown};
use super::dial::Dial;
use super::outgoing::Outgoing;
use super::table::{PeerKey, Queued};
use super::{Shared, failure};

impl Shared {
    /// The connection that the target names, else one that we opened to the same place before, else
    /// one that its peer opened and lends us, else a new one (RFC 3261 section 18.2.2; section 18.1.1
    /// for requests; RFC 5923). The target's listener
    /// is one of streams.
    pub(super) fn send_on_stream(
        self: &Arc<Shared>,
        outgoing: Outgoing,
    ) -> Result<(), TransportFailure> {
        let target = &outgoing.transmit.target;
        let (transport, from) = (
            target.transport,
            self.addresses[usize::from(target.listener.0)],
        );
        let peer = PeerKey {
            listener: target.listener,
            host: target.host.clone(),
            // An address is where it is, whether somebody has asked or not: requests of a new call
            // and those within one find the same connection.
            address: target.address.or(match &target.host {
                Host::Address(address) => Some(*address),
                Host::Name(_) => None,
            }),
            port: target.port,
            by_service: target.by_service,
            trunk: target.trunk,
        };
        let named = target.connection;
        let mut outgoing = outgoing;
        let open = || self.table.to_peer(&peer).or_else(|| self.aliased(&peer));
        for id in named
            .into_iter()
            .chain(std::iter::once_with(open).flatten())
        {
            match self.table.send(id, outgoing) {
                Queued::Yes => return Ok(()),
                Queued::Gone(unsent) => outgoing = unsent,
                Queued::Overflow(unsent) => {
                    self.counters.messages_refused.add_one();
                    let reason = "too many messages wait to be sent";
                    return Err(failure(unsent.transmit.id, reason));
                }
            }
        }
        let ends = self.table.insert(Some(peer.clone()));
        match self.table.send(ends.id, outgoing) {
            Queued::Yes => {}
            Queued::Gone(unsent) | Queued::Overflow(unsent) => {
                return Err(failure(unsent.transmit.id, "the connection was closed"));
            }
        }
        let dial = Dial {
            peer,
            transport,
            from,
        };
        tokio::spawn(dial.run(ends, Arc::clone(self)));
        Ok(())
    }

    /// A connection that the peer opened and wants to be used for this, if it has proven to be who we
    /// would connect to. From then on it is like one that we opened.
    fn aliased(&self, peer: &PeerKey) -> Option<ConnectionId> {
        let candidates = self.table.aliases(&AliasKey::of(peer)?);
        if candidates.is_empty() {
            return None;
        }
        let peers = self.peers();
        let tls = peers.get(peer.trunk)?.tls.as_ref()?;
        let is_proven = |(_, shown): &(ConnectionId, Shown)| tls.is_reached_by(shown, &peer.host);
        let (id, _) = candidates.into_iter().find(is_proven)?;
        self.table.use_for(id, peer).then(|| {
            self.counters.connections_reused.add_one();
            id
        })
    }
}
