//! How many connections there may be, and how many of one address before they have proven
//! themselves.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of strangers, of one address.
const OF_ADDRESS: usize = 64;

pub(super) struct Places {
    all: Arc<Semaphore>,
    strangers: Arc<Strangers>,
}

#[derive(Debug, Default)]
struct Strangers(Mutex<HashMap<IpAddr, usize>>);

impl Places {
    pub(super) fn new(limit: usize) -> Places {
        Places {
            all: Arc::new(Semaphore::new(limit)),
            strangers: Arc::default(),
        }
    }

    /// A place for as long as the permit lives, and a share of the address's for as long as the
    /// connection has proven nothing.
    pub(super) fn admit(&self, address: IpAddr) -> Option<(OwnedSemaphorePermit, Share)> {
        let share = Strangers::enter(&self.strangers, address.to_canonical())?;
        let permit = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some((permit, share))
    }
}

impl Strangers {
    fn enter(strangers: &Arc<Strangers>, address: IpAddr) -> Option<Share> {
        let mut addresses = strangers.lock();
        let count = addresses.get(&address).copied().unwrap_or(0);
        if count >= OF_ADDRESS {
            return None;
        }
        addresses.insert(address, count + 1);
        Some(Share {
            strangers: Arc::clone(strangers),
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of those that an address may have.
#[derive(Debug)]
pub(super) struct Share {
    strangers: Arc<Strangers>,
    address: IpAddr,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut addresses = self.strangers.lock();
        match addresses.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(addresses.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Connection, Peer};
    use super::*;

    #[test]
    fn an_address_has_its_share_until_it_proves_itself() {
        let places = Places::new(1000);
        let [one, other] = [1, 2].map(|host| IpAddr::from([192, 0, 2, host]));
        let mut held: Vec<_> = (0..OF_ADDRESS).filter_map(|_| places.admit(one)).collect();
        assert_eq!(held.len(), OF_ADDRESS);
        assert!(places.admit(one).is_none());
        assert!(places.admit(other).is_some());
        let (permit, share) = held.pop().unwrap();
        let peer = Peer::Tcp((one, 5000).into());
        let connection = Connection::new(peer, false).with_share(share);
        assert!(places.admit(one).is_none());
        connection.prove();
        assert!(places.admit(one).is_some());
        drop((permit, held));
        assert!(places.strangers.lock().is_empty());
    }

    #[test]
    fn all_together_have_a_limit() {
        let places = Places::new(2);
        let admit = |host: u8| places.admit([192, 0, 2, host].into());
        let (first, second) = (admit(1), admit(2));
        assert!(first.is_some() && second.is_some() && admit(3).is_none());
        drop(first);
        assert!(admit(3).is_some());
    }
}
