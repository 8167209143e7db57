//! A call as others see it: its events, and the record that remains.

use std::time::{Duration, Instant};

use media_core::report::MediaReport;
use media_core::session::Side;

use super::context::Context;
use super::outcome::Outcome;
use super::parties::Parties;
use super::places::{Branch, target_uri};
use crate::message::StatusCode;
use crate::stack::{
    CallRecord, CallState, Command, EndedBy, Event, EventKind, LegRecord, LiveCall, TriedTarget,
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
    /// The target in hand has said that it rings.
    rang: bool,
    /// On hold as of the latest event.
    told_held: [bool; 2],
    end: Option<(Instant, Outcome)>,
    /// The trunks that the call counts on, while it does (TRK-6).
    counted: [Option<TrunkId>; 2],
    /// When it will have lasted as long as it may; `None` before the answer and after the end.
    too_long_at: Option<Instant>,
    pub(super) targets: Vec<TriedTarget>,
    /// [`CallRecord::first_party`].
    first_party: Vec<TriedTarget>,
}

impl Draft {
    pub(super) fn new(from: String, to: String, start: Instant) -> Draft {
        Draft {
            from,
            to,
            user: None,
            start,
            answer: None,
            rang: false,
            told_held: [false; 2],
            end: None,
            counted: [None; 2],
            too_long_at: None,
            targets: Vec::new(),
            first_party: Vec::new(),
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
        self.count(cx, Side::Caller);
        if self.placed.is_none() {
            self.count(cx, Side::Callee);
        }
        let text = format!("{} calls {}", self.draft.from, self.draft.to);
        self.event(cx, EventKind::CallStarted, Side::Caller, None, text);
    }

    /// The call takes a place among those of a side's trunk.
    pub(super) fn count(&mut self, cx: &mut Context, side: Side) {
        let trunk = self.leg(side).trunk.id;
        cx.loads.begin(trunk);
        self.draft.counted[side.index()] = Some(trunk);
    }

    /// The first party of a call that we place has answered, and the other one is called now.
    pub(super) fn begin_anew(&mut self) {
        self.draft.first_party = std::mem::take(&mut self.draft.targets);
        self.draft.rang = false;
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
        for trunk in std::mem::take(&mut self.draft.counted)
            .into_iter()
            .flatten()
        {
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
        self.moving_left(cx, outcome.ended_by);
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
        let codec = self.codec();
        let targets = std::mem::take(&mut self.draft.targets);
        let was_invited = targets.iter().any(|target| target.sip_call_id.is_some());
        let was_invited = was_invited && !self.calls_first_party();
        let ended_by = match outcome.ended_by {
            EndedBy::Caller => self.place_of(Side::Caller).into(),
            EndedBy::Callee => self.place_of(Side::Callee).into(),
            EndedBy::Trunkline => EndedBy::Trunkline,
        };
        let record = CallRecord {
            call: self.id,
            caller: self.leg_record(self.place_of(Side::Caller)),
            callee: was_invited.then(|| self.leg_record(Side::Callee)),
            from: self.draft.from.clone(),
            to: self.draft.to.clone(),
            start: self.draft.start,
            answer: self.draft.answer,
            end,
            ended_by,
            status: outcome.status,
            code: outcome.code,
            reason: outcome.reason,
            codec,
            media,
            targets,
            first_party: std::mem::take(&mut self.draft.first_party),
        };
        cx.commands.push_back(Command::Record(Box::new(record)));
    }

    pub(super) fn describe(&self, is_ending: bool) -> LiveCall {
        let held = self.held();
        LiveCall {
            call: self.id,
            state: match () {
                () if is_ending => CallState::Ending,
                () if self.is_answered() && held != [false; 2] => CallState::Held,
                () if self.is_answered() => CallState::Answered,
                () if self.draft.rang => CallState::Ringing,
                () => CallState::Locating,
            },
            held,
            legs: [Side::Caller, Side::Callee].map(|side| self.leg_record(self.place_of(side))),
            from: self.draft.from.clone(),
            to: self.draft.to.clone(),
            start: self.draft.start,
            answer: self.draft.answer,
            codec: self.codec(),
            targets: self.draft.targets.clone(),
            first_party: self.draft.first_party.clone(),
        }
    }

    fn codec(&self) -> Option<String> {
        let mut legs = [Side::Caller, Side::Callee].into_iter();
        legs.find_map(|side| self.media.leg(side)?.codec)
    }

    /// Which sides are on hold.
    fn held(&self) -> [bool; 2] {
        match self.is_answered() {
            true if self.hold.is_in_force() => [true; 2],
            true => self.media.held(),
            false => [false; 2],
        }
    }

    /// Tells of a hold that began or is over.
    pub(super) fn tell_of_hold(&mut self, cx: &mut Context) {
        let held = self.held();
        if self.draft.end.is_some() || held == self.draft.told_held {
            return;
        }
        self.draft.told_held = held;
        let (kind, side, text) = match held {
            [false, false] => (EventKind::CallResumed, Side::Caller, "resumed"),
            [false, true] => (EventKind::CallHeld, Side::Caller, "held by the caller"),
            [true, false] => (EventKind::CallHeld, Side::Callee, "held by the callee"),
            [true, true] if self.hold.is_in_force() => {
                (EventKind::CallHeld, Side::Caller, "held by an operator")
            }
            [true, true] => (EventKind::CallHeld, Side::Caller, "held by both sides"),
        };
        self.event(cx, kind, side, None, text.to_owned());
    }

    /// The target in hand is on its way to an answer.
    pub(super) fn rings(&mut self, cx: &mut Context, status: StatusCode) {
        if !std::mem::replace(&mut self.draft.rang, true) {
            let who = match self.calls_first_party() {
                true => "the first party: ",
                false => "",
            };
            let text = format!("{who}{status} {}", status.reason());
            let text = text.trim_end().to_owned();
            self.event(cx, EventKind::CallRinging, Side::Callee, None, text);
        }
    }

    /// The next target is asked.
    pub(super) fn rings_no_more(&mut self) {
        self.draft.rang = false;
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
