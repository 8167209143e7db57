//! From session to flows: which local port does what.
//!
//! One flow per leg and component (one per leg with rtcp-mux). A flow is forwarded in the
//! kernel only when nothing has to be known, decided or computed for it: no keys of ours on
//! either leg, the source settled, the family and the multiplexing the same. Everything
//! else goes to the worker, and what may not pass is there a flow that drops.

mod entry;
mod legs;

use std::net::SocketAddr;

pub use entry::{Action, PlannedFlow};
use legs::StreamState;

use crate::session::{CallId, Session, Side};

/// The media of a call over its life: the newest session and what its peers' packets taught.
///
/// After [`CallMedia::new`], [`CallMedia::update`] and a [`CallMedia::latched`] that
/// answers true, [`CallMedia::flows`] is the whole set of flows that the call must have:
/// install what is new or differs (`Flow::update` keeps what must be kept), and remove the
/// flows of local ports that are no longer in it.
pub struct CallMedia {
    session: Session,
    streams: Vec<StreamState>,
}

impl CallMedia {
    pub fn new(session: Session) -> CallMedia {
        let streams = session.streams.iter().map(StreamState::new).collect();
        CallMedia { session, streams }
    }

    /// Takes the newest session whole. What a peer's packets taught is forgotten where
    /// that peer's SDP has changed.
    pub fn update(&mut self, session: Session) {
        self.streams.truncate(session.streams.len());
        let known = self.streams.len();
        for ((state, old), new) in self
            .streams
            .iter_mut()
            .zip(&self.session.streams)
            .zip(&session.streams)
        {
            state.update(old, new);
        }
        self.streams
            .extend(session.streams[known..].iter().map(StreamState::new));
        self.session = session;
    }

    /// The flow at `local` locked its source. Answers whether that changed the plan.
    ///
    /// Ignored where the rule is not to latch, the source is not allowed or another one
    /// was locked before: a report that crossed a new SDP does no harm.
    pub fn latched(&mut self, local: SocketAddr, source: SocketAddr) -> bool {
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        self.streams
            .iter_mut()
            .zip(&self.session.streams)
            .any(|(state, stream)| state.latched(stream, local, source))
    }

    /// Every flow of the call, in the order of streams, caller's leg first, RTP first.
    pub fn flows(&self) -> Vec<PlannedFlow> {
        self.streams
            .iter()
            .zip(&self.session.streams)
            .enumerate()
            .flat_map(|(index, (state, stream))| state.flows(index, stream))
            .collect()
    }

    pub fn call(&self) -> CallId {
        self.session.call
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether a side of any stream has the other on hold: no media timeout then.
    pub fn on_hold(&self) -> bool {
        self.session.streams.iter().any(|stream| stream.on_hold)
    }
}

/// Both sides, for loops over legs.
const SIDES: [Side; 2] = [Side::Caller, Side::Callee];
