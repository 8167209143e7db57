//! The control thread: owns the calls and the backend, and is the only one that changes flows.

mod flows;
mod rounds;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use media_common::counters::Verdicts;
use media_core::report::{Digit, MediaEvent, MediaReport};
use media_core::session::{CallId, Session};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::watch;

use super::calls::{Applied, Call};
use super::carrier::Carrier;
use super::config::{Backend, MediaConfig};
use super::error::MediaError;
use super::slots::{FlowReport, FlowReports, Latched, Slots};
use super::status::{ActiveBackend, FlowPage, FlowSample, MediaDescription};
use super::udp::UdpBackend;
use super::wake::{self, Waker};
use super::xdp::XdpBackend;

pub(super) use flows::Wanted;
use rounds::Rounds;

/// Between closing a flow and forgetting it: packets in the kernel's queues and the
/// workers' rings are on their way for far less.
const GRACE: Duration = Duration::from_millis(100);
/// How much later than its grace a call may go: those that end in the same moment go together.
const GATHER: Duration = Duration::from_millis(10);
const TICK: Duration = Duration::from_secs(1);
/// How long a session may wait for the neighbours that its packets leave by: on a working
/// network they answer within a millisecond, and signalling waits as long.
const NEXT_HOP_PATIENCE: Duration = Duration::from_millis(10);
/// Events that may wait before digits are left out.
const WAITING_DIGITS: usize = 4096;
/// How soon an event is offered again that the channel had no room for.
const EVENT_RETRY: Duration = Duration::from_millis(20);

/// What the control thread is asked.
pub(super) enum Input {
    Apply(Arc<Session>, Ticket),
    Remove(CallId),
    Verdicts(mpsc::Sender<Verdicts>),
    Flows(Wanted, mpsc::Sender<FlowPage>),
    Samples(Vec<CallId>, mpsc::Sender<Vec<FlowSample>>),
    Stop,
}

/// The number of a session that was handed over: they count up.
pub(super) type Ticket = u64;

/// The way into the control thread.
pub(super) struct Inputs {
    sender: mpsc::Sender<Input>,
    waker: Waker,
    tickets: AtomicU64,
}

impl Inputs {
    /// Hands a session over; the answer is its ticket.
    pub(super) fn apply(&self, session: Arc<Session>) -> Ticket {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed) + 1;
        self.send(Input::Apply(session, ticket));
        ticket
    }

    /// Never blocks. After the thread's end inputs have no effect.
    pub(super) fn send(&self, input: Input) {
        let _ = self.sender.send(input);
        self.waker.wake();
    }

    /// Waits for the answer; `None` if the thread has ended.
    pub(super) fn ask<T>(&self, question: impl FnOnce(mpsc::Sender<T>) -> Input) -> Option<T> {
        let (answer, answered) = mpsc::channel();
        self.send(question(answer));
        answered.recv().ok()
    }
}

pub(super) struct Control {
    inputs: mpsc::Receiver<Input>,
    reports: mpsc::Receiver<FlowReport>,
    waker: Waker,
    carrier: Box<dyn Carrier>,
    slots: Arc<Slots>,
    timeout: Option<Duration>,
    /// In order, so that whoever lists them can go on where he was.
    calls: BTreeMap<CallId, Box<Call>>,
    /// Which call a local port belongs to.
    owners: HashMap<SocketAddr, CallId>,
    /// Closed calls and flows until their grace is over, the earliest first.
    leaving: VecDeque<(Instant, Leaving)>,
    events: tokio::sync::mpsc::Sender<MediaEvent>,
    /// Events that the channel had no room for.
    waiting: VecDeque<MediaEvent>,
    next_tick: Instant,
    rounds: Rounds,
    /// Sessions whose flows run, but may not lead anywhere yet, the earliest first.
    fences: VecDeque<Fence>,
    /// The last session whose packets can pass.
    ready: watch::Sender<Ticket>,
}

/// A session on its way to be ready.
struct Fence {
    call: CallId,
    ticket: Ticket,
    /// When it counts as ready all the same.
    until: Instant,
}

enum Leaving {
    Call(CallId, Box<Call>),
    Flow(SocketAddr),
}

impl Control {
    pub(super) fn start(
        config: &MediaConfig,
        events: tokio::sync::mpsc::Sender<MediaEvent>,
    ) -> Result<(Inputs, Control, MediaDescription, watch::Receiver<Ticket>), MediaError> {
        let slots = Arc::new(Slots::new(&config.layout)?);
        let waker = Waker::new().map_err(|source| MediaError::System {
            action: "making an event counter",
            source,
        })?;
        let (reporting, reports) = FlowReports::new(waker.clone());
        let (carrier, description) = start_backend(config, Arc::clone(&slots), reporting, &waker)?;
        let (sender, inputs) = mpsc::channel();
        let (ready, is_ready) = watch::channel(0);
        let control = Control {
            inputs,
            reports,
            waker: waker.clone(),
            carrier,
            slots,
            timeout: config.timeout,
            calls: BTreeMap::new(),
            owners: HashMap::new(),
            leaving: VecDeque::new(),
            events,
            waiting: VecDeque::new(),
            next_tick: Instant::now() + TICK,
            rounds: Rounds::new(Instant::now()),
            fences: VecDeque::new(),
            ready,
        };
        let inputs = Inputs {
            sender,
            waker,
            tickets: AtomicU64::new(0),
        };
        Ok((inputs, control, description, is_ready))
    }

    /// Until [`Input::Stop`]; answers the last verdicts.
    pub(super) fn run(mut self) -> Verdicts {
        loop {
            self.sleep();
            self.waker.clear();
            while let Ok(input) = self.inputs.try_recv() {
                if matches!(input, Input::Stop) {
                    self.carrier.stop();
                    return self.carrier.verdicts();
                }
                self.handle_input(input);
            }
            while let Ok(report) = self.reports.try_recv() {
                match report {
                    FlowReport::Latched(latched) => self.handle_latched(latched),
                    FlowReport::Digit { local, digit } => self.handle_digit(local, digit),
                }
            }
            self.carrier.handle_readable();
            let now = Instant::now();
            self.finish_leaving(now);
            self.lift_fences(now);
            if now >= self.next_tick {
                self.next_tick = now + TICK;
                self.carrier.tick(now);
            }
            if now >= self.rounds.due() {
                self.look_at_some(now);
            }
            self.offer_events();
        }
    }

    fn sleep(&self) {
        let now = Instant::now();
        let mut until = self.next_tick.min(self.rounds.due());
        if let Some((due, _)) = self.leaving.front() {
            until = until.min(*due + GATHER);
        }
        if let Some(fence) = self.fences.front() {
            until = until.min(fence.until);
        }
        if !self.waiting.is_empty() {
            until = until.min(now + EVENT_RETRY);
        }
        let mut fds: Vec<_> = [self.waker.as_fd()]
            .into_iter()
            .chain(self.carrier.fds())
            .map(wake::readable)
            .collect();
        wake::sleep(&mut fds, Some(until.saturating_duration_since(now)));
    }

    fn handle_input(&mut self, input: Input) {
        match input {
            Input::Apply(session, ticket) => self.handle_session(session, ticket),
            Input::Remove(call) => self.handle_removal(call),
            Input::Verdicts(answer) => drop(answer.send(self.carrier.verdicts())),
            Input::Flows(wanted, answer) => drop(answer.send(self.flows(wanted))),
            Input::Samples(wanted, answer) => {
                let mut samples = Vec::with_capacity(2 * wanted.len());
                for call in wanted.iter().filter_map(|id| self.calls.get(id)) {
                    call.samples(&mut *self.carrier, &mut samples);
                }
                drop(answer.send(samples));
            }
            Input::Stop => {}
        }
    }

    fn handle_session(&mut self, session: Arc<Session>, ticket: Ticket) {
        let id = session.call;
        let now = Instant::now();
        match self.calls.get_mut(&id) {
            Some(call) => call.update(session, now),
            None => {
                self.calls.insert(id, Box::new(Call::new(session, now)));
            }
        }
        self.apply(id);
        self.fences.push_back(Fence {
            call: id,
            ticket,
            until: now + NEXT_HOP_PATIENCE,
        });
    }

    /// Says which sessions are ready: in order, so that one number says it of all before it.
    fn lift_fences(&mut self, now: Instant) {
        let mut ready = None;
        while let Some(fence) = self.fences.front() {
            let is_ready = fence.until <= now
                || self
                    .calls
                    .get(&fence.call)
                    .is_none_or(|call| call.is_ready(&mut *self.carrier));
            if !is_ready {
                break;
            }
            ready = Some(fence.ticket);
            self.fences.pop_front();
        }
        if let Some(ready) = ready {
            self.ready.send_replace(ready);
        }
    }

    fn handle_latched(&mut self, latched: Latched) {
        let Some(id) = self.owners.get(&latched.local).copied() else {
            return;
        };
        tracing::debug!(call = id.0, local = %latched.local, source = %latched.source, "media: source locked");
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.latched(&latched) {
            self.apply(id);
        }
    }

    /// More digits than signalling takes are those of somebody who floods us.
    fn handle_digit(&mut self, local: SocketAddr, digit: Digit) {
        let call = self.owners.get(&local).copied();
        let from = call.and_then(|call| self.calls.get(&call)?.side_at(local));
        if let (Some(call), Some(from)) = (call, from)
            && self.waiting.len() < WAITING_DIGITS
        {
            let event = MediaEvent::Digit { call, from, digit };
            self.waiting.push_back(event);
        }
    }

    /// Makes the flows of a call what its plan says.
    fn apply(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Applied { closed, failure } = call.apply(&mut *self.carrier);
        for local in call.locals() {
            self.owners.insert(local, id);
        }
        let due = Instant::now() + GRACE;
        for local in closed {
            self.owners.remove(&local);
            self.leaving.push_back((due, Leaving::Flow(local)));
        }
        if let Some(reason) = failure.filter(|_| !call.has_failed) {
            call.has_failed = true;
            tracing::warn!(call = id.0, reason, "media: a call cannot be carried");
            self.waiting
                .push_back(MediaEvent::Failed { call: id, reason });
        }
    }

    fn handle_removal(&mut self, id: CallId) {
        let Some(mut call) = self.calls.remove(&id) else {
            self.waiting.push_back(MediaEvent::Removed {
                call: id,
                report: MediaReport::default(),
            });
            return;
        };
        call.close(&mut *self.carrier);
        for local in call.locals() {
            self.owners.remove(&local);
        }
        self.leaving
            .push_back((Instant::now() + GRACE, Leaving::Call(id, call)));
    }

    fn finish_leaving(&mut self, now: Instant) {
        while self.leaving.front().is_some_and(|(due, _)| *due <= now) {
            match self.leaving.pop_front() {
                Some((_, Leaving::Call(call, media))) => {
                    let report = media.release(&mut *self.carrier);
                    self.waiting.push_back(MediaEvent::Removed { call, report });
                }
                // Unless a newer session has given the port a flow again.
                Some((_, Leaving::Flow(local))) if !self.owners.contains_key(&local) => {
                    self.carrier.release(local);
                }
                Some((_, Leaving::Flow(_))) => {}
                None => return,
            }
        }
    }

    fn offer_events(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => return self.waiting.push_front(event),
                // Signalling has ended: nobody is left to tell.
                Err(TrySendError::Closed(_)) => self.waiting.clear(),
            }
        }
    }
}

/// XDP or sockets, as configured and possible.
fn start_backend(
    config: &MediaConfig,
    slots: Arc<Slots>,
    reports: FlowReports,
    waker: &Waker,
) -> Result<(Box<dyn Carrier>, MediaDescription), MediaError> {
    let mut fallback_reason = None;
    if config.backend == Backend::Auto && config.interfaces.is_empty() {
        fallback_reason = Some("no media interfaces are configured".to_owned());
    } else if config.backend != Backend::Socket {
        match XdpBackend::start(config, Arc::clone(&slots), reports.clone(), waker.clone()) {
            Ok(backend) => {
                let description = MediaDescription {
                    backend: backend.description(),
                    fallback_reason,
                };
                tracing::info!("media: {description}");
                return Ok((Box::new(backend), description));
            }
            Err(error) if config.backend == Backend::Auto && error.allows_fallback() => {
                tracing::warn!("{error}; the socket backend is used");
                fallback_reason = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    let backend = UdpBackend::start(slots, &reports)?;
    let description = MediaDescription {
        backend: ActiveBackend::Socket,
        fallback_reason,
    };
    tracing::info!("media: {description}");
    Ok((Box::new(backend), description))
}
