//! One table, its clock, and messages written by hand.

use std::time::{Duration, Instant};

use super::{FixedRng, PEER, US, listeners, name, origin, target};
use crate::message::{Message, Request, Response, StatusCode, response_to};
use crate::transaction::{
    ClientKey, Event, ServerKey, Timers, TransactionConfig, TransactionKey, Transactions, Transmit,
};
use crate::transport::{Target, Transport};
use crate::trunk::TrunkId;

/// A table and what came out of it. Times are milliseconds since its start.
pub(super) struct Bench {
    pub(super) table: Transactions,
    pub(super) rng: FixedRng,
    transport: Transport,
    start: Instant,
    now: u64,
    sent: Vec<(u64, Transmit)>,
    events: Vec<(u64, Event)>,
}

impl Bench {
    pub(super) fn new(transport: Transport) -> Bench {
        Bench::with(transport, Timers::default(), 1000)
    }

    pub(super) fn with(transport: Transport, timers: Timers, max: usize) -> Bench {
        let mut rng = FixedRng(99);
        let config = TransactionConfig {
            timers,
            listeners: listeners(US),
            max_server_transactions: max,
            ..TransactionConfig::default()
        };
        let table = Transactions::new(config, &mut rng);
        let (sent, events) = (vec![], vec![]);
        Bench {
            table,
            rng,
            transport,
            start: Instant::now(),
            now: 0,
            sent,
            events,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    /// Lets time pass up to `until`, each timer at its time.
    pub(super) fn run(&mut self, until: u64) {
        let end = self.start + Duration::from_millis(until);
        while let Some(next) = self.table.poll_timeout().filter(|&next| next <= end) {
            let millis = next.duration_since(self.start).as_millis();
            self.now = self.now.max(millis as u64);
            self.table.handle_timeout(next);
            self.collect();
        }
        self.now = self.now.max(until);
    }

    pub(super) fn collect(&mut self) {
        let now = self.now;
        self.sent
            .extend(std::iter::from_fn(|| self.table.poll_transmit()).map(|sent| (now, sent)));
        self.events
            .extend(std::iter::from_fn(|| self.table.poll_event()).map(|event| (now, event)));
    }

    /// A message from the peer.
    pub(super) fn receive(&mut self, text: &str) {
        self.receive_from(PEER, text);
    }

    pub(super) fn receive_from(&mut self, remote: &str, text: &str) {
        self.receive_by(self.transport, remote, text);
    }

    /// A message by another transport than the bench's own.
    pub(super) fn receive_by(&mut self, transport: Transport, remote: &str, text: &str) {
        let (now, origin) = (self.now(), origin(transport, US, remote));
        match Message::parse(text.as_bytes()).unwrap() {
            Message::Request(request) => self.table.handle_request(now, origin, request),
            Message::Response(response) => self.table.handle_response(now, &origin, response),
        }
        self.collect();
    }

    /// A request to the peer.
    pub(super) fn request(&mut self, text: &str) -> ClientKey {
        self.request_to(target(self.transport, PEER), text)
    }

    /// The same to a peer of that trunk.
    pub(super) fn request_of(&mut self, trunk: TrunkId, text: &str) -> ClientKey {
        let target = Target {
            trunk: Some(trunk),
            ..target(self.transport, PEER)
        };
        self.request_to(target, text)
    }

    fn request_to(&mut self, target: Target, text: &str) -> ClientKey {
        let Message::Request(request) = Message::parse(text.as_bytes()).unwrap() else {
            panic!("not a request");
        };
        let key = self
            .table
            .request(self.now(), without_via(request), target, &mut self.rng);
        self.collect();
        key
    }

    /// The peer's response to the latest request that we sent with that method.
    pub(super) fn answer(&mut self, method: &str, status: u16, to_tag: &str) {
        let request = self.latest(method);
        let response = response_to(&request, StatusCode::new(status).unwrap(), Some(to_tag));
        self.receive(&text(&response.to_bytes()));
    }

    /// Our user's response.
    pub(super) fn respond(&mut self, key: ServerKey, request: &Request, status: u16) -> bool {
        let response = response_to(request, StatusCode::new(status).unwrap(), Some("ours"));
        let sent = self.table.respond(self.now(), key, &response);
        self.collect();
        sent
    }

    /// The latest request or response that we sent with that method or status.
    pub(super) fn latest_bytes(&self, wanted: &str) -> Vec<u8> {
        let found = self
            .sent
            .iter()
            .rev()
            .find(|(_, sent)| name(&sent.bytes) == wanted);
        found
            .unwrap_or_else(|| panic!("no {wanted} was sent"))
            .1
            .bytes
            .clone()
    }

    pub(super) fn latest(&self, method: &str) -> Request {
        match Message::parse(&self.latest_bytes(method)).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("{method} is a status"),
        }
    }

    pub(super) fn latest_response(&self, status: &str) -> Response {
        match Message::parse(&self.latest_bytes(status)).unwrap() {
            Message::Response(response) => response,
            Message::Request(_) => panic!("{status} is a method"),
        }
    }

    pub(super) fn transmits(&self) -> &[(u64, Transmit)] {
        &self.sent
    }

    /// When messages with that method or status were sent.
    pub(super) fn times(&self, wanted: &str) -> Vec<u64> {
        let wanted = self
            .sent
            .iter()
            .filter(|(_, sent)| name(&sent.bytes) == wanted);
        wanted.map(|(at, _)| *at).collect()
    }

    /// Everything that was sent since the last call: when and what.
    pub(super) fn sent(&mut self) -> Vec<(u64, String)> {
        self.sent
            .drain(..)
            .map(|(at, sent)| (at, name(&sent.bytes)))
            .collect()
    }

    /// Everything that the user was told since the last call: when and what.
    pub(super) fn told(&mut self) -> Vec<(u64, String)> {
        self.events
            .drain(..)
            .map(|(at, event)| (at, describe(&event)))
            .collect()
    }

    /// The request of the only event there is, with its key.
    pub(super) fn take_request(&mut self) -> (ServerKey, Request) {
        assert_eq!(self.events.len(), 1, "{:?}", self.events);
        match self.events.pop() {
            Some((_, Event::Request { key, request, .. } | Event::Merged { key, request, .. })) => {
                (key, request)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn fail(&mut self, key: impl Into<TransactionKey>) {
        let reason = "connection refused".to_owned();
        self.table
            .handle_transport_error(self.now(), key.into(), reason);
        self.collect();
    }

    pub(super) fn cancel(&mut self, key: ClientKey) {
        self.table.cancel(self.now(), key);
        self.collect();
    }

    /// Our user's ACK to a 2xx with that To tag.
    pub(super) fn send_ack(&mut self, key: ClientKey, to_tag: &str) {
        self.send_ack_text(key, to_tag, &ours("ACK", 1));
    }

    pub(super) fn send_ack_text(&mut self, key: ClientKey, to_tag: &str, ack: &str) {
        let ack = ack.replace("To: <sip:bob@b.example>", &to_with(to_tag));
        let Message::Request(ack) = Message::parse(ack.as_bytes()).unwrap() else {
            panic!("not a request");
        };
        let target = target(self.transport, PEER);
        let now = self.now();
        self.table
            .send_ack(now, key, without_via(ack), target, &mut self.rng);
        self.collect();
    }
}

/// An event in a word or two.
pub(super) fn describe(event: &Event) -> String {
    match event {
        Event::Request { request, .. } => format!("request {}", request.method),
        Event::Merged { request, .. } => format!("merged {}", request.method),
        Event::Ack { .. } => "ack".into(),
        Event::AckTimedOut { status, .. } => format!("no ack to {status}"),
        Event::Cancel { .. } => "cancel".into(),
        Event::Response { response, .. } => format!("response {}", response.status),
        Event::StrayResponse { response, .. } => format!("stray {}", response.status),
        Event::TimedOut { .. } => "timed out".into(),
        Event::TransportFailed { reason, .. } => format!("transport failed: {reason}"),
        Event::ServerTransportFailed { .. } => "server transport failed".into(),
        Event::Overflowed { .. } => "overflowed".into(),
        Event::Shed { overload, .. } => format!("shed {overload:?}"),
        Event::Ended { .. } => "ended".into(),
    }
}

/// A request of ours; its Via is put there by the table.
pub(super) fn ours(method: &str, sequence: u32) -> String {
    request_text(
        method,
        sequence,
        "SIP/2.0/UDP replaced.example;branch=z9hG4bKx",
        "",
    )
}

/// A request of the peer's, with that branch.
pub(super) fn theirs(method: &str, branch: &str) -> String {
    request_text(method, 1, &via(branch), "")
}

/// The same within a dialog.
pub(super) fn theirs_in_dialog(method: &str, branch: &str) -> String {
    request_text(method, 1, &via(branch), ";tag=ours")
}

fn via(branch: &str) -> String {
    format!("SIP/2.0/UDP 198.51.100.9:5060;branch={branch}")
}

pub(super) fn request_text(method: &str, sequence: u32, via: &str, to_params: &str) -> String {
    format!(
        "{method} sip:bob@b.example SIP/2.0\r\n\
         Via: {via}\r\n\
         Max-Forwards: 70\r\n\
         Route: <sip:first.example;lr>, <sip:second.example;lr>\r\n\
         From: <sip:alice@a.example>;tag=alice\r\n\
         To: <sip:bob@b.example>{to_params}\r\n\
         Call-ID: 1@a.example\r\n\
         CSeq: {sequence} {method}\r\n\
         Contact: <sip:alice@198.51.100.9>\r\n\
         Subject: not for ACK or CANCEL\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn to_with(tag: &str) -> String {
    format!("To: <sip:bob@b.example>;tag={tag}")
}

fn without_via(mut request: Request) -> Request {
    request.headers.remove(crate::message::HeaderName::Via);
    request
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// `(0, "a"), (1, "b")` without the noise of `to_owned`.
pub(super) fn log<const N: usize>(entries: [(u64, &str); N]) -> Vec<(u64, String)> {
    entries.map(|(at, what)| (at, what.to_owned())).into()
}
