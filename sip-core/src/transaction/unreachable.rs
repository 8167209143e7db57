//! Requests that the network gives back: ICMP says that a datagram of ours cannot arrive
//! (RFC 3261 section 18.4).
//!
//! Anybody may send an ICMP message, and guess our port and a peer's. What nobody off the path knows
//! is the branch of a request that is on its way: the quoted datagram must show it (RFC 8085
//! section 5.2), be one to where that request went, and come before the peer's first word. Most
//! routers quote 500 bytes and more (RFC 1812 section 4.3.2.3); of one that quotes the eight of
//! RFC 792 nothing can be believed, and the request waits as if nothing had come.

use std::net::SocketAddr;

use super::key::ClientMatch;
use crate::message::{Method, Via};
use crate::transport::{Host, ListenerId, Target, Transport};

/// Which request of ours a datagram was that began so; `None` if it does not show.
pub(super) fn quoted_request(quoted: &[u8]) -> Option<ClientMatch> {
    // We write our Via as the first header, in a line of its own.
    let mut lines = quoted.split_inclusive(|byte| *byte == b'\n');
    let (request, via) = (lines.next()?, lines.next()?);
    let method = request.split(|byte| *byte == b' ').next()?;
    let method = Method::from_bytes(method)?;
    let via = via.strip_prefix(b"Via: ")?.strip_suffix(b"\r\n")?;
    let via = Via::parse(via).filter(Via::has_magic_cookie)?;
    Some(ClientMatch::new(via.branch()?, method))
}

/// Whether a datagram to `target` goes there. A name that whoever sends resolves may be anywhere.
pub(super) fn is_to(target: &Target, (listener, to): (ListenerId, SocketAddr)) -> bool {
    let address = target.address.or(match &target.host {
        Host::Address(address) => Some(*address),
        Host::Name(_) => None,
    });
    target.transport == Transport::Udp
        && target.listener == listener
        && address.is_none_or(|address| address.to_canonical() == to.ip().to_canonical())
        && (target.by_service || target.port == to.port())
}
