//! The one entry of signalling: messages, time and media events in, commands out.

mod command;
mod config;
mod counters;
mod event;
mod record;

pub use self::command::{Command, MediaCommand, Transmit, TransmitId, TransportFailure};
pub use self::config::StackConfig;
pub use self::counters::Counters;
pub use self::event::{Event, EventKind};
pub use self::record::{CallRecord, EndedBy, LegRecord};
pub use crate::transport::Listener;

use std::collections::VecDeque;
use std::time::Instant;

use media_core::ports::MediaPorts;
use media_core::report::MediaEvent;
use rand_core::CryptoRng;

use crate::transport::{ConnectionId, Origin};
use crate::trunk::{Route, Trunk};

/// Trunkline's signalling: every transaction, dialog and call of the process.
///
/// No I/O. Call `handle_*` with what happened; after each, take every [`Command`] from
/// [`Stack::poll_command`] and do them in order, then sleep until [`Stack::poll_timeout`] or the
/// next thing that happens, and call [`Stack::handle_timeout`] when that time has come. `now` never
/// goes backwards. Nothing that comes from the wire panics.
pub struct Stack {
    config: StackConfig,
    rng: Box<dyn CryptoRng + Send>,
    ports: Box<dyn MediaPorts + Send>,
    commands: VecDeque<Command>,
    counters: Counters,
    shutting_down: bool,
}

impl Stack {
    pub fn new(
        config: StackConfig,
        rng: Box<dyn CryptoRng + Send>,
        ports: Box<dyn MediaPorts + Send>,
        now: Instant,
    ) -> Stack {
        let _ = now;
        Stack {
            config,
            rng,
            ports,
            commands: VecDeque::new(),
            counters: Counters::default(),
            shutting_down: false,
        }
    }

    /// One complete message: a datagram, or a frame that [`crate::framing`] cut from a stream.
    pub fn handle_message(&mut self, now: Instant, origin: Origin, bytes: &[u8]) {
        let _ = (now, origin, bytes);
    }

    /// A [`Transmit`] could not be sent.
    pub fn handle_transport_failure(&mut self, now: Instant, failure: TransportFailure) {
        let _ = (now, failure);
    }

    /// A connection was closed, by either side.
    pub fn handle_connection_closed(&mut self, now: Instant, connection: ConnectionId) {
        let _ = (now, connection);
    }

    /// The media plane has something to say.
    pub fn handle_media(&mut self, now: Instant, event: MediaEvent) {
        let _ = (now, event);
    }

    /// The time of [`Stack::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`Stack::handle_timeout`] wants to be called; `None`: nothing is pending.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Takes effect with the next call; calls that are up do not change (SEC-1).
    ///
    /// A [`crate::trunk::TrunkId`] must keep its meaning: a trunk that is removed keeps its place,
    /// with no ACL, no domains and no destination.
    pub fn reconfigure(&mut self, trunks: Vec<Trunk>, routes: Vec<Route>) {
        self.config.trunks = trunks;
        self.config.routes = routes;
    }

    /// Ends every call (BYE, CANCEL, 503) and takes no new one; finished when [`Stack::is_idle`].
    pub fn shut_down(&mut self, now: Instant) {
        let _ = now;
        self.shutting_down = true;
    }

    /// No call, no transaction and no media port is left.
    pub fn is_idle(&self) -> bool {
        let _ = (&self.rng, &self.ports);
        true
    }

    /// Calls that are up or being set up, or whose media is not yet removed.
    pub fn calls(&self) -> usize {
        0
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
