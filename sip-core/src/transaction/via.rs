//! Via: ours on requests that go out, the source address on requests that come in, and from it
//! where responses go (RFC 3261 section 18, RFC 3581).

use rand_core::RngCore;

use crate::message::{HeaderName, Request, Via, branch};
use crate::transport::{Host, Listener, Origin, Target, Transport};

/// Puts our Via on top of a request to `target`; the branch. Over TLS it may ask for the peer's
/// requests by the same connection (RFC 5923): no other transport proves who asks.
pub(super) fn stamp_ours(
    request: &mut Request,
    target: &Target,
    (listener, asks_for_alias): (&Listener, bool),
    rng: &mut dyn RngCore,
) -> String {
    let branch = branch(rng);
    let (host, port) = (&listener.advertised_host, listener.advertised_port);
    let mut via = Via::new(target.transport, host, Some(port), &branch);
    if asks_for_alias && target.transport.is_secure() {
        via.set_param("alias", None);
    }
    request.headers.push_front(HeaderName::Via, &via);
    branch
}

/// Notes in the top Via where the request came from (RFC 3261 section 18.2.1, RFC 3581 section 4).
pub(super) fn stamp_source(request: &mut Request, via: &Via, origin: &Origin) {
    let mut stamped = via.clone();
    stamped.note_source(origin.remote);
    if stamped != *via {
        request.headers.replace_top_via(&stamped);
    }
}

/// Where responses to a request with this top Via go (RFC 3261 section 18.2.2, RFC 3581
/// section 4): on the connection that it came by, and if that is gone, or over UDP, to the source
/// address; to the source port with `rport`, else to the port in Via.
///
/// `maddr` is not obeyed: it serves multicast, and would let a request aim our responses at others.
pub(super) fn response_target(via: &Via, origin: &Origin) -> Target {
    let symmetric = origin.transport == Transport::Udp && via.rport().is_some();
    let port = if symmetric {
        origin.remote.port()
    } else {
        via.port().unwrap_or(origin.transport.default_port())
    };
    Target {
        transport: origin.transport,
        listener: origin.listener,
        connection: origin.connection,
        host: Host::Address(origin.remote.ip()),
        address: None,
        port,
        by_service: false,
        trunk: None,
    }
}
