//! The pool of media ports, shared by signalling, which takes and gives, and the driver, whose
//! clock lets ports that have rested come back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use media_core::ports::{BadRealms, MediaPorts, NoPorts, PortPool, RealmId, RealmPorts};
use media_core::session::LocalMedia;
use rand_core::{OsRng, TryRngCore, UnwrapErr};

use crate::config::Realm;

type Pool = PortPool<UnwrapErr<OsRng>>;

/// The ports of every realm; a [`RealmId`] is the place in `realms`.
pub(crate) fn pool(realms: &[Realm], cooldown: Duration) -> Result<Pool, BadRealms> {
    let ranges: Vec<RealmPorts> = realms
        .iter()
        .map(|realm| RealmPorts {
            ipv4: realm.ipv4,
            ipv6: realm.ipv6,
            port_low: *realm.ports.start(),
            port_high: *realm.ports.end(),
        })
        .collect();
    PortPool::new(&ranges, cooldown, OsRng.unwrap_err())
}

/// A handle of the pool; only the driver's thread uses it, so the lock is never waited for.
#[derive(Clone)]
pub(crate) struct SharedPorts(Arc<Mutex<Pool>>);

impl SharedPorts {
    pub(crate) fn new(pool: Pool) -> SharedPorts {
        SharedPorts(Arc::new(Mutex::new(pool)))
    }

    /// Frees what has rested long enough.
    pub(crate) fn tick(&self, now: Instant) {
        self.lock().tick(now);
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MediaPorts for SharedPorts {
    fn allocate(&mut self, realm: RealmId, ipv6: bool) -> Result<LocalMedia, NoPorts> {
        self.lock().allocate(realm, ipv6)
    }

    fn release(&mut self, now: Instant, realm: RealmId, media: LocalMedia) {
        self.lock().release(now, realm, media);
    }
}
