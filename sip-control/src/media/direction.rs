//! What the flows of a direction did together: over all the ports that it has had, in the kernel
//! and in the relays.

use std::collections::BTreeMap;

use media_core::flow_plan::{Action, PlannedFlow};
use media_core::quality::{Codec, FarEnd, Mos, Quality};
use media_core::report::{DirectionReport, MediaPath, MediaReport};
use media_core::rtcp::ReportsSeen;
use media_core::session::Side;

use super::carrier::{FlowTotals, Paths};

/// Every direction of a call's flows.
pub(super) fn report(flows: &[(&PlannedFlow, FlowTotals)], paths: Paths) -> MediaReport {
    let heard = Heard::of(flows.iter().map(|(flow, totals)| (*flow, totals)));
    let mut directions: BTreeMap<(usize, Side), Direction<'_>> = BTreeMap::new();
    for (flow, totals) in flows {
        if flow.config.carries.is_media() {
            directions
                .entry((flow.stream, flow.side))
                .or_insert_with(|| Direction::new(flow, totals, paths))
                .add(flow, totals, paths);
        }
    }
    MediaReport {
        directions: directions
            .into_values()
            .map(|direction| direction.report(&heard))
            .collect(),
    }
}

/// One direction of a stream.
struct Direction<'a> {
    /// The flow of most packets.
    main: &'a PlannedFlow,
    most_packets: u64,
    path: MediaPath,
    packets: u64,
    bytes: u64,
    quality: Quality,
    /// By name of the reason.
    drops: BTreeMap<&'static str, u64>,
}

impl<'a> Direction<'a> {
    fn new(flow: &'a PlannedFlow, totals: &FlowTotals, paths: Paths) -> Direction<'a> {
        Direction {
            main: flow,
            most_packets: 0,
            path: path_of(flow, totals, paths),
            packets: 0,
            bytes: 0,
            quality: Quality::default(),
            drops: BTreeMap::new(),
        }
    }

    fn add(&mut self, flow: &'a PlannedFlow, totals: &FlowTotals, paths: Paths) {
        if totals.packets() > self.most_packets {
            (self.main, self.most_packets) = (flow, totals.packets());
            self.path = path_of(flow, totals, paths);
        }
        self.packets += totals.packets();
        self.bytes += totals.bytes();
        self.quality = self.quality.and(totals.quality(flow.codec));
        for (reason, count) in totals.drops() {
            *self.drops.entry(reason).or_default() += count;
        }
    }

    fn report(self, heard: &Heard) -> DirectionReport {
        let Opinion { mos, far_end } = heard.opinion(self.main, self.quality);
        DirectionReport {
            from: self.main.side,
            stream: self.main.stream,
            path: self.path,
            packets: self.packets,
            bytes: self.bytes,
            quality: self.quality,
            mos,
            far_end,
            dropped: self.drops.into_iter().collect(),
        }
    }
}

/// What both ends of each stream reported in RTCP.
pub(super) struct Heard(BTreeMap<(usize, Side), ReportsSeen>);

/// What is said of a direction.
pub(super) struct Opinion {
    pub(super) mos: Option<Mos>,
    pub(super) far_end: Option<FarEnd>,
}

impl Heard {
    pub(super) fn of<'a>(flows: impl Iterator<Item = (&'a PlannedFlow, &'a FlowTotals)>) -> Heard {
        let mut heard: BTreeMap<_, ReportsSeen> = BTreeMap::new();
        for (flow, totals) in flows {
            let reports = heard.entry((flow.stream, flow.side)).or_default();
            *reports = reports.or_later(totals.relay.reports);
        }
        Heard(heard)
    }

    pub(super) fn opinion(&self, flow: &PlannedFlow, quality: Quality) -> Opinion {
        if flow.config.carries.is_raw() || !flow.config.carries.is_media() {
            return Opinion {
                mos: None,
                far_end: None,
            };
        }
        let far_end = self.of_end(flow, flow.side.other(), flow.codec);
        let near_end = self.of_end(flow, flow.side, flow.codec);
        let round_trips = [far_end, near_end].map(|end| end.and_then(|end| end.round_trip_us));
        Opinion {
            mos: quality.mos(flow.codec, round_trips),
            far_end,
        }
    }

    /// What that side reports of what it receives.
    fn of_end(&self, flow: &PlannedFlow, side: Side, codec: Codec) -> Option<FarEnd> {
        let reports = |side| self.0.get(&(flow.stream, side));
        FarEnd::of(reports(side)?, reports(side.other())?, codec)
    }
}

/// The path of most packets; without packets, the one that they would take.
pub(super) fn path_of(flow: &PlannedFlow, totals: &FlowTotals, paths: Paths) -> MediaPath {
    let relayed = totals.relay.counters.packets;
    let is_kernel = match totals.kernel.packets.cmp(&relayed) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => flow.action == Action::Forward,
    };
    if is_kernel { paths.kernel } else { paths.relay }
}
