//! What control asks of a backend.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use media_common::counters::Verdicts;
use media_common::flow::NextHop;
use media_common::quality::{FlowCounters, FlowIncidents};
use media_core::flow_plan::PlannedFlow;
use media_core::quality::{Codec, Quality};
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

    /// When RTP of the flow was last sent on, `CLOCK_MONOTONIC`, nanoseconds; 0 for never.
    fn heard_ns(&mut self, local: SocketAddr) -> u64;

    /// Where the flow stands in the tables.
    fn place(&self, local: SocketAddr) -> Place;

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

/// Where a flow stands in the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Index in the flow table, and so the key in `bpftool map dump`.
    pub index: Option<u32>,
    /// Next hops by destination: the index in the map, and what it says now. None with sockets.
    pub hops: Vec<(IpAddr, u16, NextHop)>,
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

impl FlowTotals {
    /// Packets sent on.
    pub(super) fn packets(&self) -> u64 {
        self.kernel.packets + self.relay.counters.packets
    }

    /// Both halves of it together.
    pub(super) fn quality(&self, codec: Codec) -> Quality {
        let FlowStats {
            counters,
            incidents,
            ..
        } = &self.relay;
        let kernel = Quality::of(&self.kernel, &self.incidents, codec);
        kernel.and(Quality::of(counters, incidents, codec))
    }

    /// UDP payload bytes sent on.
    pub(super) fn bytes(&self) -> u64 {
        self.kernel.bytes + self.relay.counters.bytes
    }

    /// Drops by name of the reason, of those that occurred; kernel and relays together.
    pub(super) fn drops(&self) -> Vec<(&'static str, u64)> {
        let relay = self
            .relay
            .drops
            .by_reason()
            .map(|(reason, count)| (reason.name(), count));
        let mut drops: Vec<(&'static str, u64)> = Vec::new();
        for (reason, count) in relay.chain(self.incidents.drops()) {
            if count == 0 {
                continue;
            }
            match drops.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, known)) => *known += count,
                None => drops.push((reason, count)),
            }
        }
        drops
    }

    pub(super) fn dropped(&self) -> u64 {
        self.kernel.dropped + self.relay.counters.dropped
    }
}
