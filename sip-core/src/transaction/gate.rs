//! Overload: new INVITEs that are turned away before they cost anything. What belongs to a call
//! that is there always passes.

use std::time::Instant;

use crate::rate::TokenBucket;

/// Why an INVITE was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// Messages wait too long before they are looked at: what comes in is more than is done.
    Late,
    /// More of them per second than is allowed.
    Rate(u32),
}

/// Lets new INVITEs in.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// INVITEs per second; `None`: any number.
    pub(super) per_second: Option<u32>,
    /// Set from outside, see [`super::Transactions::set_late`].
    pub(super) is_late: bool,
    rate: TokenBucket,
}

impl Gate {
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), Overload> {
        if self.is_late {
            return Err(Overload::Late);
        }
        match self.per_second {
            Some(rate) if !self.rate.take(now, rate) => Err(Overload::Rate(rate)),
            _ => Ok(()),
        }
    }

    pub(super) fn new(per_second: Option<u32>) -> Gate {
        Gate {
            per_second,
            ..Gate::default()
        }
    }
}
