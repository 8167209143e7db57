//! Two tables with a datagram link between them that loses, repeats and delays what it is told to.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::bench::{describe, request_text};
use super::{FixedRng, PEER, US, listeners, origin, target};
use crate::message::{HeaderName, Message, Method, Request, StatusCode, response_to};
use crate::transaction::{ClientKey, Event, ServerKey, Timers, TransactionConfig, Transactions};
use crate::transport::Transport;

/// What happens to one datagram.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Lost,
    Twice,
    /// Later than others, by so many milliseconds.
    Late(u64),
}

/// What the two users do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    /// The callee's final response, and when after the INVITE came.
    pub(super) status: u16,
    pub(super) answers_after: u64,
    /// When the caller cancels.
    pub(super) cancels_at: Option<u64>,
}

/// Caller (0) and callee (1), their users and the link. Times are milliseconds.
pub(super) struct Link {
    ends: [End; 2],
    script: Script,
    faults: HashMap<usize, Fault>,
    in_flight: Vec<(u64, usize, Vec<u8>)>,
    to_do: Vec<(u64, Action)>,
    datagrams: usize,
    start: Instant,
    now: u64,
}

struct End {
    table: Transactions,
    rng: FixedRng,
    told: Vec<String>,
}

enum Action {
    Cancel(ClientKey),
    Bye,
    Respond(ServerKey, Box<Request>, u16),
}

/// How it went.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) caller: Vec<String>,
    pub(super) callee: Vec<String>,
    /// Datagrams that were put on the link.
    pub(super) datagrams: usize,
}

impl Outcome {
    /// How often the caller was told that.
    pub(super) fn caller(&self, what: &str) -> usize {
        self.caller.iter().filter(|told| *told == what).count()
    }

    pub(super) fn callee(&self, what: &str) -> usize {
        self.callee.iter().filter(|told| *told == what).count()
    }
}

/// Places one call, until both tables are empty; panics if they do not become so.
pub(super) fn call(script: Script, faults: &[(usize, Fault)]) -> Outcome {
    let mut link = Link::new(script, faults);
    link.invite();
    while link.now < 300_000 && link.step() {}
    let [caller, callee] = link.ends;
    let first_faults = &faults[..faults.len().min(5)];
    for (who, end) in [("caller", &caller), ("callee", &callee)] {
        let left = end.table.len();
        assert_eq!(left, 0, "{who} keeps transactions: {first_faults:?}");
    }
    Outcome {
        caller: caller.told,
        callee: callee.told,
        datagrams: link.datagrams,
    }
}

impl Link {
    fn new(script: Script, faults: &[(usize, Fault)]) -> Link {
        let end = |address, seed| {
            let mut rng = FixedRng(seed);
            let config = TransactionConfig {
                timers: Timers::default(),
                listeners: listeners(address),
                max_server_transactions: 1000,
                ..TransactionConfig::default()
            };
            End {
                table: Transactions::new(config, &mut rng),
                rng,
                told: vec![],
            }
        };
        Link {
            ends: [end(PEER, 5), end(US, 6)],
            script,
            faults: faults.iter().copied().collect(),
            in_flight: vec![],
            to_do: vec![],
            datagrams: 0,
            start: Instant::now(),
            now: 0,
        }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    fn invite(&mut self) {
        let key = self.send("INVITE", 1, "");
        if let Some(at) = self.script.cancels_at {
            self.to_do.push((at, Action::Cancel(key)));
        }
        self.collect();
    }

    fn send(&mut self, method: &str, sequence: u32, to_params: &str) -> ClientKey {
        let now = self.now();
        let request = caller_request(method, sequence, to_params);
        let End { table, rng, .. } = &mut self.ends[0];
        table.request(now, request, target(Transport::Udp, US), rng)
    }

    /// Goes on to the next thing that happens; false if nothing will.
    fn step(&mut self) -> bool {
        let timers = self.ends.iter().filter_map(|end| end.table.poll_timeout());
        let timers = timers.map(|at| at.duration_since(self.start).as_millis() as u64);
        let arrivals = self.in_flight.iter().map(|(at, ..)| *at);
        let actions = self.to_do.iter().map(|(at, _)| *at);
        let Some(next) = timers.chain(arrivals).chain(actions).min() else {
            return false;
        };
        self.now = self.now.max(next);
        let now = self.now();
        for end in &mut self.ends {
            end.table.handle_timeout(now);
        }
        self.collect();
        if let Some(at) = self.in_flight.iter().position(|(at, ..)| *at <= self.now) {
            let (_, to, bytes) = self.in_flight.remove(at);
            self.arrive(to, &bytes);
            self.collect();
        }
        if let Some(at) = self.to_do.iter().position(|(at, _)| *at <= self.now) {
            let (_, action) = self.to_do.remove(at);
            self.act(action);
        }
        self.collect();
        true
    }

    fn arrive(&mut self, to: usize, bytes: &[u8]) {
        let now = self.now();
        let (local, remote) = if to == 0 { (PEER, US) } else { (US, PEER) };
        let origin = origin(Transport::Udp, local, remote);
        let table = &mut self.ends[to].table;
        match Message::parse(bytes).unwrap() {
            Message::Request(request) => table.handle_request(now, origin, request),
            Message::Response(response) => table.handle_response(now, &origin, response),
        }
    }

    fn act(&mut self, action: Action) {
        let now = self.now();
        match action {
            Action::Cancel(key) => self.ends[0].table.cancel(now, key),
            Action::Bye => {
                self.send("BYE", 2, ";tag=bob");
            }
            Action::Respond(key, request, status) => {
                let status = StatusCode::new(status).unwrap();
                let response = response_to(&request, status, Some("bob"));
                self.ends[1].table.respond(now, key, &response);
            }
        }
    }

    /// Puts what is to be sent on the link, and lets the users react to what they are told.
    fn collect(&mut self) {
        for from in [0, 1] {
            while let Some(event) = self.ends[from].table.poll_event() {
                self.ends[from].told.push(describe_with_method(&event));
                if from == 0 {
                    self.caller(&event);
                } else {
                    self.callee(event);
                }
            }
        }
        for from in [0, 1] {
            while let Some(transmit) = self.ends[from].table.poll_transmit() {
                let fault = self.faults.get(&self.datagrams).copied();
                self.datagrams += 1;
                let (copies, delay) = match fault {
                    None => (1, 0),
                    Some(Fault::Lost) => (0, 0),
                    Some(Fault::Twice) => (2, 0),
                    Some(Fault::Late(by)) => (1, by),
                };
                let at = self.now + 20 + delay;
                for copy in 0..copies {
                    self.in_flight
                        .push((at + copy, 1 - from, transmit.bytes.clone()));
                }
            }
        }
    }

    /// Acknowledges a 2xx and hangs up a second later.
    fn caller(&mut self, event: &Event) {
        if let Event::Response { key, response, .. } = event
            && response.status.is_success()
            && response.headers.cseq().unwrap().method == Method::Invite
        {
            let now = self.now();
            let End { table, rng, .. } = &mut self.ends[0];
            let ack = caller_request("ACK", 1, ";tag=bob");
            table.send_ack(now, *key, ack, target(Transport::Udp, US), rng);
            self.to_do.push((self.now + 1000, Action::Bye));
        }
    }

    /// Rings after 100 ms, answers as the script says, and lets itself be cancelled.
    fn callee(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Request { key, request, .. } if request.method == Method::Invite => {
                let Script {
                    status,
                    answers_after,
                    ..
                } = self.script;
                self.to_do
                    .push((now + 100, Action::Respond(key, request.clone().into(), 180)));
                self.to_do.push((
                    now + answers_after,
                    Action::Respond(key, request.into(), status),
                ));
            }
            Event::Request { key, request, .. } => {
                self.to_do
                    .push((now, Action::Respond(key, request.into(), 200)));
            }
            Event::Cancel {
                invite, request, ..
            } => {
                let mut invite_request = request;
                invite_request.headers.set(HeaderName::CSeq, "1 INVITE");
                // Before what the callee had meant to say in the same millisecond.
                let answer = Action::Respond(invite, invite_request.into(), 487);
                self.to_do.insert(0, (now, answer));
            }
            _ => {}
        }
    }
}

fn describe_with_method(event: &Event) -> String {
    match event {
        Event::Response { response, .. } => {
            let method = response.headers.cseq().unwrap().method;
            format!("{} to {method}", response.status)
        }
        other => describe(other),
    }
}

fn caller_request(method: &str, sequence: u32, to_params: &str) -> Request {
    let text = request_text(method, sequence, "SIP/2.0/UDP x;branch=z9hG4bKx", to_params);
    let Message::Request(mut request) = Message::parse(text.as_bytes()).unwrap() else {
        panic!("not a request");
    };
    request.headers.remove(HeaderName::Via);
    request
}
