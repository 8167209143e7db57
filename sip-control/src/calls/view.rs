//! What readers ask of live calls, and what they get.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::entry::{Entry, dialogs};
use super::ladder::{Dialogs, Kept};
use super::quality::QualityHistory;
use super::sampler::LOOK_EVERY;
use super::{Live, LiveView, MOST_WATCHED, WATCHED_FOR, lock};
use crate::clock::rfc3339;
use crate::store::CallRow;

/// Calls that a list looks at together.
const CHUNK: usize = 256;

/// Which live calls; all that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiveQuery {
    /// Of either side.
    pub(crate) trunk: Option<String>,
    /// Within From, To or a Call-ID, in upper or lower case (of ASCII).
    pub(crate) search: Option<String>,
    /// Only calls with lower numbers: `next` of the page before.
    pub(crate) before: Option<u64>,
    pub(crate) limit: usize,
}

/// The newest first.
#[derive(Clone, Debug)]
pub(crate) struct LivePage {
    pub(crate) items: Vec<LiveView>,
    /// `None` at the end.
    pub(crate) next: Option<u64>,
}

/// The messages of a call, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct CallLadder {
    pub(crate) messages: Vec<LadderMessage>,
    /// There were more: memory had no room for them, or no ladders are kept.
    pub(crate) truncated: bool,
}

/// A message of a ladder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LadderMessage {
    pub(crate) time: String,
    /// Since the first message.
    pub(crate) offset_ms: u64,
    /// Addresses and ports.
    pub(crate) from: String,
    pub(crate) to: String,
    /// `caller`, `callee`, or `target n`.
    pub(crate) leg: String,
    pub(crate) transport: &'static str,
    /// `in` or `out`.
    pub(crate) direction: &'static str,
    pub(crate) summary: String,
    /// That of the request, for a response too.
    pub(crate) method: String,
    pub(crate) status: Option<u16>,
    /// Redacted.
    pub(crate) text: String,
}

/// What following the calls takes, and what it could not follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct LiveHealth {
    pub(crate) calls: usize,
    pub(crate) ladder_bytes: usize,
    /// Messages that made room for others while their calls lasted.
    pub(crate) ladder_evicted: u64,
    /// Messages that are missing because too many came at once.
    pub(crate) messages_lost: u64,
    /// Changes and ends of calls that are missing for the same reason.
    pub(crate) changes_lost: u64,
    /// At the latest look at all flows.
    pub(crate) quality_bytes: usize,
}

impl Live {
    /// Takes some calls at a time: nobody who has news of calls waits until all were looked at.
    pub(crate) fn list(&self, query: &LiveQuery) -> LivePage {
        self.settle();
        let search = query.search.as_ref().map(|text| text.to_ascii_lowercase());
        let mut items: Vec<LiveView> = Vec::new();
        let mut before = query.before;
        loop {
            let entries = self.entries_below(before, CHUNK);
            for entry in &entries {
                before = Some(entry.signalling().live.call.0);
                if !is_wanted(entry, query, search.as_deref()) {
                    continue;
                }
                if items.len() == query.limit {
                    let next = items.last().map(LiveView::call);
                    return LivePage { items, next };
                }
                items.push(entry.view());
            }
            if entries.len() < CHUNK {
                return LivePage { items, next: None };
            }
        }
    }

    /// A live call; it is looked at more often for a while.
    pub(crate) fn get(&self, call: u64) -> Option<LiveView> {
        let entry = self.entry(call)?;
        self.watch(call);
        Some(entry.view())
    }

    /// How many are up.
    pub(crate) fn count(&self) -> usize {
        self.settle();
        let calls = self.calls.read().unwrap_or_else(PoisonError::into_inner);
        calls.len()
    }

    /// The messages of a live call.
    pub(crate) fn ladder(&self, call: u64) -> Option<CallLadder> {
        let entry = self.entry(call)?;
        self.watch(call);
        // Those that the driver has left a moment ago too.
        self.take_messages();
        Some(self.ladder_of(&dialogs(&entry.signalling().live)))
    }

    /// How good a live call was so far.
    pub(crate) fn quality(&self, call: u64) -> Option<QualityHistory> {
        let entry = self.entry(call)?;
        self.watch(call);
        let history = entry.quality().history(LOOK_EVERY);
        Some(history)
    }

    /// A call that was over a moment ago, which the store may not have yet: as it will be there.
    pub(crate) fn just_ended(&self, call: u64) -> Option<CallRow> {
        self.settle();
        self.take_messages();
        let over = lock(&self.ended).find(call)?;
        Some(self.row(&over))
    }

    pub(crate) fn health(&self) -> LiveHealth {
        let calls = self.count();
        let (messages_lost, changes_lost) = {
            let intake = lock(&self.intake);
            (intake.messages_lost, intake.changes_lost)
        };
        let ladder = lock(&self.ladder);
        LiveHealth {
            calls,
            ladder_bytes: ladder.bytes(),
            ladder_evicted: ladder.evicted(),
            messages_lost,
            changes_lost,
            quality_bytes: self.quality_bytes.load(Ordering::Relaxed),
        }
    }

    /// The dialogs of a call, by Call-ID and name, as one ladder.
    pub(super) fn ladder_of(&self, dialogs: &[(String, String)]) -> CallLadder {
        let ids = dialogs.iter().map(|(id, _)| id.as_str());
        let found = lock(&self.ladder).of(ids);
        CallLadder::told(&found, dialogs)
    }

    fn watch(&self, call: u64) {
        let mut watched = lock(&self.watched);
        let now = Instant::now();
        if watched.len() >= MOST_WATCHED {
            watched.retain(|_, until| *until > now);
        }
        if watched.len() < MOST_WATCHED || watched.contains_key(&call) {
            watched.insert(call, now + WATCHED_FOR);
        }
    }
}

fn is_wanted(entry: &Entry, query: &LiveQuery, search: Option<&str>) -> bool {
    let signalling = entry.signalling();
    let live = &signalling.live;
    let of_trunk = query.trunk.as_ref().is_none_or(|trunk| {
        let mut trunks = live.legs.iter().filter_map(|leg| leg.trunk.as_ref());
        trunks.any(|name| name.eq_ignore_ascii_case(trunk))
    });
    of_trunk
        && search.is_none_or(|search| {
            let ids = live.sip_call_ids().into_iter();
            let mut texts = [live.from.as_str(), &live.to].into_iter().chain(ids);
            texts.any(|text| text.to_ascii_lowercase().contains(search))
        })
}

impl CallLadder {
    pub(super) fn told(found: &Dialogs, dialogs: &[(String, String)]) -> CallLadder {
        let first = found.messages.first().map(|(_, kept)| kept.at);
        let message = |(place, kept): &(usize, Arc<Kept>)| {
            let leg = dialogs.get(*place).map_or("", |(_, name)| name);
            ladder_message(kept, leg, first.unwrap_or(kept.at))
        };
        CallLadder {
            messages: found.messages.iter().map(message).collect(),
            truncated: found.truncated,
        }
    }
}

fn ladder_message(kept: &Kept, leg: &str, first: Instant) -> LadderMessage {
    let local = kept
        .local
        .map_or_else(String::new, |local| local.to_string());
    let remote = kept.remote.clone();
    let (from, to) = if kept.is_in {
        (remote, local)
    } else {
        (local, remote)
    };
    // Not by the wall: its clock may have been set meanwhile.
    let offset = kept.at.saturating_duration_since(first);
    LadderMessage {
        time: rfc3339(kept.time),
        offset_ms: u64::try_from(offset.as_millis()).unwrap_or(u64::MAX),
        from,
        to,
        leg: leg.to_owned(),
        transport: kept.transport.uri_token(),
        direction: if kept.is_in { "in" } else { "out" },
        summary: kept.summary.clone(),
        method: kept.method.clone(),
        status: kept.status,
        text: kept.text.clone(),
    }
}
