//! Which flow may send under which key.
//!
//! The index that a packet is encrypted under must never repeat under a key (RFC 3711
//! section 9.1). The flow at the port where the packets arrive counts it, for the key in
//! use and the one before ([`crate::relay`]). Should packets come to arrive at another port
//! while the key stays, or a key return whose count is gone, nothing is sent: the plan gives
//! such a flow no destination until there is a new key.

use std::net::SocketAddr;

use crate::srtp::key::MasterKey;

/// The keys that one component of a leg has sent under.
#[derive(Default)]
pub(super) struct Homes {
    current: Option<Home>,
    previous: Option<Home>,
}

struct Home {
    key: MasterKey,
    /// Where the flow arrives that counts under the key; `None` if it is gone.
    local: Option<SocketAddr>,
}

/// Keys whose counts are gone, over the life of a call.
#[derive(Default)]
pub(super) struct Spent(Vec<MasterKey>);

impl Homes {
    /// Whether the flow at `local` may send under the current key.
    pub(super) fn allow(&self, local: SocketAddr) -> bool {
        self.current
            .as_ref()
            .is_none_or(|home| home.local == Some(local))
    }

    /// Packets to this component now arrive at `local`, and are sent under `key` if there is one.
    pub(super) fn settle(&mut self, key: Option<&MasterKey>, local: SocketAddr, spent: &mut Spent) {
        for home in [&mut self.current, &mut self.previous]
            .into_iter()
            .flatten()
        {
            // No flow stays at a port that nothing is planned for.
            home.local = home.local.filter(|home| *home == local);
        }
        let Some(key) = key else { return };
        if !self.is_current(key) {
            std::mem::swap(&mut self.current, &mut self.previous);
        }
        if !self.is_current(key) {
            let local = (!spent.contains(key)).then_some(local);
            spent.extend(self.current.take());
            self.current = Some(Home {
                key: key.clone(),
                local,
            });
        }
    }

    /// The flows are gone.
    pub(super) fn end(self, spent: &mut Spent) {
        spent.extend(self.current);
        spent.extend(self.previous);
    }

    fn is_current(&self, key: &MasterKey) -> bool {
        self.current
            .as_ref()
            .is_some_and(|home| home.key.is_same_key(key))
    }
}

impl Spent {
    fn contains(&self, key: &MasterKey) -> bool {
        self.0.iter().any(|spent| spent.is_same_key(key))
    }

    fn extend(&mut self, home: Option<Home>) {
        if let Some(Home { key, .. }) = home.filter(|home| !self.contains(&home.key)) {
            self.0.push(key);
        }
    }
}
