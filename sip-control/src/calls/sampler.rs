//! Looks at the flows of live calls: all of them every few seconds, those that somebody watches each
//! second; and tells when the quality of one becomes low, and normal again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use media_core::session::CallId;

use super::alarm::Change;
use super::entry::Entry;
use super::history::most_samples;
use super::quality::Turn;
use super::{Live, lock};
use crate::cdr;
use crate::events::{Event, kind};
use crate::media::{FlowSample, MediaPlane};

/// Between two looks at a call.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at one that somebody watches.
const TICK: Duration = Duration::from_secs(1);
/// Calls that are asked for at once: the media plane does nothing else meanwhile, some hundred
/// microseconds.
const CHUNK: usize = 200;
/// Between two of them: others who ask the media plane, or need the CPU, have their turn.
const REST: Duration = Duration::from_millis(5);

/// Who knows the flows.
pub(crate) trait Flows: Send + Sync {
    /// May wait.
    fn samples(&self, calls: Vec<CallId>) -> Vec<FlowSample>;
}

impl Flows for MediaPlane {
    fn samples(&self, calls: Vec<CallId>) -> Vec<FlowSample> {
        MediaPlane::samples(self, calls)
    }
}

impl Live {
    pub(super) fn sample_until_closed(&self, flows: &dyn Flows) {
        let mut all_at = Instant::now() + LOOK_EVERY;
        while !self.is_closing() {
            std::thread::park_timeout(TICK);
            let now = Instant::now();
            if now >= all_at {
                all_at = now + LOOK_EVERY;
                let entries = self.entries();
                self.sample(flows, entries.clone());
                self.weigh(&entries);
            } else {
                self.sample(flows, self.watched_entries(now));
            }
        }
    }

    fn watched_entries(&self, now: Instant) -> Vec<Arc<Entry>> {
        let mut watched = lock(&self.watched);
        watched.retain(|_, until| *until > now);
        let ids: Vec<u64> = watched.keys().copied().collect();
        drop(watched);
        ids.into_iter().filter_map(|id| self.entry(id)).collect()
    }

    /// Takes a look at these calls.
    pub(super) fn sample(&self, flows: &dyn Flows, entries: Vec<Arc<Entry>>) {
        let directions = entries.iter().map(|entry| entry.quality().directions());
        let most = most_samples(directions.sum::<usize>().max(2));
        for (place, chunk) in entries.chunks(CHUNK).enumerate() {
            if place > 0 {
                std::thread::park_timeout(REST);
            }
            let by_call: HashMap<CallId, &Arc<Entry>> = chunk
                .iter()
                .map(|entry| (entry.signalling().live.call, entry))
                .collect();
            for sample in flows.samples(by_call.keys().copied().collect()) {
                if let Some(entry) = by_call.get(&sample.call) {
                    self.observe(entry, sample, most);
                }
            }
            if self.is_closing() {
                return;
            }
        }
    }

    /// Remembers what the histories of all calls take.
    pub(super) fn weigh(&self, entries: &[Arc<Entry>]) {
        let bytes = entries.iter().map(|entry| entry.quality().bytes()).sum();
        self.quality_bytes.store(bytes, Ordering::Relaxed);
    }

    fn observe(&self, entry: &Entry, sample: FlowSample, most: usize) {
        let signalling = entry.signalling();
        let below = (self.settings.quality_below * 100.0).round() as u16;
        let at = signalling.live.start.elapsed();
        let turn = entry.quality().observe(sample, at, most, below);
        if let Some(turn) = turn {
            let from = signalling.live.legs.get(sample.from.index());
            let trunk = from.and_then(|leg| leg.trunk.clone());
            self.hub.publish(self.told(sample.call, trunk, turn));
        }
    }

    fn told(&self, call: CallId, trunk: Option<String>, turn: Turn) -> Event {
        let who = cdr::side(turn.from);
        let below = self.settings.quality_below;
        let (kind, text) = match turn.change {
            Change::Low => (
                kind::QUALITY_LOW,
                format!(
                    "what comes from the {who} has MOS {:.2}, below {below:.2}",
                    turn.mos
                ),
            ),
            Change::Normal => (
                kind::QUALITY_NORMAL,
                format!("what comes from the {who} has MOS {:.2} again", turn.mos),
            ),
        };
        Event::new(kind, text)
            .of_call(call.0)
            .of_trunk(trunk)
            .with("from", who)
            .with("stream", turn.stream)
            .with("mos", turn.mos)
            .with("below", below)
    }
}
