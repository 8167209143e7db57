//! Where the driver leaves what it knows of calls: a bounded room that it never waits at.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use sip_core::stack::{CallRecord, LiveCall};
use sip_core::transport::{Host, Origin, Target, Transport};

use super::ladder::{Ladder, Raw, Remote, begins_outside_calls};
use super::{Live, lock};

/// Messages that wait, and bytes of them; beyond it they are missing in ladders, and counted.
const MESSAGES: usize = 16_384;
const MESSAGE_BYTES: usize = 8 << 20;
/// Calls that wait; there are never so many unless the thread that takes them is gone.
const CHANGES: usize = 65_536;
/// Without anything new the thread looks at what is due so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The latest of each call.
pub(super) enum Change {
    Changed(Box<LiveCall>),
    Ended(Box<CallRecord>),
}

#[derive(Default)]
pub(super) struct Intake {
    changes: HashMap<u64, Change>,
    messages: Vec<Raw>,
    message_bytes: usize,
    pub(super) messages_lost: u64,
    pub(super) changes_lost: u64,
}

impl Intake {
    pub(super) fn take_changes(&mut self) -> HashMap<u64, Change> {
        let next = HashMap::with_capacity(self.changes.len());
        std::mem::replace(&mut self.changes, next)
    }

    /// As many will come until the next time: room is made once.
    fn take_messages(&mut self) -> Vec<Raw> {
        self.message_bytes = 0;
        let next = Vec::with_capacity(self.messages.len());
        std::mem::replace(&mut self.messages, next)
    }

    fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.messages.is_empty()
    }
}

/// What is known of a message that came in, before its bytes are given away.
pub(crate) struct Arrived {
    transport: Transport,
    local: std::net::SocketAddr,
    remote: std::net::SocketAddr,
}

impl Live {
    /// For [`Live::came`]; `None` if no ladders are kept, or this message is of no call.
    pub(crate) fn arriving(&self, origin: &Origin, bytes: &[u8]) -> Option<Arrived> {
        (self.settings.ladder_bytes > 0 && !begins_outside_calls(bytes)).then_some(Arrived {
            transport: origin.transport,
            local: origin.local,
            remote: origin.remote,
        })
    }

    /// A message came in. Never waits.
    pub(crate) fn came(&self, arrived: Arrived, bytes: Vec<u8>) {
        self.leave_message(Raw {
            time: SystemTime::now(),
            at: Instant::now(),
            is_in: true,
            transport: arrived.transport,
            local: Some(arrived.local),
            remote: Remote::Address(arrived.remote),
            bytes,
        });
    }

    /// A message leaves, from that address of ours. Never waits.
    pub(crate) fn left(&self, target: &Target, local: Option<std::net::SocketAddr>, bytes: &[u8]) {
        if self.settings.ladder_bytes == 0 || begins_outside_calls(bytes) {
            return;
        }
        let known = target.address.or(match &target.host {
            Host::Address(address) => Some(*address),
            Host::Name(_) => None,
        });
        self.leave_message(Raw {
            time: SystemTime::now(),
            at: Instant::now(),
            is_in: false,
            transport: target.transport,
            local,
            remote: match known {
                Some(address) => Remote::Address((address, target.port).into()),
                None => Remote::Name(format!("{}:{}", target.host, target.port)),
            },
            bytes: bytes.to_vec(),
        });
    }

    fn leave_message(&self, raw: Raw) {
        let mut intake = lock(&self.intake);
        let is_full = intake.messages.len() >= MESSAGES
            || intake.message_bytes + raw.bytes.len() > MESSAGE_BYTES;
        if is_full {
            intake.messages_lost += 1;
            return;
        }
        let was_empty = intake.is_empty();
        intake.message_bytes += raw.bytes.len();
        intake.messages.push(raw);
        drop(intake);
        if was_empty {
            self.came.notify_one();
        }
    }

    pub(super) fn leave(&self, call: u64, change: Change) {
        let mut intake = lock(&self.intake);
        if intake.changes.len() >= CHANGES && !intake.changes.contains_key(&call) {
            intake.changes_lost += 1;
            return;
        }
        let was_empty = intake.is_empty();
        // What is over stays so.
        if !matches!(intake.changes.get(&call), Some(Change::Ended(_))) {
            intake.changes.insert(call, change);
        }
        drop(intake);
        if was_empty {
            self.came.notify_one();
        }
    }

    pub(super) fn wait_for_news(&self) {
        let intake = lock(&self.intake);
        // What is due is looked at meanwhile.
        let waited = self.came.wait_timeout_while(intake, LOOK_EVERY, |intake| {
            intake.is_empty() && !self.is_closing()
        });
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Redacts what waits, and brings it into the ladders.
    pub(super) fn take_messages(&self) {
        let messages = lock(&self.intake).take_messages();
        let show_digits = self.settings.show_digits;
        let prepared = messages
            .into_iter()
            .filter_map(|raw| Ladder::prepare(raw, show_digits));
        // Redacted before anything is locked.
        let prepared: Vec<_> = prepared.collect();
        let mut ladder = lock(&self.ladder);
        for (call_id, kept) in prepared {
            ladder.push(&call_id, kept);
        }
    }
}
