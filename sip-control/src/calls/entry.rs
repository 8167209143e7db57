//! One call while it lasts, as the mirror keeps it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};
use sip_core::stack::{CallRecord, LegRecord, LiveCall, TriedTarget};

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
}

impl Entry {
    pub(super) fn new(live: LiveCall) -> Entry {
        let start = WallClock::now().at(live.start);
        Entry {
            signalling: RwLock::new(Arc::new(Signalling { live, start })),
            quality: Mutex::default(),
        }
    }

    pub(super) fn update(&self, live: LiveCall) {
        let mut signalling = self
            .signalling
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Where the clock was set meanwhile, the call began when it did.
        let start = signalling.start;
        *signalling = Arc::new(Signalling { live, start });
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

/// Call-IDs of a call, and whose they are, as ladders name them.
pub(super) fn dialogs(live: &LiveCall) -> Vec<(String, String)> {
    let callee = Some(&live.legs[1]).filter(|_| !live.targets.is_empty());
    named(&live.sip_call_ids(), &live.first_party, callee)
}

/// The same of a call that is over.
pub(super) fn dialogs_of(record: &CallRecord) -> Vec<(String, String)> {
    let callee = record.callee.as_ref();
    named(&record.sip_call_ids(), &record.first_party, callee)
}

/// The caller's is the first; where it was tried itself, and each target, have the next.
fn named(
    ids: &[&str],
    first_party: &[TriedTarget],
    callee: Option<&LegRecord>,
) -> Vec<(String, String)> {
    let callee = callee.map(|leg| leg.sip_call_id.as_str());
    let is_first_party = |id: &str| {
        let mut tried = first_party.iter();
        tried.any(|target| target.sip_call_id.as_deref() == Some(id))
    };
    let (mut parties, mut targets) = (0, 0);
    let name = |(place, id): (usize, &&str)| {
        let name = match place {
            0 => "caller".to_owned(),
            _ if is_first_party(id) => {
                parties += 1;
                format!("first party {parties}")
            }
            _ if callee == Some(*id) => "callee".to_owned(),
            _ => {
                targets += 1;
                format!("target {targets}")
            }
        };
        ((*id).to_owned(), name)
    };
    ids.iter().enumerate().map(name).collect()
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
        self.live().state.name()
    }
}

#[derive(Serialize)]
struct Fields<'a> {
    call: u64,
    from: &'a str,
    to: &'a str,
    state: &'static str,
    /// Of the caller and of the callee.
    held: [bool; 2],
    start: String,
    answer: Option<String>,
    age_ms: u64,
    caller: cdr::Leg<'a>,
    /// `None` until a target is asked.
    callee: Option<cdr::Leg<'a>>,
    codec: Option<&'a str>,
    targets: Vec<cdr::Target<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    first_party_targets: Vec<cdr::Target<'a>>,
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
            held: live.held,
            start: rfc3339(self.start()),
            answer: self.answer().map(rfc3339),
            age_ms: u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX),
            caller: cdr::leg(caller),
            callee: Some(callee)
                .filter(|_| !live.targets.is_empty())
                .map(cdr::leg),
            codec: live.codec.as_deref(),
            targets: live.targets.iter().map(cdr::target).collect(),
            first_party_targets: live.first_party.iter().map(cdr::target).collect(),
            media: Media {
                directions: &self.directions,
            },
            mos: &self.mos,
        };
        fields.serialize(to)
    }
}
