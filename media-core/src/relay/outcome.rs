//! What became of a packet.

use std::net::SocketAddr;

use media_common::counters::DropReason;
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
    pub drops: Drops,
    /// What the peer says of what it sends and receives.
    pub reports: ReportsSeen,
}

/// A flow's drops by reason. Each count stays at the highest that it can hold; how many there were
/// in all is in [`FlowCounters::dropped`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Drops([u32; DropReason::ALL.len()]);

impl Drops {
    /// Every reason, and the packets dropped for it.
    pub fn by_reason(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        let counts = self.0.iter().map(|count| u64::from(*count));
        DropReason::ALL.iter().copied().zip(counts)
    }

    /// The packets dropped for that reason.
    pub fn of(&self, reason: DropReason) -> u64 {
        u64::from(self.0[reason as usize])
    }

    fn count(&mut self, reason: DropReason) {
        // `ALL` has the reasons in the order of their declaration.
        let count = &mut self.0[reason as usize];
        *count = count.saturating_add(1);
    }
}

impl FlowStats {
    pub(super) fn count_drop(&mut self, reason: DropReason) {
        self.counters.dropped += 1;
        self.incidents.count_drop(reason);
        self.drops.count(reason);
    }
}
