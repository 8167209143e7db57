//! The registrar: where the phones of our accounts are (RFC 3261 section 10.3, SIG-4).
//!
//! [`crate::stack`] authenticates a REGISTER and finds its account; here its contacts are taken
//! into the bindings of that address-of-record, all of them or none. A binding keeps the flow that
//! it came by: the connection, or over UDP the source address, so that a call gets back through a
//! NAT (RFC 5626, without GRUU). Every change comes out as a [`Snapshot`], for the store.

mod binding;
mod request;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::binding::{Binding, BindingRecord, Flow};
pub(crate) use self::request::Registration;
use crate::transport::{ConnectionId, ListenerId};

/// Whoever wants to be registered for less is told so (423 with Min-Expires).
pub const SHORTEST: Duration = Duration::from_secs(60);
/// What is asked beyond it is cut to it; and what is given to those who do not ask.
pub const LONGEST: Duration = Duration::from_secs(3600);
/// Bindings of one address-of-record.
pub const MAX_BINDINGS: usize = 10;

/// An account: somebody who may register, and be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What others call.
    pub aor: Aor,
    /// Whom its REGISTERs authenticate as: a user of its trunk's credentials.
    pub user: String,
}

/// An address-of-record in the form that is compared: the user part without escapes, the domain in
/// lower case (RFC 3261 section 10.3, step 5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Aor(Arc<str>);

impl Aor {
    pub fn new(user: &str, domain: &str) -> Aor {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        Aor(format!("{user}@{}", domain.to_ascii_lowercase()).into())
    }

    /// `user@domain`
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn user(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(user, _)| user)
    }
}

/// Every binding of one address-of-record, after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub aor: Aor,
    /// Empty: it is registered no more.
    pub bindings: Vec<BindingRecord>,
}

/// Why a REGISTER changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegisterError {
    /// Shorter than [`SHORTEST`].
    TooBrief,
    /// There would be more than [`MAX_BINDINGS`].
    TooMany,
    /// An older request than the one that made the binding.
    OutOfOrder,
}

/// What a REGISTER changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) added: usize,
    pub(crate) removed: usize,
    /// Anything is not as it was, a time perhaps.
    pub(crate) any: bool,
}

/// Every address-of-record that somebody is registered for.
#[derive(Default)]
pub(crate) struct Registrar {
    aors: HashMap<Aor, Vec<Binding>>,
    /// When each address-of-record loses its next binding.
    expiry: BTreeSet<(Instant, Aor)>,
    /// Whose bindings came by a connection: most that are closed are nobody's.
    connections: HashMap<ConnectionId, BTreeSet<Aor>>,
}

impl Registrar {
    /// Takes a REGISTER: all of its contacts, or none.
    pub(crate) fn register(
        &mut self,
        now: Instant,
        aor: &Aor,
        registration: &Registration,
    ) -> Result<Change, RegisterError> {
        self.expire_aor(now, aor);
        let old = self.aors.get(aor).map_or(&[][..], Vec::as_slice);
        let new = registration.apply(now, old)?;
        if new.len() > MAX_BINDINGS {
            return Err(RegisterError::TooMany);
        }
        let is_in = |binding: &Binding, list: &[Binding]| {
            list.iter().any(|other| other.is_same_place(binding))
        };
        let change = Change {
            added: new.iter().filter(|new| !is_in(new, old)).count(),
            removed: old.iter().filter(|old| !is_in(old, &new)).count(),
            any: new != old,
        };
        self.put(aor, new);
        Ok(change)
    }

    /// Where the address-of-record can be reached now; the preferred place first (RFC 3261
    /// section 16.6: by q).
    pub(crate) fn bindings(&self, now: Instant, aor: &Aor) -> Vec<&Binding> {
        let all = self.aors.get(aor).into_iter().flatten();
        let mut live: Vec<&Binding> = all.filter(|binding| binding.expires > now).collect();
        live.sort_by_key(|binding| std::cmp::Reverse(binding.contact.q().unwrap_or(1000)));
        live
    }

    /// What the store keeps of it.
    pub(crate) fn snapshot(&self, aor: &Aor) -> Snapshot {
        let bindings = self.aors.get(aor).into_iter().flatten();
        Snapshot {
            aor: aor.clone(),
            bindings: bindings.map(Binding::record).collect(),
        }
    }

    /// Takes what the store had; what has expired since is left out. `is_udp` tells of a listener
    /// whether it is one of UDP.
    pub(crate) fn restore(
        &mut self,
        now: Instant,
        aor: &Aor,
        records: &[BindingRecord],
        is_udp: impl Fn(ListenerId) -> bool,
    ) -> usize {
        let bindings: Vec<Binding> = records
            .iter()
            .filter_map(|record| Binding::restore(record, &is_udp))
            .filter(|binding| binding.expires > now)
            .take(MAX_BINDINGS)
            .collect();
        let count = bindings.len();
        self.put(aor, bindings);
        count
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.expiry.first().map(|(at, _)| *at)
    }

    /// The next address-of-record that has lost bindings by now, and how many.
    pub(crate) fn expire_next(&mut self, now: Instant) -> Option<(Aor, usize)> {
        let (at, aor) = self.expiry.first()?.clone();
        (at <= now).then(|| {
            let lost = self.expire_aor(now, &aor);
            (aor, lost)
        })
    }

    /// A connection is closed: what came by it is reached by its Contact, if that is
    /// where it came from.
    pub(crate) fn connection_closed(&mut self, closed: ConnectionId) {
        for aor in self.connections.remove(&closed).unwrap_or_default() {
            for binding in self.aors.get_mut(&aor).into_iter().flatten() {
                binding.forget_connection(closed);
            }
        }
    }

    /// Bindings of all, for status.
    pub(crate) fn len(&self) -> usize {
        self.aors.values().map(Vec::len).sum()
    }

    fn expire_aor(&mut self, now: Instant, aor: &Aor) -> usize {
        let Some(bindings) = self.aors.get(aor) else {
            return 0;
        };
        let before = bindings.len();
        let live: Vec<Binding> = bindings
            .iter()
            .filter(|binding| binding.expires > now)
            .cloned()
            .collect();
        let lost = before - live.len();
        if lost > 0 {
            self.put(aor, live);
        }
        lost
    }

    fn put(&mut self, aor: &Aor, bindings: Vec<Binding>) {
        let next = |bindings: &[Binding]| bindings.iter().map(|binding| binding.expires).min();
        let old = self.aors.remove(aor).unwrap_or_default();
        if let Some(at) = next(&old) {
            self.expiry.remove(&(at, aor.clone()));
        }
        for connection in old.iter().filter_map(Binding::connection) {
            if let Entry::Occupied(mut aors) = self.connections.entry(connection) {
                aors.get_mut().remove(aor);
                if aors.get().is_empty() {
                    aors.remove();
                }
            }
        }
        for connection in bindings.iter().filter_map(Binding::connection) {
            let aors = self.connections.entry(connection).or_default();
            aors.insert(aor.clone());
        }
        if let Some(at) = next(&bindings) {
            self.expiry.insert((at, aor.clone()));
            self.aors.insert(aor.clone(), bindings);
        }
    }
}

#[cfg(test)]
mod tests;
