//! What is kept of a call after its end: enough to acknowledge and end a dialog that a 2xx makes
//! which comes later still (a fork, an answer long after CANCEL).

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::call::context::LegKey;
use crate::call::sent_invite::SentInvite;

/// Of each far leg that is over, or was given up for another target, its INVITE.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    by_leg: HashMap<LegKey, Box<SentInvite>>,
    expiry: BTreeSet<(Instant, LegKey)>,
}

/// Beyond it the oldest go: whoever makes and cancels calls must not make us keep any number. At a
/// thousand calls per second none does.
const MOST: usize = 40_000;

impl Remains {
    pub(crate) fn keep(&mut self, until: Instant, leg: LegKey, invite: Box<SentInvite>) {
        if self.expiry.len() >= MOST
            && let Some((_, oldest)) = self.expiry.pop_first()
        {
            self.by_leg.remove(&oldest);
        }
        self.by_leg.insert(leg.clone(), invite);
        self.expiry.insert((until, leg));
    }

    /// Those that wait for their expiry, too.
    pub(crate) fn len(&self) -> usize {
        self.by_leg.len().max(self.expiry.len())
    }

    pub(crate) fn find(&self, leg: &LegKey) -> Option<&SentInvite> {
        self.by_leg.get(leg).map(Box::as_ref)
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.expiry.first().map(|(until, _)| *until)
    }

    pub(crate) fn expire(&mut self, now: Instant) {
        while self.expiry.first().is_some_and(|(until, _)| *until <= now)
            && let Some((_, leg)) = self.expiry.pop_first()
        {
            self.by_leg.remove(&leg);
        }
    }
}
