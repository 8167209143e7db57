//! The server transaction of every other request: RFC 3261 section 17.2.2.
//!
//! ```text
//!     request ─► Trying ─1xx─► Proceeding ─200-699─► Completed ─J─► gone
//!                   └────────────200-699────────────────▲
//! ```

use super::effects::Effects;
use super::event::ServerKey;
use super::timers::Timer;
use crate::message::StatusCode;
use crate::transport::Target;

type Fx<'a, 'b> = &'a mut Effects<'b, ServerKey>;

/// One of its states; none is "gone".
pub(super) enum ServerNonInvite {
    Trying(Trying),
    Proceeding(Proceeding),
    Completed(Completed),
}

impl ServerNonInvite {
    pub(super) fn start(target: Target) -> ServerNonInvite {
        ServerNonInvite::Trying(Trying { target })
    }

    /// The request came once more.
    pub(super) fn handle_retransmission(self, fx: Fx<'_, '_>) -> Option<ServerNonInvite> {
        match &self {
            ServerNonInvite::Trying(_) => {}
            ServerNonInvite::Proceeding(state) => fx.resend(&state.target, &state.latest),
            ServerNonInvite::Completed(state) => fx.resend(&state.target, &state.response),
        }
        Some(self)
    }

    /// Where responses go.
    pub(super) fn target_mut(&mut self) -> &mut Target {
        match self {
            ServerNonInvite::Trying(state) => &mut state.target,
            ServerNonInvite::Proceeding(state) => &mut state.target,
            ServerNonInvite::Completed(state) => &mut state.target,
        }
    }

    /// Whether a response may still be sent.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self, ServerNonInvite::Completed(_))
    }

    /// The user's response; only while [`ServerNonInvite::is_open`], else nothing happens.
    pub(super) fn respond(
        self,
        status: StatusCode,
        bytes: Vec<u8>,
        fx: Fx<'_, '_>,
    ) -> Option<ServerNonInvite> {
        let target = match self {
            ServerNonInvite::Trying(state) => state.target,
            ServerNonInvite::Proceeding(state) => state.target,
            ServerNonInvite::Completed(_) => return Some(self),
        };
        fx.send(&target, &bytes);
        if status.is_provisional() {
            return Some(ServerNonInvite::Proceeding(Proceeding {
                target,
                latest: bytes,
            }));
        }
        if target.transport.is_reliable() {
            return None;
        }
        fx.start(Timer::J, fx.timers().timeout());
        Some(ServerNonInvite::Completed(Completed {
            target,
            response: bytes,
        }))
    }

    pub(super) fn handle_timer(self, timer: Timer) -> Option<ServerNonInvite> {
        match (self, timer) {
            (ServerNonInvite::Completed(_), Timer::J) => None,
            (state, _) => Some(state),
        }
    }
}

/// Nothing was said yet.
pub(super) struct Trying {
    target: Target,
}

/// Only provisional responses were sent.
pub(super) struct Proceeding {
    target: Target,
    latest: Vec<u8>,
}

/// Answered, over UDP: retransmissions get the same answer.
pub(super) struct Completed {
    target: Target,
    response: Vec<u8>,
}
