//! A re-INVITE of ours is answered 491: the peer has one of its own on its way, or says so
//! (RFC 3261 section 14.1).

use std::time::{Duration, Instant};

use rand_core::RngCore;

use super::context::Context;
use super::leg::Leg;

/// Until when a re-INVITE that is answered 491 is sent again.
///
/// The RFC asks for one more try and sets no end. An INVITE of the peer's that stands in the way has
/// been answered after 64*T1, or nothing came of it (timer B, section 17.1.1.2): who answers 491 still
/// does not want ours, and has refused it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Glare {
    /// `None` before the first 491.
    until: Option<Instant>,
}

impl Glare {
    /// 491 came: whether it is sent again after that delay.
    pub(super) fn may_wait(&mut self, cx: &Context, delay: Duration) -> bool {
        let patience = cx.config.timers.timeout();
        let until = *self.until.get_or_insert(cx.now + patience);
        cx.now + delay <= until
    }
}

/// How long an INVITE of ours waits after 491 (section 14.1): 2.1 to 4 s if the Call-ID is ours,
/// else up to 2 s, in units of 10 ms.
pub(super) fn retry_delay(cx: &mut Context, leg: &Leg) -> Duration {
    let random = cx.rng.next_u32();
    let steps = match leg.invite {
        Some(_) => 210 + random % 191,
        None => random % 201,
    };
    Duration::from_millis(u64::from(steps) * 10)
}
