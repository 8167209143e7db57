//! What is asked of the driver while it runs: by the API, and by whoever applies a configuration.
//!
//! Each has a way back for the answer. Whoever asked may have left: then nobody minds.

use media_core::session::{CallId, Side};
use sip_core::stack::{ControlError, LiveCall, Place, TransferHow};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::control::Snapshot;

/// Operations that wait for the driver; beyond it whoever asks waits.
pub(crate) const OPERATIONS: usize = 64;

pub(crate) type Answer<T> = oneshot::Sender<T>;

/// One thing that the driver is to do, or to tell.
pub(crate) enum Operation {
    /// Applies trunks, accounts and routes: the next call follows them, live calls do not change
    /// (SEC-1).
    Configure(Box<Config>, Answer<()>),
    HangUp(CallId, Answer<Result<(), ControlError>>),
    Transfer {
        call: CallId,
        /// Who is moved.
        side: Side,
        target: String,
        how: TransferHow,
        answer: Answer<Result<(), ControlError>>,
    },
    Hold {
        call: CallId,
        on: bool,
        answer: Answer<Result<(), ControlError>>,
    },
    Place(Box<Place>, Answer<Result<CallId, ControlError>>),
    /// No new calls while it is on; those that are up go on.
    Drain(bool, Answer<()>),
    LiveCalls(Answer<Vec<LiveCall>>),
    Snapshot(Answer<Snapshot>),
}
