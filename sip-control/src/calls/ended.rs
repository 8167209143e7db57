//! Calls that are over, on their way to the store: with the last messages, which come a moment after
//! the record, their ladder, and how good they were.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::quality::Mos;
use sip_core::stack::CallRecord;

use super::entry::{Entry, dialogs_of};
use super::ladder::Dialogs;
use super::sampler::LOOK_EVERY;
use super::view::CallLadder;
use super::{Live, lock};
use crate::cdr;
use crate::clock::WallClock;
use crate::events::unix_ms;
use crate::store::CallRow;

/// After the record the last ACK or answer may still come.
const LINGER: Duration = Duration::from_secs(1);
/// Calls that linger; of more the first go to the store at once.
const LINGERING: usize = 8192;
/// Until the store has written it, a call is known here; no more than that many.
const REMEMBERED: usize = 2048;
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// Calls that are over.
#[derive(Default)]
pub(super) struct Ended {
    /// The first due first.
    waiting: VecDeque<(Instant, Over)>,
    /// Those that the store has been given.
    given: VecDeque<(Instant, Over)>,
}

/// A call that is over: all that its row is made of.
#[derive(Clone)]
pub(super) struct Over {
    record: Arc<CallRecord>,
    entry: Option<Arc<Entry>>,
    /// Its times are told by this one, whoever asks and when.
    clock: WallClock,
    /// `None` while some may still come.
    messages: Option<Arc<Dialogs>>,
}

impl Ended {
    pub(super) fn wait(&mut self, record: Box<CallRecord>, entry: Option<Arc<Entry>>) {
        let over = Over {
            record: Arc::from(record),
            entry,
            clock: WallClock::now(),
            messages: None,
        };
        self.waiting.push_back((Instant::now() + LINGER, over));
    }

    /// The next that is due; `None` as the time: all are.
    fn next_due(&mut self, now: Option<Instant>) -> Option<Over> {
        let (due, _) = self.waiting.front()?;
        let is_due = now.is_none_or(|now| *due <= now) || self.waiting.len() > LINGERING;
        let (_, over) = is_due.then(|| self.waiting.pop_front()).flatten()?;
        Some(over)
    }

    fn remember(&mut self, over: Over) {
        let now = Instant::now();
        self.given.push_back((now, over));
        let is_old = |given: &(Instant, _)| now.saturating_duration_since(given.0) > REMEMBERED_FOR;
        while self.given.len() > REMEMBERED || self.given.front().is_some_and(is_old) {
            self.given.pop_front();
        }
    }

    pub(super) fn find(&self, call: u64) -> Option<Over> {
        let mut over = self.waiting.iter().chain(&self.given).map(|(_, over)| over);
        over.find(|over| over.record.call.0 == call).cloned()
    }
}

impl Live {
    /// Gives the store what is due; without a time, everything.
    pub(super) fn finish_ended(&self, now: Option<Instant>) {
        loop {
            let due = lock(&self.ended).next_due(now);
            let Some(mut over) = due else {
                return;
            };
            let dialogs = dialogs_of(&over.record);
            let ids = || dialogs.iter().map(|(id, _)| id.as_str());
            let messages = {
                let mut ladder = lock(&self.ladder);
                let messages = ladder.of(ids());
                ladder.forget(ids());
                messages
            };
            over.messages = Some(Arc::new(messages));
            // What nobody keeps is written when somebody asks.
            if let Some(journal) = &self.journal {
                journal(self.row(&over));
            }
            lock(&self.ended).remember(over);
        }
    }

    /// What the store keeps of a call.
    pub(super) fn row(&self, over: &Over) -> CallRow {
        let record = &*over.record;
        let ms = |then: Instant| unix_ms(over.clock.at(then));
        let trunk = |leg: &sip_core::stack::LegRecord| leg.trunk.clone();
        let media = record
            .media
            .as_ref()
            .map_or(&[][..], |media| &media.directions);
        let least = media.iter().filter_map(|direction| direction.mos).min();
        CallRow {
            call: record.call.0,
            start_ms: ms(record.start),
            answer_ms: record.answer.map(ms),
            end_ms: ms(record.end),
            from: record.from.clone(),
            to: record.to.clone(),
            caller_trunk: trunk(&record.caller),
            callee_trunk: record.callee.as_ref().and_then(trunk),
            status: record.status,
            code: record.code,
            ended_by: record.ended_by.name(),
            mos_min: least.map(Mos::as_f64),
            // Numbers and text only: there is nothing that cannot be written.
            record: serde_json::to_string(&cdr::record(record, over.clock)).unwrap_or_default(),
            ladder: self.ladder_json(over),
            quality: quality_json(record, over.entry.as_deref()),
        }
    }

    fn ladder_json(&self, over: &Over) -> Option<String> {
        if self.settings.ladder_bytes == 0 {
            return None;
        }
        let dialogs = dialogs_of(&over.record);
        let ladder = match &over.messages {
            Some(messages) => CallLadder::told(messages, &dialogs),
            None => self.ladder_of(&dialogs),
        };
        (!ladder.messages.is_empty())
            .then(|| serde_json::to_string(&ladder).ok())
            .flatten()
    }
}

fn quality_json(record: &CallRecord, entry: Option<&Entry>) -> Option<String> {
    let media = record.media.as_ref()?;
    let lasted = record.end.saturating_duration_since(record.start);
    let history = match entry {
        Some(entry) => {
            let mut quality = entry.quality();
            quality.finish(&media.directions, lasted);
            quality.history(LOOK_EVERY)
        }
        None => return None,
    };
    serde_json::to_string(&history).ok()
}
