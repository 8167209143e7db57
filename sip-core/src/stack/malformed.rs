//! Messages that cannot be read: answered where their sender can be told, else counted
//! (RFC 3261 section 21.4.1).

use super::{Command, Event, EventKind, Stack, Transmit, TransmitId};
use crate::message::{HeaderName, ParseError, Request, response_to};
use crate::refusal::Refusal;
use crate::transport::{Host, Origin, Target};

impl Stack {
    pub(super) fn handle_malformed(&mut self, origin: &Origin, error: &ParseError) {
        let refusal = Refusal::MALFORMED;
        self.cx.event(Event {
            kind: EventKind::Malformed,
            call: None,
            trunk: None,
            peer: Some((origin.transport, origin.remote)),
            code: Some(refusal.code),
            text: error.to_string(),
        });
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
            port: port.unwrap_or(via.port_or_default()),
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
