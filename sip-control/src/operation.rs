//! What is asked of the driver while it runs: by the API, and by whoever applies a configuration.
//!
//! Each has a way back for the answer. Whoever asked may have left: then nobody minds.

use std::time::Instant;

use media_core::session::{CallId, Side};
use sip_core::stack::{ControlError, Place, TransferHow};
use tokio::sync::oneshot;

use crate::api::Snapshot;
use crate::config::Config;
use crate::driver::Driver;

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
    Snapshot(Answer<Snapshot>),
}

impl Driver {
    /// Does what is asked, and says so.
    pub(crate) fn operate(&mut self, operation: Operation) {
        let now = Instant::now();
        match operation {
            Operation::Configure(config, done) => {
                self.configure(*config);
                let _ = done.send(());
            }
            Operation::HangUp(call, answer) => {
                let _ = answer.send(self.stack.hang_up(now, call));
            }
            Operation::Transfer {
                call,
                side,
                target,
                how,
                answer,
            } => {
                let _ = answer.send(self.stack.transfer(now, call, side, &target, how));
            }
            Operation::Hold { call, on, answer } => {
                let _ = answer.send(self.stack.hold(now, call, on));
            }
            Operation::Place(place, answer) => {
                let _ = answer.send(self.stack.place(now, &place));
            }
            Operation::Drain(on, answer) => {
                self.stack.set_draining(on);
                self.watcher.drain(on);
                let _ = answer.send(());
            }
            Operation::Snapshot(answer) => {
                let _ = answer.send(self.snapshot());
            }
        }
    }

    /// SEC-1: the next call follows the new trunks, live calls do not change.
    fn configure(&mut self, config: Config) {
        self.transports.reconfigure(&config);
        let stack = config.stack();
        self.stack.reconfigure(stack.trunks, stack.routes);
        self.watcher.configured(&config);
        self.told.configured(&config);
        self.config = config;
    }
}
