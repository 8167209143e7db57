//! Random sequences of everything that can happen to a table.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::bench::request_text;
use super::{FixedRng, PEER, US, listeners, origin, target};
use crate::message::{HeaderName, Message, Request, StatusCode, response_to};
use crate::transaction::{
    ClientKey, Event, ServerKey, Timers, TransactionConfig, TransactionKey, Transactions,
};
use crate::transport::Transport;

/// What may happen; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Send(usize, Transport),
    Cancel(usize),
    Acknowledge(usize),
    Answer {
        request: usize,
        status: u16,
        tag: u8,
    },
    Receive {
        method: usize,
        branch: u8,
        tag: u8,
        transport: Transport,
    },
    Respond(usize, u16),
    Fail(usize),
}

const METHODS: [&str; 6] = ["INVITE", "OPTIONS", "BYE", "REFER", "ACK", "CANCEL"];

fn step() -> impl Strategy<Value = Step> {
    let transport = || prop::sample::select(vec![Transport::Udp, Transport::Tcp, Transport::Tls]);
    let status =
        || prop::sample::select(vec![100, 180, 183, 200, 202, 302, 404, 486, 487, 503, 603]);
    prop_oneof![
        3 => (0u64..40_000).prop_map(Step::Pass),
        3 => (0u64..700).prop_map(Step::Pass),
        3 => (0usize..4, transport()).prop_map(|(method, by)| Step::Send(method, by)),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => any::<usize>().prop_map(Step::Acknowledge),
        5 => (any::<usize>(), status(), 0u8..3)
            .prop_map(|(request, status, tag)| Step::Answer { request, status, tag }),
        6 => (0usize..METHODS.len(), 0u8..4, 0u8..3, transport()).prop_map(
            |(method, branch, tag, transport)| Step::Receive { method, branch, tag, transport }
        ),
        5 => (any::<usize>(), status()).prop_map(|(key, status)| Step::Respond(key, status)),
        1 => any::<usize>().prop_map(Step::Fail),
    ]
}

/// A table, and what its user remembers.
struct Run {
    table: Transactions,
    rng: FixedRng,
    start: Instant,
    now: Instant,
    clients: Vec<(ClientKey, Transport)>,
    servers: Vec<(ServerKey, Request)>,
    /// Everything that was sent: the latest requests are answered.
    requests: Vec<(Request, Transport)>,
    transactions: Vec<TransactionKey>,
    ended: HashMap<TransactionKey, u32>,
}

impl Run {
    fn new() -> Run {
        let mut rng = FixedRng(7);
        let config = TransactionConfig {
            timers: Timers::default(),
            listeners: listeners(US),
            max_server_transactions: 6,
            ..TransactionConfig::default()
        };
        let start = Instant::now();
        Run {
            table: Transactions::new(config, &mut rng),
            rng,
            start,
            now: start,
            clients: vec![],
            servers: vec![],
            requests: vec![],
            transactions: vec![],
            ended: HashMap::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Pass(millis) => self.pass(Duration::from_millis(millis)),
            Step::Send(method, transport) => {
                let key = self.table.request(
                    self.now,
                    request(METHODS[method], ""),
                    target(transport, PEER),
                    &mut self.rng,
                );
                self.clients.push((key, transport));
            }
            Step::Cancel(nth) => {
                if let Some((key, _)) = pick(&self.clients, nth) {
                    self.table.cancel(self.now, *key);
                }
            }
            Step::Acknowledge(nth) => {
                if let Some((key, transport)) = pick(&self.clients, nth) {
                    let ack = request("ACK", ";tag=0");
                    let target = target(*transport, PEER);
                    self.table
                        .send_ack(self.now, *key, ack, target, &mut self.rng);
                }
            }
            Step::Answer {
                request,
                status,
                tag,
            } => self.answer(request, status, tag),
            Step::Receive {
                method,
                branch,
                tag,
                transport,
            } => {
                self.receive(METHODS[method], branch, tag, transport);
            }
            Step::Respond(nth, status) => {
                if let Some((key, request)) = pick(&self.servers, nth) {
                    let status = StatusCode::new(status).unwrap();
                    let response = response_to(request, status, Some("0"));
                    self.table.respond(self.now, *key, &response);
                }
            }
            Step::Fail(nth) => {
                if let Some(key) = pick(&self.transactions, nth) {
                    self.table
                        .handle_transport_error(self.now, *key, String::new());
                }
            }
        }
        self.collect();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.table.poll_timeout().filter(|&next| next <= end) {
            assert!(next >= self.now, "a timer ended in the past");
            self.now = next;
            self.table.handle_timeout(next);
            self.collect();
        }
        self.now = end;
    }

    fn answer(&mut self, nth: usize, status: u16, tag: u8) {
        if let Some((request, transport)) = pick(&self.requests, nth) {
            let tag = tag.to_string();
            let response = response_to(request, StatusCode::new(status).unwrap(), Some(&tag));
            let origin = origin(*transport, US, PEER);
            self.table.handle_response(self.now, &origin, response);
        }
    }

    fn receive(&mut self, method: &str, branch: u8, tag: u8, transport: Transport) {
        // The last branch has no cookie; the last tag is none.
        let cookie = if branch == 3 { "" } else { "z9hG4bK" };
        let via = format!("SIP/2.0/UDP 198.51.100.9;branch={cookie}{branch}");
        let to = if tag == 2 {
            String::new()
        } else {
            format!(";tag={tag}")
        };
        let text = request_text(method, 1, &via, &to);
        let Message::Request(request) = Message::parse(text.as_bytes()).unwrap() else {
            panic!("not a request");
        };
        self.table
            .handle_request(self.now, origin(transport, US, PEER), request);
    }

    /// Takes everything out, as a user must, and checks what can be checked at any time.
    fn collect(&mut self) {
        while let Some(event) = self.table.poll_event() {
            if let Event::Ended { key } = event {
                *self.ended.entry(key).or_default() += 1;
                continue;
            }
            let key = key_of(&event);
            assert!(
                key.is_none_or(|key| !self.ended.contains_key(&key)),
                "{event:?} after its end"
            );
            if let Event::Request { key, request, .. } | Event::Merged { key, request, .. } = event
            {
                self.servers.push((key, request));
            }
        }
        while let Some(transmit) = self.table.poll_transmit() {
            self.transactions.extend(transmit.transaction);
            if let Message::Request(request) = Message::parse(&transmit.bytes).unwrap() {
                self.requests.push((request, transmit.target.transport));
            }
        }
    }

    /// The user answers what is open and cancels what it asked for; then time passes.
    fn wind_up(&mut self) {
        for (key, request) in std::mem::take(&mut self.servers) {
            let response = response_to(&request, StatusCode::new(500).unwrap(), Some("0"));
            self.table.respond(self.now, key, &response);
        }
        for (key, _) in self.clients.clone() {
            self.table.cancel(self.now, key);
        }
        self.collect();
        self.pass(Duration::from_secs(200));
    }
}

fn request(method: &str, to_params: &str) -> Request {
    let text = request_text(method, 1, "SIP/2.0/UDP x;branch=z9hG4bKx", to_params);
    let Message::Request(mut request) = Message::parse(text.as_bytes()).unwrap() else {
        panic!("not a request");
    };
    request.headers.remove(HeaderName::Via);
    request
}

fn pick<T>(from: &[T], nth: usize) -> Option<&T> {
    from.get(nth.checked_rem(from.len())?)
}

fn key_of(event: &Event) -> Option<TransactionKey> {
    match *event {
        Event::Request { key, .. }
        | Event::Merged { key, .. }
        | Event::ServerTransportFailed { key } => Some(key.into()),
        Event::Ack { invite, .. }
        | Event::AckTimedOut { invite, .. }
        | Event::Cancel { invite, .. } => Some(invite.into()),
        Event::Response { key, .. }
        | Event::TimedOut { key }
        | Event::TransportFailed { key, .. } => Some(key.into()),
        Event::StrayResponse { .. }
        | Event::Overflowed { .. }
        | Event::Shed { .. }
        | Event::Ended { .. } => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_ends_with_an_empty_table_and_one_end_for_each_transaction(
        steps in prop::collection::vec(step(), 0..60)
    ) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        let servers: Vec<_> = run.servers.iter().map(|(key, _)| *key).collect();
        run.wind_up();
        prop_assert!(run.now >= run.start);
        prop_assert_eq!(run.table.len(), 0);
        prop_assert_eq!(run.table.active(), 0);
        prop_assert_eq!(run.table.poll_timeout(), None);
        let ours = run.clients.iter().map(|&(key, _)| TransactionKey::from(key));
        for key in ours.chain(servers.into_iter().map(TransactionKey::from)) {
            prop_assert_eq!(run.ended.get(&key), Some(&1), "{:?}", key);
        }
    }
}
