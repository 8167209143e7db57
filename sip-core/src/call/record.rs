//! A call as others see it: its events, and the record that remains.

use std::time::{Duration, Instant};

use media_core::report::MediaReport;
use media_core::session::Side;

use super::context::Context;
use super::outcome::Outcome;
use super::parties::Parties;
use super::places::{Branch, target_uri};
use crate::stack::{
    CallRecord, Command, EndedBy, Event, EventKind, LegRecord, LiveCall, TriedTarget,
};
use crate::transport::Host;
use crate::trunk::{Hop, TrunkId};

/// What a record says besides the legs.
pub(super) struct Draft {
    /// The caller's URI.
    from: String,
    /// The called URI.
    to: String,
    /// Who the caller authenticated as.
    user: Option<String>,
    start: Instant,
    answer: Option<Instant>,
    end: Option<(Instant, Outcome)>,
    /// The trunks that the call counts on, while it does (TRK-6).
    counted: Option<[TrunkId; 2]>,
    /// When it will have lasted as long as it may; `None` before the answer and after the end.
    too_long_at: Option<Instant>,
    pub(super) targets: Vec<TriedTarget>,
}

impl Draft {
    pub(super) fn new(from: String, to: String, start: Instant) -> Draft {
        Draft {
            from,
            to,
            user: None,
            start,
            answer: None,
            end: None,
            counted: None,
            too_long_at: None,
            targets: Vec::new(),
        }
    }

    pub(super) fn by(self, user: Option<String>) -> Draft {
        Draft { user, ..self }
    }
}

impl Draft {
    /// Of several places that target is the one that answered.
    pub(super) fn tried_at(&mut self, place: &Branch) {
        let target = &place.target;
        if let (Some(tried), Host::Address(address)) = (self.targets.last_mut(), &target.host) {
            tried.uri = target_uri(target).to_string();
            tried.hop = Some(Hop {
                transport: target.transport,
                address: (*address, target.port).into(),
            });
        }
    }
}

impl Parties {
    pub(super) fn started(&mut self, cx: &mut Context) {
        cx.counters.calls_started += 1;
        let trunks = [Side::Caller, Side::Callee].map(|side| self.leg(side).trunk.id);
        for trunk in trunks {
            cx.loads.begin(trunk);
        }
        self.draft.counted = Some(trunks);
        let text = format!("{} calls {}", self.draft.from, self.draft.to);
        self.event(cx, EventKind::CallStarted, Side::Caller, None, text);
    }

    pub(super) fn answered(&mut self, cx: &mut Context) {
        self.draft.answer = Some(cx.now);
        self.draft.too_long_at = self.longest().and_then(|length| cx.now.checked_add(length));
        cx.counters.calls_answered += 1;
        self.event(
            cx,
            EventKind::CallAnswered,
            Side::Callee,
            None,
            "answered".to_owned(),
        );
    }

    /// The shorter of what both trunks allow.
    fn longest(&self) -> Option<Duration> {
        let length = |side| self.leg(side).trunk.settings.limits.length;
        [Side::Caller, Side::Callee]
            .into_iter()
            .filter_map(length)
            .min()
    }

    /// When the call has to end (TRK-6).
    pub(super) fn too_long_at(&self) -> Option<Instant> {
        self.draft.too_long_at
    }

    pub(super) fn is_answered(&self) -> bool {
        self.draft.answer.is_some()
    }

    /// The call is over: its media goes, and its record is written when that is gone. What else is
    /// due on the legs is the state's business.
    pub(super) fn finish(&mut self, cx: &mut Context, outcome: Outcome) {
        cx.counters.calls_ended += 1;
        self.draft.too_long_at = None;
        for trunk in self.draft.counted.take().into_iter().flatten() {
            cx.loads.end(trunk);
        }
        let side = match outcome.ended_by {
            EndedBy::Callee => Side::Callee,
            EndedBy::Caller | EndedBy::Trunkline => Side::Caller,
        };
        let text = format!("{} {}", outcome.status, outcome.reason);
        self.event(cx, EventKind::CallEnded, side, outcome.code, text);
        self.abandon_relays(cx);
        self.abandon_transfer(cx);
        self.draft.end = Some((cx.now, outcome));
        if self.media.remove(cx) {
            self.write_record(cx, None);
        }
    }

    pub(super) fn media_removed(&mut self, cx: &mut Context, report: MediaReport) {
        if let Some(report) = self.media.removed(cx, report) {
            self.write_record(cx, Some(report));
        }
    }

    fn write_record(&mut self, cx: &mut Context, media: Option<MediaReport>) {
        let Some((end, outcome)) = self.draft.end.take() else {
            return;
        };
        let codec = [Side::Caller, Side::Callee]
            .into_iter()
            .find_map(|side| self.media.leg(side)?.codec);
        let targets = std::mem::take(&mut self.draft.targets);
        let was_invited = targets.iter().any(|target| target.sip_call_id.is_some());
        let record = CallRecord {
            call: self.id,
            caller: self.leg_record(Side::Caller),
            callee: was_invited.then(|| self.leg_record(Side::Callee)),
            from: self.draft.from.clone(),
            to: self.draft.to.clone(),
            start: self.draft.start,
            answer: self.draft.answer,
            end,
            ended_by: outcome.ended_by,
            status: outcome.status,
            code: outcome.code,
            reason: outcome.reason,
            codec,
            media,
            targets,
        };
        cx.commands.push_back(Command::Record(Box::new(record)));
    }

    pub(super) fn describe(&self) -> LiveCall {
        LiveCall {
            call: self.id,
            legs: [Side::Caller, Side::Callee].map(|side| self.leg_record(side)),
            from: self.draft.from.clone(),
            to: self.draft.to.clone(),
            start: self.draft.start,
            answer: self.draft.answer,
        }
    }

    fn leg_record(&self, side: Side) -> LegRecord {
        let leg = self.leg(side);
        let agreed = self.media.leg(side);
        let user = match side {
            Side::Caller => self.draft.user.clone(),
            Side::Callee => None,
        };
        LegRecord {
            sip_call_id: leg.key.call_id.clone(),
            user,
            trunk: Some(leg.trunk.settings.name.clone()),
            transport: leg.transport,
            remote: leg.remote,
            profile: agreed.as_ref().map(|media| media.profile),
            suite: agreed.and_then(|media| media.suite),
        }
    }

    pub(super) fn event(
        &self,
        cx: &mut Context,
        kind: EventKind,
        side: Side,
        code: Option<u32>,
        text: String,
    ) {
        let leg = self.leg(side);
        cx.event(Event {
            kind,
            call: Some(self.id),
            trunk: Some(leg.trunk.settings.name.clone()),
            peer: leg.remote.map(|remote| (leg.transport, remote)),
            code,
            text,
        });
    }
}
