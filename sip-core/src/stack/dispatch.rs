//! From what the transactions tell to the call that it is about.

use media_core::session::Side;

use super::{Command, EventKind, Stack, Transmit, TransmitId};
use crate::call::context::{LegKey, Owner};
use crate::call::outcome::Failure;
use crate::call::within::response_outside;
use crate::message::{Method, Request, Response, StatusCode};
use crate::refusal::Refusal;
use crate::stack;
use crate::transaction::{ClientKey, Event, ServerKey, TransactionKey};
use crate::transport::Origin;
use crate::trunk::Trunk;
use crate::trunk::acl::admit;
use crate::trunk::refer::ReferMode;

impl Stack {
    /// Works off what the transactions have to tell, and then what they want sent.
    pub(super) fn drive(&mut self) {
        loop {
            if let Some(event) = self.cx.transactions.poll_event() {
                self.handle_event(event);
            } else if let Some(note) = self.cx.notes.pop_front() {
                self.handle_note(note);
            } else {
                break;
            }
        }
        while let Some(transmit) = self.cx.transactions.poll_transmit() {
            self.cx.counters.messages_sent += 1;
            let id = TransmitId(transmit.transaction);
            let transmit = Transmit {
                target: transmit.target,
                bytes: transmit.bytes,
                id,
            };
            self.cx.commands.push_back(Command::Send(transmit));
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Request {
                key,
                origin,
                request,
            } => self.handle_request(key, origin, request),
            Event::Merged {
                key,
                origin,
                request,
            } => self.handle_merged(key, origin, request),
            Event::Ack {
                invite,
                origin,
                request,
            } => match self.cx.servers.get(&invite).copied() {
                Some((id, side)) => self.with_call_of(&origin, id, |call, cx| {
                    call.handle_ack(cx, side, invite, &origin, request)
                }),
                None => self.cx.counters.stray_acks += 1,
            },
            Event::Cancel { invite, .. } => {
                self.with_server(invite, |call, cx| call.handle_cancel(cx, invite));
            }
            Event::Response {
                key,
                origin,
                response,
            } => self.handle_response(key, origin, response),
            Event::StrayResponse { origin, response } => {
                self.handle_stray_answer(None, &origin, &response);
            }
            Event::TimedOut { key } => self.handle_failure(key, Failure::TimedOut),
            Event::TransportFailed { key, reason } => {
                self.handle_failure(key, Failure::TransportFailed(reason));
            }
            Event::Overflowed { origin } => {
                self.tell_overload(&origin, "too many requests at once".to_owned());
            }
            Event::Shed {
                origin,
                request,
                overload,
            } => self.handle_shed(&origin, &request, overload),
            Event::Ended {
                key: TransactionKey::Client(key),
            } => {
                self.cx.clients.remove(&key);
                let first = self.cx.challenges.first(key);
                if self.cx.challenges.current(first) == key {
                    self.cx.places.ended(first);
                }
                self.cx.challenges.ended(key);
            }
            Event::Ended {
                key: TransactionKey::Server(key),
            } => {
                self.with_server(key, |call, cx| call.handle_server_gone(cx, key));
                self.cx.servers.remove(&key);
            }
            Event::ServerTransportFailed { key } => {
                self.with_server(key, |call, cx| call.handle_response_lost(cx, key));
            }
            // The transaction's end follows.
            Event::AckTimedOut { .. } => {}
        }
    }

    pub(super) fn tell_overload(&mut self, origin: &Origin, what: String) {
        let refusal = Refusal::OVERLOADED;
        self.cx.event(stack::Event {
            kind: EventKind::Overloaded,
            call: None,
            trunk: None,
            peer: Some((origin.transport, origin.remote)),
            code: Some(refusal.code),
            text: format!("{} {}: {what}", refusal.status, refusal.text),
        });
    }

    fn handle_request(&mut self, key: ServerKey, origin: Origin, request: Request) {
        let tag = request.headers.to_tag().ok().flatten().map(str::to_owned);
        if let Some(tag) = tag {
            return self.handle_request_within(key, &origin, request, tag);
        }
        match request.method {
            Method::Invite | Method::Message => self.handle_invite(key, origin, request),
            Method::Register => self.handle_register(key, &origin, &request),
            // Only ever within a dialog.
            Method::Bye => self.respond(key, &request, StatusCode::CALL_DOES_NOT_EXIST),
            // Whoever it is to be sent to is not in a call.
            Method::Refer => {
                let tag = self.cx.token();
                let refusal = Refusal::TRANSFER;
                let listener = origin.listener;
                let response = self.cx.refusal_response(&request, &tag, &refusal, listener);
                self.cx.respond(key, &response);
                let (trunk, uri) = (self.sender(&origin, &request), request.uri.to_string());
                let trunk = trunk.map(|trunk| trunk.name.clone());
                let about = (&origin, trunk.as_deref(), uri.as_str());
                self.tell_request_refused(EventKind::TransferRefused, about, &refusal);
            }
            _ => {
                let tag = self.cx.token();
                let refer = self.refer_mode(&origin, &request);
                let listener = origin.listener;
                let mut response = response_outside(&self.cx, &request, &tag, listener, refer);
                if self.draining && response.status == StatusCode::OK {
                    let refusal = Refusal::DRAINING;
                    response = self.cx.refusal_response(&request, &tag, &refusal, listener);
                }
                self.cx.respond(key, &response);
            }
        }
    }

    /// What becomes of a REFER of whoever sent that; a stranger's is refused like the rest of it.
    fn refer_mode(&self, origin: &Origin, request: &Request) -> ReferMode {
        let sender = self.sender(origin, request);
        sender.map_or(ReferMode::Off, |trunk| trunk.refer)
    }

    /// The trunk of a request outside any dialog, if it may send one.
    fn sender(&self, origin: &Origin, request: &Request) -> Option<&Trunk> {
        let listeners = &self.cx.config.listeners;
        let id = admit(&self.trunks, listeners, request.uri.host(), origin).ok()?;
        self.trunks.get(usize::from(id.0)).map(|trunk| &**trunk)
    }

    fn handle_request_within(
        &mut self,
        key: ServerKey,
        origin: &Origin,
        request: Request,
        tag: String,
    ) {
        let leg = request.headers.call_id().ok().map(|call_id| LegKey {
            call_id: call_id.to_owned(),
            tag,
        });
        if request.method == Method::Notify
            && let Some(leg) = &leg
            && self.cx.takes_late_notify(leg, key, origin, &request)
        {
            return;
        }
        match leg.and_then(|leg| self.cx.legs.get(&leg).copied()) {
            Some((id, side)) => self.with_call_of(origin, id, |call, cx| {
                call.handle_request(cx, side, key, origin, request)
            }),
            None => {
                self.cx.counters.unknown_dialog += 1;
                self.respond(key, &request, StatusCode::CALL_DOES_NOT_EXIST);
            }
        }
    }

    fn handle_response(&mut self, key: ClientKey, origin: Origin, response: Response) {
        if self.answer_challenge(key, &response) {
            return;
        }
        let first = self.cx.challenges.first(key);
        if self.handle_register_response(first, &origin, &response) {
            return;
        }
        match self.owner(key) {
            Some(owner) => {
                if !self.ask_place_again(owner, first, &response) {
                    let sorted = self.cx.places.response(first, origin, response);
                    self.handle_sorted(owner, sorted);
                }
            }
            None if self.prober.is_waiting_for(key) => self.probe_answered(key, &response),
            None if self.messages.is_waiting_for(first) => self.message_answered(first, &response),
            None => self.handle_stray_answer(Some(first), &origin, &response),
        }
    }

    /// Whether the response is a challenge, and its request was sent again with an answer to it.
    fn answer_challenge(&mut self, key: ClientKey, response: &Response) -> bool {
        if !self.cx.challenges.learn(key, response) {
            return false;
        }
        let tag = self.cx.challenges.remote_tag(key);
        let sequence = self.owner(key).and_then(|(id, side)| {
            let entry = self.calls.get_mut(&id)?;
            entry.call.next_sequence(side, tag.as_deref())
        });
        if let (Some((id, side)), Some(old), Some(new)) =
            (self.owner(key), self.cx.challenges.refer(key), sequence)
            && let Some(entry) = self.calls.get_mut(&id)
        {
            entry.call.refer_renumbered(side.other(), old, new);
        }
        self.cx.send_again(key, sequence);
        true
    }

    /// A response that no call waits for, perhaps in that transaction. A 2xx to INVITE makes a
    /// dialog all the same, which must not stay.
    fn handle_stray_answer(
        &mut self,
        client: Option<ClientKey>,
        origin: &Origin,
        response: &Response,
    ) {
        let is_answer = response
            .headers
            .cseq()
            .is_ok_and(|cseq| cseq.method == Method::Invite);
        if !is_answer || !response.status.is_success() {
            return;
        }
        self.cx.counters.stray_responses += 1;
        let Some(leg) = far_leg(response) else {
            return;
        };
        if let Some(&(id, Side::Callee)) = self.cx.legs.get(&leg) {
            if let Some(entry) = self.calls.get(&id) {
                entry
                    .call
                    .handle_stray_answer(&mut self.cx, origin, response);
            }
        } else if let Some(sent) = self.cx.remains.find(&leg).cloned() {
            let place = client.and_then(|client| self.cx.places.branch(client));
            match place.cloned() {
                Some(place) => sent.decline_at(&mut self.cx, &place, origin, response),
                None => sent.decline(&mut self.cx, origin, response),
            }
        }
    }

    fn handle_failure(&mut self, key: ClientKey, failure: Failure) {
        let first = self.cx.challenges.first(key);
        if self.handle_register_failure(first, failure.text()) {
            return;
        }
        if let Some(owner) = self.owner(key) {
            let sorted = self.cx.places.failure(first, failure);
            self.handle_sorted(owner, sorted);
        } else if self.prober.is_waiting_for(key) {
            self.probe_failed(key, &failure);
        } else if self.messages.is_waiting_for(first) {
            self.message_failed(first, &failure);
        }
    }

    /// The leg whose request it is, if its call is still there.
    fn owner(&self, key: ClientKey) -> Option<Owner> {
        self.cx
            .clients
            .get(&key)
            .copied()
            .filter(|(id, _)| self.calls.contains_key(id))
    }

    pub(super) fn respond(&mut self, key: ServerKey, request: &Request, status: StatusCode) {
        let tag = self.cx.token();
        let response = self.cx.response(request, status, &tag);
        self.cx.respond(key, &response);
    }
}

/// The leg whose INVITE a response answers.
fn far_leg(response: &Response) -> Option<LegKey> {
    let headers = &response.headers;
    let tag = headers.from_tag().ok()??.to_owned();
    Some(LegKey {
        call_id: headers.call_id().ok()?.to_owned(),
        tag,
    })
}
