//! What is wrong with the daemon, if anything is: looked at every few seconds, told as events where
//! it changes, and as a whole to whoever asks.

mod board;
mod certificates;
mod clock;
mod cpu;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use self::board::{Board, Rising};
use self::certificates::Expiry;
use self::clock::ClockWatch;
use self::cpu::{CpuMeter, CpuShare};
use crate::api::{Counters, Snapshot, Verdicts, verdicts};
use crate::calls::{Live, LiveHealth};
use crate::clock::rfc3339;
use crate::config::Limits;
use crate::events::{Event, Hub, HubHealth, WebhookStatus, Webhooks, kind};
use crate::media::MediaPlane;
use crate::metrics::Counter;
use crate::store::{Store, StoreHealth, StoreState};
use crate::transport::tls::CertificateFacts;

pub(crate) use self::board::Problem;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at certificates: more often than once a day, so that no threshold is late.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(3600);
/// Of the limit of calls; from there on it is a problem.
const NEARLY_FULL: f64 = 0.9;

/// How the daemon is, as the API tells it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok` or `degraded`.
    pub(crate) status: &'static str,
    pub(crate) problems: Vec<Problem>,
    pub(crate) version: &'static str,
    pub(crate) uptime_s: u64,
    pub(crate) calls: CallsHealth,
    pub(crate) store: StoreHealth,
    pub(crate) media: MediaHealth,
    #[schema(value_type = Verdicts)]
    pub(crate) verdicts: Value,
    pub(crate) cpu: Vec<CpuShare>,
    #[schema(value_type = Counters)]
    pub(crate) counters: Value,
    pub(crate) events: HubHealth,
    pub(crate) live: LiveHealth,
    pub(crate) webhooks: Vec<WebhookStatus>,
    /// New calls are refused.
    pub(crate) draining: bool,
    /// RFC 3339, UTC; `null` unless it is draining.
    pub(crate) draining_since: Option<String>,
    pub(crate) limits: LimitsHealth,
    pub(crate) api: ApiHealth,
}

/// Requests of the API that were turned away.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct ApiHealth {
    /// Without a token, or with one that is not known.
    unauthenticated: u64,
    /// Changes that were refused, or failed, of those who are known; the audit has some of them.
    refused: u64,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct CallsHealth {
    pub(crate) live: usize,
    /// As `limits.max_calls` says.
    pub(crate) limit: usize,
}

/// What carries media.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MediaHealth {
    /// `xdp` or `socket`.
    pub(crate) backend: &'static str,
    pub(crate) attach_mode: Option<&'static str>,
    /// Why it is not XDP.
    pub(crate) fallback_reason: Option<String>,
}

/// As `[limits]` says.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct LimitsHealth {
    max_calls: usize,
    /// `null`: any number.
    calls_per_second: Option<u32>,
    max_transactions: usize,
    max_connections: usize,
    max_connections_per_address: usize,
    max_handshakes: usize,
    max_handshakes_per_address: usize,
}

/// Who looks.
pub(crate) struct Monitor {
    parts: Parts,
    started: Instant,
    draining: Mutex<Option<SystemTime>>,
    pub(crate) asked: Asked,
    board: Mutex<Board>,
    watched: Mutex<Watched>,
}

/// What the API counts.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) unauthenticated: Counter,
    pub(crate) refused: Counter,
}

/// What is looked at.
pub(crate) struct Parts {
    pub(crate) hub: Arc<Hub>,
    pub(crate) live: Arc<Live>,
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) store: Store,
    pub(crate) media: Arc<MediaPlane>,
    pub(crate) limits: Limits,
}

/// What is remembered between two looks.
#[derive(Default)]
struct Watched {
    cpu: CpuMeter,
    clock: ClockWatch,
    expiry: Expiry,
    certificates_looked_at: Option<Instant>,
    store_is_degraded: bool,
    events_lost: Rising,
    messages_lost: Rising,
    changes_lost: Rising,
}

impl Monitor {
    pub(crate) fn new(parts: Parts) -> Arc<Monitor> {
        Arc::new(Monitor {
            parts,
            started: Instant::now(),
            draining: Mutex::default(),
            asked: Asked::default(),
            board: Mutex::default(),
            watched: Mutex::default(),
        })
    }

    /// The certificates that are used from now on.
    pub(crate) fn set_certificates(&self, certificates: Vec<CertificateFacts>) {
        let mut watched = self.watched();
        watched.expiry.certificates = certificates;
        watched.certificates_looked_at = None;
    }

    /// New calls are refused, or taken again.
    pub(crate) fn set_draining(&self, on: bool) {
        let mut draining = lock(&self.draining);
        if draining.is_some() == on {
            return;
        }
        *draining = on.then(SystemTime::now);
        drop(draining);
        let text = if on {
            "new calls are refused until draining ends"
        } else {
            "new calls are taken again"
        };
        let event = Event::new(kind::DRAIN, text).with("on", on);
        self.parts.hub.publish(event);
    }

    pub(crate) fn is_draining(&self) -> bool {
        lock(&self.draining).is_some()
    }

    /// RFC 3339; `None` unless it is draining.
    pub(crate) fn draining_since(&self) -> Option<String> {
        lock(&self.draining).map(rfc3339)
    }

    /// Looks every few seconds, for ever: a task of its own, to be aborted.
    pub(crate) async fn watch(self: Arc<Monitor>) {
        loop {
            self.look(Instant::now());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn look(&self, now: Instant) {
        let mut watched = self.watched();
        watched.cpu.measure(now);
        if let Some(event) = watched.clock.look(now, SystemTime::now()) {
            self.parts.hub.publish(event);
            // What expires by the new time is told at once.
            watched.certificates_looked_at = None;
        }
        let is_due = watched
            .certificates_looked_at
            .is_none_or(|looked| now.saturating_duration_since(looked) >= CERTIFICATES_EVERY);
        if is_due {
            watched.certificates_looked_at = Some(now);
            for event in watched.expiry.look() {
                self.parts.hub.publish(event);
            }
        }
        let mut board = lock(&self.board);
        board.replace("certificate", watched.expiry.problems());
        board.set("clock", watched.clock.problem(now));
        self.look_at_store(&mut watched, &mut board);
        self.look_at_webhooks(&mut board);
        self.look_at_losses(&mut watched, &mut board, now);
    }

    fn look_at_store(&self, watched: &mut Watched, board: &mut Board) {
        let health = self.parts.store.health();
        let is_degraded = matches!(health.state, StoreState::Degraded | StoreState::Gone);
        let detail = store_problem(&health);
        if is_degraded != watched.store_is_degraded {
            watched.store_is_degraded = is_degraded;
            let event = match is_degraded {
                true => Event::new(kind::STORE_DEGRADED, detail.clone()),
                false => Event::new(kind::STORE_RECOVERED, "the store works again"),
            };
            let event = event.with("errors", health.errors);
            let event = event.with("journal_lost", health.journal_lost);
            self.parts.hub.publish(event);
        }
        board.set("store", is_degraded.then_some(detail));
    }

    fn look_at_webhooks(&self, board: &mut Board) {
        let failing = self.parts.webhooks.status().into_iter();
        let problems = failing.filter(|webhook| webhook.failing_since.is_some());
        let problems = problems.map(|webhook| {
            let error = webhook.last_error.unwrap_or_default();
            let detail = format!("does not take events: {error}; {} behind", webhook.behind);
            (format!("webhook {}", webhook.name), detail)
        });
        board.replace("webhook", problems.collect());
    }

    fn look_at_losses(&self, watched: &mut Watched, board: &mut Board, now: Instant) {
        let events = self.parts.hub.health();
        let live = self.parts.live.health();
        let lost = [
            ("events", &mut watched.events_lost, events.lost),
            ("ladder", &mut watched.messages_lost, live.messages_lost),
            ("live calls", &mut watched.changes_lost, live.changes_lost),
        ];
        for (what, rising, value) in lost {
            let is_rising = rising.observe(value, now);
            let detail = format!("{value} were lost because too many came at once");
            board.set(what, is_rising.then_some(detail));
        }
    }

    /// Everything. Waits for the media plane: not for a task that must not block.
    pub(crate) fn health(&self, snapshot: &Snapshot) -> Health {
        let parts = &self.parts;
        let description = parts.media.description();
        let live = parts.live.health();
        let calls = live.calls;
        let draining_since = self.draining_since();
        let mut problems = self.problems_now();
        problems.extend(self.problems_of(snapshot, calls));
        Health {
            status: if problems.is_empty() {
                "ok"
            } else {
                "degraded"
            },
            problems,
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: self.started.elapsed().as_secs(),
            calls: CallsHealth {
                live: calls,
                limit: parts.limits.max_calls,
            },
            store: parts.store.health(),
            media: MediaHealth {
                backend: description.backend_name(),
                attach_mode: description.attach_mode(),
                fallback_reason: description.fallback_reason.clone(),
            },
            verdicts: verdicts(&parts.media.verdicts()),
            cpu: self.watched().cpu.shares(),
            counters: snapshot.counters().clone(),
            events: parts.hub.health(),
            live,
            webhooks: parts.webhooks.status(),
            draining: draining_since.is_some(),
            draining_since,
            limits: limits(&parts.limits),
            api: ApiHealth {
                unauthenticated: self.asked.unauthenticated.value(),
                refused: self.asked.refused.value(),
            },
        }
    }

    /// What was seen at the latest look; of the store, what is so now: whoever asks may have just
    /// been told that it is not available.
    fn problems_now(&self) -> Vec<Problem> {
        let mut watched = self.watched();
        let mut board = lock(&self.board);
        self.look_at_store(&mut watched, &mut board);
        board.problems()
    }

    /// What signalling knows of; nobody has said since when.
    fn problems_of(&self, snapshot: &Snapshot, calls: usize) -> Vec<Problem> {
        let most = self.parts.limits.max_calls;
        let mut found: Vec<(String, String)> = Vec::new();
        if calls as f64 >= most as f64 * NEARLY_FULL {
            let detail = format!("{calls} of {most} that limits.max_calls allows");
            found.push(("calls".to_owned(), detail));
        }
        for registration in snapshot.registrations() {
            if let Some(problem) = &registration.problem {
                found.push((
                    format!("registration {}", registration.aor),
                    problem.clone(),
                ));
            }
        }
        for target in snapshot.targets() {
            if target.state == "out_of_service" {
                let latest = target.latest_probe.as_deref().unwrap_or("no answer");
                let what = format!("target {} of trunk {}", target.uri, target.trunk);
                found.push((what, format!("is out of service: {latest}")));
            }
        }
        lock(&self.board).with_since("signalling", found)
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        lock(&self.watched)
    }
}

fn store_problem(health: &StoreHealth) -> String {
    let state = match health.state {
        StoreState::Gone => "cannot be opened, or its file is gone",
        _ => "cannot be written, or was damaged",
    };
    let error = health.last_error.as_deref().unwrap_or("no error is known");
    format!(
        "{state}: {error}; calls go on, {} rows wait",
        health.journal_waiting
    )
}

fn limits(limits: &Limits) -> LimitsHealth {
    LimitsHealth {
        max_calls: limits.max_calls,
        calls_per_second: limits.calls_per_second,
        max_transactions: limits.max_transactions,
        max_connections: limits.max_connections,
        max_connections_per_address: limits.max_connections_per_address,
        max_handshakes: limits.max_handshakes,
        max_handshakes_per_address: limits.max_handshakes_per_address,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked holding it left whole values behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
