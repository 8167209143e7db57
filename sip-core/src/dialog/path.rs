//! Where the requests of a dialog go: RFC 3261 sections 12.2.1.1 and 18.1.1, RFC 5923, and the rule
//! that nothing falls back to a weaker transport.

use std::net::{IpAddr, SocketAddr};

use crate::message::{HeaderError, Headers, Scheme, Uri};
use crate::transport::{ConnectionId, Host, Listener, ListenerId, Origin, Target, Transport};
use crate::trunk::TrunkId;

/// The way to the peer, as far as it does not follow from the dialog's URIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Whose address our requests leave from.
    pub listener: ListenerId,
    /// Whose TLS settings a new connection uses.
    pub trunk: Option<TrunkId>,
    /// Overrides what URIs say: TLS on a secure trunk (SEC-2).
    pub force: Option<Transport>,
    /// Of the message that made the dialog, and of `listener`; for URIs that name no transport.
    transport: Transport,
    /// Where requests by another transport leave from.
    others: Vec<(Transport, ListenerId)>,
    /// Where that message came from or went to; for URIs that name no host, such as `tel:`.
    peer: (Host, u16),
    /// Which address the peer's host was found to have.
    found: Option<IpAddr>,
    connection: Option<Box<Connection>>,
    /// Where the peer's datagrams come from, if it is known to be behind NAT.
    behind_nat: Option<Source>,
}

/// Where a peer behind NAT is seen, and what it calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    address: SocketAddr,
    /// The host in its Via, if that is another one than the source: what it wrote into Contact, too.
    own_name: Option<Host>,
}

/// A connection that stays in use while it lives (RFC 5923, SIG-3).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Connection {
    id: ConnectionId,
    transport: Transport,
    /// Names and addresses of who is at its other end.
    peers: Vec<Host>,
    /// Who is at its other end is the dialog's next hop, whatever that is called: it gave us a
    /// Contact or a Record-Route, and often a private address in it.
    is_next_hop: bool,
    /// We dialled it, so its other end need not be reachable in any other way.
    dialled: bool,
}

impl Path {
    /// To the sender of `request`, which came by `origin`.
    pub fn to_sender(
        request: &Headers,
        origin: &Origin,
        trunk: Option<TrunkId>,
        force: Option<Transport>,
    ) -> Result<Path, HeaderError> {
        let via = request.top_via()?;
        Ok(Path {
            listener: origin.listener,
            trunk,
            force,
            transport: origin.transport,
            others: Vec::new(),
            peer: (Host::Address(origin.remote.ip()), origin.remote.port()),
            found: None,
            connection: Connection::of_request(request, origin, via.host().clone())?,
            behind_nat: None,
        })
    }

    /// The peers of the trunk may be behind NAT, and the message that made the dialog came by
    /// `origin`: over UDP, requests to a Contact that only its owner can reach go where the peer's
    /// datagrams come from, as responses do with `rport` (RFC 3581). `request` is the peer's, if it was
    /// one.
    pub fn behind_nat(mut self, request: Option<&Headers>, origin: &Origin) -> Path {
        if origin.transport == Transport::Udp {
            let sent_by = request.and_then(|headers| Some(headers.top_via().ok()?.host().clone()));
            self.behind_nat = Some(Source {
                address: origin.remote,
                own_name: sent_by.filter(|host| *host != Host::Address(origin.remote.ip())),
            });
        }
        self
    }

    /// To whoever answered a request to `target` with a message that came by `origin`.
    pub fn to_target(target: &Target, origin: &Origin, force: Option<Transport>) -> Path {
        let source = Host::Address(origin.remote.ip());
        let connection = origin.connection.map(|id| {
            Box::new(Connection {
                id,
                transport: origin.transport,
                peers: vec![target.host.clone(), source],
                is_next_hop: false,
                dialled: true,
            })
        });
        Path {
            listener: target.listener,
            trunk: target.trunk,
            force,
            transport: target.transport,
            others: Vec::new(),
            peer: (target.host.clone(), target.port),
            found: target.address,
            connection,
            behind_nat: None,
        }
    }

    /// Lets the dialog's requests leave by other transports, too, if Contact or Route name one:
    /// from the first of `listeners` (the configuration's) that has it and faces the same realm.
    pub fn with_listeners(mut self, listeners: &[Listener]) -> Path {
        let Some(own) = listeners.get(usize::from(self.listener.0)) else {
            return self;
        };
        let ids = (0..=u16::MAX).map(ListenerId);
        for (id, listener) in ids.zip(listeners) {
            let transport = listener.transport;
            if listener.realm == own.realm && transport != own.transport {
                self.others.push((transport, id));
            }
        }
        self
    }

    /// A later request of the dialog came: if by another connection, that one is the live one, with
    /// the same element at its other end, which need not have recorded its route again.
    pub fn refresh(&mut self, request: &Headers, origin: &Origin) -> Result<(), HeaderError> {
        if let (Some(source), Transport::Udp) = (&mut self.behind_nat, origin.transport) {
            // The NAT may have given the peer another port meanwhile.
            source.address = origin.remote;
        }
        if origin.connection.is_none() || origin.transport != self.transport {
            return Ok(());
        }
        let via = request.top_via()?;
        let old = self.connection.as_ref();
        if let Some(mut fresh) = Connection::of_request(request, origin, via.host().clone())?
            && old.is_none_or(|old| old.id != fresh.id)
        {
            fresh.is_next_hop |= old.is_some_and(|old| old.is_next_hop);
            self.connection = Some(fresh);
        }
        Ok(())
    }

    /// The connection is closed: it is not used again.
    pub fn forget_connection(&mut self, closed: ConnectionId) {
        self.connection = self
            .connection
            .take()
            .filter(|connection| connection.id != closed);
    }

    /// Where a request with that next hop goes, which is the remote target itself if `is_direct`,
    /// else a route. If that is by a transport that we do not speak in
    /// this realm, to whom the dialog was made with, the same way.
    pub fn target(&self, next_hop: &Uri, is_direct: bool) -> Target {
        let transport = self.force.unwrap_or_else(|| self.transport_of(next_hop));
        let Some(listener) = self.listener_for(transport) else {
            return self.to_peer();
        };
        let (host, port) = match next_hop.host() {
            Some(host) if !self.is_peer(host, next_hop.port(), transport) => (
                host.clone(),
                next_hop.port().unwrap_or(transport.default_port()),
            ),
            _ => self.peer.clone(),
        };
        let (host, port) = match &self.behind_nat {
            Some(source) if transport == Transport::Udp && is_direct && source.hides(&host) => {
                (Host::Address(source.address.ip()), source.address.port())
            }
            _ => (host, port),
        };
        let address = self
            .found
            .filter(|_| (&host, port) == (&self.peer.0, self.peer.1));
        let names_no_port = next_hop.host().is_some() && next_hop.port().is_none();
        let by_service = names_no_port && address.is_none() && matches!(host, Host::Name(_));
        let connection = self.connection.as_ref().filter(|connection| {
            connection.transport == transport
                && (connection.is_next_hop
                    || connection.peers.contains(&host)
                    || is_direct && connection.dialled && is_private(&host))
        });
        Target {
            transport,
            listener,
            connection: connection.map(|connection| connection.id),
            host,
            address,
            port,
            by_service,
            trunk: self.trunk,
        }
    }

    /// Whether that is the name that we called: which of its machines we were led to then holds for
    /// the life of the dialog, which no other one knows.
    fn is_peer(&self, host: &Host, port: Option<u16>, transport: Transport) -> bool {
        self.found.is_some()
            && transport == self.transport
            && *host == self.peer.0
            && port.is_none_or(|port| port == self.peer.1)
    }

    fn to_peer(&self) -> Target {
        let (host, port) = self.peer.clone();
        Target {
            transport: self.transport,
            listener: self.listener,
            connection: self.connection.as_ref().map(|connection| connection.id),
            host,
            address: self.found,
            port,
            by_service: false,
            trunk: self.trunk,
        }
    }

    /// A transport that is forced is the dialog's own: it has no other way.
    fn listener_for(&self, transport: Transport) -> Option<ListenerId> {
        if transport == self.transport || self.force.is_some() {
            return Some(self.listener);
        }
        let other = self.others.iter().find(|(other, _)| *other == transport);
        other.map(|(_, listener)| *listener)
    }

    /// `sips:` is TLS on this hop (SEC-5). A URI that names no transport keeps the dialog's:
    /// RFC 3263 section 4.1 would say UDP, which a peer that came by TLS does not mean.
    fn transport_of(&self, uri: &Uri) -> Transport {
        if uri.scheme() == Scheme::Sips {
            return Transport::Tls;
        }
        uri.transport().unwrap_or(self.transport)
    }
}

impl Source {
    /// Whether `host` is one that only the peer itself knows.
    fn hides(&self, host: &Host) -> bool {
        *host != Host::Address(self.address.ip())
            && (is_private(host) || self.own_name.as_ref() == Some(host))
    }
}

impl Connection {
    fn of_request(
        request: &Headers,
        origin: &Origin,
        sent_by: Host,
    ) -> Result<Option<Box<Connection>>, HeaderError> {
        let Some(id) = origin.connection else {
            return Ok(None);
        };
        // One Via per element on the way: with none between, or if each recorded its route, the
        // next hop is who sent us this.
        let hops = request.vias()?.len();
        let recorded = request.record_routes()?.len();
        Ok(Some(Box::new(Connection {
            id,
            transport: origin.transport,
            peers: vec![Host::Address(origin.remote.ip()), sent_by],
            is_next_hop: recorded + 1 >= hops,
            dialled: false,
        })))
    }
}

/// An address that is only valid where the peer is (RFC 1918, RFC 4193, loopback, link-local): one
/// that nobody recorded a route to is behind NAT, and the connection is the way there.
fn is_private(host: &Host) -> bool {
    match host {
        Host::Name(_) => false,
        Host::Address(IpAddr::V4(address)) => {
            address.is_private() || address.is_loopback() || address.is_link_local()
        }
        Host::Address(IpAddr::V6(address)) => {
            address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local()
        }
    }
}
