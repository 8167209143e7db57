//! Webhooks: events posted to whoever registered a URL, signed, in order, each until it is taken.
//!
//! A webhook is a subscriber like any other, with a place that outlives the process: one that hangs
//! or is down for an hour takes up no memory, and catches up from the store where it left off.

mod client;
mod delivery;
mod places;
mod signature;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::RootCertStore;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

pub(crate) use self::client::check_url;
use self::client::tls_for;
use self::delivery::Delivery;
pub(crate) use self::places::{Places, StoredPlaces};
use super::hub::Hub;
use super::past::Answer;
use crate::clock::rfc3339;

/// A webhook, as it is configured.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WebhookSettings {
    pub(crate) name: String,
    /// `http://` or `https://`; see [`check_url`].
    pub(crate) url: String,
    /// Empty: every kind.
    pub(crate) kinds: Vec<String>,
    /// Signs the bodies.
    pub(crate) secret: Zeroizing<String>,
    pub(crate) enabled: bool,
}

/// How a webhook does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct WebhookStatus {
    pub(crate) name: String,
    pub(crate) enabled: bool,
    /// Since when nothing is taken; `None` while all is well.
    pub(crate) failing_since: Option<String>,
    pub(crate) last_error: Option<String>,
    /// Events delivered by this process.
    pub(crate) delivered: u64,
    /// Events that were not taken within a day.
    pub(crate) given_up: u64,
    /// The last number that was delivered, or not asked for.
    pub(crate) at: u64,
    /// How many events it is behind.
    pub(crate) behind: u64,
}

/// What a delivery says of itself.
#[derive(Clone, Debug, Default)]
struct Report {
    failing_since: Option<SystemTime>,
    last_error: Option<String>,
    delivered: u64,
    given_up: u64,
    at: u64,
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// For an answer, from the name of the host to the end of the headers.
    patience: Duration,
    /// After the first failure; each wait is twice the one before, up to the longest.
    first_wait: Duration,
    longest_wait: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            patience: Duration::from_secs(10),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(300),
        }
    }
}

type Shared<T> = Arc<Mutex<T>>;

/// What a delivery is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    GoOn,
    Stop,
    /// The webhook is no more.
    Forget,
}

/// Every webhook.
pub(crate) struct Webhooks {
    hub: Arc<Hub>,
    places: Arc<dyn Places>,
    tls: Arc<rustls::ClientConfig>,
    pace: Pace,
    running: Mutex<HashMap<String, Running>>,
}

struct Running {
    settings: WebhookSettings,
    report: Shared<Report>,
    order: watch::Sender<Order>,
    task: Option<JoinHandle<()>>,
}

impl Webhooks {
    /// `roots` are those that servers of `https` URLs are verified by.
    pub(crate) fn new(
        hub: Arc<Hub>,
        places: Arc<dyn Places>,
        roots: RootCertStore,
    ) -> Arc<Webhooks> {
        Webhooks::at_pace(hub, places, roots, Pace::default())
    }

    fn at_pace(
        hub: Arc<Hub>,
        places: Arc<dyn Places>,
        roots: RootCertStore,
        pace: Pace,
    ) -> Arc<Webhooks> {
        Arc::new(Webhooks {
            hub,
            places,
            tls: tls_for(roots),
            pace,
            running: Mutex::default(),
        })
    }

    /// Makes the webhooks be these. One that has changed goes on where it was. Must be called within
    /// a runtime.
    pub(crate) fn configure(&self, wanted: Vec<WebhookSettings>) {
        let mut running = self.lock();
        let gone: Vec<String> = running
            .keys()
            .filter(|name| !wanted.iter().any(|settings| settings.name == **name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(webhook) = running.remove(&name) {
                webhook.order.send_replace(Order::Forget);
                self.places.forget(&name);
            }
        }
        for settings in wanted {
            let before = running.remove(&settings.name);
            let name = settings.name.clone();
            let webhook = match before {
                Some(before) if before.settings == settings => before,
                before => self.run(settings, before),
            };
            running.insert(name, webhook);
        }
    }

    fn run(&self, settings: WebhookSettings, before: Option<Running>) -> Running {
        let report = match &before {
            Some(before) => Arc::clone(&before.report),
            None => Shared::default(),
        };
        let (order, ordered) = watch::channel(Order::GoOn);
        let previous = before.and_then(|before| {
            before.order.send_replace(Order::Stop);
            before.task
        });
        let delivery = Delivery::new(
            settings.clone(),
            (Arc::clone(&self.hub), Arc::clone(&self.places)),
            (Arc::clone(&self.tls), self.pace),
            Arc::clone(&report),
        );
        let is_enabled = settings.enabled;
        let task = tokio::spawn(async move {
            // What it has under way ends first: nothing is delivered out of order.
            if let Some(previous) = previous {
                let _ = previous.await;
            }
            match is_enabled {
                true => delivery.run(ordered).await,
                // When it is switched on again, it is told of what happens from then on.
                false => delivery.forget(),
            }
        });
        Running {
            settings,
            report,
            order,
            task: Some(task),
        }
    }

    pub(crate) fn status(&self) -> Vec<WebhookStatus> {
        let latest = self.hub.latest();
        let running = self.lock();
        let mut status: Vec<WebhookStatus> = running
            .values()
            .map(|webhook| {
                let report = lock(&webhook.report).clone();
                let is_enabled = webhook.settings.enabled;
                WebhookStatus {
                    name: webhook.settings.name.clone(),
                    enabled: is_enabled,
                    failing_since: report.failing_since.filter(|_| is_enabled).map(rfc3339),
                    last_error: report.last_error,
                    delivered: report.delivered,
                    given_up: report.given_up,
                    at: report.at,
                    behind: match is_enabled {
                        true => latest.saturating_sub(report.at),
                        false => 0,
                    },
                }
            })
            .collect();
        status.sort_by(|one, other| one.name.cmp(&other.name));
        status
    }

    /// Ends every delivery, and keeps how far each has got. What is under way is waited for, as long
    /// as it may take.
    pub(crate) async fn close(&self) {
        let tasks: Vec<JoinHandle<()>> = {
            let mut running = self.lock();
            let stopped = running.values_mut().filter_map(|webhook| {
                webhook.order.send_replace(Order::Stop);
                webhook.task.take()
            });
            stopped.collect()
        };
        for task in tasks {
            let _ = task.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        lock(&self.running)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked holding it left whole values behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
