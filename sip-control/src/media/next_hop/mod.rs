//! Next hops: how frames to a peer leave, kept current from routes and neighbours.
//!
//! One table for the XDP program (its map) and the workers (a copy that they renew when
//! its generation has changed). Index 0 is never resolved. A next hop that is not resolved
//! has interface 0, and packets to it are dropped and counted.

mod resolver;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aya::maps::{Array, MapData};
use media_common::flow::NextHop;

use super::netlink::{Change, Netlink};
use super::shared_hops::SharedHops;
use super::sys::Abi;
use resolver::{Occasion, Resolution, Resolver, Unresolved, Watched};

/// Entries of the table, and so of the map.
pub(super) const CAPACITY: u32 = 4096;
/// Changes of routes and links are looked at no more often: a router's full table may be
/// rewritten.
const BETWEEN_REFRESHES: Duration = Duration::from_millis(100);
/// How long a next hop that no flow uses is kept resolved for the next call.
const IDLE: Duration = Duration::from_secs(60);

/// For how long, to the next tick, packets go on by a way that was good while its neighbour,
/// or that of the way that is to follow it, is asked: it answers within milliseconds, once it
/// is asked, and no packet need be lost.
const OLD_WAY: Duration = Duration::from_millis(1500);

/// Who is to be reached from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) remote: IpAddr,
    /// Our media address, which may decide the route.
    pub(super) local: IpAddr,
}

/// Why a flow to a peer cannot be installed at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    #[error(
        "{0} is an address of this host, which XDP cannot send to: use media.backend = \"socket\""
    )]
    OwnAddress(IpAddr),
    #[error("there are {CAPACITY} next hops in use already")]
    Full,
}

/// The table; the control thread's own.
pub(super) struct NextHops {
    resolver: Resolver,
    map: Array<MapData, Abi<NextHop>>,
    shared: Arc<SharedHops>,
    hops: Vec<Option<Hop>>,
    free: Vec<u16>,
    by_peer: HashMap<Peer, u16>,
    refreshed: Instant,
}

struct Hop {
    peer: Peer,
    users: usize,
    idle_since: Instant,
    value: NextHop,
    neighbour: Option<Watched>,
    /// Since when `value` is the way of before, because `neighbour` has yet to answer.
    outdated: Option<Instant>,
    trouble: Option<String>,
}

impl Hop {
    /// Since when, if at all, packets keep to the way of before: a look has named `neighbour`,
    /// and given `value`.
    fn outdated_after(
        &self,
        value: NextHop,
        neighbour: Option<Watched>,
        now: Instant,
    ) -> Option<Instant> {
        let is_asked = value.ifindex == 0 && neighbour.is_some();
        if !is_asked || self.value.ifindex == 0 {
            return None;
        }
        let since = self.outdated.unwrap_or(now);
        (now.saturating_duration_since(since) < OLD_WAY).then_some(since)
    }
}

impl NextHops {
    pub(super) fn new(
        map: Array<MapData, Abi<NextHop>>,
        interfaces: Vec<u32>,
    ) -> io::Result<NextHops> {
        let capacity = CAPACITY as u16;
        Ok(NextHops {
            resolver: Resolver::new(Netlink::open()?, interfaces),
            map,
            shared: Arc::new(SharedHops::new(capacity)),
            hops: (0..capacity).map(|_| None).collect(),
            free: (1..capacity).rev().collect(),
            by_peer: HashMap::new(),
            refreshed: Instant::now(),
        })
    }

    pub(super) fn shared(&self) -> Arc<SharedHops> {
        Arc::clone(&self.shared)
    }

    pub(super) fn changes_fd(&self) -> BorrowedFd<'_> {
        self.resolver.netlink.changes_fd()
    }

    /// The index of the next hop to a peer, which [`NextHops::release`] gives back.
    pub(super) fn acquire(&mut self, peer: Peer) -> Result<u16, Unreachable> {
        if let Some(index) = self.by_peer.get(&peer).copied() {
            if let Some(hop) = &mut self.hops[usize::from(index)] {
                hop.users += 1;
            }
            return Ok(index);
        }
        if self.free.is_empty() {
            let idle = longest_idle(&self.hops).ok_or(Unreachable::Full)?;
            self.forget(idle);
        }
        let Resolution {
            value,
            neighbour,
            trouble,
        } = match self.resolver.resolve(peer, None, Occasion::Turn) {
            Ok(resolution) => resolution,
            Err(Unresolved::OwnAddress(address)) => return Err(Unreachable::OwnAddress(address)),
            Err(Unresolved::NoAnswer(why)) => Resolution {
                trouble: Some(why),
                ..Resolution::default()
            },
        };
        let index = self.free.pop().ok_or(Unreachable::Full)?;
        let hop = Hop {
            peer,
            users: 1,
            idle_since: Instant::now(),
            value,
            neighbour,
            outdated: None,
            trouble: None,
        };
        self.hops[usize::from(index)] = Some(hop);
        self.by_peer.insert(peer, index);
        self.publish(index, value);
        self.report(index, trouble);
        Ok(index)
    }

    /// What the table says; unresolved, if it has no such entry.
    pub(super) fn value(&self, index: u16) -> NextHop {
        let hop = self.hops.get(usize::from(index)).and_then(Option::as_ref);
        hop.map_or(NextHop::default(), |hop| hop.value)
    }

    pub(super) fn release(&mut self, index: u16, now: Instant) {
        if let Some(hop) = &mut self.hops[usize::from(index)] {
            hop.users = hop.users.saturating_sub(1);
            hop.idle_since = now;
        }
    }

    /// Whether packets to it can leave.
    pub(super) fn is_resolved(&self, index: u16) -> bool {
        let hop = self.hops.get(usize::from(index)).and_then(Option::as_ref);
        hop.is_some_and(|hop| hop.value.ifindex != 0)
    }

    /// Takes what the kernel says has changed.
    pub(super) fn handle_changes(&mut self) {
        let changes = self.resolver.netlink.changes();
        if changes.contains(&Change::Anything) {
            // If it was done a moment ago, the next tick does it.
            if self.refreshed.elapsed() >= BETWEEN_REFRESHES {
                self.refresh_all(Occasion::Change);
            }
            return;
        }
        for change in changes {
            let Change::Neighbour { ifindex, address } = change else {
                continue;
            };
            let is_it =
                |watched: &Watched| watched.ifindex == ifindex && watched.address == address;
            for index in self.indices(|hop| hop.neighbour.as_ref().is_some_and(is_it)) {
                self.refresh(index, Occasion::Change);
            }
        }
    }

    /// Once a second: what no notification told, and what nobody has used for long.
    pub(super) fn tick(&mut self, now: Instant) {
        let idle =
            |hop: &Hop| hop.users == 0 && now.saturating_duration_since(hop.idle_since) >= IDLE;
        for index in self.indices(idle) {
            self.forget(index);
        }
        self.refresh_all(Occasion::Turn);
    }

    /// Lets go of every neighbour.
    pub(super) fn clear(&mut self) {
        for index in self.indices(|_| true) {
            self.forget(index);
        }
    }

    fn refresh_all(&mut self, occasion: Occasion) {
        self.refreshed = Instant::now();
        for index in self.indices(|_| true) {
            self.refresh(index, occasion);
        }
    }

    fn indices(&self, wanted: impl Fn(&Hop) -> bool) -> Vec<u16> {
        self.by_peer
            .values()
            .copied()
            .filter(|index| self.hops[usize::from(*index)].as_ref().is_some_and(&wanted))
            .collect()
    }

    fn refresh(&mut self, index: u16, occasion: Occasion) {
        let Some(hop) = &self.hops[usize::from(index)] else {
            return;
        };
        let (peer, old_neighbour, old_value) = (hop.peer, hop.neighbour, hop.value);
        let Resolution {
            value,
            neighbour,
            trouble,
        } = match self.resolver.resolve(peer, old_neighbour, occasion) {
            Ok(resolution) => resolution,
            Err(Unresolved::OwnAddress(_)) => {
                let trouble = Some("its address is this host's".to_owned());
                Resolution {
                    trouble,
                    ..Resolution::default()
                }
            }
            Err(Unresolved::NoAnswer(why)) => return self.report(index, Some(why)),
        };
        let (mut value, mut trouble) = (value, trouble);
        if let Some(hop) = &mut self.hops[usize::from(index)] {
            hop.outdated = hop.outdated_after(value, neighbour, Instant::now());
            if hop.outdated.is_some() {
                (value, trouble) = (old_value, None);
            }
            (hop.value, hop.neighbour) = (value, neighbour);
        }
        if let Some(old) = old_neighbour.filter(|old| neighbour != Some(*old)) {
            self.let_go(old);
        }
        if value != old_value {
            self.publish(index, value);
        }
        self.report(index, trouble);
    }

    fn forget(&mut self, index: u16) {
        let Some(hop) = self.hops[usize::from(index)].take() else {
            return;
        };
        self.by_peer.remove(&hop.peer);
        self.publish(index, NextHop::default());
        if let Some(neighbour) = hop.neighbour {
            self.let_go(neighbour);
        }
        self.free.push(index);
    }

    /// The kernel need not keep a neighbour that no next hop is about any more.
    fn let_go(&mut self, neighbour: Watched) {
        let Watched {
            ifindex,
            address,
            is_managed,
        } = neighbour;
        if is_managed
            && self
                .indices(|hop| hop.neighbour == Some(neighbour))
                .is_empty()
        {
            let _ = self.resolver.netlink.use_neighbour(ifindex, address, false);
        }
    }

    fn publish(&mut self, index: u16, value: NextHop) {
        if let Err(error) = self.map.set(u32::from(index), Abi(value), 0) {
            tracing::error!(index, %error, "media: a next hop could not be written");
        }
        self.shared.set(index, value);
    }

    /// Logs a trouble when it begins and when it ends.
    fn report(&mut self, index: u16, trouble: Option<String>) {
        let Some(hop) = &mut self.hops[usize::from(index)] else {
            return;
        };
        match (&hop.trouble, &trouble) {
            (None, Some(reason)) => {
                tracing::warn!(peer = %hop.peer.remote, reason, "media: the peer cannot be reached; its packets are dropped");
            }
            (Some(_), None) if hop.value.ifindex != 0 => {
                tracing::info!(peer = %hop.peer.remote, "media: the peer can be reached again");
            }
            _ => {}
        }
        hop.trouble = trouble;
    }
}

/// The next hop that nobody has used for longest.
fn longest_idle(hops: &[Option<Hop>]) -> Option<u16> {
    let idle = hops
        .iter()
        .enumerate()
        .filter_map(|(index, hop)| Some((hop.as_ref().filter(|hop| hop.users == 0)?, index)));
    let (_, index) = idle.min_by_key(|(hop, _)| hop.idle_since)?;
    u16::try_from(index).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_loses_the_hop_that_was_idle_for_longest() {
        let start = Instant::now();
        let hop = |users, idle_since| {
            Some(Hop {
                peer: Peer {
                    remote: IpAddr::from([192, 0, 2, 1]),
                    local: IpAddr::from([192, 0, 2, 2]),
                },
                users,
                idle_since: start + Duration::from_secs(idle_since),
                value: NextHop::default(),
                neighbour: None,
                outdated: None,
                trouble: None,
            })
        };
        let hops = [None, hop(1, 0), hop(0, 5), hop(0, 3), hop(0, 4)];
        assert_eq!(longest_idle(&hops), Some(3));
        assert_eq!(longest_idle(&[None, hop(1, 0), hop(2, 1)]), None);
    }

    #[test]
    fn the_old_way_serves_until_the_new_one_answers_and_not_for_long() {
        let start = Instant::now();
        let neighbour = |last| {
            Some(Watched {
                ifindex: 2,
                address: IpAddr::from([192, 0, 2, last]),
                is_managed: true,
            })
        };
        let resolved = NextHop {
            ifindex: 2,
            ..NextHop::default()
        };
        let unresolved = NextHop::default();
        let mut hop = Hop {
            peer: Peer {
                remote: IpAddr::from([192, 0, 2, 1]),
                local: IpAddr::from([192, 0, 2, 2]),
            },
            users: 1,
            idle_since: start,
            value: resolved,
            neighbour: neighbour(1),
            outdated: None,
            trouble: None,
        };
        let lost = hop.outdated_after(unresolved, neighbour(1), start);
        assert_eq!(lost, Some(start), "it is asked again");
        let without_route = hop.outdated_after(unresolved, None, start);
        assert_eq!(without_route, None);
        assert_eq!(hop.outdated_after(resolved, neighbour(2), start), None);

        hop.outdated = hop.outdated_after(unresolved, neighbour(2), start);
        hop.neighbour = neighbour(2);
        assert_eq!(hop.outdated, Some(start));
        let soon = start + OLD_WAY / 2;
        assert_eq!(
            hop.outdated_after(unresolved, neighbour(2), soon),
            Some(start)
        );
        assert_eq!(
            hop.outdated_after(unresolved, neighbour(3), soon),
            Some(start),
            "changes upon changes do not keep it for longer"
        );
        assert_eq!(
            hop.outdated_after(unresolved, neighbour(2), start + OLD_WAY),
            None
        );
        hop.value = unresolved;
        let later = start + OLD_WAY;
        let again = hop.outdated_after(unresolved, neighbour(2), later);
        assert_eq!(again, None, "there is no way of before any more");
    }
}
