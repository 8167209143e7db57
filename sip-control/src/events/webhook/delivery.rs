//! One webhook's way through the events.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand_core::{OsRng, TryRngCore};
use rustls::ClientConfig;
use tokio::sync::watch;

use super::client::Client;
use super::signature::sign;
use super::{Order, Pace, Places, Report, Shared, WebhookSettings, lock};
use crate::events::event::{Event, kind, unix_ms};
use crate::events::hub::Hub;
use crate::events::subscription::{Filter, Item, Subscription};

/// An event that was not taken for so long is not offered any more.
const OFFERED_FOR: Duration = Duration::from_secs(24 * 3600);
/// After that many failures in a row it is told.
const FAILURES_TO_TELL: u32 = 3;
/// A store that does not answer is asked again so often.
const ATTEMPTS_TO_LOAD: u32 = 10;
/// How often the place is kept, at most: what was delivered since may be delivered again after a
/// crash.
const KEEP_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Delivery {
    settings: WebhookSettings,
    hub: Arc<Hub>,
    places: Arc<dyn Places>,
    client: Client,
    pace: Pace,
    report: Shared<Report>,
    /// Failures in a row, and since when.
    failures: u32,
    failing_since: Option<Instant>,
    is_told: bool,
    /// Events that were given up since that was last told.
    given_up: Option<(u64, u64, u64)>,
    kept: (Instant, u64),
}

/// What is posted.
struct Post {
    seq: u64,
    body: String,
    time_ms: i64,
}

impl Delivery {
    pub(super) fn new(
        settings: WebhookSettings,
        (hub, places): (Arc<Hub>, Arc<dyn Places>),
        (tls, pace): (Arc<ClientConfig>, Pace),
        report: Shared<Report>,
    ) -> Delivery {
        let client = Client::new(&settings.url, tls, pace.patience);
        Delivery {
            settings,
            hub,
            places,
            client,
            pace,
            report,
            failures: 0,
            failing_since: None,
            is_told: false,
            given_up: None,
            kept: (Instant::now(), 0),
        }
    }

    /// Until it is stopped.
    pub(super) async fn run(mut self, mut order: watch::Receiver<Order>) {
        let at = self.first_place().await;
        self.reached(at);
        self.keep_place();
        let filter = Filter {
            kinds: self.settings.kinds.clone(),
            ..Filter::default()
        };
        let mut subscription = self.hub.subscribe(Some(at), filter);
        while *order.borrow() == Order::GoOn {
            let item = match self.next(&mut subscription, &mut order).await {
                Some(Item::Event(event)) => Post {
                    seq: event.seq,
                    time_ms: event.time_ms,
                    body: event.body.clone(),
                },
                Some(Item::Gap { from, to }) => gap(from, to),
                Some(Item::Stalled) => continue,
                None => break,
            };
            if !self.deliver(&item, &mut order).await {
                break;
            }
        }
        let order = *order.borrow();
        match order {
            Order::Forget => self.forget(),
            _ => self.keep_place(),
        }
    }

    /// It has no place any more.
    pub(super) fn forget(&self) {
        self.reached(0);
        self.places.forget(&self.settings.name);
    }

    /// Where it left off; a new one is told of what happens from now on.
    async fn first_place(&self) -> u64 {
        let latest = self.hub.latest();
        // It was changed: the store may not have the place yet.
        let reached = lock(&self.report).at;
        if reached > 0 {
            return reached;
        }
        for _ in 0..ATTEMPTS_TO_LOAD {
            match self.places.load(&self.settings.name).await {
                Some(kept) => return kept.unwrap_or(latest),
                None => tokio::time::sleep(self.pace.first_wait).await,
            }
        }
        tracing::warn!(
            webhook = self.settings.name,
            "the store does not say where it left off: it goes on from now"
        );
        latest
    }

    /// The next item; `None` when it is stopped. While nothing happens, the place is kept.
    async fn next(
        &mut self,
        subscription: &mut Subscription,
        order: &mut watch::Receiver<Order>,
    ) -> Option<Item> {
        loop {
            if let Some(item) = subscription.next_ready().await {
                return Some(item);
            }
            // What was not asked for is passed over as well.
            self.reached(subscription.at());
            tokio::select! {
                item = subscription.next() => return Some(item),
                () = tokio::time::sleep(KEEP_EVERY), if self.has_moved() => self.keep_place(),
                _ = order.wait_for(|order| *order != Order::GoOn) => return None,
            }
        }
    }

    /// Offers it until it is taken, or too old; whether to go on.
    async fn deliver(&mut self, post: &Post, order: &mut watch::Receiver<Order>) -> bool {
        loop {
            if self.is_too_old(post) {
                self.give_up(post.seq);
                return true;
            }
            let offered = tokio::select! {
                offered = self.offer(post) => offered,
                _ = order.wait_for(|order| *order != Order::GoOn) => return false,
            };
            match offered {
                Ok(()) => {
                    self.taken(post.seq);
                    return true;
                }
                Err(error) => self.failed(&error),
            }
            tokio::select! {
                () = tokio::time::sleep(wait_after(self.failures, &self.pace)) => {}
                _ = order.wait_for(|order| *order != Order::GoOn) => return false,
            }
        }
    }

    async fn offer(&mut self, post: &Post) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix_s = now.map_or(0, |since| since.as_secs());
        let headers = [
            (
                "Trunkline-Signature",
                sign(&self.settings.secret, unix_s, &post.body),
            ),
            ("Trunkline-Event-Id", post.seq.to_string()),
        ];
        self.client.post(&headers, &post.body).await
    }

    /// By both clocks: one that is set must not throw events away.
    fn is_too_old(&self, post: &Post) -> bool {
        let age_ms = unix_ms(SystemTime::now()).saturating_sub(post.time_ms);
        let is_old = u128::try_from(age_ms).is_ok_and(|age| age > OFFERED_FOR.as_millis());
        is_old
            && self
                .failing_since
                .is_some_and(|since| since.elapsed() > OFFERED_FOR)
    }

    fn taken(&mut self, seq: u64) {
        self.reached(seq);
        (self.failures, self.failing_since) = (0, None);
        {
            let mut report = lock(&self.report);
            report.delivered += 1;
            report.failing_since = None;
            report.last_error = None;
        }
        if std::mem::take(&mut self.is_told) {
            let name = &self.settings.name;
            let text = format!("webhook {name} takes events again");
            self.tell(Event::new(kind::WEBHOOK_RECOVERED, text));
        }
        self.tell_of_given_up();
        if self.kept.0.elapsed() >= KEEP_EVERY {
            self.keep_place();
        }
    }

    fn failed(&mut self, error: &str) {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert_with(Instant::now);
        {
            let mut report = lock(&self.report);
            report.failing_since.get_or_insert_with(SystemTime::now);
            report.last_error = Some(error.to_owned());
        }
        tracing::debug!(webhook = self.settings.name, error, "not delivered");
        if self.failures == FAILURES_TO_TELL && !self.is_told {
            self.is_told = true;
            let name = &self.settings.name;
            tracing::warn!(webhook = name, error, "events are not taken; tried again");
            let text = format!("webhook {name} does not take events: {error}");
            self.tell(Event::new(kind::WEBHOOK_FAILING, text).with("error", error));
        }
    }

    fn give_up(&mut self, seq: u64) {
        self.reached(seq);
        lock(&self.report).given_up += 1;
        let (from, count) = self
            .given_up
            .map_or((seq, 0), |(from, _, count)| (from, count));
        self.given_up = Some((from, seq, count + 1));
    }

    fn tell_of_given_up(&mut self) {
        if let Some((from, to, count)) = self.given_up.take() {
            let name = &self.settings.name;
            let text = format!("webhook {name} was not told of {count} events that are too old");
            let event = Event::new(kind::WEBHOOK_GAVE_UP, text)
                .with("count", count)
                .with("first", from)
                .with("last", to);
            self.tell(event);
        }
    }

    fn tell(&self, event: Event) {
        self.hub
            .publish(event.with("webhook", self.settings.name.as_str()));
    }

    fn reached(&self, seq: u64) {
        lock(&self.report).at = seq;
    }

    fn has_moved(&self) -> bool {
        lock(&self.report).at != self.kept.1
    }

    fn keep_place(&mut self) {
        let at = lock(&self.report).at;
        self.kept = (Instant::now(), at);
        self.places.keep(&self.settings.name, at);
    }
}

fn gap(from: u64, to: u64) -> Post {
    let body = serde_json::json!({"kind": "gap", "from": from, "to": to});
    Post {
        seq: to,
        body: body.to_string(),
        time_ms: unix_ms(SystemTime::now()),
    }
}

/// Half of the time is certain, half by chance: those that failed together do not come back together.
fn wait_after(failures: u32, pace: &Pace) -> Duration {
    let times = 1 << failures.saturating_sub(1).min(16);
    let longest = pace.first_wait.saturating_mul(times).min(pace.longest_wait);
    let chance = OsRng.try_next_u32().unwrap_or(u32::MAX / 2);
    longest / 2 + (longest / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_five_minutes_and_differ() {
        for (failures, least, most) in [(1, 500, 1000), (4, 4000, 8000), (60, 150_000, 300_000)] {
            let waits: Vec<_> = (0..20)
                .map(|_| wait_after(failures, &Pace::default()).as_millis())
                .collect();
            assert!(
                waits.iter().all(|wait| (least..=most).contains(wait)),
                "{waits:?}"
            );
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        }
    }
}
