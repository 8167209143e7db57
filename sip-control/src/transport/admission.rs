//! How many may come in at once, how many of them may be strangers, and how many of one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A limit of which strangers, whose address no trunk's ACL has, may use up no more than half:
/// however many they are, there is room for the peers of trunks. And of which one address, stranger
/// or peer, may use up no more than its share.
pub(super) struct Admission {
    all: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    per_address: usize,
    addresses: Arc<Addresses>,
}

/// How many places each address has; none that has none.
#[derive(Default)]
struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// A place within the limit, for as long as it lives.
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_strangers: Option<OwnedSemaphorePermit>,
    _of_address: OfAddress,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All places, or those of strangers, are taken.
    All,
    /// Those of the address are.
    Address,
}

impl Admission {
    pub(super) fn new(limit: usize, per_address: usize) -> Admission {
        Admission {
            all: Arc::new(Semaphore::new(limit)),
            strangers: Arc::new(Semaphore::new(limit / 2)),
            per_address,
            addresses: Arc::default(),
        }
    }

    /// A place, if there is one.
    pub(super) fn admit(&self, address: IpAddr, is_stranger: bool) -> Result<Place, Full> {
        let of_address =
            Addresses::enter(&self.addresses, address, self.per_address).ok_or(Full::Address)?;
        let permit = |semaphore: &Arc<Semaphore>| {
            Arc::clone(semaphore)
                .try_acquire_owned()
                .map_err(|_| Full::All)
        };
        let of_strangers = match is_stranger {
            true => Some(permit(&self.strangers)?),
            false => None,
        };
        Ok(Place {
            _of_all: permit(&self.all)?,
            _of_strangers: of_strangers,
            _of_address: of_address,
        })
    }
}

impl Addresses {
    fn enter(of: &Arc<Addresses>, address: IpAddr, limit: usize) -> Option<OfAddress> {
        let address = one_host(address);
        let mut addresses = of.lock();
        let count = addresses.get(&address).copied().unwrap_or(0);
        if count >= limit {
            return None;
        }
        addresses.insert(address, count + 1);
        Some(OfAddress {
            addresses: Arc::clone(of),
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct OfAddress {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Drop for OfAddress {
    fn drop(&mut self) {
        let mut addresses = self.addresses.lock();
        match addresses.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(addresses.remove(&self.address)),
        }
    }
}

/// What one host may choose freely: with IPv6 any address of its /64 (RFC 4291 section 2.5.1).
fn one_host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            const NETWORK: u128 = !0 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each from an address of its own.
    fn admit(admission: &Admission, count: u8, is_stranger: bool) -> Vec<Place> {
        (0..count)
            .filter_map(|host| {
                let net = if is_stranger { 1 } else { 2 };
                admission
                    .admit(IpAddr::from([192, 0, net, host]), is_stranger)
                    .ok()
            })
            .collect()
    }

    #[test]
    fn strangers_leave_room_for_peers_and_places_come_back() {
        let admission = Admission::new(4, 9);
        let mut strangers = admit(&admission, 9, true);
        assert_eq!(strangers.len(), 2);
        let peers = admit(&admission, 9, false);
        assert_eq!(peers.len(), 2);
        strangers.pop();
        assert_eq!(admit(&admission, 1, true).len(), 1);
    }

    #[test]
    fn peers_may_use_the_whole_limit() {
        let admission = Admission::new(4, 9);
        let peers = admit(&admission, 9, false);
        assert_eq!(peers.len(), 4);
        assert!(admit(&admission, 9, true).is_empty());
    }

    #[test]
    fn an_address_has_its_share_and_no_more_and_gets_it_back() {
        let admission = Admission::new(100, 2);
        for (one, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ] {
            let admit = |address: &str| admission.admit(address.parse().unwrap(), false);
            let first = admit(one).ok();
            let second = admit(same).ok();
            assert!(first.is_some() && second.is_some());
            assert_eq!(admit(one).err(), Some(Full::Address));
            assert!(admit(other).is_ok());
            drop(first);
            assert!(admit(same).is_ok());
        }
        assert!(admission.addresses.lock().is_empty());
    }
}
