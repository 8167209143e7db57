//! What must hold of everything that the stack wants done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use media_core::ports::{MediaPorts, NoPorts, RealmId};
use media_core::session::{CallId, LocalMedia, Security, Session, Side};
use sip_core::message::{HeaderName, Message, Scheme};
use sip_core::stack::{CallRecord, Event, LiveCall, Transmit};

use super::description::KEYS;
use super::peer::Peer;

/// What has been seen of calls, for the end.
#[derive(Default)]
pub(super) struct Seen {
    /// Calls that an event told of.
    pub(super) told: BTreeSet<CallId>,
    pub(super) recorded: BTreeSet<CallId>,
    /// What the media plane carries.
    pub(super) sessions: BTreeMap<CallId, Session>,
    removed: BTreeSet<CallId>,
}

impl Seen {
    pub(super) fn event(&mut self, event: &Event) {
        has_no_key(&event.text);
        self.told.extend(event.call);
    }

    pub(super) fn record(&mut self, record: &CallRecord) {
        let is_first = self.recorded.insert(record.call);
        assert!(is_first, "two records of one call");
        let printed = format!("{record:?}");
        has_no_key(&printed);
        assert!((100..700).contains(&record.status), "{printed}");
    }

    pub(super) fn apply(&mut self, session: Session, live: &[LiveCall], ports: &PortPool) {
        assert!(!self.removed.contains(&session.call), "media after its end");
        if let Some(call) = live.iter().find(|live| live.call == session.call) {
            for side in [Side::Caller, Side::Callee] {
                is_as_secure_as_the_trunk(call, side, &session);
            }
        }
        for stream in &session.streams {
            for leg in &stream.legs {
                assert!(ports.has(leg.local.rtp_port), "a port that is free");
            }
        }
        self.sessions.insert(session.call, session);
    }

    pub(super) fn remove(&mut self, call: CallId) {
        let was_applied = self.sessions.contains_key(&call);
        assert!(was_applied, "removed what was never applied");
        assert!(self.removed.insert(call), "removed twice");
    }

    /// The media plane has taken the call's flows away.
    pub(super) fn gone(&mut self, call: CallId) {
        self.sessions.remove(&call);
    }
}

fn has_no_key(text: &str) {
    let has_one = KEYS.iter().any(|key| text.contains(key));
    assert!(!has_one, "{text}");
}

fn is_as_secure_as_the_trunk(call: &LiveCall, side: Side, session: &Session) {
    let trunk = call.legs[side.index()].trunk.as_deref();
    let Some(peer) = trunk.and_then(Peer::with_trunk) else {
        return;
    };
    for stream in &session.streams {
        let security = &stream.legs[side.index()].security;
        let is_plain = *security == Security::Plain;
        assert_eq!(is_plain, !peer.is_srtp(), "{trunk:?}");
        assert!(!(stream.is_raw && peer.is_srtp()), "T.38 in the clear");
    }
}

/// A message that leaves. `answers_malformed`: what came last could not be read, and its headers
/// are copied into the answer.
pub(super) fn transmit(
    transmit: &Transmit,
    answers_malformed: bool,
    live: &[LiveCall],
) -> Option<Message> {
    let message = match Message::parse(&transmit.bytes) {
        Ok(message) => message,
        Err(error) => {
            let is_answer = transmit.bytes.starts_with(b"SIP/2.0 ");
            let bytes = transmit.bytes.escape_ascii();
            assert!(is_answer && answers_malformed, "{error}: {bytes}");
            return None;
        }
    };
    let peer = Peer::at(&transmit.target.host);
    match &message {
        Message::Request(request) => {
            assert_ne!(request.uri.scheme(), Scheme::Sips, "sips: leaves");
            assert!(request.headers.max_forwards().is_ok());
        }
        Message::Response(_) => assert!(peer.is_some(), "an answer to who has not asked"),
    }
    if let Some(contact) = message.headers().value(HeaderName::Contact) {
        assert!(
            !contact.windows(5).any(|text| text == b"sips:"),
            "sips: leaves"
        );
    }
    let is_secure = transmit.target.transport.is_secure();
    let target = transmit
        .target
        .trunk
        .map(|trunk| Peer::chosen(trunk.0.into()));
    // A refusal goes back the way that the request came by.
    let is_request = matches!(message, Message::Request(_));
    let is_to_secure = is_request && target.is_some_and(Peer::is_secure);
    assert!(is_secure || !is_to_secure, "a request to a secure trunk");
    if message.body().starts_with(b"v=0") {
        let has_keys = message.body().windows(9).any(|text| text == b"a=crypto:");
        assert!(is_secure || !has_keys, "keys in the clear");
        if let Some(peer) = trunk_of(&message, live) {
            assert!(is_secure || !peer.is_secure(), "a description in the clear");
            describes(message.body(), peer.is_srtp());
        }
    }
    Some(message)
}

/// Whose leg a message is of, by its Call-ID; the routes of a dialog may lead anywhere. None if
/// peers use one Call-ID twice.
fn trunk_of(message: &Message, live: &[LiveCall]) -> Option<Peer> {
    let call_id = message.headers().call_id().ok()?;
    let legs = live.iter().flat_map(|call| &call.legs);
    let mut trunks = legs
        .filter(|leg| leg.sip_call_id == call_id)
        .map(|leg| Peer::with_trunk(leg.trunk.as_deref()?));
    let first = trunks.next()?;
    trunks.all(|other| other == first).then_some(first)?
}

/// Every m-line in use has the trunk's transport, and keys exactly where that is SRTP.
fn describes(body: &[u8], is_srtp: bool) {
    let text = String::from_utf8_lossy(body);
    let mut in_use = false;
    let mut keys_due = false;
    for line in text.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            assert!(!keys_due, "no keys:\n{text}");
            let words: Vec<&str> = media.split(' ').collect();
            in_use = words[1] != "0";
            let is_savp = words[2].to_ascii_uppercase().contains("SAVP");
            assert!(!in_use || is_savp == is_srtp, "{text}");
            keys_due = in_use && is_srtp;
        } else if line.starts_with("a=crypto:") {
            assert!(!in_use || is_srtp, "keys in the clear:\n{text}");
            keys_due = false;
        }
    }
    assert!(!keys_due, "no keys:\n{text}");
}

/// Media ports, few of them, shared between the stack and the checks.
#[derive(Clone, Default)]
pub(super) struct PortPool(Arc<Mutex<BTreeSet<u16>>>);

/// Two legs and two families for each call, and not for all at once.
const MOST_PAIRS: u16 = 16;

impl PortPool {
    pub(super) fn given_out(&self) -> usize {
        self.lock().len()
    }

    fn has(&self, port: u16) -> bool {
        self.lock().contains(&port)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<u16>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MediaPorts for PortPool {
    fn allocate(&mut self, _: RealmId, ipv6: bool) -> Result<LocalMedia, NoPorts> {
        if ipv6 {
            return Err(NoPorts::NoAddress);
        }
        let mut given = self.lock();
        let free = (0..MOST_PAIRS).map(|pair| 20_000 + 2 * pair);
        let rtp_port = free.into_iter().find(|port| !given.contains(port));
        let rtp_port = rtp_port.ok_or(NoPorts::Exhausted)?;
        given.insert(rtp_port);
        Ok(LocalMedia {
            address: [198, 51, 100, 9].into(),
            rtp_port,
            rtcp_port: rtp_port + 1,
        })
    }

    fn release(&mut self, _: Instant, _: RealmId, media: LocalMedia) {
        assert!(self.lock().remove(&media.rtp_port), "given back twice");
    }
}
