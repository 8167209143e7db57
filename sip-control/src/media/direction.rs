//! What the flows of a direction did together: over all the ports that it has had, in the kernel
//! and in the relays.

use std::collections::BTreeMap;

use media_core::flow_plan::{Action, PlannedFlow};
use media_core::quality::{Codec, FarEnd, Mos, Quality};
use media_core::report::{DirectionReport, MediaPath, MediaReport};
use media_core::rtcp::ReportsSeen;
use media_core::session::{CallId, Side};

use super::carrier::{FlowTotals, Paths};
use super::status::FlowSample;

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

/// The same with less, of a call that goes on: adds a sample for each direction.
pub(super) fn samples(
    call: CallId,
    flows: &[(&PlannedFlow, FlowTotals)],
    paths: Paths,
    into: &mut Vec<FlowSample>,
) {
    let heard = Heard::of(flows.iter().map(|(flow, totals)| (*flow, totals)));
    let first = into.len();
    for (flow, totals) in flows {
        if !flow.config.carries.is_media() {
            continue;
        }
        let quality = totals.quality(flow.codec);
        let here = into[first..]
            .iter_mut()
            .find(|sample| (sample.stream, sample.from) == (flow.stream, flow.side));
        match here {
            // Those that run come last: what they are is what the direction is now.
            Some(sample) => {
                sample.local = Some(flow.local);
                sample.path = path_of(flow, totals, paths);
                sample.coding = flow.codec;
                sample.packets += totals.packets();
                sample.bytes += totals.bytes();
                sample.dropped += totals.dropped();
                sample.quality = sample.quality.and(quality);
            }
            None => into.push(FlowSample {
                call,
                from: flow.side,
                stream: flow.stream,
                local: Some(flow.local),
                path: path_of(flow, totals, paths),
                packets: totals.packets(),
                bytes: totals.bytes(),
                dropped: totals.dropped(),
                quality,
                coding: flow.codec,
                mos: None,
                round_trips_us: heard.round_trips_us(flow),
            }),
        }
    }
    for sample in &mut into[first..] {
        sample.mos = sample.quality.mos(sample.coding, sample.round_trips_us);
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
        Opinion {
            mos: quality.mos(flow.codec, self.round_trips_us(flow)),
            far_end: self.of_end(flow, flow.side.other(), flow.codec),
        }
    }

    /// From us to the end that the flow goes to and to the one that it comes from, and back.
    fn round_trips_us(&self, flow: &PlannedFlow) -> [Option<u32>; 2] {
        [flow.side.other(), flow.side]
            .map(|side| self.of_end(flow, side, flow.codec)?.round_trip_us)
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
