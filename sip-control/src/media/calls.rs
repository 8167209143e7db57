//! What control knows of a call: its plan, which flows run, when it was last heard.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media_common::counters::DropReason;
use media_common::quality::FlowIncidents;
use media_core::flow_plan::{Action, CallMedia, PlannedFlow};
use media_core::report::{DirectionReport, MediaPath, MediaReport};
use media_core::session::{Session, Side};

use super::carrier::{Carrier, FlowTotals, Heard, Paths};
use super::silence::Silence;
use super::slots::Latched;
use super::status::FlowStatus;

/// A call with flows.
pub(super) struct Call {
    pub(super) media: CallMedia,
    /// The flows that run, by local address, as they were planned last.
    running: HashMap<SocketAddr, PlannedFlow>,
    /// What flows did that a later session has no place for.
    past: Vec<(PlannedFlow, FlowTotals)>,
    silence: Silence,
    pub(super) has_failed: bool,
}

/// What applying a plan leaves to do.
pub(super) struct Applied {
    /// Closed flows, to be released after the grace.
    pub(super) closed: Vec<SocketAddr>,
    /// Why a flow could not be installed.
    pub(super) failure: Option<String>,
}

impl Call {
    pub(super) fn new(session: Session, now: Instant) -> Call {
        Call {
            media: CallMedia::new(session),
            running: HashMap::new(),
            past: Vec::new(),
            silence: Silence::new(now),
            has_failed: false,
        }
    }

    /// Takes a newer session into the plan.
    pub(super) fn update(&mut self, session: Session, now: Instant) {
        self.media.update(session);
        self.silence.restart(now);
    }

    /// Makes the flows that run what the plan says.
    pub(super) fn apply(&mut self, carrier: &mut dyn Carrier) -> Applied {
        let planned = self.media.flows();
        let gone: Vec<SocketAddr> = self
            .running
            .keys()
            .copied()
            .filter(|local| !planned.iter().any(|flow| flow.local == *local))
            .collect();
        for local in &gone {
            carrier.close(*local);
            if let Some(flow) = self.running.remove(local) {
                self.past.push((flow, carrier.totals(*local)));
            }
        }
        let mut failure = None;
        for flow in planned {
            if self.running.get(&flow.local) == Some(&flow) {
                continue;
            }
            if let Err(reason) = carrier.install(self.media.call(), &flow) {
                // What ran there before may send what must not be sent any more.
                carrier.close(flow.local);
                failure = Some(reason);
            }
            self.running.insert(flow.local, flow);
        }
        Applied {
            closed: gone,
            failure,
        }
    }

    /// Whether a packet that arrives now finds its way out.
    pub(super) fn is_ready(&self, carrier: &mut dyn Carrier) -> bool {
        self.running.keys().all(|local| carrier.is_ready(*local))
    }

    /// Where its flows arrive.
    pub(super) fn locals(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.running.keys().copied()
    }

    /// Closes every flow; what they have done is still to be read until they are released.
    pub(super) fn close(&mut self, carrier: &mut dyn Carrier) {
        for local in self.running.keys() {
            carrier.close(*local);
        }
    }

    /// Forgets every flow and says what all of them have done.
    pub(super) fn release(mut self, carrier: &mut dyn Carrier) -> MediaReport {
        let report = self.report(carrier);
        for (local, _) in self.running.drain() {
            carrier.release(local);
        }
        report
    }

    /// Takes a latch into the plan; whether that changes it. A report that has crossed a new
    /// SDP is about a peer that is not there any more.
    pub(super) fn latched(&mut self, latched: &Latched) -> bool {
        let is_current = |flow: &PlannedFlow| flow.config.generation == latched.generation;
        self.running.get(&latched.local).is_some_and(is_current)
            && self.media.latched(latched.local, latched.source)
    }

    /// Latches that no report has told of, because the channel was full.
    pub(super) fn find_latches(&mut self, carrier: &mut dyn Carrier) -> bool {
        let unlatched = |flow: &&PlannedFlow| {
            matches!(
                flow.config.source,
                media_core::relay::Source::Latch { latched: None, .. }
            )
        };
        let latched: Vec<_> = self
            .running
            .values()
            .filter(unlatched)
            .filter_map(|flow| Some((flow.local, carrier.latched(flow.local)?)))
            .collect();
        latched.into_iter().fold(false, |changed, (local, source)| {
            self.media.latched(local, source) || changed
        })
    }

    /// How long the call has been silent, each time that another `timeout` of it has passed.
    pub(super) fn timed_out(
        &mut self,
        now: Instant,
        timeout: Duration,
        carrier: &mut dyn Carrier,
    ) -> Option<Duration> {
        let heard = self
            .rtp_flows()
            .map(|flow| carrier.totals(flow.local).heard())
            .fold(Heard::default(), Heard::latest);
        let expected = self.is_expected_to_speak();
        self.silence.observe(now, heard, expected, timeout)
    }

    /// Both sides are known and neither has the other on hold.
    fn is_expected_to_speak(&self) -> bool {
        let streams = &self.media.session().streams;
        !self.media.on_hold()
            && streams
                .iter()
                .any(|stream| stream.legs.iter().all(|leg| leg.remote.is_some()))
    }

    pub(super) fn statuses(&self, carrier: &mut dyn Carrier) -> Vec<FlowStatus> {
        let paths = carrier.paths();
        let mut flows: Vec<_> = self.rtp_flows().collect();
        flows.sort_by_key(|flow| (flow.stream, flow.side));
        flows
            .into_iter()
            .map(|flow| {
                let totals = carrier.totals(flow.local);
                FlowStatus {
                    call: self.media.call(),
                    from: flow.side,
                    stream: flow.stream,
                    local: flow.local,
                    path: path_of(flow, &totals, paths),
                    packets: totals.packets(),
                    bytes: totals.bytes(),
                    dropped: totals.dropped(),
                }
            })
            .collect()
    }

    fn rtp_flows(&self) -> impl Iterator<Item = &PlannedFlow> {
        self.running.values().filter(|flow| carries_rtp(flow))
    }

    fn report(&self, carrier: &mut dyn Carrier) -> MediaReport {
        let paths = carrier.paths();
        let running = self
            .running
            .values()
            .map(|flow| (flow, carrier.totals(flow.local)))
            .collect::<Vec<_>>();
        let past = self.past.iter().map(|(flow, totals)| (flow, *totals));
        let mut directions: Vec<Direction> = Vec::new();
        for (flow, totals) in past.chain(running).filter(|(flow, _)| carries_rtp(flow)) {
            let known = directions
                .iter_mut()
                .find(|known| (known.stream, known.from) == (flow.stream, flow.side));
            match known {
                Some(known) => known.add(path_of(flow, &totals, paths), totals),
                None => directions.push(Direction {
                    from: flow.side,
                    stream: flow.stream,
                    path: path_of(flow, &totals, paths),
                    totals,
                    kernel_drops: drops_of(&totals.incidents),
                }),
            }
        }
        directions.sort_by_key(|direction| (direction.stream, direction.from));
        MediaReport {
            directions: directions.into_iter().map(Direction::report).collect(),
        }
    }
}

/// One direction of a stream, over all the ports that it has had.
struct Direction {
    from: Side,
    stream: usize,
    path: MediaPath,
    totals: FlowTotals,
    /// What the kernel dropped, by name of the reason.
    kernel_drops: BTreeMap<&'static str, u64>,
}

impl Direction {
    fn add(&mut self, path: MediaPath, totals: FlowTotals) {
        if totals.packets() > self.totals.packets() {
            self.path = path;
        }
        add_drops(&mut self.kernel_drops, &totals.incidents);
        let (kernel, relay) = (&mut self.totals.kernel, &mut self.totals.relay);
        kernel.packets += totals.kernel.packets;
        kernel.bytes += totals.kernel.bytes;
        kernel.dropped += totals.kernel.dropped;
        relay.packets += totals.relay.packets;
        relay.bytes += totals.relay.bytes;
        relay.dropped += totals.relay.dropped;
        relay.drops.add(&totals.relay.drops);
    }

    fn report(self) -> DirectionReport {
        let by_reason =
            |(reason, count): (DropReason, u64)| (count > 0).then_some((reason.name(), count));
        let mut dropped: Vec<_> = self
            .totals
            .relay
            .drops
            .dropped()
            .filter_map(by_reason)
            .collect();
        for (reason, count) in self.kernel_drops {
            match dropped.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, known)) => *known += count,
                None => dropped.push((reason, count)),
            }
        }
        DirectionReport {
            from: self.from,
            stream: self.stream,
            path: self.path,
            packets: self.totals.packets(),
            bytes: self.totals.bytes(),
            dropped,
        }
    }
}

fn drops_of(incidents: &FlowIncidents) -> BTreeMap<&'static str, u64> {
    let mut drops = BTreeMap::new();
    add_drops(&mut drops, incidents);
    drops
}

fn add_drops(drops: &mut BTreeMap<&'static str, u64>, incidents: &FlowIncidents) {
    for (reason, count) in incidents.drops().filter(|(_, count)| *count > 0) {
        *drops.entry(reason).or_default() += count;
    }
}

fn carries_rtp(flow: &PlannedFlow) -> bool {
    flow.config.carries.rtp().is_some()
}

/// The path of most packets; without packets, the one that they would take.
fn path_of(flow: &PlannedFlow, totals: &FlowTotals, paths: Paths) -> MediaPath {
    let is_kernel = match totals.kernel.packets.cmp(&totals.relay.packets) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => flow.action == Action::Forward,
    };
    if is_kernel { paths.kernel } else { paths.relay }
}
