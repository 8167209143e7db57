//! What calls a run makes, and what became of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::histogram::Histogram;
use super::pace::Slowdown;

/// What calls are made.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Calls begun per second.
    pub rate: f64,
    /// How long calls are begun.
    pub time: Duration,
    /// From the ACK to the BYE.
    pub talk: Duration,
}

/// What became of them.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub offered: u64,
    pub completed: u64,
    /// Calls that were refused, by code.
    pub refused: BTreeMap<u16, u64>,
    /// Messages without the SDP that they should have, and calls that the edge ended.
    pub faults: u64,
    /// Requests and answers that were sent again.
    pub sent_again: u64,
    /// From INVITE to 180.
    pub post_dial: Histogram,
    /// Calls completed in the time in which the second half was to end, by those begun.
    pub kept_up: f64,
    /// Share of a CPU that the generator used.
    pub busy: f64,
    /// What the host did to the CPUs meanwhile.
    pub slowdown: Slowdown,
}

impl Outcome {
    pub fn failed(&self) -> u64 {
        self.offered - self.completed
    }
}
