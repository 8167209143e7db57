//! How a trunk's targets are reached: by which transports, from which listener.

use super::{Hop, TargetUri, Trunk};
use crate::transport::{Listener, ListenerId, Transport};

impl Trunk {
    /// SEC-2: a trunk with TLS is called over TLS, whatever a URI says.
    pub fn secured(&self, target: &TargetUri) -> TargetUri {
        let mut target = target.clone();
        if self.requires_tls() && target.transport != Some(Transport::Tls) {
            let written = target.transport.unwrap_or(Transport::Udp);
            target.port = target.port.filter(|port| *port != written.default_port());
            target.transport = Some(Transport::Tls);
        }
        target
    }

    /// Whether its peers may be behind NAT: the trunk says so, or telephones register there (SIG-4).
    pub fn may_be_behind_nat(&self) -> bool {
        self.nat || !self.accounts.is_empty()
    }

    /// What may be spoken with a target, the preferred one first: its own transport, or else what
    /// the realm has listeners for. UDP comes first (RFC 3263 section 4.1), and TLS is for trunks
    /// that are secure.
    pub fn transports(&self, listeners: &[Listener], target: &TargetUri) -> Vec<Transport> {
        let wanted = match target.transport {
            Some(transport) => vec![transport],
            None => vec![Transport::Udp, Transport::Tcp],
        };
        let has_listener = |transport: &Transport| {
            listeners
                .iter()
                .any(|listener| listener.transport == *transport && listener.realm == self.realm)
        };
        wanted.into_iter().filter(has_listener).collect()
    }

    /// The trunk's listener, or if that has another transport or address family the first of its
    /// realm that fits.
    pub fn listener_for(&self, listeners: &[Listener], hop: &Hop) -> Option<ListenerId> {
        let fits = |id: &ListenerId| {
            listeners.get(usize::from(id.0)).is_some_and(|listener| {
                listener.transport == hop.transport
                    && listener.realm == self.realm
                    && listener.address.is_ipv6() == hop.address.is_ipv6()
            })
        };
        let all = (0..=u16::MAX).map(ListenerId).take(listeners.len());
        std::iter::once(self.listener).chain(all).find(fits)
    }
}
