//! Messages on their way, and those of which nothing shows that the peer has them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sip_core::stack::Transmit;

use super::keep_alive::Heard;

/// More than that are not kept for another connection.
const KEPT: usize = 64;
/// Nobody waits longer for a response: 64*T1 (RFC 3261 section 17).
const TRANSACTION: Duration = Duration::from_secs(32);

/// A message for a connection.
pub(super) struct Outgoing {
    pub(super) transmit: Transmit,
    /// It was given to a connection before, which broke.
    is_second_try: bool,
}

impl Outgoing {
    pub(super) fn new(transmit: Transmit) -> Outgoing {
        Outgoing {
            transmit,
            is_second_try: false,
        }
    }

    /// A request other than ACK (RFC 3261 section 17).
    fn awaits_response(&self) -> bool {
        let bytes = &self.transmit.bytes;
        !bytes.starts_with(b"SIP/2.0 ") && !bytes.starts_with(b"ACK ")
    }

    /// For another connection than the one that has broken; `None` if this was the other one already.
    ///
    /// The same bytes with the same branch: whoever has got them all the same takes them for a
    /// retransmission (RFC 3261 section 17.2.3).
    pub(super) fn again(mut self) -> Option<Outgoing> {
        if self.is_second_try {
            return None;
        }
        self.transmit.target.connection = None;
        self.is_second_try = true;
        Some(self)
    }
}

/// The latest requests that were written since something was heard of the peer. A connection that a
/// peer has lost without a word breaks when something is sent: only then is it known, and what was
/// sent is gone. Responses and ACKs await nothing: of them silence tells nothing.
#[derive(Default)]
pub(super) struct Unconfirmed {
    /// What is being written.
    in_flight: Option<Outgoing>,
    requests: VecDeque<(Instant, Outgoing)>,
    /// [`Heard::reads`] when the latest was begun.
    reads: u64,
}

impl Unconfirmed {
    /// A message is to be written now; its bytes.
    pub(super) fn begin(&mut self, outgoing: Outgoing, heard: &Heard) -> &[u8] {
        let reads = heard.reads();
        if reads != self.reads {
            self.requests.clear();
            self.reads = reads;
        }
        &self.in_flight.insert(outgoing).transmit.bytes
    }

    /// It has been written.
    pub(super) fn written(&mut self) {
        let Some(outgoing) = self.in_flight.take() else {
            return;
        };
        if !outgoing.awaits_response() {
            return;
        }
        if self.requests.len() == KEPT {
            self.requests.pop_front();
        }
        self.requests.push_back((Instant::now(), outgoing));
    }

    /// At the end of the connection: what the peer may not have, and may still want.
    pub(super) fn into_messages(self, heard: &Heard) -> Vec<Outgoing> {
        let is_silent = heard.reads() == self.reads;
        let is_pending = |since: &Instant| is_silent && since.elapsed() < TRANSACTION;
        let requests = self.requests.into_iter();
        requests
            .filter(|(since, _)| is_pending(since))
            .map(|(_, outgoing)| outgoing)
            .chain(self.in_flight)
            .collect()
    }
}
