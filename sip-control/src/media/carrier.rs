//! What control asks of a backend.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use media_common::counters::Verdicts;
use media_common::quality::{FlowCounters, FlowIncidents};
use media_core::flow_plan::PlannedFlow;
use media_core::relay::FlowStats;
use media_core::report::MediaPath;
use media_core::session::CallId;

/// Carries packets of flows. Every flow is known by its local address and port.
pub(super) trait Carrier: Send {
    /// Makes the flow run as planned: new, or as a change of what runs at its port.
    ///
    /// # Errors
    /// For the log and the call record: why this flow cannot be carried.
    fn install(&mut self, call: CallId, flow: &PlannedFlow) -> Result<(), String>;

    /// Whether the way to where the flow's packets go is known, down to the neighbour.
    fn is_ready(&mut self, local: SocketAddr) -> bool;

    /// Packets that arrive from now on are not the flow's. Those on their way still are,
    /// until [`Carrier::release`].
    fn close(&mut self, local: SocketAddr);

    /// Forgets the flow; its port may be used for another.
    fn release(&mut self, local: SocketAddr);

    /// What the flow has done.
    fn totals(&mut self, local: SocketAddr) -> FlowTotals;

    /// The source that the flow has locked, if its rule is to latch and it has.
    fn latched(&mut self, local: SocketAddr) -> Option<SocketAddr>;

    /// Everything since start.
    fn verdicts(&mut self) -> Verdicts;

    /// Ends every flow and every relay thread; then nothing is counted any more.
    fn stop(&mut self);

    /// Once a second.
    fn tick(&mut self, now: Instant);

    /// What control is to poll for this backend; when one is readable, [`Carrier::handle_readable`].
    fn fds(&self) -> Vec<BorrowedFd<'_>>;

    fn handle_readable(&mut self);

    fn paths(&self) -> Paths;
}

/// The paths of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paths {
    /// Of what [`FlowTotals::kernel`] counts.
    pub(super) kernel: MediaPath,
    /// Of what [`FlowTotals::relay`] counts.
    pub(super) relay: MediaPath,
}

/// What a flow has done, by who did it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlowTotals {
    pub(super) kernel: FlowCounters,
    pub(super) incidents: FlowIncidents,
    pub(super) relay: FlowStats,
}

/// When RTP was last sent on: of several flows, the latest by each clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) kernel_ns: u64,
    pub(super) relay: Option<Instant>,
}

impl Heard {
    pub(super) fn latest(self, other: Heard) -> Heard {
        Heard {
            kernel_ns: self.kernel_ns.max(other.kernel_ns),
            relay: self.relay.max(other.relay),
        }
    }
}

impl FlowTotals {
    /// Packets sent on.
    pub(super) fn packets(&self) -> u64 {
        self.kernel.packets + self.relay.packets
    }

    /// When RTP was last sent on; each path has its own clock.
    pub(super) fn heard(&self) -> Heard {
        Heard {
            kernel_ns: self.kernel.last_seen_ns,
            relay: self.relay.last_seen,
        }
    }

    /// UDP payload bytes sent on.
    pub(super) fn bytes(&self) -> u64 {
        self.kernel.bytes + self.relay.bytes
    }

    pub(super) fn dropped(&self) -> u64 {
        self.kernel.dropped + self.relay.dropped
    }
}
