//! Messages that cannot be read: answered where their sender can be told, else counted
//! (RFC 3261 section 21.4.1).

use media_core::session::CallId;

use super::refusals::note;
use super::refusing::refused_record;
use super::{Command, Event, EventKind, Stack, Transmit, TransmitId};
use crate::call::outcome::Outcome;
use crate::message::{HeaderName, Method, ParseError, Request, response_to};
use crate::refusal::Refusal;
use crate::transport::{Host, Origin, Target};

impl Stack {
    pub(super) fn handle_malformed(&mut self, origin: &Origin, error: &ParseError) {
        let refusal = Refusal::MALFORMED;
        let invite = error
            .answerable
            .as_deref()
            .filter(|request| starts_call(request));
        let untold = match invite {
            Some(_) => self.told.admit(self.cx.now, true),
            None => Some(0),
        };
        if let Some(untold) = untold {
            let call = invite.map(|invite| self.record_invite(origin, error, invite));
            self.cx.event(Event {
                kind: EventKind::Malformed,
                call,
                trunk: None,
                peer: Some((origin.transport, origin.remote)),
                code: Some(refusal.code),
                text: format!("{error}{}", note(untold)),
            });
        } else {
            self.cx.counters.refusals_untold += 1;
        }
        self.cx.counters.calls_refused += u64::from(invite.is_some());
        let answered = error
            .answerable
            .as_deref()
            .is_some_and(|request| self.answer(origin, error, request));
        if answered {
            self.cx.counters.malformed_answered += 1;
        } else {
            self.cx.counters.malformed_dropped += 1;
        }
    }

    /// What might have become a call leaves a record, like every INVITE that is refused.
    fn record_invite(&mut self, origin: &Origin, error: &ParseError, invite: &Request) -> CallId {
        let call = self.next_call();
        let refusal = Refusal::MALFORMED.with_status(error.status().code());
        let outcome = Outcome {
            reason: format!("{}: {error}", refusal.text),
            ..Outcome::refused(&refusal)
        };
        let record = refused_record((call, origin, invite), None, outcome, self.cx.now);
        self.cx
            .commands
            .push_back(Command::Record(Box::new(record)));
        call
    }

    /// Without a transaction: retransmissions are answered again, and nothing is kept of what
    /// cannot be read. The phrase says what is wrong.
    fn answer(&mut self, origin: &Origin, error: &ParseError, request: &Request) -> bool {
        let Ok(mut via) = request.headers.top_via() else {
            return false;
        };
        via.note_source(origin.remote);
        let mut response = response_to(request, error.status(), Some(&self.cx.token()));
        response.headers.replace_top_via(&via);
        response
            .headers
            .push(HeaderName::Reason, Refusal::MALFORMED.reason_header());
        let response = response.with_reason(&error.to_string());
        // RFC 3581 section 4.
        let port = via
            .rport()
            .flatten()
            .filter(|_| !origin.transport.is_reliable());
        let target = Target {
            transport: origin.transport,
            listener: origin.listener,
            connection: origin.connection,
            // To nobody but the sender, whatever Via says.
            host: Host::Address(origin.remote.ip()),
            address: None,
            port: port.unwrap_or(via.port_or_default()),
            by_service: false,
            trunk: None,
        };
        self.cx.counters.messages_sent += 1;
        let bytes = response.to_bytes();
        self.cx.commands.push_back(Command::Send(Transmit {
            target,
            bytes,
            id: TransmitId(None),
        }));
        true
    }
}

/// An INVITE outside any dialog, as far as it can be read.
fn starts_call(request: &Request) -> bool {
    let is_within = request.headers.to_tag().is_ok_and(|tag| tag.is_some());
    request.method == Method::Invite && !is_within
}
