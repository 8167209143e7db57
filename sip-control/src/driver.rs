//! The loop between signalling and the world: what arrives goes into the [`Stack`], what it
//! commands is done. It never waits for a peer, a disk or the media plane.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::report::MediaEvent;
use sip_core::stack::{Command, Event, MediaCommand, Stack, Transmit};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::api::{Snapshot, Told};
use crate::cdr::Records;
use crate::config::Config;
use crate::events::EventLog;
use crate::manage::Manager;
use crate::media::MediaPlane;
use crate::observe::Watcher;
use crate::operation::Operation;
use crate::outbox::Outbox;
use crate::ports::SharedPorts;
use crate::signals::{Request, Signals};
use crate::store::Store;
use crate::transport::{Arrival, Transports};

/// How long peers may take to answer the BYEs of a shutdown.
const FAREWELL: Duration = Duration::from_secs(5);
/// Arrivals that are taken before signals and media events are looked at again.
const BATCH: usize = 64;
/// When nothing is pending.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// What the loop works with; all of it has been started.
pub(crate) struct Driver {
    pub(crate) config: Config,
    pub(crate) stack: Stack,
    pub(crate) ports: SharedPorts,
    pub(crate) transports: Transports,
    pub(crate) media: Arc<MediaPlane>,
    pub(crate) records: Records,
    pub(crate) store: Store,
    pub(crate) events: EventLog,
    pub(crate) watcher: Watcher,
    pub(crate) told: Told,
    pub(crate) manager: Arc<Manager>,
    pub(crate) inputs: Inputs,
    pub(crate) outbox: Outbox<Transmit>,
}

/// Where things happen that signalling must know.
pub(crate) struct Inputs {
    pub(crate) signals: Signals,
    /// With the time at which each came.
    pub(crate) arrivals: mpsc::Receiver<(Instant, Arrival)>,
    pub(crate) media_events: mpsc::Receiver<MediaEvent>,
    /// Nothing comes from the media plane any more.
    pub(crate) media_is_gone: bool,
    pub(crate) operations: mpsc::Receiver<Operation>,
}

/// What wakes the loop.
enum Input {
    Signal(Request),
    Arrival(Instant, Arrival),
    Media(MediaEvent),
    /// The media plane is ready for packets of more sessions.
    MediaReady,
    /// The media plane has ended without being asked to.
    MediaGone,
    Operation(Operation),
    Time,
}

impl Driver {
    /// Runs until a signal asks to stop and every call has ended, or may take no longer.
    ///
    /// # Errors
    /// The media plane has died: then no call can be carried, and a new process is needed.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        let mut stop_at: Option<Instant> = None;
        loop {
            self.pass_time();
            self.watcher.tell(&self.stack);
            if stop_at.is_some_and(|stop_at| self.stack.is_idle() || stop_at <= Instant::now()) {
                return self.outcome();
            }
            let wake_at = self.wake_at(stop_at);
            let input = tokio::select! {
                biased;
                () = self.outbox.opens() => Input::MediaReady,
                input = self.inputs.next(wake_at) => input,
            };
            match input {
                Input::Signal(Request::Reload) => self.reload(),
                Input::Signal(Request::Stop) if stop_at.is_some() => {
                    tracing::warn!(calls = self.stack.calls(), "stopping at once");
                    return self.outcome();
                }
                Input::Signal(Request::Stop) => stop_at = Some(self.begin_to_stop()),
                Input::Arrival(since, arrival) => self.take_batch((since, arrival)),
                Input::Media(event) => self.stack.handle_media(Instant::now(), event),
                Input::MediaGone => {
                    tracing::error!("the media plane has died: ending every call");
                    stop_at = stop_at.or_else(|| Some(self.begin_to_stop()));
                }
                Input::MediaReady => {}
                Input::Operation(operation) => self.operate(operation),
                Input::Time => {}
            }
            self.execute();
            self.send_what_may_leave();
        }
    }

    fn outcome(&mut self) -> anyhow::Result<()> {
        for transmit in self.outbox.take_all() {
            self.send(transmit);
        }
        self.watcher.tell(&self.stack);
        match self.inputs.media_is_gone {
            true => anyhow::bail!("the media plane has died"),
            false => Ok(()),
        }
    }

    fn pass_time(&mut self) {
        let now = Instant::now();
        self.ports.tick(now);
        if self.stack.poll_timeout().is_some_and(|due| due <= now) {
            self.stack.handle_timeout(now);
            self.execute();
        }
    }

    fn wake_at(&self, stop_at: Option<Instant>) -> Instant {
        let pending = self.stack.poll_timeout().into_iter().chain(stop_at).min();
        pending.unwrap_or_else(|| Instant::now() + LONGEST_SLEEP)
    }

    fn begin_to_stop(&mut self) -> Instant {
        let now = Instant::now();
        tracing::info!(
            calls = self.stack.calls(),
            "stopping: no new calls, ending those that are up"
        );
        self.transports.stop_accepting();
        self.stack.shut_down(now);
        now + FAREWELL
    }

    /// A burst is taken in one go, but not without end.
    fn take_batch(&mut self, first: (Instant, Arrival)) {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(arrival) = next else { return };
            self.take(arrival);
            self.execute();
            next = self.inputs.arrivals.try_recv().ok();
        }
        if let Some(arrival) = next {
            self.take(arrival);
        }
    }

    /// An arrival that has waited since it came: new calls are refused if that is too long.
    fn take(&mut self, (since, arrival): (Instant, Arrival)) {
        let now = Instant::now();
        self.stack
            .set_lateness(now.saturating_duration_since(since));
        match arrival {
            Arrival::Message { origin, bytes } => {
                let arrived = self.watcher.arriving(&origin, &bytes);
                self.stack.handle_message(now, origin, &bytes);
                if let Some(arrived) = arrived {
                    self.watcher.came(arrived, bytes);
                }
            }
            Arrival::Resolved { id, found } => self.stack.handle_resolved(now, id, found),
            Arrival::Failed(failure) => self.stack.handle_transport_failure(now, failure),
            Arrival::Unreachable(unreachable) => self.stack.handle_unreachable(now, &unreachable),
            Arrival::Event(event) => self.tell(event),
            Arrival::Closed(connection) => self.stack.handle_connection_closed(now, connection),
        }
    }

    /// Does everything that the stack wants done.
    fn execute(&mut self) {
        while let Some(command) = self.stack.poll_command() {
            match command {
                Command::Send(transmit) => self.outbox.put(transmit),
                Command::Media(MediaCommand::Apply(session)) => {
                    self.outbox.wait_for(self.media.apply(session));
                }
                Command::Resolve(resolve) => self.transports.resolve(resolve),
                Command::Media(MediaCommand::Remove(call)) => self.media.remove(call),
                Command::Record(record) => {
                    self.records.write(&record);
                    self.watcher.ended(record);
                }
                Command::Store(snapshot) => {
                    self.store.keep(&snapshot);
                    self.told.registered(&snapshot);
                }
                Command::Event(event) => self.tell(event),
            }
            self.send_what_may_leave();
        }
    }

    fn tell(&mut self, event: Event) {
        self.events.write(&event);
        self.watcher.event(event);
    }

    fn send_what_may_leave(&mut self) {
        while let Some(transmit) = self.outbox.take() {
            self.send(transmit);
        }
    }

    fn send(&mut self, transmit: Transmit) {
        self.warn_if_unverified(&transmit);
        self.watcher.leaves(&transmit);
        if let Err(failure) = self.transports.send(transmit) {
            self.stack.handle_transport_failure(Instant::now(), failure);
        }
    }

    /// SEC-4: each call to a peer that may be anybody is worth a line.
    fn warn_if_unverified(&self, transmit: &Transmit) {
        let Some(trunk) = transmit.target.trunk else {
            return;
        };
        let begins_call =
            transmit.target.connection.is_none() && transmit.bytes.starts_with(b"INVITE ");
        if let Some(name) = begins_call
            .then(|| self.transports.unverified_trunk(trunk))
            .flatten()
        {
            tracing::warn!(
                trunk = name,
                "call to a peer whose certificate is NOT verified (verify = \"off\")"
            );
        }
    }

    /// Logrotate has moved the records away; the configuration is read elsewhere, and comes back as
    /// [`Operation::Configure`].
    fn reload(&mut self) {
        self.records.reopen();
        tokio::spawn(Arc::clone(&self.manager).reload());
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::take(
            &self.stack,
            &self.transports,
            &self.records,
            &self.config,
            &self.store,
        )
    }

    /// Hands back what has to be closed, in order, after the loop.
    pub(crate) fn into_parts(self) -> (Arc<MediaPlane>, Transports, Records, Store) {
        (self.media, self.transports, self.records, self.store)
    }
}

impl Inputs {
    async fn next(&mut self, wake_at: Instant) -> Input {
        tokio::select! {
            biased;
            request = self.signals.next() => Input::Signal(request),
            event = self.media_events.recv(), if !self.media_is_gone => match event {
                Some(event) => Input::Media(event),
                None => {
                    self.media_is_gone = true;
                    Input::MediaGone
                }
            },
            Some((since, arrival)) = self.arrivals.recv() => Input::Arrival(since, arrival),
            Some(operation) = self.operations.recv() => Input::Operation(operation),
            () = sleep_until(wake_at.into()) => Input::Time,
        }
    }
}

/// What works, but deserves a look.
pub(crate) fn log_warnings(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{}: {warning}", config.path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_the_media_plane_is_told_once() {
        let (_arrivals, arrivals) = mpsc::channel(1);
        let (media, media_events) = mpsc::channel(1);
        let (_operations, operations) = mpsc::channel(1);
        let mut inputs = Inputs {
            signals: Signals::catch().unwrap(),
            arrivals,
            media_events,
            media_is_gone: false,
            operations,
        };
        drop(media);
        let soon = Instant::now() + Duration::from_millis(10);
        assert!(matches!(inputs.next(soon).await, Input::MediaGone));
        assert!(matches!(inputs.next(soon).await, Input::Time));
    }
}
