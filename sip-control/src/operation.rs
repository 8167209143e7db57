//! What is asked of the driver while it runs: by the API, and by whoever applies a configuration.
//!
//! Each has a way back for the answer. Whoever asked may have left: then nobody minds.

use sip_core::stack::LiveCall;
use tokio::sync::oneshot;

use crate::config::Config;
use crate::control::Snapshot;
use crate::driver::Driver;

/// Operations that wait for the driver; beyond it whoever asks waits.
pub(crate) const OPERATIONS: usize = 64;

pub(crate) type Answer<T> = oneshot::Sender<T>;

/// One thing that the driver is to do, or to tell.
pub(crate) enum Operation {
    /// Applies trunks, accounts and routes: the next call follows them, live calls do not change
    /// (SEC-1).
    Configure(Box<Config>, Answer<()>),
    LiveCalls(Answer<Vec<LiveCall>>),
    Snapshot(Answer<Snapshot>),
}

impl Driver {
    /// Does what is asked, and says so.
    pub(crate) fn operate(&mut self, operation: Operation) {
        match operation {
            Operation::Configure(config, done) => {
                self.configure(*config);
                let _ = done.send(());
            }
            Operation::LiveCalls(answer) => {
                let _ = answer.send(self.stack.live_calls());
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
        self.config = config;
    }
}
