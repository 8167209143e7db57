//! What the stack tells of itself: calls, targets, and how much there is of everything.

use super::{Counters, LiveCall, Stack, TargetStatus};

impl Stack {
    /// No call is left, no registration has still to be ended, and no request or answer is still
    /// expected; what only absorbs retransmissions does not count.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.cx.transactions.active() == 0 && !self.is_leaving()
    }

    /// Calls that are up or being set up, or whose end is not complete: a BYE unanswered, media not
    /// yet removed.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Every origination URI and how it stands (TRK-5), in the order of the configuration.
    pub fn targets(&self) -> Vec<TargetStatus> {
        self.prober.describe(&self.trunks, &self.cx)
    }

    /// The calls that [`Stack::calls`] counts, oldest first.
    pub fn live_calls(&self) -> Vec<LiveCall> {
        let mut calls: Vec<LiveCall> = self
            .calls
            .values()
            .map(|entry| entry.call.describe())
            .collect();
        calls.sort_unstable_by_key(|live| live.call);
        calls
    }

    /// Bindings of all accounts.
    pub fn bindings(&self) -> usize {
        self.registrar.len()
    }

    /// Transactions that exist, those included that only absorb retransmissions.
    pub fn transactions(&self) -> usize {
        self.cx.transactions.len()
    }

    /// Everything that is kept of calls, transactions and connections, counted: for tests that it is
    /// bounded while there are some, and nothing once they are over and the connections closed.
    pub fn entries(&self) -> usize {
        let cx = &self.cx;
        let of_calls = self.calls.len() + self.deadlines.len() + cx.remains.len();
        let tables = cx.legs.len() + cx.clients.len() + cx.servers.len();
        let of_requests = cx.places.len() + cx.challenges.len() + self.authentication.held();
        of_calls
            + tables
            + of_requests
            + cx.lookups.len()
            + cx.transactions.len()
            + cx.commands.len()
            + cx.referrals.len()
            + self.messages.len()
            + self.call_connections.len()
    }

    pub fn counters(&self) -> &Counters {
        &self.cx.counters
    }

    /// What the transactions count.
    pub fn transaction_counters(&self) -> &crate::transaction::Counters {
        self.cx.transactions.counters()
    }
}
