//! From session to flows: which local port does what.
//!
//! One flow per leg and component (one per leg with rtcp-mux). A flow is forwarded in the
//! kernel only when nothing has to be known, decided or computed for it: no keys of ours on
//! either leg, the source settled, the multiplexing the same. Everything
//! else goes to the worker, and what may not pass is there a flow that drops.

mod entry;
mod homes;
mod legs;

use std::net::SocketAddr;
use std::sync::Arc;

pub use entry::{Action, PlannedFlow};
use homes::Spent;
use legs::StreamState;

use crate::session::{CallId, Session, Side, Stream};

/// The media of a call over its life: the newest session and what its peers' packets taught.
///
/// After [`CallMedia::new`], [`CallMedia::update`] and a [`CallMedia::latched`] that
/// answers true, [`CallMedia::flows`] is the whole set of flows that the call must have:
/// install what is new or differs (`Flow::update` keeps what must be kept), and remove the
/// flows of local ports that are no longer in it.
pub struct CallMedia {
    session: Arc<Session>,
    streams: Vec<StreamState>,
    spent: Spent,
}

impl CallMedia {
    pub fn new(session: impl Into<Arc<Session>>) -> CallMedia {
        let session = session.into();
        let mut spent = Spent::default();
        let streams = session
            .streams
            .iter()
            .map(|stream| StreamState::new(stream, &mut spent))
            .collect();
        CallMedia {
            session,
            streams,
            spent,
        }
    }

    /// Takes the newest session whole. What a peer's packets taught is forgotten where
    /// that peer's SDP has changed.
    pub fn update(&mut self, session: impl Into<Arc<Session>>) {
        let session = session.into();
        let mut known: Vec<_> = std::mem::take(&mut self.streams)
            .into_iter()
            .zip(&self.session.streams)
            .collect();
        let spent = &mut self.spent;
        let mut update = |new: &Stream| {
            // A stream is the one that had a port of it before, wherever it stands now.
            let is_same = |old: &Stream| {
                SIDES
                    .iter()
                    .any(|side| old.leg(*side).local == new.leg(*side).local)
            };
            match known.iter().position(|(_, old)| is_same(old)) {
                None => StreamState::new(new, spent),
                Some(at) => {
                    let (mut state, old) = known.swap_remove(at);
                    state.update(old, new, spent);
                    state
                }
            }
        };
        self.streams = session.streams.iter().map(&mut update).collect();
        for (state, _) in known {
            state.end(&mut self.spent);
        }
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
