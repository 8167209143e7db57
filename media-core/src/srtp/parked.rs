//! What is kept of a context while its key is not in use.
//!
//! Session keys are most of a context's memory, and are derived again in microseconds; what was
//! sent and received under the key is not to be had again (RFC 3711 sections 3.3.2 and 9.1).

use super::key::MasterKey;
use super::sources::Sources;

/// A key and what has passed under it, without session keys.
pub(crate) struct Parked<P> {
    pub(super) master: MasterKey,
    pub(super) past: P,
}

/// The indices of each source, and how many packets there were in all.
pub(crate) struct Past {
    pub(super) sources: Sources,
    pub(super) packets: u64,
}

impl Default for Past {
    fn default() -> Past {
        Past {
            sources: Sources::new(),
            packets: 0,
        }
    }
}

/// Of an [`SrtcpSender`](super::SrtcpSender): the index of the next packet.
pub(crate) struct NextIndex(pub(super) u32);

impl<P> Parked<P> {
    /// Whether it is of that key; see [`MasterKey::is_same_key`].
    pub(crate) fn is_of(&self, key: &MasterKey) -> bool {
        self.master.is_same_key(key)
    }
}
