//! How many may come in at once, and how many of them may be strangers.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A limit of which strangers, whose address no trunk's ACL has, may use up no more than half:
/// however many they are, there is room for the peers of trunks.
pub(super) struct Admission {
    all: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

/// A place within the limit, for as long as it lives.
#[derive(Debug)]
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_strangers: Option<OwnedSemaphorePermit>,
}

impl Admission {
    pub(super) fn new(limit: usize) -> Admission {
        Admission {
            all: Arc::new(Semaphore::new(limit)),
            strangers: Arc::new(Semaphore::new(limit / 2)),
        }
    }

    /// A place, if there is one.
    pub(super) fn admit(&self, is_stranger: bool) -> Option<Place> {
        let permit = |semaphore: &Arc<Semaphore>| Arc::clone(semaphore).try_acquire_owned().ok();
        let of_strangers = match is_stranger {
            true => Some(permit(&self.strangers)?),
            false => None,
        };
        Some(Place {
            _of_all: permit(&self.all)?,
            _of_strangers: of_strangers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_room_for_peers_and_places_come_back() {
        let admission = Admission::new(4);
        let mut strangers: Vec<_> = (0..9).filter_map(|_| admission.admit(true)).collect();
        assert_eq!(strangers.len(), 2);
        let peers: Vec<_> = (0..9).filter_map(|_| admission.admit(false)).collect();
        assert_eq!(peers.len(), 2);
        strangers.pop();
        assert!(admission.admit(true).is_some());
    }

    #[test]
    fn peers_may_use_the_whole_limit() {
        let admission = Admission::new(4);
        let peers: Vec<_> = (0..9).filter_map(|_| admission.admit(false)).collect();
        assert_eq!(peers.len(), 4);
        assert!(admission.admit(true).is_none());
    }
}
