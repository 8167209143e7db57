//! What a user agent does by itself with what comes.

use std::time::Instant;

use sip_core::dialog::{Dialog, Path};
use sip_core::message::{HeaderName, Method, Request, Response, StatusCode, response_to};
use sip_core::transaction::{ClientKey, ServerKey};
use sip_core::transport::Origin;

use super::super::sdp::answering_direction;
use super::{Agent, Phase};

impl Agent {
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        key: ServerKey,
        origin: Origin,
        request: Request,
    ) {
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

    pub(super) fn answer_other(
        &mut self,
        now: Instant,
        key: ServerKey,
        origin: &Origin,
        request: &Request,
    ) {
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

    pub(super) fn handle_reinvite(
        &mut self,
        now: Instant,
        key: ServerKey,
        origin: Origin,
        request: Request,
    ) {
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

    pub(super) fn handle_cancel(&mut self, now: Instant, invite: ServerKey) {
        let is_pending = self
            .invite_in
            .as_ref()
            .is_some_and(|(key, ..)| *key == invite);
        if self.manners.obeys_cancel && is_pending {
            self.respond(now, 487);
        }
    }

    pub(super) fn handle_response(
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

    pub(super) fn confirm(
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

    pub(super) fn handle_failure(&mut self, now: Instant, key: ClientKey) {
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

    pub(super) fn end(&mut self, now: Instant) {
        if self.phase == Phase::Up {
            self.hang_up(now);
        }
    }

    /// The dialog that our 2xx makes, or goes on in.
    pub(super) fn accept(&mut self, origin: &Origin, invite: &Request) {
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
    pub(super) fn answer_register(&mut self, now: Instant, key: ServerKey, request: &Request) {
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

    pub(super) fn answer(
        &mut self,
        now: Instant,
        key: ServerKey,
        request: &Request,
        status: StatusCode,
    ) {
        let response = response_to(request, status, Some(&self.tag));
        self.transactions.respond(now, key, &response);
    }
}
