//! The INVITE server transaction: RFC 3261 section 17.2.1 with the Accepted state of RFC 6026.
//!
//! ```text
//!              INVITE
//!                │                 1xx
//!          ┌─ Proceeding ◄───────────┐
//!     2xx  │     │  └────────────────┘
//!          │     │ 300-699
//!          ▼     ▼            ACK
//!     Accepted  Completed ─────────► Confirmed
//!          │ L   │ H                     │ I
//!          └─────┴──────► gone ◄─────────┘
//! ```
//!
//! Retransmitting a 2xx until its ACK comes belongs to the user (section 13.3.1.4); it is done in
//! `Accepted` all the same, because everything needed is here.

use std::time::Duration;

use super::effects::Effects;
use super::event::{Event, ServerKey};
use super::timers::Timer;
use crate::message::StatusCode;
use crate::transport::Target;

type Fx<'a, 'b> = &'a mut Effects<'b, ServerKey>;

/// One of its states; none is "gone".
pub(super) enum ServerInvite {
    Proceeding(Proceeding),
    Completed(Completed),
    Confirmed(Confirmed),
    Accepted(Accepted),
}

/// What a handled ACK means to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckUse {
    /// The first one for a 2xx.
    ForUser,
    Absorbed,
}

impl ServerInvite {
    /// A new INVITE. `trying` is the 100 Trying to send if the user stays silent.
    pub(super) fn start(target: Target, trying: Vec<u8>, fx: Fx<'_, '_>) -> ServerInvite {
        fx.start(Timer::Trying, fx.timers().trying);
        ServerInvite::Proceeding(Proceeding {
            target,
            latest: trying,
            silent: true,
        })
    }

    /// The INVITE came once more.
    pub(super) fn handle_retransmission(self, fx: Fx<'_, '_>) -> Option<ServerInvite> {
        Some(match self {
            ServerInvite::Proceeding(state) => ServerInvite::Proceeding(state.repeat(fx)),
            ServerInvite::Completed(state) => {
                fx.resend(&state.target, &state.response);
                ServerInvite::Completed(state)
            }
            // RFC 6026 section 7.1: absorbed; the 2xx is repeated by its own timer.
            state @ (ServerInvite::Accepted(_) | ServerInvite::Confirmed(_)) => state,
        })
    }

    /// Where responses go, while any may.
    pub(super) fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            ServerInvite::Proceeding(state) => Some(&mut state.target),
            ServerInvite::Completed(state) => Some(&mut state.target),
            ServerInvite::Accepted(state) => Some(&mut state.target),
            ServerInvite::Confirmed(_) => None,
        }
    }

    /// Whether a response may still be sent.
    pub(super) fn is_proceeding(&self) -> bool {
        matches!(self, ServerInvite::Proceeding(_))
    }

    /// Whether a final response or its ACK is still awaited.
    pub(super) fn is_active(&self) -> bool {
        match self {
            ServerInvite::Proceeding(_) | ServerInvite::Completed(_) => true,
            ServerInvite::Confirmed(_) => false,
            ServerInvite::Accepted(state) => !state.acknowledged,
        }
    }

    /// The user's response; only while [`ServerInvite::is_proceeding`], else nothing happens.
    pub(super) fn respond(
        self,
        status: StatusCode,
        bytes: Vec<u8>,
        fx: Fx<'_, '_>,
    ) -> Option<ServerInvite> {
        let ServerInvite::Proceeding(state) = self else {
            return Some(self);
        };
        fx.stop(Timer::Trying);
        fx.send(&state.target, &bytes);
        Some(if status.is_provisional() {
            ServerInvite::Proceeding(Proceeding {
                latest: bytes,
                silent: false,
                ..state
            })
        } else if status.is_success() {
            ServerInvite::Accepted(Accepted::start(state.target, status, bytes, fx))
        } else {
            ServerInvite::Completed(Completed::start(state.target, status, bytes, fx))
        })
    }

    /// An ACK with the branch of the INVITE, or one of the dialog that the 2xx made.
    pub(super) fn handle_ack(self, fx: Fx<'_, '_>) -> (Option<ServerInvite>, AckUse) {
        match self {
            ServerInvite::Completed(state) => (state.confirm(fx), AckUse::Absorbed),
            ServerInvite::Accepted(state) => {
                let (state, usage) = state.acknowledge(fx);
                (Some(ServerInvite::Accepted(state)), usage)
            }
            state => (Some(state), AckUse::Absorbed),
        }
    }

    pub(super) fn handle_timer(self, timer: Timer, fx: Fx<'_, '_>) -> Option<ServerInvite> {
        match (self, timer) {
            (ServerInvite::Proceeding(state), Timer::Trying) => {
                Some(ServerInvite::Proceeding(state.say_trying(fx)))
            }
            (ServerInvite::Completed(state), Timer::G) => {
                Some(ServerInvite::Completed(state.resend(fx)))
            }
            (ServerInvite::Completed(state), Timer::H) => {
                ack_timed_out(state.status, fx);
                None
            }
            (ServerInvite::Confirmed(_), Timer::I) => None,
            (ServerInvite::Accepted(state), Timer::G) => {
                Some(ServerInvite::Accepted(state.resend(fx)))
            }
            (ServerInvite::Accepted(state), Timer::L) => {
                if !state.acknowledged {
                    ack_timed_out(state.status, fx);
                }
                None
            }
            (state, _) => Some(state),
        }
    }
}

/// Nothing final was said yet.
pub(super) struct Proceeding {
    target: Target,
    /// The latest provisional response; a 100 that was not sent yet while `silent`.
    latest: Vec<u8>,
    silent: bool,
}

impl Proceeding {
    /// A retransmission while silent shows that the client wants the 100 now.
    fn repeat(self, fx: Fx<'_, '_>) -> Proceeding {
        if self.silent {
            return self.say_trying(fx);
        }
        fx.resend(&self.target, &self.latest);
        self
    }

    fn say_trying(self, fx: Fx<'_, '_>) -> Proceeding {
        fx.stop(Timer::Trying);
        fx.send(&self.target, &self.latest);
        Proceeding {
            silent: false,
            ..self
        }
    }
}

/// Refused; the ACK has not come.
pub(super) struct Completed {
    target: Target,
    status: StatusCode,
    response: Vec<u8>,
    interval: Duration,
}

impl Completed {
    fn start(target: Target, status: StatusCode, response: Vec<u8>, fx: Fx<'_, '_>) -> Completed {
        let interval = fx.timers().t1;
        if !target.transport.is_reliable() {
            fx.start(Timer::G, interval);
        }
        fx.start(Timer::H, fx.timers().timeout());
        Completed {
            target,
            status,
            response,
            interval,
        }
    }

    fn resend(self, fx: Fx<'_, '_>) -> Completed {
        fx.resend(&self.target, &self.response);
        let interval = fx.timers().backed_off(self.interval);
        fx.start(Timer::G, interval);
        Completed { interval, ..self }
    }

    fn confirm(self, fx: Fx<'_, '_>) -> Option<ServerInvite> {
        fx.stop_all();
        if self.target.transport.is_reliable() {
            return None;
        }
        fx.start(Timer::I, fx.timers().t4);
        Some(ServerInvite::Confirmed(Confirmed))
    }
}

/// Refused and acknowledged; further ACKs are absorbed.
pub(super) struct Confirmed;

/// Answered with a 2xx.
pub(super) struct Accepted {
    target: Target,
    status: StatusCode,
    response: Vec<u8>,
    interval: Duration,
    acknowledged: bool,
}

impl Accepted {
    fn start(target: Target, status: StatusCode, response: Vec<u8>, fx: Fx<'_, '_>) -> Accepted {
        let interval = fx.timers().t1;
        // Section 13.3.1.4: over reliable transports too, since a later hop may lose it.
        fx.start(Timer::G, interval);
        fx.start(Timer::L, fx.timers().timeout());
        Accepted {
            target,
            status,
            response,
            interval,
            acknowledged: false,
        }
    }

    fn resend(self, fx: Fx<'_, '_>) -> Accepted {
        fx.resend(&self.target, &self.response);
        let interval = fx.timers().backed_off(self.interval);
        fx.start(Timer::G, interval);
        Accepted { interval, ..self }
    }

    fn acknowledge(self, fx: Fx<'_, '_>) -> (Accepted, AckUse) {
        if self.acknowledged {
            return (self, AckUse::Absorbed);
        }
        fx.stop(Timer::G);
        // Timer L only absorbs retransmissions from here on; the response is not needed for that.
        (
            Accepted {
                acknowledged: true,
                response: Vec::new(),
                ..self
            },
            AckUse::ForUser,
        )
    }
}

fn ack_timed_out(status: StatusCode, fx: Fx<'_, '_>) {
    fx.counters().ack_timeouts += 1;
    let invite = fx.key();
    fx.tell(Event::AckTimedOut { invite, status });
}
