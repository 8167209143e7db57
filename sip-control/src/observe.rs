//! Those who watch: events, live calls, webhooks, health. They are started and ended together; the
//! driver tells them what happens, and waits for none of them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use media_core::session::CallId;
use sip_core::stack::{CallRecord, Event, EventKind, Stack, Transmit};
use sip_core::transport::Origin;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::calls::{Arrived, Journal, Live, LiveSettings, LiveThreads};
use crate::config::Config;
use crate::events::{Hub, StoredPast, StoredPlaces, WebhookSettings, Webhooks, kind};
use crate::health::{Monitor, Parts};
use crate::manage::WebhookSection;
use crate::media::MediaPlane;
use crate::store::{JournalItem, Store};

/// All of them, running.
pub(crate) struct Observers {
    pub(crate) hub: Arc<Hub>,
    pub(crate) live: Arc<Live>,
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) monitor: Arc<Monitor>,
    threads: LiveThreads,
    pump: JoinHandle<()>,
    /// To be aborted.
    tasks: Vec<JoinHandle<()>>,
}

impl Observers {
    /// Must be called within a runtime, when the store has been opened.
    pub(crate) fn start(
        config: &Config,
        store: &Store,
        media: &Arc<MediaPlane>,
    ) -> std::io::Result<Observers> {
        let hub = Hub::new(store.reserve_events(), Arc::new(StoredPast(store.clone())));
        let pump = tokio::spawn(Arc::clone(&hub).pump());
        let rows = store.keeps().then(|| store.clone());
        let (live, threads) = Live::start(
            settings(config),
            Arc::clone(&hub),
            Arc::clone(media) as _,
            rows.map(|rows| -> Journal {
                Box::new(move |row| rows.journal(JournalItem::Call(row)))
            }),
        )?;
        let webhooks = Webhooks::new(
            Arc::clone(&hub),
            Arc::new(StoredPlaces(store.clone())),
            config.webhook_roots(),
        );
        let monitor = Monitor::new(Parts {
            hub: Arc::clone(&hub),
            live: Arc::clone(&live),
            webhooks: Arc::clone(&webhooks),
            store: store.clone(),
            media: Arc::clone(media),
            limits: config.limits,
        });
        monitor.set_certificates(config.certificates());
        let watching = tokio::spawn(Arc::clone(&monitor).watch());
        Ok(Observers {
            hub,
            live,
            webhooks,
            monitor,
            threads,
            pump,
            tasks: vec![watching],
        })
    }

    /// Delivers to the webhooks that are configured, from now on.
    pub(crate) fn follow_webhooks(&mut self, settings: watch::Receiver<Arc<Vec<WebhookSection>>>) {
        let webhooks = Arc::clone(&self.webhooks);
        self.tasks.push(tokio::spawn(follow(webhooks, settings)));
    }

    /// What the driver tells them by.
    pub(crate) fn watcher(&self, config: &Config) -> Watcher {
        let listeners = config.listeners.iter();
        Watcher {
            hub: Arc::clone(&self.hub),
            live: Arc::clone(&self.live),
            monitor: Arc::clone(&self.monitor),
            listeners: listeners.map(|one| one.listener.address).collect(),
            events: Vec::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Ends them when the driver has; before the store, which gets what they still have. Waits for
    /// threads: a few milliseconds.
    pub(crate) async fn close(self) {
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
        self.live.close(self.threads);
        self.hub.close();
        let _ = self.pump.await;
        self.webhooks.close().await;
    }
}

async fn follow(webhooks: Arc<Webhooks>, mut settings: watch::Receiver<Arc<Vec<WebhookSection>>>) {
    loop {
        let sections = Arc::clone(&settings.borrow_and_update());
        webhooks.configure(sections.iter().filter_map(webhook).collect());
        if settings.changed().await.is_err() {
            return;
        }
    }
}

/// One without a secret cannot sign: it is told of nothing.
fn webhook(section: &WebhookSection) -> Option<WebhookSettings> {
    Some(WebhookSettings {
        name: section.name.clone(),
        url: section.url.clone(),
        kinds: section.kinds.clone(),
        secret: section.secret.as_ref()?.expose().to_owned().into(),
        enabled: section.enabled.unwrap_or(true),
    })
}

fn settings(config: &Config) -> LiveSettings {
    let can_be_read = config.api.listen.is_some() || config.control_socket.is_some();
    LiveSettings {
        ladder_bytes: match can_be_read {
            true => config.api.ladder_memory_bytes,
            false => 0,
        },
        quality_below: config.api.quality_below,
        show_digits: config.shows_digits(),
    }
}

/// How the driver tells of what happens; nothing here waits.
pub(crate) struct Watcher {
    hub: Arc<Hub>,
    live: Arc<Live>,
    monitor: Arc<Monitor>,
    /// Where each listener is bound.
    listeners: Vec<SocketAddr>,
    /// Events of which nobody has been told, and the calls that they were of.
    events: Vec<Event>,
    changed: BTreeSet<CallId>,
}

impl Watcher {
    /// Something has happened; it is told by [`Watcher::tell`].
    pub(crate) fn event(&mut self, event: Event) {
        let is_change = event.kind != EventKind::Digit;
        self.changed.extend(event.call.filter(|_| is_change));
        self.events.push(event);
    }

    /// Tells what has happened since the last time. To be called before the driver waits: a step of a
    /// call makes several events, and the call is described once, as it is after all of them. Whoever
    /// hears of an event finds the call that way.
    pub(crate) fn tell(&mut self, stack: &Stack) {
        for call in std::mem::take(&mut self.changed) {
            if let Some(live) = stack.live_call(call) {
                self.live.changed(live);
            }
        }
        for event in self.events.drain(..) {
            self.hub.publish(event);
        }
    }

    pub(crate) fn ended(&self, record: Box<CallRecord>) {
        self.live.ended(record);
    }

    /// For [`Watcher::came`], when the stack has had the message.
    pub(crate) fn arriving(&self, origin: &Origin, bytes: &[u8]) -> Option<Arrived> {
        self.live.arriving(origin, bytes)
    }

    pub(crate) fn came(&self, arrived: Arrived, bytes: Vec<u8>) {
        self.live.came(arrived, bytes);
    }

    /// Trunks, accounts and routes are these from now on.
    pub(crate) fn configured(&self, config: &Config) {
        self.monitor.set_certificates(config.certificates());
        let text = "trunks, accounts and routes are as they were changed, from the next call on";
        let event = crate::events::Event::new(kind::CONFIG_CHANGED, text)
            .with("trunks", config.trunks.len())
            .with("routes", config.routes.len());
        self.hub.publish(event);
    }

    pub(crate) fn drain(&self, on: bool) {
        self.monitor.set_draining(on);
    }

    pub(crate) fn leaves(&self, transmit: &Transmit) {
        let target = &transmit.target;
        let listener = usize::from(target.listener.0);
        let local = self.listeners.get(listener).copied();
        self.live.left(target, local, &transmit.bytes);
    }
}
