//! Whose call is it: the trunk is found by the host that the caller asks for, and then the
//! caller's address must be allowed; trunks without domains are found by address (TRK-1, TRK-2).

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{SecureMode, Trunk, TrunkId};
use crate::refusal::Refusal;
use crate::transport::{Host, Listener, Origin};

impl Trunk {
    /// Whether the trunk lets `source` send to us: its ACL does, or it has none and asks for
    /// credentials instead.
    pub fn allows(&self, source: SocketAddr) -> bool {
        self.longest_match(source).is_some()
    }

    /// Whether the trunk's ACL names `address`, with whatever port.
    pub fn knows(&self, address: IpAddr) -> bool {
        self.narrowest(address).is_some()
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

    /// Prefix length of the narrowest network of its ACL that has `address`, with whatever port.
    pub(crate) fn narrowest(&self, address: IpAddr) -> Option<u8> {
        self.acl
            .iter()
            .filter(|allowed| allowed.network.contains(address))
            .map(|allowed| allowed.network.prefix)
            .max()
    }

    fn longest_match(&self, source: SocketAddr) -> Option<u8> {
        if self.acl.is_empty() && self.credentials.is_some() {
            return Some(0);
        }
        self.acl
            .iter()
            .filter(|allowed| allowed.contains(source))
            .map(|allowed| allowed.network.prefix)
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
    if !trunk.allows(origin.remote) || !faces(trunk, listeners, origin) {
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
    let fit = |trunk: &Trunk, prefix: u8| {
        (
            trunk.requires_tls() == origin.transport.is_secure(),
            trunk.listener == origin.listener,
            prefix,
        )
    };
    identified(trunks)
        .filter(|(_, trunk)| trunk.domains.is_empty() && faces(trunk, listeners, origin))
        .filter_map(|(id, trunk)| Some((fit(trunk, trunk.longest_match(origin.remote)?), id)))
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
