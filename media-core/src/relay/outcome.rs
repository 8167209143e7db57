//! What became of a packet.

use std::net::SocketAddr;
use std::time::Instant;

use media_common::counters::{DropReason, Verdicts};

/// What the caller of [`super::Flow::relay`] does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send `out[..len]`.
    Forward {
        /// UDP payload length, bytes.
        len: usize,
        /// Our address and port that it leaves from.
        from: SocketAddr,
        to: SocketAddr,
        /// DSCP (0–63) to set; `None` keeps the packet's own.
        dscp: Option<u8>,
        /// Set once: this packet locked the flow's source. The flow plan must learn it
        /// ([`crate::flow_plan::CallMedia::latched`]), so that the other direction goes there.
        latched: Option<SocketAddr>,
    },
    /// Counted, not sent.
    Drop(DropReason),
}

/// What a flow has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowStats {
    /// Packets sent on.
    pub packets: u64,
    /// UDP payload bytes sent on.
    pub bytes: u64,
    /// When the last RTP packet was sent on. RTCP does not count: an endpoint may send its
    /// reports for as long as it lives, and say nothing.
    pub last_seen: Option<Instant>,
    /// Packets dropped, for any reason.
    pub dropped: u64,
    /// The drops by reason (only the `drop_*` counters are used).
    pub drops: Verdicts,
}

impl FlowStats {
    pub(super) fn count(&mut self, now: Instant, outcome: &Outcome, is_rtp: bool) {
        match outcome {
            Outcome::Forward { len, .. } => {
                self.packets += 1;
                self.bytes += *len as u64;
                if is_rtp {
                    self.last_seen = Some(now);
                }
            }
            Outcome::Drop(reason) => {
                self.dropped += 1;
                self.drops.count_drop(*reason);
            }
        }
    }
}
