//! What became of a packet.

use std::net::SocketAddr;

use media_common::counters::{DropReason, Verdicts};
use media_common::quality::{FlowCounters, FlowIncidents};

use crate::rtcp::ReportsSeen;

/// What the caller of [`super::Flow::relay`] does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send `out[..len]`.
    Forward {
        /// UDP payload length, bytes.
        len: usize,
        /// Our address and port that it leaves from.
        from: SocketAddr,
        to: SocketAddr,
        /// DSCP (0–63) to set; `None` keeps the packet's own.
        dscp: Option<u8>,
        /// Set once: this packet locked the flow's source. The flow plan must learn it
        /// ([`crate::flow_plan::CallMedia::latched`]), so that the other direction goes there.
        latched: Option<SocketAddr>,
        /// Set once for each telephone event (RFC 4733): its code. Sensitive: digits may be those
        /// of a card.
        digit: Option<u8>,
    },
    /// Counted, not sent.
    Drop(DropReason),
}

/// What a flow has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowStats {
    /// Counted as the XDP program counts what it forwards.
    pub counters: FlowCounters,
    pub incidents: FlowIncidents,
    /// The drops by reason (only the `drop_*` counters are used).
    pub drops: Verdicts,
    /// What the peer says of what it sends and receives.
    pub reports: ReportsSeen,
}

impl FlowStats {
    pub(super) fn count_drop(&mut self, reason: DropReason) {
        self.counters.dropped += 1;
        self.incidents.count_drop(reason);
        self.drops.count_drop(reason);
    }
}
