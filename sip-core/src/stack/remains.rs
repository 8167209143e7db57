//! What is kept of a call after its end: enough to acknowledge and end a dialog that a 2xx makes
//! which comes later still (a fork, an answer long after CANCEL).

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::call::context::LegKey;
use crate::call::leg::SentInvite;

/// Of each call that is over, its far leg's INVITE, for 64*T1.
#[derive(Debug, Default)]
pub(super) struct Remains {
    by_leg: HashMap<LegKey, SentInvite>,
    /// In order of expiry: every entry lives equally long.
    expiry: VecDeque<(Instant, LegKey)>,
}

/// Beyond it the oldest go: whoever makes and cancels calls must not make us keep any number. At a
/// thousand calls per second none does.
const MOST: usize = 40_000;

impl Remains {
    pub(super) fn keep(&mut self, until: Instant, leg: LegKey, invite: SentInvite) {
        if self.expiry.len() >= MOST
            && let Some((_, oldest)) = self.expiry.pop_front()
        {
            self.by_leg.remove(&oldest);
        }
        self.by_leg.insert(leg.clone(), invite);
        self.expiry.push_back((until, leg));
    }

    pub(super) fn find(&self, leg: &LegKey) -> Option<&SentInvite> {
        self.by_leg.get(leg)
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiry.front().map(|(until, _)| *until)
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((_, leg)) = self.expiry.pop_front_if(|(until, _)| *until <= now) {
            self.by_leg.remove(&leg);
        }
    }
}
