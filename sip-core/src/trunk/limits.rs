//! How many calls a trunk may have, how fast they may come, and how long one may last (TRK-6).
//!
//! A call counts on both trunks that it touches: a carrier sells channels, whichever way a call
//! goes through them.

use std::time::{Duration, Instant};

use super::{Trunk, TrunkId};
use crate::rate::TokenBucket;

/// The limits of one trunk; `None`: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CallLimits {
    /// New calls per second. After a quiet second that many may come at once.
    pub per_second: Option<u32>,
    /// Calls at once, those included that ring.
    pub concurrent: Option<u32>,
    /// From answer to end.
    pub length: Option<Duration>,
}

/// What all trunks have of calls now.
#[derive(Debug, Default)]
pub(crate) struct TrunkLoads(Vec<Load>);

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    rate: TokenBucket,
    calls: u32,
}

impl TrunkLoads {
    /// Whether the trunk may have one more call, now; takes a token of its rate if it may. The
    /// error says which limit that would exceed, for the event and the record.
    pub(crate) fn admit(&mut self, now: Instant, id: TrunkId, trunk: &Trunk) -> Result<(), String> {
        let load = self.load(id);
        let CallLimits {
            per_second,
            concurrent,
            ..
        } = trunk.limits;
        if let Some(most) = concurrent.filter(|most| load.calls >= *most) {
            return Err(format!("{most} calls at once of {}", trunk.name));
        }
        if let Some(rate) = per_second.filter(|rate| !load.rate.take(now, *rate)) {
            return Err(format!("{rate} calls per second of {}", trunk.name));
        }
        Ok(())
    }

    /// The same for what takes no place among the calls: a MESSAGE.
    pub(crate) fn admit_message(
        &mut self,
        now: Instant,
        id: TrunkId,
        trunk: &Trunk,
    ) -> Result<(), String> {
        let load = self.load(id);
        match trunk.limits.per_second {
            Some(rate) if !load.rate.take(now, rate) => {
                Err(format!("{rate} calls per second of {}", trunk.name))
            }
            _ => Ok(()),
        }
    }

    /// A call begins.
    pub(crate) fn begin(&mut self, id: TrunkId) {
        self.load(id).calls += 1;
    }

    /// It is over.
    pub(crate) fn end(&mut self, id: TrunkId) {
        let load = self.load(id);
        load.calls = load.calls.saturating_sub(1);
    }

    fn load(&mut self, id: TrunkId) -> &mut Load {
        let place = usize::from(id.0);
        if self.0.len() <= place {
            self.0.resize(place + 1, Load::default());
        }
        &mut self.0[place]
    }
}
