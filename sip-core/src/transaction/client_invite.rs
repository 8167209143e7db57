//! The INVITE client transaction: RFC 3261 section 17.1.1 with the Accepted state of RFC 6026, and
//! when CANCEL may be sent (section 9.1).
//!
//! ```text
//!     INVITE ─► Calling ─1xx─► Proceeding ─300-699, ACK─► Completed ─D─► gone
//!                  │ └──────────300-699, ACK─────────────────▲
//!                  │               └─2xx─► Accepted ─M─► gone
//!                  ├───────2xx────────────────▲
//!                  └─B─► gone
//! ```
//!
//! The ACK to a 2xx belongs to the user (section 13.2.2.4); once it was given, `Accepted` repeats
//! it for every retransmission of its 2xx.

use std::time::Duration;

use super::effects::Effects;
use super::event::{ClientKey, Event, Transmit};
use super::hop::Hop;
use super::timers::Timer;
use crate::message::Response;
use crate::transport::{Origin, Target};

type Fx<'a, 'b> = &'a mut Effects<'b, ClientKey>;

/// One of its states; none is "gone".
pub(super) enum ClientInvite {
    Calling(Calling),
    Proceeding(Proceeding),
    Completed(Completed),
    Accepted(Accepted),
}

/// What must be sent besides what the machine sends by itself.
pub(super) enum CancelDue {
    No,
    /// The CANCEL for this hop, as a transaction of its own.
    Now(Box<Hop>),
}

impl ClientInvite {
    /// Sends the INVITE.
    pub(super) fn start(hop: Box<Hop>, request: Vec<u8>, fx: Fx<'_, '_>) -> ClientInvite {
        fx.send(&hop.target, &request);
        let interval = fx.timers().t1;
        if !hop.target.transport.is_reliable() {
            fx.start(Timer::A, interval);
        }
        fx.start(Timer::B, fx.timers().timeout());
        ClientInvite::Calling(Calling {
            hop,
            request,
            interval,
            cancel: false,
        })
    }

    pub(super) fn handle_response(
        self,
        origin: &Origin,
        response: Response,
        fx: Fx<'_, '_>,
    ) -> (Option<ClientInvite>, CancelDue) {
        match self {
            ClientInvite::Calling(state) if response.status.is_provisional() => {
                let (state, due) = state.proceed(fx);
                tell(origin, response, fx);
                (Some(ClientInvite::Proceeding(state)), due)
            }
            ClientInvite::Proceeding(_) if response.status.is_provisional() => {
                tell(origin, response, fx);
                (Some(self), CancelDue::No)
            }
            ClientInvite::Calling(Calling { hop, .. })
            | ClientInvite::Proceeding(Proceeding { hop, .. }) => {
                (finish(hop, origin, response, fx), CancelDue::No)
            }
            ClientInvite::Completed(state) => {
                if response.status.is_final() && !response.status.is_success() {
                    fx.resend(&state.target, &state.ack);
                }
                (Some(ClientInvite::Completed(state)), CancelDue::No)
            }
            ClientInvite::Accepted(state) => {
                state.handle_response(origin, response, fx);
                (Some(ClientInvite::Accepted(state)), CancelDue::No)
            }
        }
    }

    /// The user no longer wants an answer.
    pub(super) fn cancel(
        mut self,
        reason: Option<&str>,
        fx: Fx<'_, '_>,
    ) -> (ClientInvite, CancelDue) {
        if let ClientInvite::Calling(Calling { hop, .. })
        | ClientInvite::Proceeding(Proceeding { hop, .. }) = &mut self
        {
            hop.reason = reason.map(str::to_owned);
        }
        match self {
            ClientInvite::Calling(state) => (
                ClientInvite::Calling(Calling {
                    cancel: true,
                    ..state
                }),
                CancelDue::No,
            ),
            ClientInvite::Proceeding(state) if !state.cancelled => {
                let (state, due) = state.cancel(fx);
                (ClientInvite::Proceeding(state), due)
            }
            state => (state, CancelDue::No),
        }
    }

    /// Whether nothing was heard yet, and the user still wants an answer.
    pub(super) fn is_unheard(&self) -> bool {
        matches!(self, ClientInvite::Calling(state) if !state.cancel)
    }

    /// The user's ACK to a 2xx was sent: it is repeated from here on.
    pub(super) fn acknowledge(&mut self, ack: Ack) {
        let ClientInvite::Accepted(state) = self else {
            return;
        };
        state.acks.retain(|known| known.to_tag != ack.to_tag);
        if state.acks.len() < MAX_ACKS {
            // One, unless the INVITE was forked: a vector's first growth would make room for four.
            state.acks.reserve_exact(1);
            state.acks.push(ack);
        }
    }

    /// An ACK could not be sent: sends those that have another way by that. The target of it.
    pub(super) fn fall_back(&mut self, fx: Fx<'_, '_>) -> Option<Target> {
        let ClientInvite::Accepted(state) = self else {
            return None;
        };
        let mut way = None;
        for ack in &mut state.acks {
            if let Some(other) = ack.fallback.take() {
                ack.way = *other;
                fx.send(&ack.way.0, &ack.way.1);
                way = Some(ack.way.0.clone());
            }
        }
        way
    }

    pub(super) fn handle_timer(self, timer: Timer, fx: Fx<'_, '_>) -> Option<ClientInvite> {
        match (self, timer) {
            (ClientInvite::Calling(state), Timer::A) => {
                Some(ClientInvite::Calling(state.resend(fx)))
            }
            (ClientInvite::Calling(_), Timer::B)
            | (ClientInvite::Proceeding(_), Timer::Cancelled) => {
                fx.counters().client_timeouts += 1;
                fx.tell(Event::TimedOut { key: fx.key() });
                None
            }
            (ClientInvite::Completed(_), Timer::D) | (ClientInvite::Accepted(_), Timer::M) => None,
            (state, _) => Some(state),
        }
    }

    /// Something could not be sent: the INVITE, or an ACK, which nobody waits for.
    pub(super) fn handle_transport_error(
        self,
        reason: String,
        fx: Fx<'_, '_>,
    ) -> Option<ClientInvite> {
        match self {
            ClientInvite::Calling(_) => {
                let key = fx.key();
                fx.tell(Event::TransportFailed { key, reason });
                None
            }
            ClientInvite::Completed(_) => None,
            state @ (ClientInvite::Proceeding(_) | ClientInvite::Accepted(_)) => Some(state),
        }
    }

    /// Where the request went, while nothing was heard of it.
    pub(super) fn unheard_target(&self) -> Option<&Target> {
        match self {
            ClientInvite::Calling(state) => Some(&state.hop.target),
            _ => None,
        }
    }

    /// Whether a final response is still awaited.
    pub(super) fn is_active(&self) -> bool {
        matches!(self, ClientInvite::Calling(_) | ClientInvite::Proceeding(_))
    }
}

/// Nothing was heard yet.
pub(super) struct Calling {
    hop: Box<Hop>,
    request: Vec<u8>,
    interval: Duration,
    /// CANCEL must wait for a provisional response (section 9.1).
    cancel: bool,
}

impl Calling {
    fn resend(self, fx: Fx<'_, '_>) -> Calling {
        fx.resend(&self.hop.target, &self.request);
        let interval = self.interval.saturating_mul(2);
        fx.start(Timer::A, interval);
        Calling { interval, ..self }
    }

    fn proceed(self, fx: Fx<'_, '_>) -> (Proceeding, CancelDue) {
        fx.stop(Timer::A);
        fx.stop(Timer::B);
        let state = Proceeding {
            hop: self.hop,
            cancelled: false,
        };
        if self.cancel {
            state.cancel(fx)
        } else {
            (state, CancelDue::No)
        }
    }
}

/// A provisional response came: no timer of the transaction runs.
pub(super) struct Proceeding {
    hop: Box<Hop>,
    cancelled: bool,
}

impl Proceeding {
    fn cancel(self, fx: Fx<'_, '_>) -> (Proceeding, CancelDue) {
        fx.start(Timer::Cancelled, fx.timers().timeout());
        let due = CancelDue::Now(self.hop.clone());
        (
            Proceeding {
                cancelled: true,
                ..self
            },
            due,
        )
    }
}

/// Refused, over UDP: each retransmission of the refusal is acknowledged again.
pub(super) struct Completed {
    target: Target,
    ack: Vec<u8>,
}

/// Answered with a 2xx, perhaps with several (forking).
pub(super) struct Accepted {
    acks: Vec<Ack>,
}

/// The ACK to a 2xx with that To tag.
pub(super) struct Ack {
    to_tag: Box<[u8]>,
    way: Way,
    /// How to send it if it cannot be sent so.
    fallback: Option<Box<Way>>,
}

/// Where a message goes, and as which bytes.
type Way = (Target, Vec<u8>);

impl Ack {
    pub(super) fn new(to_tag: Box<[u8]>, way: Way, fallback: Option<Way>) -> Ack {
        Ack {
            to_tag,
            way,
            fallback: fallback.map(Box::new),
        }
    }

    /// Whether it can be sent matters only where there is another way.
    pub(super) fn transmit(&self, invite: ClientKey) -> Transmit {
        let (target, bytes) = self.way.clone();
        Transmit {
            target,
            bytes,
            transaction: self.fallback.as_ref().map(|_| invite.into()),
        }
    }
}

impl Accepted {
    fn handle_response(&self, origin: &Origin, response: Response, fx: Fx<'_, '_>) {
        if !response.status.is_success() {
            return;
        }
        let tag = super::key::to_tag(&response.headers).unwrap_or_default();
        match self.acks.iter().find(|ack| ack.to_tag == tag) {
            Some(ack) => fx.resend(&ack.way.0, &ack.way.1),
            None => tell(origin, response, fx),
        }
    }
}

/// The first final response.
fn finish(
    hop: Box<Hop>,
    origin: &Origin,
    response: Response,
    fx: Fx<'_, '_>,
) -> Option<ClientInvite> {
    fx.stop_all();
    if response.status.is_success() {
        fx.start(Timer::M, fx.timers().timeout());
        tell(origin, response, fx);
        return Some(ClientInvite::Accepted(Accepted { acks: Vec::new() }));
    }
    let ack = hop.ack(&response).to_bytes();
    fx.send(&hop.target, &ack);
    tell(origin, response, fx);
    if hop.target.transport.is_reliable() {
        return None;
    }
    fx.start(Timer::D, fx.timers().d);
    Some(ClientInvite::Completed(Completed {
        target: hop.target,
        ack,
    }))
}

fn tell(origin: &Origin, response: Response, fx: Fx<'_, '_>) {
    fx.tell(Event::Response {
        key: fx.key(),
        origin: origin.clone(),
        response,
    });
}

/// Forks of one INVITE whose ACKs are remembered; the user hears the others' 2xx again.
const MAX_ACKS: usize = 16;
