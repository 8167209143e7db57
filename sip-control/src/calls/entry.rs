//! One call while it lasts, as the mirror keeps it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};
use sip_core::stack::{CallRecord, LiveCall};

use super::lock;
use super::quality::{CallQuality, DirectionView, RecentMos};
use crate::cdr;
use crate::clock::{WallClock, rfc3339};

/// A call of the mirror.
pub(super) struct Entry {
    signalling: RwLock<Arc<Signalling>>,
    quality: Mutex<CallQuality>,
}

/// What signalling knows of a call.
#[derive(Debug)]
pub(super) struct Signalling {
    pub(super) live: LiveCall,
    start: SystemTime,
    /// Call-IDs of the caller's leg and of every target that was seen, in order.
    pub(super) call_ids: Vec<String>,
}

impl Entry {
    pub(super) fn new(live: LiveCall) -> Entry {
        let start = WallClock::now().at(live.start);
        let signalling = Signalling::after(None, live, start);
        Entry {
            signalling: RwLock::new(Arc::new(signalling)),
            quality: Mutex::default(),
        }
    }

    pub(super) fn update(&self, live: LiveCall) {
        let before = self.signalling();
        let after = Signalling::after(Some(&before), live, before.start);
        let mut signalling = self
            .signalling
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *signalling = Arc::new(after);
    }

    pub(super) fn signalling(&self) -> Arc<Signalling> {
        let signalling = self
            .signalling
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&signalling)
    }

    pub(super) fn quality(&self) -> MutexGuard<'_, CallQuality> {
        lock(&self.quality)
    }

    pub(super) fn view(&self) -> LiveView {
        let signalling = self.signalling();
        let (directions, mos) = {
            let quality = self.quality();
            (quality.views(), quality.recent())
        };
        LiveView {
            age: signalling.live.start.elapsed(),
            signalling,
            directions,
            mos,
        }
    }
}

impl Signalling {
    fn after(before: Option<&Signalling>, live: LiveCall, start: SystemTime) -> Signalling {
        let mut call_ids = before.map_or_else(Vec::new, |before| before.call_ids.clone());
        for leg in &live.legs {
            if !leg.sip_call_id.is_empty() && !call_ids.contains(&leg.sip_call_id) {
                call_ids.push(leg.sip_call_id.clone());
            }
        }
        Signalling {
            live,
            start,
            call_ids,
        }
    }

    /// Call-IDs and whose they are, as ladders name them.
    pub(super) fn dialogs(&self) -> Vec<(String, String)> {
        let [caller, callee] = &self.live.legs;
        named(
            &caller.sip_call_id,
            Some(&callee.sip_call_id),
            &self.call_ids,
        )
    }
}

/// The same of a call that is over.
pub(super) fn dialogs_of(record: &CallRecord) -> Vec<(String, String)> {
    let callee = record.callee.as_ref().map(|leg| leg.sip_call_id.as_str());
    let targets: Vec<String> = record
        .targets
        .iter()
        .filter_map(|target| target.sip_call_id.clone())
        .collect();
    named(&record.caller.sip_call_id, callee, &targets)
}

/// The caller's, then each target's; the last target that was reached is the callee.
fn named(caller: &str, callee: Option<&str>, others: &[String]) -> Vec<(String, String)> {
    let mut dialogs = vec![(caller.to_owned(), "caller".to_owned())];
    let others = others.iter().map(String::as_str);
    let targets = others.filter(|id| *id != caller);
    let mut number = 0;
    for id in targets.chain(callee) {
        if dialogs.iter().any(|(known, _)| known == id) {
            continue;
        }
        number += 1;
        let name = match callee == Some(id) {
            true => "callee".to_owned(),
            false => format!("target {number}"),
        };
        dialogs.push((id.to_owned(), name));
    }
    dialogs
}

/// A live call, as the API tells it.
#[derive(Clone, Debug)]
pub(crate) struct LiveView {
    signalling: Arc<Signalling>,
    age: Duration,
    pub(crate) directions: Vec<DirectionView>,
    pub(crate) mos: Vec<RecentMos>,
}

impl LiveView {
    pub(crate) fn call(&self) -> u64 {
        self.signalling.live.call.0
    }

    pub(crate) fn live(&self) -> &LiveCall {
        &self.signalling.live
    }

    /// By the wall clock.
    pub(crate) fn start(&self) -> SystemTime {
        self.signalling.start
    }

    /// By the wall clock; it agrees with [`LiveView::start`] whatever was done to the clock since.
    pub(crate) fn answer(&self) -> Option<SystemTime> {
        let live = self.live();
        let after = live.answer?.saturating_duration_since(live.start);
        self.signalling.start.checked_add(after)
    }

    /// In one word: `locating`, `ringing`, `answered`, `held`, `ending`.
    pub(crate) fn state(&self) -> &'static str {
        match self.live().answer {
            Some(_) => "answered",
            None => "ringing",
        }
    }
}

#[derive(Serialize)]
struct Fields<'a> {
    call: u64,
    from: &'a str,
    to: &'a str,
    state: &'static str,
    start: String,
    answer: Option<String>,
    age_ms: u64,
    caller: cdr::Leg<'a>,
    callee: cdr::Leg<'a>,
    media: Media<'a>,
    mos: &'a [RecentMos],
}

#[derive(Serialize)]
struct Media<'a> {
    directions: &'a [DirectionView],
}

impl Serialize for LiveView {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let live = self.live();
        let [caller, callee] = &live.legs;
        let fields = Fields {
            call: live.call.0,
            from: &live.from,
            to: &live.to,
            state: self.state(),
            start: rfc3339(self.start()),
            answer: self.answer().map(rfc3339),
            age_ms: u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX),
            caller: cdr::leg(caller),
            callee: cdr::leg(callee),
            media: Media {
                directions: &self.directions,
            },
            mos: &self.mos,
        };
        fields.serialize(to)
    }
}
