//! What signalling says of itself: asked for no more often than it can bear.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use media_common::counters::Verdicts;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sip_core::registration::RegistrationStatus;
use sip_core::stack::{Stack, TargetStatus};
use tokio::sync::{Mutex, oneshot};
use utoipa::ToSchema;

use super::problem::{Problem, Slug};
use super::{Api, named};
use crate::cdr::Records;
use crate::clock::rfc3339;
use crate::config::Config;
use crate::operation::Operation;
use crate::store::Store;
use crate::transport::Transports;
use crate::transport::tls::CertificateFacts;

/// What signalling knows at one moment, but for its calls: those are many, and told by the mirror
/// of them.
pub(crate) struct Snapshot {
    pub(super) targets: Vec<Target>,
    pub(super) registrations: Vec<OurRegistration>,
    pub(super) counters: Value,
    pub(super) certificates: Vec<Certificate>,
}

/// An origination URI and how it stands (TRK-5).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Target {
    pub(crate) trunk: String,
    pub(crate) uri: String,
    pub(super) priority: u16,
    pub(super) weight: u16,
    /// `in_service`, `out_of_service` or `unknown`.
    pub(crate) state: &'static str,
    /// In a row.
    pub(super) failed_probes: u32,
    /// What became of the latest probe.
    pub(crate) latest_probe: Option<String>,
    /// How long ago that was.
    pub(super) probed_ms: Option<u64>,
}

/// How we stand with a provider (SIG-5).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OurRegistration {
    pub(crate) trunk: String,
    pub(crate) aor: String,
    pub(super) registered: bool,
    pub(super) expires_s: Option<u64>,
    /// In a row.
    pub(super) failures: u32,
    pub(crate) problem: Option<String>,
}

/// A certificate of ours; never its key.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Certificate {
    /// `listener public-tls`, `trunk carrier`, `api`.
    pub(super) used_by: String,
    pub(super) names: Vec<String>,
    /// Its kind: `ECDSA`, `RSA`.
    pub(super) key: String,
    pub(super) not_after: Option<String>,
    /// 0 once it has expired.
    pub(super) days_left: u64,
}

/// The latest snapshot, and when it was asked for: for those who ask at the same time.
#[derive(Default)]
pub(super) struct Snapshots(Mutex<Option<(Instant, Arc<Snapshot>)>>);

/// However many ask: the loop of signalling is asked no more than ten times a second.
const FRESH: Duration = Duration::from_millis(100);

impl Api {
    /// How signalling is, or was a moment ago.
    pub(super) async fn snapshot(&self) -> Result<Arc<Snapshot>, Problem> {
        let since = Instant::now().checked_sub(FRESH);
        self.snapshot_since(since).await
    }

    /// How signalling is at this moment. Those who ask at the same time share the answer.
    pub(super) async fn snapshot_now(&self) -> Result<Arc<Snapshot>, Problem> {
        self.snapshot_since(Some(Instant::now())).await
    }

    /// The latest that was asked for since then, or a new one.
    async fn snapshot_since(&self, since: Option<Instant>) -> Result<Arc<Snapshot>, Problem> {
        let mut latest = self.snapshots.0.lock().await;
        if let Some((asked, snapshot)) = &*latest
            && since.is_none_or(|since| *asked >= since)
        {
            return Ok(Arc::clone(snapshot));
        }
        let asked = Instant::now();
        let snapshot = Arc::new(self.ask_for_snapshot().await?);
        *latest = Some((asked, Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    async fn ask_for_snapshot(&self) -> Result<Snapshot, Problem> {
        let stopping = || Problem::new(Slug::Draining, "the daemon is stopping");
        let (sender, answer) = oneshot::channel();
        let operation = Operation::Snapshot(sender);
        self.operations
            .send(operation)
            .await
            .map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
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

    pub(crate) fn targets(&self) -> &[Target] {
        &self.targets
    }

    pub(crate) fn registrations(&self) -> &[OurRegistration] {
        &self.registrations
    }
}

fn target(target: &TargetStatus) -> Target {
    let (at, latest) = target.latest.clone().unzip();
    Target {
        trunk: target.trunk.clone(),
        uri: target.uri.to_string(),
        priority: target.priority,
        weight: target.weight,
        state: target.state.name(),
        failed_probes: target.failed_probes,
        latest_probe: latest,
        probed_ms: at.map(age_ms),
    }
}

pub(super) fn age_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn certificate(facts: &CertificateFacts) -> Certificate {
    let left = facts
        .not_after
        .and_then(|not_after| not_after.duration_since(SystemTime::now()).ok());
    Certificate {
        used_by: facts.used_by.clone(),
        names: facts.names.clone(),
        key: facts.key.to_string(),
        not_after: facts.not_after.map(rfc3339),
        days_left: left.map_or(0, |left| left.as_secs() / 86_400),
    }
}

fn registration(status: &RegistrationStatus) -> OurRegistration {
    let left = |until: Instant| until.saturating_duration_since(Instant::now()).as_secs();
    OurRegistration {
        trunk: status.trunk.clone(),
        aor: status.aor.to_string(),
        registered: status.until.is_some(),
        expires_s: status.until.map(left),
        failures: status.failures,
        problem: status.problem.clone(),
    }
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
