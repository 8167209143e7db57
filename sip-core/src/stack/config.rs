//! What the stack is started with.

use std::time::Duration;

use crate::message::Limits;
use crate::transaction::{Timers, TransactionConfig};
use crate::transport::Listener;
use crate::trunk::{Route, Trunk};

/// Everything that signalling needs from the configuration; `..StackConfig::default()` for the rest.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// Indexed by [`crate::trunk::TrunkId`].
    pub trunks: Vec<Trunk>,
    /// In order: the first match decides.
    pub routes: Vec<Route>,
    /// Indexed by [`crate::transport::ListenerId`].
    pub listeners: Vec<Listener>,
    /// Transaction timers; the defaults are those of RFC 3261.
    pub timers: Timers,
    /// The value of `User-Agent` and `Server`.
    pub user_agent: String,
    /// How long the far side may ring before the call is cancelled.
    pub ring_timeout: Duration,
    /// Calls at once, of all trunks; above it 503 with `Retry-After`.
    pub max_calls: usize,
    /// New calls per second, of all trunks and of strangers; `None`: any number. Above it 503 with
    /// `Retry-After`, before anything is looked at.
    pub calls_per_second: Option<u32>,
    /// As long as messages wait longer than this ([`super::Stack::set_lateness`]) new calls get 503;
    /// `None`: they never do.
    pub max_queue_delay: Option<Duration>,
    /// Transactions at once that peers have begun
    /// ([`crate::transaction::TransactionConfig::max_server_transactions`]).
    pub max_transactions: usize,
    /// What one message may measure.
    pub message_limits: Limits,
    /// Events say which digit was pressed, and not only that one was: digits may be those of a
    /// card or a code.
    pub show_digits: bool,
    /// The number of the first call; each has the next one. Numbers of a process before are not
    /// given again if it is above them.
    pub first_call: u64,
}

impl Default for StackConfig {
    fn default() -> StackConfig {
        StackConfig {
            trunks: Vec::new(),
            routes: Vec::new(),
            listeners: Vec::new(),
            timers: Timers::default(),
            user_agent: concat!("Trunkline/", env!("CARGO_PKG_VERSION")).to_owned(),
            ring_timeout: Duration::from_secs(180),
            max_calls: 10_000,
            calls_per_second: None,
            max_queue_delay: None,
            max_transactions: TransactionConfig::default().max_server_transactions,
            message_limits: Limits::DEFAULT,
            show_digits: false,
            first_call: 0,
        }
    }
}
