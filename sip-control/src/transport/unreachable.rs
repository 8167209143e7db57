//! ICMP that says that a datagram of ours cannot arrive (RFC 3261 section 18.4).
//!
//! A process that has died on a host that lives is known at once, and not when a timer has run out
//! (TRK-3). Whether a message can be believed, [`sip_core`] decides by what it quotes.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_core::stack::Unreachable;
use sip_core::transport::ListenerId;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::{Arrival, Shared};
use crate::media::sys::{GivenBack, next_given_back};

/// After an error that will not go away at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads what ICMP says of the socket's datagrams, for the life of the daemon.
pub(super) async fn hear(listener: ListenerId, socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    loop {
        let next = || next_given_back(socket.as_fd());
        match socket.async_io(Interest::ERROR, next).await {
            Ok(Some(given_back)) => shared.tell_unreachable(listener, given_back),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!("reading what ICMP says: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Shared {
    /// Never waits: messages that nobody reads would take the room of datagrams in the socket's
    /// buffer, and each of them only spares a request its timer.
    fn tell_unreachable(&self, listener: ListenerId, given_back: GivenBack) {
        let Some(problem) = problem(&given_back) else {
            return;
        };
        let GivenBack { to, quoted, .. } = given_back;
        let unreachable = Unreachable {
            listener,
            to,
            quoted,
            reason: format!("{to}: {problem} (ICMP)"),
        };
        let arrival = (Instant::now(), Arrival::Unreachable(unreachable));
        let _ = self.arrivals.try_send(arrival);
    }
}

/// What the message says, if it is one of those that a failure follows from: unreachable hosts,
/// networks, protocols and ports, and parameter problems. A packet that is too big or has seen too many
/// routers is none, and neither is a source quench.
fn problem(given_back: &GivenBack) -> Option<&'static str> {
    let GivenBack { kind, code, .. } = *given_back;
    Some(match (given_back.is_ipv6, kind, code) {
        // RFC 792, RFC 1812 section 5.2.7.1. Code 4 is of path MTU discovery (RFC 1191).
        (false, 3, 0 | 6 | 11) => "network unreachable",
        (false, 3, 1 | 7 | 12) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) => "port unreachable",
        (false, 3, 4) => return None,
        (false, 3, 9 | 10 | 13) => "prohibited on the way",
        (false, 3, _) => "unreachable",
        // RFC 4443 section 3.1.
        (true, 1, 0) => "network unreachable",
        (true, 1, 1 | 5) => "prohibited on the way",
        (true, 1, 3) => "host unreachable",
        (true, 1, 4) => "port unreachable",
        (true, 1, _) => "unreachable",
        (false, 12, _) | (true, 4, _) => "a header is not understood on the way",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trk_3_only_what_says_that_datagrams_cannot_arrive_is_a_failure() {
        let problem_of = |is_ipv6, kind, code| {
            problem(&GivenBack {
                to: "192.0.2.1:5060".parse().unwrap(),
                quoted: Vec::new(),
                is_ipv6,
                kind,
                code,
            })
        };
        assert_eq!(problem_of(false, 3, 3), Some("port unreachable"));
        assert_eq!(problem_of(true, 1, 4), Some("port unreachable"));
        assert_eq!(problem_of(false, 3, 1), Some("host unreachable"));
        for (is_ipv6, kind, code, description) in [
            (false, 3, 4, "fragmentation needed"),
            (false, 4, 0, "source quench"),
            (false, 11, 0, "time exceeded"),
            (true, 2, 0, "packet too big"),
            (true, 3, 0, "time exceeded"),
            (true, 128, 0, "no error"),
        ] {
            assert_eq!(problem_of(is_ipv6, kind, code), None, "{description}");
        }
    }
}
