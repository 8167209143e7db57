//! Requests that are too large for a datagram (RFC 3261 section 18.1.1): they leave by TCP, and if the
//! peer has no TCP, by UDP all the same.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::message::{HeaderName, Request, Via};
use crate::transport::{Host, Listener, ListenerId, Target, Transport};

/// Section 18.1.1: the path MTU, if it is not known, less 200 bytes for the response.
pub(super) const LARGEST_DATAGRAM_BYTES: usize = 1300;
/// How long a peer that has refused TCP is not asked again: connecting in vain costs seconds.
const REFUSED_FOR: Duration = Duration::from_secs(600);
/// Peers that are remembered; the memory is for speed alone.
const MOST_REFUSED: usize = 1024;

/// The way back to UDP.
pub(super) struct Fallback {
    /// With the Via of that way.
    pub(super) request: Request,
    pub(super) branch: String,
    pub(super) bytes: Vec<u8>,
    pub(super) target: Target,
}

/// Who has no TCP, and since when that is known.
#[derive(Default)]
pub(super) struct LargeRequests(HashMap<(Host, u16), Instant>);

impl LargeRequests {
    /// By TCP instead of `target`, which is a UDP one: from a listener of the same network.
    pub(super) fn by_tcp(
        &self,
        now: Instant,
        target: &Target,
        listeners: &[Listener],
    ) -> Option<Target> {
        let peer = (target.host.clone(), target.port);
        let known = self.0.get(&peer);
        if known.is_some_and(|since| now.saturating_duration_since(*since) < REFUSED_FOR) {
            return None;
        }
        let own = listeners.get(usize::from(target.listener.0))?;
        let fits = |listener: &Listener| {
            listener.transport == Transport::Tcp
                && listener.realm == own.realm
                && listener.address.is_ipv4() == own.address.is_ipv4()
        };
        let place = listeners.iter().position(fits)?;
        Some(Target {
            transport: Transport::Tcp,
            listener: ListenerId(u16::try_from(place).ok()?),
            connection: None,
            ..target.clone()
        })
    }

    /// The peer did not take a connection.
    pub(super) fn refused(&mut self, now: Instant, target: &Target) {
        if self.0.len() >= MOST_REFUSED {
            self.0
                .retain(|_, since| now.saturating_duration_since(*since) < REFUSED_FOR);
        }
        if self.0.len() < MOST_REFUSED {
            self.0.insert((target.host.clone(), target.port), now);
        }
    }
}

/// The same request with the Via of another way (section 18.1.1), under the same branch: nobody has
/// got it by the first.
pub(super) fn with_via_of(request: &Request, listener: &Listener, branch: &str) -> Request {
    let (host, port) = (&listener.advertised_host, listener.advertised_port);
    let via = Via::new(listener.transport, host, Some(port), branch);
    let mut request = request.clone();
    request.headers.remove_first(HeaderName::Via);
    request.headers.push_front(HeaderName::Via, &via);
    request
}
