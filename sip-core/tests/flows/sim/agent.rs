//! A user agent of the simulation: it does what a test tells it, and what every user agent does by
//! itself (ACK, 200 to BYE, 487 after CANCEL, an answer to a re-INVITE).

mod acts;
mod looks;
mod reactions;

use std::net::SocketAddr;
use std::time::Instant;

use media_core::ports::RealmId;
use sip_core::dialog::Dialog;
use sip_core::message::{
    HeaderName, Message, NameAddr, Request, Response, StatusCode, Uri, response_to, token,
};
use sip_core::transaction::{
    ClientKey, Event, ServerKey, TransactionConfig, Transactions, Transmit,
};
use sip_core::transport::{Host, Listener, ListenerId, Origin, Target, Transport};

use super::rng::SeededRng;
use super::sdp::{Profile, sdp};

/// Where an agent believes its call to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    /// Its INVITE is out.
    Inviting,
    /// It was called and has not answered.
    Invited,
    Up,
    /// It is over, with the status that ended it; 200: it was up.
    Over(u16),
}

/// What an agent does by itself; each can be switched off or changed.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    /// Acknowledges a 2xx.
    pub(crate) acknowledges: bool,
    /// Answers BYE.
    pub(crate) answers_bye: bool,
    /// Answers CANCEL's INVITE with 487.
    pub(crate) obeys_cancel: bool,
    /// Answers a re-INVITE with this status, and an SDP if it is a 2xx; `None`: the test does.
    pub(crate) reinvite: Option<u16>,
    /// Answers the first INVITE at once, so.
    pub(crate) invite: Option<u16>,
    /// Header lines in each INVITE and each response to one.
    pub(crate) extra: Vec<(&'static str, String)>,
    /// Puts SDP into the answer to a late offer (in ACK).
    pub(crate) answers_late_offer: bool,
    /// Listens for every transport at its port.
    pub(crate) every_transport: bool,
    /// Acknowledges reliable provisional responses.
    pub(crate) pracks: bool,
    /// Answers requests within its dialog other than INVITE and BYE with this status, and an offer
    /// in UPDATE or PRACK with an answer if it is a 2xx; `None`: it does not answer.
    pub(crate) others: Option<u16>,
    /// Header lines in each response to such a request.
    pub(crate) others_extra: Vec<(&'static str, String)>,
    /// Challenges requests.
    pub(crate) guard: Option<Guard>,
    /// Answers REGISTER so; `None`: 200.
    pub(crate) register: Option<(u16, Vec<(HeaderName, String)>)>,
}

/// What requests are challenged with.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// 401 or 407.
    pub(crate) status: u16,
    pub(crate) challenges: Vec<String>,
    /// What the credentials of a request must contain to be accepted.
    pub(crate) accepts: String,
}

impl Guard {
    fn admits(&self, request: &Request) -> bool {
        let credentials = match self.status {
            401 => HeaderName::Authorization,
            _ => HeaderName::ProxyAuthorization,
        };
        request
            .headers
            .values(credentials)
            .any(|line| String::from_utf8_lossy(line).contains(&self.accepts))
    }

    fn challenge(&self, request: &Request, tag: &str) -> Response {
        let status = StatusCode::new(self.status).expect("a status");
        let mut response = response_to(request, status, Some(tag));
        let name = match self.status {
            401 => HeaderName::WwwAuthenticate,
            _ => HeaderName::ProxyAuthenticate,
        };
        for challenge in &self.challenges {
            response.headers.push(name, challenge.as_str());
        }
        response
    }
}

impl Default for Manners {
    fn default() -> Manners {
        Manners {
            acknowledges: true,
            answers_bye: true,
            obeys_cancel: true,
            reinvite: Some(200),
            invite: None,
            extra: Vec::new(),
            answers_late_offer: true,
            every_transport: false,
            pracks: true,
            others: Some(200),
            others_extra: Vec::new(),
            guard: None,
            register: None,
        }
    }
}

pub(crate) struct Agent {
    pub(crate) address: SocketAddr,
    pub(crate) media: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) profile: Profile,
    pub(crate) manners: Manners,
    pub(crate) phase: Phase,
    /// In order of arrival.
    pub(crate) received: Vec<Message>,
    pub(crate) sent: Vec<Message>,
    /// Messages that came and could not be parsed.
    pub(crate) unreadable: usize,
    pub(crate) dialog: Option<Dialog>,
    /// What the peer last said its media is.
    pub(crate) remote_sdp: Vec<u8>,
    edge: SocketAddr,
    transactions: Transactions,
    rng: SeededRng,
    tag: String,
    sdp_version: u32,
    invite_out: Option<(ClientKey, Request)>,
    unacknowledged: Option<(ClientKey, u32)>,
    cancelling: bool,
    /// The CSeq number of an INVITE whose 2xx has no ACK yet.
    awaits_ack: Option<u32>,
    invite_in: Option<(ServerKey, Origin, Request)>,
}

impl Agent {
    pub(crate) fn new(
        address: SocketAddr,
        edge: SocketAddr,
        transport: Transport,
        profile: Profile,
        seed: u64,
    ) -> Agent {
        let mut rng = SeededRng(seed);
        let listener = Listener {
            transport,
            address,
            advertised_host: Host::Address(address.ip()),
            advertised_port: address.port(),
            realm: RealmId(0),
        };
        let config = TransactionConfig {
            listeners: vec![listener],
            ..TransactionConfig::default()
        };
        Agent {
            address,
            media: SocketAddr::new(address.ip(), 4000),
            transport,
            profile,
            manners: Manners::default(),
            phase: Phase::Idle,
            received: Vec::new(),
            sent: Vec::new(),
            unreadable: 0,
            dialog: None,
            remote_sdp: Vec::new(),
            edge,
            transactions: Transactions::new(config, &mut rng),
            tag: token(&mut rng, 8),
            rng,
            sdp_version: 1,
            invite_out: None,
            unacknowledged: None,
            cancelling: false,
            awaits_ack: None,
            invite_in: None,
        }
    }

    // The simulation's side.

    pub(crate) fn handle_message(&mut self, now: Instant, origin: Origin, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else {
            self.unreadable += 1;
            return;
        };
        self.received.push(message.clone());
        match message {
            Message::Request(request) => self.transactions.handle_request(now, origin, request),
            Message::Response(response) => {
                self.transactions.handle_response(now, &origin, response);
            }
        }
        self.drive(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        self.drive(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.transactions.poll_timeout()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.transactions.poll_transmit()?;
        self.sent
            .push(Message::parse(&transmit.bytes).expect("our own message"));
        Some(transmit)
    }

    fn drive(&mut self, now: Instant) {
        while let Some(event) = self.transactions.poll_event() {
            match event {
                Event::Request {
                    key,
                    origin,
                    request,
                } => self.handle_request(now, key, origin, request),
                Event::Response {
                    key,
                    origin,
                    response,
                } => self.handle_response(now, key, &origin, response),
                Event::Ack { request, .. } => {
                    // One that a later INVITE overtook brings nothing new.
                    let sequence = request.headers.cseq().expect("CSeq").number;
                    if self
                        .awaits_ack
                        .take_if(|awaited| *awaited == sequence)
                        .is_some()
                    {
                        self.take_remote_sdp(&request.body);
                    }
                }
                Event::Cancel { invite, .. } => self.handle_cancel(now, invite),
                Event::AckTimedOut { status, .. }
                    if status.is_success() && self.phase == Phase::Up =>
                {
                    self.hang_up(now);
                }
                Event::TimedOut { key } | Event::TransportFailed { key, .. } => {
                    self.handle_failure(now, key);
                }
                _ => {}
            }
        }
    }

    fn take_remote_sdp(&mut self, body: &[u8]) {
        if !body.is_empty() {
            self.remote_sdp = body.to_vec();
        }
    }

    fn next_sdp(&mut self, direction: &str) -> Vec<u8> {
        let body = sdp(self.media, self.profile, direction, self.sdp_version);
        self.sdp_version += 1;
        body
    }

    fn attach_sdp(&mut self, request: &mut Request, direction: &str) {
        request
            .headers
            .push(HeaderName::ContentType, "application/sdp");
        request.body = self.next_sdp(direction);
    }

    fn add_extra(&self, request: &mut Request) {
        for (name, value) in &self.manners.extra {
            request.headers.push_named(name, value.as_str());
        }
    }

    pub(crate) fn contact(&self) -> NameAddr {
        let uri = Uri::sip(
            Some("agent"),
            &Host::Address(self.address.ip()),
            Some(self.address.port()),
        );
        NameAddr::new(match self.transport {
            Transport::Udp => uri,
            other => uri.with_param("transport", Some(other.uri_token())),
        })
    }

    fn edge_target(&self) -> Target {
        Target {
            transport: self.transport,
            listener: ListenerId(0),
            connection: None,
            host: Host::Address(self.edge.ip()),
            address: None,
            port: self.edge.port(),
            by_service: false,
            trunk: None,
        }
    }
}
