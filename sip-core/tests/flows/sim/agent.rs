//! A user agent of the simulation: it does what a test tells it, and what every user agent does by
//! itself (ACK, 200 to BYE, 487 after CANCEL, an answer to a re-INVITE).

use std::net::SocketAddr;
use std::time::Instant;

use media_core::ports::RealmId;
use sip_core::dialog::{Dialog, NewRequest, Path};
use sip_core::message::{
    HeaderName, Message, Method, NameAddr, Request, Response, StatusCode, Uri, response_to, token,
};
use sip_core::transaction::{
    ClientKey, Event, ServerKey, TransactionConfig, Transactions, Transmit,
};
use sip_core::transport::{Host, Listener, ListenerId, Origin, Target, Transport};

use super::rng::SeededRng;
use super::sdp::{Profile, answering_direction, sdp};

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

    // What a test tells it.

    /// An INVITE to the edge, ready to be changed and sent.
    pub(crate) fn new_invite(&mut self, called: &str, with_offer: bool) -> Request {
        let uri = Uri::sip(
            Some(called),
            &Host::Address(self.edge.ip()),
            Some(self.edge.port()),
        );
        let request = NewRequest {
            method: Method::Invite,
            from: NameAddr::new(Uri::sip(
                Some("+100"),
                &Host::Address(self.address.ip()),
                None,
            ))
            .with_tag(&self.tag),
            to: NameAddr::new(uri.clone()),
            uri,
            call_id: token(&mut self.rng, 16),
            sequence: 1,
            contact: Some(self.contact()),
        };
        let mut request = request.build();
        self.add_extra(&mut request);
        if with_offer {
            self.attach_sdp(&mut request, "sendrecv");
        }
        request
    }

    pub(crate) fn invite(&mut self, now: Instant) {
        let invite = self.new_invite("+200", true);
        self.send_invite(now, invite);
    }

    pub(crate) fn invite_without_offer(&mut self, now: Instant) {
        let invite = self.new_invite("+200", false);
        self.send_invite(now, invite);
    }

    pub(crate) fn send_invite(&mut self, now: Instant, invite: Request) {
        let client =
            self.transactions
                .request(now, invite.clone(), self.edge_target(), &mut self.rng);
        self.invite_out = Some((client, invite));
        self.phase = Phase::Inviting;
    }

    /// Any request outside the dialog.
    pub(crate) fn send_outside(&mut self, now: Instant, request: Request) {
        let target = self.edge_target();
        self.transactions
            .request(now, request, target, &mut self.rng);
    }

    pub(crate) fn cancel(&mut self, now: Instant) {
        if let Some((client, _)) = &self.invite_out {
            self.cancelling = true;
            self.transactions.cancel(now, *client);
        }
    }

    /// Of a re-INVITE: the call stays, whatever comes of it.
    pub(crate) fn cancel_reinvite(&mut self, now: Instant) {
        if let Some((client, _)) = &self.invite_out {
            self.transactions.cancel(now, *client);
        }
    }

    /// A request in the dialog that a provisional response made.
    pub(crate) fn request_early(&mut self, now: Instant, method: Method) {
        self.make_early_dialog();
        self.request(now, method, |_| {});
    }

    /// The dialog of its INVITE's latest provisional response, or of its own to the INVITE that it
    /// got, unless it has one.
    pub(crate) fn make_early_dialog(&mut self) {
        if self.dialog.is_some() {
            return;
        }
        if let Some((_, origin, invite)) = self.invite_in.clone() {
            let path = Path::to_sender(&invite.headers, &origin, None, None).expect("a Via");
            let dialog = Dialog::from_request(&invite, &self.tag, self.contact(), path);
            self.dialog = Some(dialog.expect("a dialog"));
            return;
        }
        let (_, invite) = self.invite_out.clone().expect("an INVITE that is out");
        let response = self
            .responses(&Method::Invite)
            .pop()
            .expect("a provisional response")
            .clone();
        let origin = Origin {
            transport: self.transport,
            listener: ListenerId(0),
            local: self.address,
            remote: self.edge,
            connection: None,
            tls: None,
        };
        let path = Path::to_target(&self.edge_target(), &origin, None);
        self.dialog = Some(Dialog::from_response(&invite, &response, path).expect("a dialog"));
    }

    /// A provisional response that wants a PRACK, with SDP if it is a 183.
    pub(crate) fn respond_reliably(&mut self, now: Instant, status: u16, sequence: u32) {
        self.make_early_dialog();
        self.respond_edited(now, status, |response| {
            response.headers.push(HeaderName::Require, "100rel");
            response
                .headers
                .push(HeaderName::RSeq, sequence.to_string());
        });
    }

    /// PRACK for the latest provisional response; whether that wanted one.
    fn acknowledge_provisional(&mut self, now: Instant, response: &Response) {
        let Some(sequence) = response.headers.reliable_sequence() else {
            return;
        };
        self.make_early_dialog();
        let cseq = response.headers.cseq().expect("CSeq");
        self.request(now, Method::Prack, |prack| {
            prack
                .headers
                .push(HeaderName::RAck, format!("{sequence} {cseq}"));
        });
    }

    /// A request within the dialog with an offer of that direction.
    pub(crate) fn request_with_offer(&mut self, now: Instant, method: Method, direction: &str) {
        let mut offer = Request::new(Method::Update, Uri::parse(b"sip:x").expect("a URI"));
        self.attach_sdp(&mut offer, direction);
        self.request(now, method, |request| {
            request
                .headers
                .push(HeaderName::ContentType, "application/sdp");
            request.body = offer.body;
        });
    }

    /// The ACK that bad manners held back.
    pub(crate) fn acknowledge_late(&mut self, now: Instant) {
        let (client, sequence) = self.unacknowledged.take().expect("a 2xx without ACK");
        let dialog = self.dialog.as_ref().expect("a dialog");
        let (ack, target) = (dialog.ack(sequence), dialog.target());
        self.transactions
            .send_ack(now, client, ack, target, &mut self.rng);
    }

    /// Its 200 as another branch of a fork would have sent it.
    pub(crate) fn forked_answer(&self, tag: &str) -> Vec<u8> {
        let mut answers = self.sent.iter().filter_map(|message| match message {
            Message::Response(response) if response.status == 200 => Some(response.clone()),
            _ => None,
        });
        let mut answer = answers.next().expect("a 200");
        let to = answer.headers.to().expect("To").with_tag(tag);
        answer.headers.set(HeaderName::To, to);
        answer.to_bytes()
    }

    /// A request within the dialog, changed by `edit`.
    pub(crate) fn request(
        &mut self,
        now: Instant,
        method: Method,
        edit: impl FnOnce(&mut Request),
    ) {
        let dialog = self.dialog.as_mut().expect("a dialog");
        let mut request = dialog.request(method);
        let target = dialog.target();
        edit(&mut request);
        let client = self
            .transactions
            .request(now, request.clone(), target, &mut self.rng);
        if request.method == Method::Invite {
            self.invite_out = Some((client, request));
        }
    }

    /// PRACK for that RSeq of its first INVITE, with an offer.
    pub(crate) fn prack_with_offer(&mut self, now: Instant, sequence: u32, direction: &str) {
        let mut offer = Request::new(Method::Prack, Uri::parse(b"sip:x").expect("a URI"));
        self.attach_sdp(&mut offer, direction);
        self.request(now, Method::Prack, |prack| {
            let headers = &mut prack.headers;
            headers.push(HeaderName::RAck, format!("{sequence} 1 INVITE"));
            headers.push(HeaderName::ContentType, "application/sdp");
            prack.body = offer.body;
        });
    }

    pub(crate) fn hang_up(&mut self, now: Instant) {
        self.request(now, Method::Bye, |_| {});
        self.phase = Phase::Over(200);
    }

    /// A re-INVITE with an offer of that direction.
    pub(crate) fn reinvite(&mut self, now: Instant, direction: &str) {
        let mut offer = Request::new(Method::Invite, Uri::parse(b"sip:x").expect("a URI"));
        self.attach_sdp(&mut offer, direction);
        let contact = self.contact();
        self.request(now, Method::Invite, |request| {
            let headers = &mut request.headers;
            headers.set(HeaderName::Contact, contact);
            headers.push(HeaderName::ContentType, "application/sdp");
            request.body = offer.body;
        });
    }

    pub(crate) fn reinvite_without_offer(&mut self, now: Instant) {
        self.request(now, Method::Invite, |_| {});
    }

    /// Answers the INVITE that waits; a 2xx, or a 183, with SDP.
    pub(crate) fn respond(&mut self, now: Instant, status: u16) {
        self.respond_edited(now, status, |_| {});
    }

    pub(crate) fn respond_edited(
        &mut self,
        now: Instant,
        status: u16,
        edit: impl FnOnce(&mut Response),
    ) {
        let (server, origin, invite) = self.invite_in.clone().expect("an INVITE to answer");
        let status = StatusCode::new(status).expect("a status");
        let tag = self.tag.clone();
        let mut response = response_to(&invite, status, Some(&tag));
        for (name, value) in &self.manners.extra {
            response.headers.push_named(name, value.as_str());
        }
        if status.is_success() || status.is_provisional() {
            response.headers.push(HeaderName::Contact, self.contact());
        }
        if status.is_success() || status == StatusCode::SESSION_PROGRESS {
            let direction = if invite.body.is_empty() {
                "sendrecv"
            } else {
                answering_direction(&invite.body)
            };
            let body = self.next_sdp(direction);
            response = response.with_body("application/sdp", body);
        }
        edit(&mut response);
        if status.is_success() {
            self.awaits_ack = Some(invite.headers.cseq().expect("CSeq").number);
            self.take_remote_sdp(&invite.body);
            self.accept(&origin, &invite);
        } else if status.is_final() && self.phase == Phase::Invited {
            self.phase = Phase::Over(status.code());
        }
        if status.is_final() {
            self.invite_in = None;
        }
        self.transactions.respond(now, server, &response);
    }

    pub(crate) fn is_inviting(&self) -> bool {
        self.invite_out.is_some()
    }

    /// RFC 3261 section 14.1: no INVITE while one is in progress, in either direction.
    pub(crate) fn may_invite(&self) -> bool {
        self.invite_out.is_none() && self.invite_in.is_none() && self.awaits_ack.is_none()
    }

    pub(crate) fn is_invited(&self) -> bool {
        self.invite_in.is_some()
    }

    // What it saw.

    pub(crate) fn requests(&self, method: &Method) -> Vec<&Request> {
        let requests = self.received.iter().filter_map(|message| match message {
            Message::Request(request) if request.method == *method => Some(request),
            _ => None,
        });
        requests.collect()
    }

    pub(crate) fn request_received(&self, method: &Method) -> &Request {
        self.requests(method)
            .pop()
            .unwrap_or_else(|| panic!("no {method} came"))
    }

    /// Statuses of the responses to requests of that method, in order of arrival.
    pub(crate) fn statuses(&self, method: &Method) -> Vec<u16> {
        self.responses(method)
            .iter()
            .map(|response| response.status.code())
            .collect()
    }

    pub(crate) fn responses(&self, method: &Method) -> Vec<&Response> {
        let responses = self.received.iter().filter_map(|message| match message {
            Message::Response(response)
                if response.headers.cseq().expect("CSeq").method == *method =>
            {
                Some(response)
            }
            _ => None,
        });
        responses.collect()
    }

    pub(crate) fn response(&self, method: &Method, status: u16) -> &Response {
        let mut found = self.responses(method);
        found.retain(|response| response.status == status);
        found
            .pop()
            .unwrap_or_else(|| panic!("no {status} to {method}, but {:?}", self.statuses(method)))
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

    fn handle_request(&mut self, now: Instant, key: ServerKey, origin: Origin, request: Request) {
        let to = request.headers.to().expect("To");
        let within = to.tag() == Some(self.tag.as_str());
        if let Some(guard) = &self.manners.guard
            && !guard.admits(&request)
        {
            let response = guard.challenge(&request, &self.tag);
            self.transactions.respond(now, key, &response);
            return;
        }
        match request.method {
            Method::Invite if to.tag().is_none() && self.phase == Phase::Idle => {
                self.invite_in = Some((key, origin, request));
                self.phase = Phase::Invited;
                if let Some(status) = self.manners.invite {
                    self.respond(now, status);
                }
            }
            Method::Invite if within && self.phase == Phase::Up => {
                self.handle_reinvite(now, key, origin, request);
            }
            Method::Bye if within && self.dialog.is_some() => {
                if !self.manners.answers_bye {
                    return;
                }
                self.answer(now, key, &request, StatusCode::OK);
                if let Phase::Up | Phase::Invited | Phase::Inviting = self.phase {
                    self.phase = Phase::Over(200);
                }
                if let Some((key, _, invite)) = self.invite_in.take() {
                    self.answer(now, key, &invite, StatusCode::REQUEST_TERMINATED);
                }
            }
            Method::Register => self.answer_register(now, key, &request),
            Method::Message if to.tag().is_none() => {
                if let Some(status) = self.manners.others.and_then(StatusCode::new) {
                    let mut response = response_to(&request, status, Some(&self.tag));
                    for (name, value) in &self.manners.others_extra {
                        response.headers.push_named(name, value.as_str());
                    }
                    self.transactions.respond(now, key, &response);
                }
            }
            Method::Options => self.answer(now, key, &request, StatusCode::OK),
            Method::Bye | Method::Invite => {
                self.answer(now, key, &request, StatusCode::CALL_DOES_NOT_EXIST);
            }
            _ if within => self.answer_other(now, key, &origin, &request),
            _ => self.answer(now, key, &request, StatusCode::CALL_DOES_NOT_EXIST),
        }
    }

    fn answer_other(&mut self, now: Instant, key: ServerKey, origin: &Origin, request: &Request) {
        if self.dialog.is_none() && self.invite_in.is_none() {
            return self.answer(now, key, request, StatusCode::CALL_DOES_NOT_EXIST);
        }
        self.make_early_dialog();
        let dialog = self.dialog.as_mut().expect("made above");
        if let Err(error) = dialog.handle_request(origin, request) {
            return self.answer(now, key, request, error.status());
        }
        let Some(status) = self.manners.others.and_then(StatusCode::new) else {
            return;
        };
        let mut response = response_to(request, status, Some(&self.tag));
        for (name, value) in &self.manners.others_extra {
            response.headers.push_named(name, value.as_str());
        }
        let is_offer = matches!(request.method, Method::Update | Method::Prack);
        if status.is_success() && is_offer && !request.body.is_empty() {
            self.take_remote_sdp(&request.body);
            let body = self.next_sdp(answering_direction(&request.body));
            response = response.with_body("application/sdp", body);
        }
        self.transactions.respond(now, key, &response);
    }

    fn handle_reinvite(&mut self, now: Instant, key: ServerKey, origin: Origin, request: Request) {
        let dialog = self.dialog.as_mut().expect("a call that is up has one");
        if let Err(error) = dialog.handle_request(&origin, &request) {
            return self.answer(now, key, &request, error.status());
        }
        // RFC 3261 section 14.2.
        if self.invite_out.is_some() {
            return self.answer(now, key, &request, StatusCode::REQUEST_PENDING);
        }
        self.invite_in = Some((key, origin, request));
        if let Some(status) = self.manners.reinvite {
            self.respond(now, status);
        }
    }

    fn handle_cancel(&mut self, now: Instant, invite: ServerKey) {
        let is_pending = self
            .invite_in
            .as_ref()
            .is_some_and(|(key, ..)| *key == invite);
        if self.manners.obeys_cancel && is_pending {
            self.respond(now, 487);
        }
    }

    fn handle_response(
        &mut self,
        now: Instant,
        key: ClientKey,
        origin: &Origin,
        response: Response,
    ) {
        let is_invite = response.headers.cseq().expect("CSeq").method == Method::Invite;
        if is_invite && response.status.is_provisional() && self.manners.pracks {
            self.acknowledge_provisional(now, &response);
        }
        if !is_invite || response.status.is_provisional() {
            return;
        }
        let current = self.invite_out.take_if(|(client, _)| *client == key);
        let Some((_, invite)) = current else {
            // A retransmission of a 2xx that was not acknowledged.
            return;
        };
        let is_first = self.phase == Phase::Inviting;
        if response.status.is_success() {
            self.confirm(now, key, origin, &invite, &response);
        } else if is_first {
            self.phase = Phase::Over(response.status.code());
        } else if response.status == 481 || response.status == 408 {
            self.end(now);
        }
    }

    fn confirm(
        &mut self,
        now: Instant,
        key: ClientKey,
        origin: &Origin,
        invite: &Request,
        response: &Response,
    ) {
        if self.phase == Phase::Inviting {
            let tag = response.headers.to().expect("To");
            let same = |dialog: &Dialog| Some(&*dialog.id().remote_tag) == tag.tag();
            let path = Path::to_target(&self.edge_target(), origin, None);
            self.dialog = match self.dialog.take().filter(same) {
                Some(mut early) => {
                    early.confirm_by(response).expect("a Contact");
                    Some(early)
                }
                None => Some(Dialog::from_response(invite, response, path).expect("a dialog")),
            };
            self.phase = Phase::Up;
        } else if let Some(dialog) = &mut self.dialog {
            dialog.refresh(&response.headers).expect("a Contact");
        }
        self.take_remote_sdp(&response.body);
        let sequence = invite.headers.cseq().expect("CSeq").number;
        if !self.manners.acknowledges {
            self.unacknowledged = Some((key, sequence));
        } else {
            let dialog = self.dialog.as_ref().expect("made above");
            let (mut ack, target) = (dialog.ack(sequence), dialog.target());
            if invite.body.is_empty() && self.manners.answers_late_offer {
                let direction = answering_direction(&response.body);
                self.attach_sdp(&mut ack, direction);
            }
            self.transactions
                .send_ack(now, key, ack, target, &mut self.rng);
        }
        if std::mem::take(&mut self.cancelling) {
            self.end(now);
        }
    }

    fn handle_failure(&mut self, now: Instant, key: ClientKey) {
        if self
            .invite_out
            .take_if(|(client, _)| *client == key)
            .is_some()
        {
            match self.phase {
                Phase::Inviting => self.phase = Phase::Over(408),
                _ => self.end(now),
            }
        }
    }

    fn end(&mut self, now: Instant) {
        if self.phase == Phase::Up {
            self.hang_up(now);
        }
    }

    /// The dialog that our 2xx makes, or goes on in.
    fn accept(&mut self, origin: &Origin, invite: &Request) {
        self.phase = Phase::Up;
        if let Some(dialog) = &mut self.dialog {
            dialog.confirm();
            return dialog.refresh(&invite.headers).expect("a Contact");
        }
        let path = Path::to_sender(&invite.headers, origin, None, None).expect("a Via");
        let mut dialog =
            Dialog::from_request(invite, &self.tag, self.contact(), path).expect("a dialog");
        dialog.confirm();
        self.dialog = Some(dialog);
    }

    /// With the contacts that came, for as long as was asked.
    fn answer_register(&mut self, now: Instant, key: ServerKey, request: &Request) {
        let (status, extra) = self.manners.register.clone().unwrap_or((200, Vec::new()));
        let status = StatusCode::new(status).expect("a status");
        let mut response = response_to(request, status, Some(&self.tag));
        if status.is_success() {
            let expires = request.headers.value(HeaderName::Expires);
            let expires = String::from_utf8_lossy(expires.unwrap_or(b"0")).into_owned();
            let contact = request.headers.contact().expect("a Contact");
            for contact in contact
                .iter()
                .filter(|_| expires != "0" && extra.is_empty())
            {
                let contact = contact.with_param("expires", Some(&expires));
                response.headers.push(HeaderName::Contact, &contact);
            }
        }
        for (name, value) in extra {
            response.headers.push(name, value);
        }
        self.transactions.respond(now, key, &response);
    }

    fn answer(&mut self, now: Instant, key: ServerKey, request: &Request, status: StatusCode) {
        let response = response_to(request, status, Some(&self.tag));
        self.transactions.respond(now, key, &response);
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
