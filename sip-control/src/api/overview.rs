//! The daemon at a glance, as `trunkline status --json` prints it.

use std::collections::HashMap;

use media_core::quality::Mos;
use media_core::session::CallId;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use sip_core::stack::LiveCall;
use utoipa::ToSchema;

use super::Api;
use super::openapi::views::{Counters, LegView, Verdicts};
use super::status::{Certificate, OurRegistration, Snapshot, Target, age_ms, verdicts};
use crate::calls::LiveQuery;
use crate::cdr;
use crate::media::FlowSample;

/// Calls that are told one by one; of more, only how many.
const CALLS: usize = 100;

/// Everything at a glance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Status)]
pub(super) struct Overview {
    version: &'static str,
    /// What carries media: `xdp` or `socket`.
    backend: &'static str,
    attach_mode: Option<&'static str>,
    /// Why it is not XDP.
    fallback_reason: Option<String>,
    /// New calls are refused.
    draining: bool,
    /// RFC 3339, UTC; `null` unless it is draining.
    draining_since: Option<String>,
    #[schema(value_type = Verdicts)]
    verdicts: Value,
    targets: Vec<Target>,
    registrations: Vec<OurRegistration>,
    /// Those that began last, 100 at most, in order; `/calls` has all.
    calls: Vec<Call>,
    /// How many more are up.
    more_calls: usize,
    #[schema(value_type = Counters)]
    counters: Value,
    certificates: Vec<Certificate>,
}

/// A call that is up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatusCall)]
struct Call {
    call: u64,
    from: String,
    to: String,
    age_ms: u64,
    /// How long ago it was answered.
    answered_ms: Option<u64>,
    #[schema(value_type = LegView)]
    caller: Box<RawValue>,
    #[schema(value_type = LegView)]
    callee: Box<RawValue>,
    media: Media,
}

#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = StatusMedia)]
struct Media {
    directions: Vec<Direction>,
}

/// What one side sends.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatusDirection)]
struct Direction {
    from: &'static str,
    stream: usize,
    local: String,
    path: &'static str,
    packets: u64,
    bytes: u64,
    dropped: u64,
    lost: u64,
    jitter_ms: Option<f64>,
    mos: Option<f64>,
}

impl Overview {
    /// Waits for the media plane: not for a task that must not block.
    pub(super) fn of(api: &Api, snapshot: &Snapshot) -> Overview {
        let query = LiveQuery {
            limit: CALLS,
            ..LiveQuery::default()
        };
        let mut latest = api.live.list(&query).items;
        latest.reverse();
        let more_calls = api.live.count().saturating_sub(latest.len());
        let ids = latest.iter().map(|call| CallId(call.call())).collect();
        let mut media = by_call(api.media.samples(ids));
        let calls = latest.iter().map(|call| {
            let media = media.remove(&call.call()).unwrap_or_default();
            Call::new(call.live(), media)
        });
        let description = api.media.description();
        let draining_since = api.health.draining_since();
        Overview {
            version: env!("CARGO_PKG_VERSION"),
            backend: description.backend_name(),
            attach_mode: description.attach_mode(),
            fallback_reason: description.fallback_reason.clone(),
            draining: draining_since.is_some(),
            draining_since,
            verdicts: verdicts(&api.media.verdicts()),
            targets: snapshot.targets.clone(),
            registrations: snapshot.registrations.clone(),
            calls: calls.collect(),
            more_calls,
            counters: snapshot.counters.clone(),
            certificates: snapshot.certificates.clone(),
        }
    }
}

impl Call {
    fn new(call: &LiveCall, media: Media) -> Call {
        let [caller, callee] = &call.legs;
        // Names and numbers: there is nothing that cannot be written.
        let leg = |leg| to_raw_value(&cdr::leg(leg)).unwrap_or_default();
        Call {
            call: call.call.0,
            from: call.from.clone(),
            to: call.to.clone(),
            age_ms: age_ms(call.start),
            answered_ms: call.answer.map(age_ms),
            caller: leg(caller),
            callee: leg(callee),
            media,
        }
    }
}

/// What the sides of each call send.
fn by_call(mut samples: Vec<FlowSample>) -> HashMap<u64, Media> {
    samples.sort_by_key(|sample| (sample.call, sample.stream, sample.from));
    let mut calls: HashMap<u64, Media> = HashMap::new();
    for sample in samples {
        let media = calls.entry(sample.call.0).or_default();
        media.directions.push(Direction {
            from: cdr::side(sample.from),
            stream: sample.stream,
            local: sample
                .local
                .map(|local| local.to_string())
                .unwrap_or_default(),
            path: sample.path.name(),
            packets: sample.packets,
            bytes: sample.bytes,
            dropped: sample.dropped,
            lost: sample.quality.lost,
            jitter_ms: sample.quality.jitter_us.map(cdr::in_ms),
            mos: sample.mos.map(Mos::as_f64),
        });
    }
    calls
}
