//! What happens, into the log.

use sip_core::stack::{Event, EventKind};
use tracing::field;

use crate::line_limit::LineLimit;

/// The log of events.
#[derive(Default)]
pub(crate) struct EventLog {
    malformed: LineLimit,
    refused: LineLimit,
    digits: LineLimit,
    server_names: LineLimit,
    authentications: LineLimit,
}

impl EventLog {
    /// Writes one event, unless it is one of a flood that anybody can cause.
    pub(crate) fn write(&self, event: &Event) {
        let admitted = match event.kind {
            EventKind::Malformed => self.malformed.admits("malformed messages"),
            EventKind::CallRefused => self.refused.admits("refused calls"),
            EventKind::RegistrationRefused => self.refused.admits("refused registrations"),
            EventKind::AuthenticationFailed => {
                self.authentications.admits("failed authentications")
            }
            EventKind::Digit => self.digits.admits("digits"),
            EventKind::ServerNameMismatch => self
                .server_names
                .admits("calls by the connection of another trunk"),
            _ => true,
        };
        if admitted {
            log(event);
        }
    }
}

/// What an operator must look at is a warning.
fn log(event: &Event) {
    let kind = event.kind.name();
    let call = event.call.map(|call| call.0);
    let trunk = event.trunk.as_deref();
    let peer = event
        .peer
        .map(|(transport, address)| format!("{}:{address}", transport.uri_token()));
    let (peer, code, text) = (peer.as_deref(), event.code, field::display(&event.text));
    match event.kind {
        EventKind::CallStarted
        | EventKind::CallRinging
        | EventKind::CallAnswered
        | EventKind::CallHeld
        | EventKind::CallResumed
        | EventKind::CallTransferred
        | EventKind::CallEnded
        | EventKind::TargetInService
        | EventKind::OurRegistration
        | EventKind::Registered
        | EventKind::Unregistered
        | EventKind::Digit => {
            tracing::info!(event = kind, call, trunk, peer, code, "{text}");
        }
        _ => tracing::warn!(event = kind, call, trunk, peer, code, "{text}"),
    }
}
