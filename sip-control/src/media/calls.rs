//! What control knows of a call: its plan, which flows run, when it was last heard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::flow_plan::{CallMedia, PlannedFlow};
use media_core::report::MediaReport;
use media_core::session::{Session, Side};

use super::carrier::{Carrier, FlowTotals};
use super::direction::{self, Heard, path_of};
use super::silence::Silence;
use super::slots::Latched;
use super::status::{Carried, FlowSample, FlowStatus};

/// A call with flows.
pub(super) struct Call {
    pub(super) media: CallMedia,
    /// The flows that run, as they were planned last: as few as a call has ports, each with a local
    /// address of its own.
    running: Vec<PlannedFlow>,
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
    pub(super) fn new(session: Arc<Session>, now: Instant) -> Call {
        Call {
            media: CallMedia::new(session),
            running: Vec::new(),
            past: Vec::new(),
            silence: Silence::new(now),
            has_failed: false,
        }
    }

    /// Takes a newer session into the plan.
    pub(super) fn update(&mut self, session: Arc<Session>, now: Instant) {
        self.media.update(session);
        self.silence.restart(now);
    }

    /// Makes the flows that run what the plan says.
    pub(super) fn apply(&mut self, carrier: &mut dyn Carrier) -> Applied {
        let planned = self.media.flows();
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|old| planned.iter().any(|flow| flow.local == old.local));
        let mut closed = Vec::with_capacity(gone.len());
        for flow in gone {
            carrier.close(flow.local);
            closed.push(flow.local);
            let totals = carrier.totals(flow.local);
            self.past.push((flow, totals));
        }
        let mut failure = None;
        for flow in &planned {
            if kept.contains(flow) {
                continue;
            }
            if let Err(reason) = carrier.install(self.media.call(), flow) {
                // What ran there before may send what must not be sent any more.
                carrier.close(flow.local);
                failure = Some(reason);
            }
        }
        self.running = planned;
        self.running.shrink_to_fit();
        Applied { closed, failure }
    }

    /// Whether a packet that arrives now finds its way out.
    pub(super) fn is_ready(&self, carrier: &mut dyn Carrier) -> bool {
        self.locals().all(|local| carrier.is_ready(local))
    }

    /// Where its flows arrive.
    pub(super) fn locals(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.running.iter().map(|flow| flow.local)
    }

    /// Closes every flow; what they have done is still to be read until they are released.
    pub(super) fn close(&mut self, carrier: &mut dyn Carrier) {
        for local in self.locals() {
            carrier.close(local);
        }
    }

    /// Forgets every flow and says what all of them have done.
    pub(super) fn release(self, carrier: &mut dyn Carrier) -> MediaReport {
        let report = self.report(carrier);
        for local in self.locals() {
            carrier.release(local);
        }
        report
    }

    /// Takes a latch into the plan; whether that changes it. A report that has crossed a new
    /// SDP is about a peer that is not there any more.
    pub(super) fn latched(&mut self, latched: &Latched) -> bool {
        let is_current = |flow: &PlannedFlow| flow.config.generation == latched.generation;
        self.at(latched.local).is_some_and(is_current)
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
            .iter()
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
            .media_flows()
            .map(|flow| carrier.heard_ns(flow.local))
            .max()
            .unwrap_or(0);
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

    /// The leg whose packets arrive there.
    pub(super) fn side_at(&self, local: SocketAddr) -> Option<Side> {
        self.at(local).map(|flow| flow.side)
    }

    fn at(&self, local: SocketAddr) -> Option<&PlannedFlow> {
        self.running.iter().find(|flow| flow.local == local)
    }

    /// Adds its flows, by stream and side.
    pub(super) fn statuses(&self, carrier: &mut dyn Carrier, into: &mut Vec<FlowStatus>) {
        let paths = carrier.paths();
        let mut flows: Vec<&PlannedFlow> = self.running.iter().collect();
        flows.sort_unstable_by_key(|flow| (flow.stream, flow.side, flow.local));
        let flows: Vec<(&PlannedFlow, FlowTotals)> = flows
            .into_iter()
            .map(|flow| (flow, carrier.totals(flow.local)))
            .collect();
        let heard = Heard::of(flows.iter().map(|(flow, totals)| (*flow, totals)));
        into.extend(flows.iter().map(|(flow, totals)| {
            let quality = totals.quality(flow.codec);
            let opinion = heard.opinion(flow, quality);
            FlowStatus {
                call: self.media.call(),
                from: flow.side,
                stream: flow.stream,
                local: flow.local,
                place: carrier.place(flow.local),
                carries: Carried::of(&flow.config.carries),
                coding: flow.codec,
                source: flow.config.source.clone(),
                latched: carrier.latched(flow.local),
                routes: flow.config.carries.routes().copied().collect(),
                path: path_of(flow, totals, paths),
                packets: totals.packets(),
                bytes: totals.bytes(),
                dropped: totals.dropped(),
                drops: totals.drops(),
                quality,
                mos: opinion.mos,
                far_end: opinion.far_end,
                kernel: (totals.kernel, totals.incidents),
                relay: (totals.relay.counters, totals.relay.incidents),
            }
        }));
    }

    /// Adds how good each direction is.
    pub(super) fn samples(&self, carrier: &mut dyn Carrier, into: &mut Vec<FlowSample>) {
        let paths = carrier.paths();
        direction::samples(self.media.call(), &self.totals(carrier), paths, into);
    }

    fn media_flows(&self) -> impl Iterator<Item = &PlannedFlow> {
        self.running
            .iter()
            .filter(|flow| flow.config.carries.is_media())
    }

    fn report(&self, carrier: &mut dyn Carrier) -> MediaReport {
        let paths = carrier.paths();
        direction::report(&self.totals(carrier), paths)
    }

    /// What every flow has done; those that run come last.
    fn totals(&self, carrier: &mut dyn Carrier) -> Vec<(&PlannedFlow, FlowTotals)> {
        let running = self
            .running
            .iter()
            .map(|flow| (flow, carrier.totals(flow.local)));
        let past = self.past.iter().map(|(flow, totals)| (flow, *totals));
        past.chain(running).collect()
    }
}
