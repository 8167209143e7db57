//! What the stack is started with.

use std::time::Duration;

use crate::transaction::Timers;
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
    /// Events say which digit was pressed, and not only that one was: digits may be those of a
    /// card or a code.
    pub show_digits: bool,
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
            show_digits: false,
        }
    }
}
