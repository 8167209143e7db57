//! What happens, into the log.

use sip_core::stack::{Event, EventKind};
use tracing::field;

/// Writes one event: what an operator must look at is a warning.
pub(crate) fn log(event: &Event) {
    let kind = event.kind.name();
    let call = event.call.map(|call| call.0);
    let trunk = event.trunk.as_deref();
    let peer = event
        .peer
        .map(|(transport, address)| format!("{}:{address}", transport.uri_token()));
    let (peer, code, text) = (peer.as_deref(), event.code, field::display(&event.text));
    match event.kind {
        EventKind::CallStarted | EventKind::CallAnswered | EventKind::CallEnded => {
            tracing::info!(event = kind, call, trunk, peer, code, "{text}");
        }
        _ => tracing::warn!(event = kind, call, trunk, peer, code, "{text}"),
    }
}
