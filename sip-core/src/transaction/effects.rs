//! What a state machine may do: start timers, send, tell the user.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::timers::{Timer, TimerQueue};
use super::{Counters, Event, Timers, TransactionKey, Transmit};
use crate::transport::Target;

/// Everything that the machines share.
#[derive(Default)]
pub(super) struct Outputs {
    pub(super) timers: Timers,
    pub(super) queue: TimerQueue,
    pub(super) transmits: VecDeque<Transmit>,
    pub(super) events: VecDeque<Event>,
    pub(super) counters: Counters,
}

impl Outputs {
    /// The same for one transaction. A `quiet` one is the table's own and has no user.
    pub(super) fn of<K>(&mut self, key: K, now: Instant, quiet: bool) -> Effects<'_, K> {
        Effects {
            outputs: self,
            key,
            now,
            quiet,
        }
    }
}

/// [`Outputs`] as one transaction sees them, now.
pub(super) struct Effects<'a, K> {
    outputs: &'a mut Outputs,
    key: K,
    now: Instant,
    quiet: bool,
}

impl<K: Copy + Into<TransactionKey>> Effects<'_, K> {
    /// The transaction itself.
    pub(super) fn key(&self) -> K {
        self.key
    }

    pub(super) fn timers(&self) -> Timers {
        self.outputs.timers
    }

    pub(super) fn start(&mut self, timer: Timer, after: Duration) {
        self.outputs
            .queue
            .start(self.key.into(), timer, self.now + after);
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.outputs.queue.stop(self.key.into(), timer);
    }

    pub(super) fn stop_all(&mut self) {
        self.outputs.queue.stop_all(self.key.into());
    }

    pub(super) fn send(&mut self, target: &Target, bytes: &[u8]) {
        self.outputs.transmits.push_back(Transmit {
            target: target.clone(),
            bytes: bytes.to_vec(),
            transaction: Some(self.key.into()),
        });
    }

    pub(super) fn resend(&mut self, target: &Target, bytes: &[u8]) {
        self.outputs.counters.retransmissions += 1;
        self.send(target, bytes);
    }

    pub(super) fn tell(&mut self, event: Event) {
        if !self.quiet {
            self.outputs.events.push_back(event);
        }
    }

    pub(super) fn counters(&mut self) -> &mut Counters {
        &mut self.outputs.counters
    }
}
