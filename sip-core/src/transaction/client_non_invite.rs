//! The client transaction of every request but INVITE and ACK: RFC 3261 section 17.1.2.
//!
//! ```text
//!     request ─► Trying ─1xx─► Proceeding ─200-699─► Completed ─K─► gone
//!                   │ └──────────200-699────────────────▲
//!                   └─ F, also in Proceeding ─► gone
//! ```

use std::time::Duration;

use super::effects::Effects;
use super::event::{ClientKey, Event};
use super::timers::Timer;
use crate::message::Response;
use crate::transport::{Origin, Target};

type Fx<'a, 'b> = &'a mut Effects<'b, ClientKey>;

/// One of its states; none is "gone".
pub(super) enum ClientNonInvite {
    Trying(Trying),
    Proceeding(Proceeding),
    Completed(Completed),
}

impl ClientNonInvite {
    /// Sends the request.
    pub(super) fn start(target: Target, request: Vec<u8>, fx: Fx<'_, '_>) -> ClientNonInvite {
        fx.send(&target, &request);
        let interval = fx.timers().t1;
        if !target.transport.is_reliable() {
            fx.start(Timer::E, interval);
        }
        fx.start(Timer::F, fx.timers().timeout());
        ClientNonInvite::Trying(Trying {
            pending: Pending { target, request },
            interval,
        })
    }

    pub(super) fn handle_response(
        self,
        origin: &Origin,
        response: Response,
        fx: Fx<'_, '_>,
    ) -> Option<ClientNonInvite> {
        let pending = match self {
            ClientNonInvite::Trying(state) => state.pending,
            ClientNonInvite::Proceeding(state) => state.pending,
            ClientNonInvite::Completed(_) => return Some(self),
        };
        let provisional = response.status.is_provisional();
        fx.tell(Event::Response {
            key: fx.key(),
            origin: origin.clone(),
            response,
        });
        if provisional {
            return Some(ClientNonInvite::Proceeding(Proceeding { pending }));
        }
        fx.stop_all();
        if pending.target.transport.is_reliable() {
            return None;
        }
        fx.start(Timer::K, fx.timers().t4);
        Some(ClientNonInvite::Completed(Completed))
    }

    pub(super) fn handle_timer(self, timer: Timer, fx: Fx<'_, '_>) -> Option<ClientNonInvite> {
        match (self, timer) {
            (ClientNonInvite::Trying(state), Timer::E) => {
                Some(ClientNonInvite::Trying(state.resend(fx)))
            }
            (ClientNonInvite::Proceeding(state), Timer::E) => {
                Some(ClientNonInvite::Proceeding(state.resend(fx)))
            }
            (ClientNonInvite::Trying(_) | ClientNonInvite::Proceeding(_), Timer::F) => {
                fx.counters().client_timeouts += 1;
                fx.tell(Event::TimedOut { key: fx.key() });
                None
            }
            (ClientNonInvite::Completed(_), Timer::K) => None,
            (state, _) => Some(state),
        }
    }

    /// The request could not be sent (section 17.1.4).
    pub(super) fn handle_transport_error(
        self,
        reason: String,
        fx: Fx<'_, '_>,
    ) -> Option<ClientNonInvite> {
        if let ClientNonInvite::Completed(_) = self {
            return Some(self);
        }
        let key = fx.key();
        fx.tell(Event::TransportFailed { key, reason });
        None
    }

    /// Whether nothing was heard yet.
    pub(super) fn is_unheard(&self) -> bool {
        matches!(self, ClientNonInvite::Trying(_))
    }

    /// Where the request went, while nothing was heard of it.
    pub(super) fn unheard_target(&self) -> Option<&Target> {
        match self {
            ClientNonInvite::Trying(state) => Some(&state.pending.target),
            _ => None,
        }
    }

    /// Whether a final response is still awaited.
    pub(super) fn is_active(&self) -> bool {
        !matches!(self, ClientNonInvite::Completed(_))
    }
}

/// The request, for as long as it may have to be sent again.
struct Pending {
    target: Target,
    request: Vec<u8>,
}

/// Nothing was heard yet.
pub(super) struct Trying {
    pending: Pending,
    interval: Duration,
}

impl Trying {
    fn resend(self, fx: Fx<'_, '_>) -> Trying {
        fx.resend(&self.pending.target, &self.pending.request);
        let interval = fx.timers().backed_off(self.interval);
        fx.start(Timer::E, interval);
        Trying { interval, ..self }
    }
}

/// A provisional response came: retransmissions go on, every T2.
pub(super) struct Proceeding {
    pending: Pending,
}

impl Proceeding {
    fn resend(self, fx: Fx<'_, '_>) -> Proceeding {
        fx.resend(&self.pending.target, &self.pending.request);
        fx.start(Timer::E, fx.timers().t2);
        self
    }
}

/// Answered, over UDP: further responses are absorbed.
pub(super) struct Completed;
