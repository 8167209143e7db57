//! Whether a peer is still there: our pings on connections that we opened (RFC 5626 section 4.4.1),
//! and what has been heard since.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sip_core::transport::ConnectionId;
use tokio::time::Instant;

/// CRLF CRLF.
pub(super) const PING: &[u8] = b"\r\n\r\n";
/// The answer to it.
pub(super) const PONG: &[u8] = b"\r\n";
/// How long a peer may take for its answer (RFC 5626 section 4.4.1).
const PATIENCE: Duration = Duration::from_secs(10);

/// What the reader tells the writer.
#[derive(Default)]
pub(super) struct Heard {
    /// How often something has been read.
    reads: AtomicU64,
    /// The peer has answered a ping on this connection: it is one that does.
    answers_pings: AtomicBool,
}

impl Heard {
    /// Something has come; `is_between`: not in the middle of a message.
    pub(super) fn note(&self, bytes: &[u8], is_between: bool) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if is_between && bytes.starts_with(PONG) && !bytes.starts_with(PING) {
            self.answers_pings.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}

/// When to ask, and what silence means.
///
/// A peer need not know of pings: it passes over empty lines (RFC 3261 section 7.5) and says nothing.
/// So only one that has answered before is taken for dead when it does not; for others the ping still
/// makes the kernel notice that nobody acknowledges it.
pub(super) struct KeepAlive {
    every: Duration,
    due: Instant,
    /// [`Heard::reads`] when that was looked at last, and whether a ping was sent then.
    seen: (u64, bool),
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    Nothing,
    Dead,
}

impl KeepAlive {
    pub(super) fn new(every: Duration, connection: ConnectionId) -> KeepAlive {
        // Between 80 and 100 percent of it, so that many connections do not ping in step.
        let percent = 80 + u32::try_from(connection.0 % 21).unwrap_or(0);
        let every = every * percent / 100;
        KeepAlive {
            every,
            due: Instant::now() + every,
            seen: (0, false),
        }
    }

    /// When [`KeepAlive::next`] is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    pub(super) fn next(&mut self, heard: &Heard) -> Due {
        let reads = heard.reads();
        let (before, was_asked) = std::mem::replace(&mut self.seen, (reads, false));
        if reads != before {
            self.due += self.every;
            return Due::Nothing;
        }
        if was_asked {
            if heard.answers_pings.load(Ordering::Relaxed) {
                return Due::Dead;
            }
            self.due += self.every;
            return Due::Nothing;
        }
        self.seen.1 = true;
        self.due += PATIENCE.min(self.every);
        Due::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep_alive() -> (KeepAlive, Heard) {
        let keep_alive = KeepAlive::new(Duration::from_secs(100), ConnectionId(20));
        (keep_alive, Heard::default())
    }

    #[test]
    fn sig_3_a_peer_that_answered_and_no_longer_does_is_dead() {
        let (mut keep_alive, heard) = keep_alive();
        assert_eq!(keep_alive.next(&heard), Due::Ping);
        heard.note(b"\r\n", true);
        assert_eq!(keep_alive.next(&heard), Due::Nothing);
        let asked = keep_alive.due();
        assert_eq!(keep_alive.next(&heard), Due::Ping);
        assert_eq!(keep_alive.due(), asked + PATIENCE);
        assert_eq!(keep_alive.next(&heard), Due::Dead);
    }

    #[test]
    fn sig_3_a_peer_that_knows_no_pings_is_not_taken_for_dead() {
        let (mut keep_alive, heard) = keep_alive();
        // Neither a ping of its own nor the end of a message is an answer.
        heard.note(b"\r\n\r\n", true);
        heard.note(b"\r\n", false);
        assert_eq!(keep_alive.next(&heard), Due::Nothing);
        for _ in 0..3 {
            assert_eq!(keep_alive.next(&heard), Due::Ping);
            assert_eq!(keep_alive.next(&heard), Due::Nothing);
        }
    }

    #[test]
    fn sig_3_whoever_talks_is_not_asked() {
        let (mut keep_alive, heard) = keep_alive();
        for _ in 0..3 {
            heard.note(b"SIP/2.0 200 OK\r\n", true);
            assert_eq!(keep_alive.next(&heard), Due::Nothing);
        }
    }
}
