//! What a test tells a user agent to do.

use std::time::Instant;

use sip_core::dialog::{Dialog, NewRequest, Path};
use sip_core::message::{
    HeaderName, Message, Method, NameAddr, Request, Response, StatusCode, Uri, response_to, token,
};
use sip_core::transport::{Host, ListenerId, Origin};

use super::super::sdp::answering_direction;
use super::{Agent, Phase};

impl Agent {
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
    pub(super) fn acknowledge_provisional(&mut self, now: Instant, response: &Response) {
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
}
