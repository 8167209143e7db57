//! Media ports: what signalling asks for, and the pool that answers.

mod pool;

pub use pool::{BadRealms, PortPool, PortUsage, RealmPorts};

use crate::session::LocalMedia;

/// A realm's name in the configuration, as an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RealmId(pub u16);

/// Gives signalling its media ports; the pool in production, a list in tests.
pub trait MediaPorts {
    /// An even RTP port and the odd RTCP port above it, at random from the realm's range.
    ///
    /// `ipv6` asks for the realm's media address of that family.
    fn allocate(&mut self, realm: RealmId, ipv6: bool) -> Result<LocalMedia, NoPorts>;

    /// Gives a pair back, after its flows are gone; it rests for the cool-down before re-use.
    fn release(&mut self, now: std::time::Instant, realm: RealmId, media: LocalMedia);
}

/// Why no ports could be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPorts {
    #[error("every media port of the realm is in use or cooling down")]
    Exhausted,
    #[error("the realm has no media address of that family")]
    NoAddress,
}
