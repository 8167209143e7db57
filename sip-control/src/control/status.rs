//! What a daemon says of itself as a whole.

use std::time::{Instant, SystemTime};

use media_common::counters::Verdicts;
use media_core::quality::Mos;
use serde_json::{Map, Value, json};
use sip_core::registration::RegistrationStatus;
use sip_core::stack::{LiveCall, Stack, TargetStatus};

use super::named;
use crate::cdr::{self, Records};
use crate::clock::rfc3339;
use crate::config::Config;
use crate::media::{Carried, FlowStatus, MediaPlane};
use crate::store::Store;
use crate::transport::Transports;
use crate::transport::tls::CertificateFacts;

/// What signalling knows at one moment.
pub(crate) struct Snapshot {
    targets: Vec<Value>,
    registrations: Vec<Value>,
    calls: Vec<(u64, Map<String, Value>)>,
    counters: Value,
    certificates: Vec<Value>,
}

impl Snapshot {
    pub(crate) fn take(
        stack: &Stack,
        transports: &Transports,
        records: &Records,
        config: &Config,
        store: &Store,
    ) -> Snapshot {
        let signalling: Map<String, Value> = named(stack.counters().iter());
        let transport: Map<String, Value> = named(transports.counters().iter());
        Snapshot {
            targets: stack.targets().iter().map(target).collect(),
            registrations: stack.registrations().iter().map(registration).collect(),
            calls: stack
                .live_calls()
                .iter()
                .map(|call| (call.call.0, live_call(call)))
                .collect(),
            counters: json!({
                "calls": stack.calls(),
                "connections": transports.open_connections(),
                "bindings": stack.bindings(),
                "records_lost": records.lost(),
                "store_errors": store.errors(),
                "signalling": signalling,
                "transport": transport,
            }),
            certificates: config.certificates().iter().map(certificate).collect(),
        }
    }
}

impl Snapshot {
    pub(crate) fn counters(&self) -> &Value {
        &self.counters
    }

    pub(crate) fn targets(&self) -> &[Value] {
        &self.targets
    }

    pub(crate) fn registrations(&self) -> &[Value] {
        &self.registrations
    }
}

/// An origination URI and how it stands (TRK-5).
fn target(target: &TargetStatus) -> Value {
    let (at, latest) = target.latest.clone().unzip();
    json!({
        "trunk": target.trunk,
        "uri": target.uri,
        "priority": target.priority,
        "weight": target.weight,
        "state": target.state.name(),
        "failed_probes": target.failed_probes,
        "latest_probe": latest,
        "probed_ms": at.map(age_ms),
    })
}

fn age_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn certificate(facts: &CertificateFacts) -> Value {
    let left = facts
        .not_after
        .and_then(|not_after| not_after.duration_since(SystemTime::now()).ok());
    json!({
        "used_by": facts.used_by,
        "names": facts.names,
        "key": facts.key,
        "not_after": facts.not_after.map(rfc3339),
        // 0 once it has expired.
        "days_left": left.map_or(0, |left| left.as_secs() / 86_400),
    })
}

/// One of ours with a provider.
fn registration(status: &RegistrationStatus) -> Value {
    let left = |until: Instant| until.saturating_duration_since(Instant::now()).as_secs();
    json!({
        "trunk": status.trunk,
        "aor": status.aor,
        "registered": status.until.is_some(),
        "expires_s": status.until.map(left),
        "failures": status.failures,
        "problem": status.problem,
    })
}

fn live_call(call: &LiveCall) -> Map<String, Value> {
    let [caller, callee] = &call.legs;
    let fields = [
        ("call", json!(call.call.0)),
        ("from", json!(call.from)),
        ("to", json!(call.to)),
        ("age_ms", json!(age_ms(call.start))),
        ("answered_ms", json!(call.answer.map(age_ms))),
        ("caller", json!(cdr::leg(caller))),
        ("callee", json!(cdr::leg(callee))),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

pub(super) fn assemble(snapshot: Snapshot, media: &MediaPlane) -> Value {
    let flows = media.flows();
    let description = media.description();
    let calls: Vec<Value> = snapshot
        .calls
        .into_iter()
        .map(|(call, fields)| with_flows(call, fields, &flows))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "backend": description.backend_name(),
        "attach_mode": description.attach_mode(),
        "fallback_reason": description.fallback_reason,
        "verdicts": verdicts(&media.verdicts()),
        "targets": snapshot.targets,
        "registrations": snapshot.registrations,
        "calls": calls,
        "counters": snapshot.counters,
        "certificates": snapshot.certificates,
    })
}

/// A live call and its flows.
fn with_flows(call: u64, mut fields: Map<String, Value>, flows: &[FlowStatus]) -> Value {
    let directions: Vec<Value> = flows
        .iter()
        .filter(|flow| flow.call.0 == call && flow.carries != Carried::Rtcp)
        .map(|flow| {
            json!({
                "from": cdr::side(flow.from),
                "stream": flow.stream,
                "local": flow.local.to_string(),
                "path": flow.path.name(),
                "packets": flow.packets,
                "bytes": flow.bytes,
                "dropped": flow.dropped,
                "lost": flow.quality.lost,
                "jitter_ms": flow.quality.jitter_us.map(cdr::in_ms),
                "mos": flow.mos.map(Mos::as_f64),
            })
        })
        .collect();
    fields.insert("media".to_owned(), json!({ "directions": directions }));
    Value::Object(fields)
}

/// Every packet by its fate: sent on, passed to the host, dropped by reason (those that occurred).
pub(crate) fn verdicts(verdicts: &Verdicts) -> Value {
    let (passed, sent): (Vec<_>, Vec<_>) = verdicts
        .passed()
        .partition(|(name, _)| name.starts_with("pass"));
    let mut fields = named(sent.into_iter());
    fields.insert(
        "pass".to_owned(),
        passed.iter().map(|(_, count)| count).sum::<u64>().into(),
    );
    let occurred = verdicts.dropped().filter(|(_, count)| *count > 0);
    fields.insert(
        "drop".to_owned(),
        named(occurred.map(|(reason, count)| (reason.name(), count))).into(),
    );
    Value::Object(fields)
}
