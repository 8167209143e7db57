//! The ladder of a call: every SIP message that came and left, of TLS too, redacted (OPS-4).
//!
//! All messages of all calls share one budget of memory: the oldest make room for the newest, and
//! what is missing is said. When a call is over its ladder goes to the store, and its room is free.

mod redact;
mod scan;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use sip_core::transport::Transport;

use self::redact::redact;
pub(super) use self::scan::begins_outside_calls;
use self::scan::{is_of_no_call, scan};

/// Most messages of one Call-ID: a peer that sends without end leaves room for others.
const OF_ONE_DIALOG: usize = 256;
/// Places of messages that have gone by themselves are swept up when there are so many.
const STALE_PLACES: usize = 4096;
/// What a message takes beside its text, about.
const OVERHEAD: usize = 256;

/// A message on its way to the ladder, as it is on the wire.
pub(super) struct Raw {
    pub(super) time: SystemTime,
    /// The same moment by the clock that nobody sets.
    pub(super) at: Instant,
    /// It came in.
    pub(super) is_in: bool,
    pub(super) transport: Transport,
    pub(super) local: Option<SocketAddr>,
    /// Address and port, or the name where that is all that is known.
    pub(super) remote: Remote,
    pub(super) bytes: Vec<u8>,
}

pub(super) enum Remote {
    Address(SocketAddr),
    Name(String),
}

/// A message of the ladder.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) time: SystemTime,
    pub(crate) at: Instant,
    pub(crate) is_in: bool,
    pub(crate) transport: Transport,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) remote: String,
    /// Of CSeq.
    pub(crate) method: String,
    pub(crate) status: Option<u16>,
    pub(crate) summary: String,
    /// Redacted.
    pub(crate) text: String,
}

/// The messages of some dialogs, and whether there were more.
#[derive(Debug, Default)]
pub(crate) struct Dialogs {
    /// With the place of the dialog among those asked for; in order of time.
    pub(crate) messages: Vec<(usize, Arc<Kept>)>,
    pub(crate) truncated: bool,
}

/// The messages of all calls.
pub(super) struct Ladder {
    budget: usize,
    dialogs: HashMap<Arc<str>, Dialog>,
    /// In order of time, for who has to go; those that have gone already are `None` in their dialog.
    order: VecDeque<(Arc<str>, u64)>,
    next: u64,
    /// Messages that are here, and what they take.
    count: usize,
    bytes: usize,
    /// Messages that had to go before their call was over.
    evicted: u64,
}

#[derive(Default)]
struct Dialog {
    messages: VecDeque<(u64, Arc<Kept>)>,
    truncated: bool,
}

impl Dialog {
    fn place(&self, number: u64) -> Result<usize, usize> {
        self.messages
            .binary_search_by_key(&number, |(number, _)| *number)
    }
}

impl Ladder {
    pub(super) fn new(budget: usize) -> Ladder {
        Ladder {
            budget,
            dialogs: HashMap::new(),
            order: VecDeque::new(),
            next: 0,
            count: 0,
            bytes: 0,
            evicted: 0,
        }
    }

    /// Redacts a message for [`Ladder::push`]; `None` if it belongs to no call.
    pub(super) fn prepare(raw: Raw, show_digits: bool) -> Option<(String, Kept)> {
        let scanned = scan(&raw.bytes)?;
        if is_of_no_call(scanned.method) {
            return None;
        }
        let kept = Kept {
            time: raw.time,
            at: raw.at,
            is_in: raw.is_in,
            transport: raw.transport,
            local: raw.local,
            remote: match raw.remote {
                Remote::Address(address) => address.to_string(),
                Remote::Name(name) => name,
            },
            method: scanned.method.to_owned(),
            status: scanned.status,
            summary: scanned.summary,
            text: redact(&raw.bytes, show_digits),
        };
        Some((scanned.call_id.to_owned(), kept))
    }

    /// Takes a message of that Call-ID.
    pub(super) fn push(&mut self, call_id: &str, kept: Kept) {
        let id: Arc<str> = match self.dialogs.get_key_value(call_id) {
            Some((id, _)) => Arc::clone(id),
            None => call_id.into(),
        };
        let number = self.next;
        self.next += 1;
        self.bytes += kept.bytes();
        self.count += 1;
        let dialog = self.dialogs.entry(Arc::clone(&id)).or_default();
        dialog.messages.push_back((number, Arc::new(kept)));
        // The first tell how it began; what follows is the middle of something long.
        if dialog.messages.len() > OF_ONE_DIALOG
            && let Some((_, gone)) = dialog.messages.remove(OF_ONE_DIALOG / 4)
        {
            dialog.truncated = true;
            self.bytes -= gone.bytes();
            self.count -= 1;
            self.evicted += 1;
        }
        self.order.push_back((id, number));
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.bytes > self.budget
            && let Some((id, number)) = self.order.pop_front()
        {
            self.evict(&id, number);
        }
        if self.order.len() > STALE_PLACES + 2 * self.count {
            let dialogs = &self.dialogs;
            self.order.retain(|(id, number)| {
                let dialog = dialogs.get(id);
                dialog.is_some_and(|dialog| dialog.place(*number).is_ok())
            });
        }
    }

    /// Takes the oldest message out, unless it has gone by itself.
    fn evict(&mut self, id: &Arc<str>, number: u64) {
        let Some(dialog) = self.dialogs.get_mut(id) else {
            return;
        };
        if let Ok(place) = dialog.place(number)
            && let Some((_, gone)) = dialog.messages.remove(place)
        {
            self.bytes -= gone.bytes();
            self.count -= 1;
            self.evicted += 1;
            dialog.truncated = true;
            if dialog.messages.is_empty() {
                self.dialogs.remove(id);
            }
        }
    }

    /// The messages of these Call-IDs, in order of time.
    pub(super) fn of<'a>(&self, call_ids: impl IntoIterator<Item = &'a str>) -> Dialogs {
        let mut found = Dialogs::default();
        let mut messages = Vec::new();
        for (place, id) in call_ids.into_iter().enumerate() {
            let Some(dialog) = self.dialogs.get(id) else {
                continue;
            };
            found.truncated |= dialog.truncated;
            let of_dialog = dialog.messages.iter();
            messages.extend(of_dialog.map(|(number, kept)| (*number, place, Arc::clone(kept))));
        }
        messages.sort_unstable_by_key(|(number, place, _)| (*number, *place));
        messages.dedup_by_key(|(number, ..)| *number);
        found.messages = messages
            .into_iter()
            .map(|(_, place, kept)| (place, kept))
            .collect();
        // A dialog that is not there at all had to go.
        found.truncated |= found.messages.is_empty();
        found
    }

    /// Forgets these Call-IDs.
    pub(super) fn forget<'a>(&mut self, call_ids: impl IntoIterator<Item = &'a str>) {
        for id in call_ids {
            if let Some(dialog) = self.dialogs.remove(id) {
                let bytes: usize = dialog.messages.iter().map(|(_, kept)| kept.bytes()).sum();
                self.bytes -= bytes;
                self.count -= dialog.messages.len();
            }
        }
        self.make_room();
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        OVERHEAD + self.text.capacity() + self.summary.capacity() + self.remote.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(call_id: &str, text: &str) -> Raw {
        Raw {
            time: SystemTime::now(),
            at: Instant::now(),
            is_in: true,
            transport: Transport::Udp,
            local: None,
            remote: Remote::Address(([192, 0, 2, 1], 5060).into()),
            bytes: format!("{text}\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n").into_bytes(),
        }
    }

    fn push(ladder: &mut Ladder, call_id: &str, text: &str) {
        let (id, kept) = Ladder::prepare(raw(call_id, text), false).unwrap();
        ladder.push(&id, kept);
    }

    #[test]
    fn ops_4_both_legs_of_a_call_are_one_ladder_in_order_of_time() {
        let mut ladder = Ladder::new(1 << 20);
        push(&mut ladder, "a", "INVITE sip:x SIP/2.0");
        push(&mut ladder, "other", "INVITE sip:y SIP/2.0");
        push(&mut ladder, "b", "INVITE sip:z SIP/2.0");
        push(&mut ladder, "a", "SIP/2.0 100 Trying");
        let found = ladder.of(["a", "b"]);
        let told: Vec<_> = found
            .messages
            .iter()
            .map(|(place, kept)| (*place, kept.summary.as_str()))
            .collect();
        assert_eq!(
            told,
            [(0, "INVITE sip:x"), (1, "INVITE sip:z"), (0, "100 Trying")]
        );
        assert!(!found.truncated);
        ladder.forget(["a", "b", "other"]);
        assert_eq!(ladder.bytes(), 0);
        assert!(ladder.of(["a"]).truncated);
    }

    #[test]
    fn ops_4_memory_is_bounded_and_what_is_missing_is_said() {
        let budget = 100_000;
        let mut ladder = Ladder::new(budget);
        for call in 0..5000 {
            push(&mut ladder, &format!("call-{call}"), "INVITE sip:x SIP/2.0");
            push(&mut ladder, &format!("call-{call}"), "SIP/2.0 200 OK");
            assert!(ladder.bytes() <= budget);
            if call % 3 == 0 {
                ladder.forget([format!("call-{call}").as_str()]);
            }
        }
        assert!(ladder.of(["call-1"]).truncated);
        assert_eq!(ladder.of(["call-4999"]).messages.len(), 2);
        assert!(ladder.order.len() < 10_000 && ladder.evicted() > 0);
    }

    #[test]
    fn ops_4_one_dialog_without_end_leaves_room_for_others() {
        let mut ladder = Ladder::new(16 << 20);
        for number in 0..1000 {
            push(&mut ladder, "a", &format!("INFO sip:{number} SIP/2.0"));
        }
        let found = ladder.of(["a"]);
        assert_eq!(
            (found.messages.len(), found.truncated),
            (OF_ONE_DIALOG, true)
        );
        assert_eq!(found.messages[0].1.summary, "INFO sip:0");
        assert_eq!(found.messages[OF_ONE_DIALOG - 1].1.summary, "INFO sip:999");
    }

    #[test]
    fn ops_4_probes_and_registrations_take_no_room() {
        let mut probe = raw("p", "SIP/2.0 200 OK");
        probe.bytes = b"SIP/2.0 200 OK\r\nCall-ID: p\r\nCSeq: 1 OPTIONS\r\n\r\n".to_vec();
        assert!(Ladder::prepare(probe, false).is_none());
    }
}
