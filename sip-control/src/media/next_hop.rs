//! Next hops: how frames to a peer leave, kept current from routes and neighbours.
//!
//! One table for the XDP program (its map) and the workers (a copy that they renew when
//! its generation has changed). Index 0 is never resolved. A next hop that is not resolved
//! has interface 0, and packets to it are dropped and counted.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aya::maps::{Array, MapData};
use media_common::flow::NextHop;

use super::netlink::{Change, LinkInfo, Netlink, Route};
use super::sys::Abi;

/// Entries of the table, and so of the map.
pub(super) const CAPACITY: u32 = 4096;
/// How long a next hop that no flow uses is kept resolved for the next call.
const IDLE: Duration = Duration::from_secs(60);

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
    #[error("there are {CAPACITY} next hops already")]
    Full,
}

/// The table; the control thread's own.
pub(super) struct NextHops {
    netlink: Netlink,
    map: Array<MapData, Abi<NextHop>>,
    /// Interfaces that the program is attached to.
    interfaces: Vec<u32>,
    shared: Arc<SharedHops>,
    hops: Vec<Option<Hop>>,
    free: Vec<u16>,
    by_peer: HashMap<Peer, u16>,
}

struct Hop {
    peer: Peer,
    users: usize,
    idle_since: Instant,
    value: NextHop,
    neighbour: Option<Watched>,
    trouble: Option<String>,
}

/// The neighbour that a next hop is about.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Watched {
    ifindex: u32,
    address: IpAddr,
    /// The kernel was asked to keep it resolved.
    is_managed: bool,
}

/// What a look at routes and neighbours gave.
#[derive(Default)]
struct Resolution {
    value: NextHop,
    neighbour: Option<Watched>,
    /// Why it is not resolved, if that is worth a word.
    trouble: Option<String>,
}

/// The table as workers see it.
pub(super) struct SharedHops {
    generation: AtomicU64,
    hops: Mutex<Vec<NextHop>>,
}

/// A worker's copy.
pub(super) struct HopCache {
    shared: Arc<SharedHops>,
    generation: u64,
    hops: Vec<NextHop>,
}

impl NextHops {
    pub(super) fn new(
        map: Array<MapData, Abi<NextHop>>,
        interfaces: Vec<u32>,
    ) -> io::Result<NextHops> {
        let capacity = CAPACITY as u16;
        Ok(NextHops {
            netlink: Netlink::open()?,
            map,
            interfaces,
            shared: Arc::new(SharedHops {
                generation: AtomicU64::new(0),
                hops: Mutex::new(vec![NextHop::default(); usize::from(capacity)]),
            }),
            hops: (0..capacity).map(|_| None).collect(),
            free: (1..capacity).rev().collect(),
            by_peer: HashMap::new(),
        })
    }

    pub(super) fn shared(&self) -> Arc<SharedHops> {
        Arc::clone(&self.shared)
    }

    pub(super) fn changes_fd(&self) -> BorrowedFd<'_> {
        self.netlink.changes_fd()
    }

    /// The index of the next hop to a peer, which [`NextHops::release`] gives back.
    pub(super) fn acquire(&mut self, peer: Peer) -> Result<u16, Unreachable> {
        if let Some(index) = self.by_peer.get(&peer).copied() {
            if let Some(hop) = &mut self.hops[usize::from(index)] {
                hop.users += 1;
            }
            return Ok(index);
        }
        let Resolution {
            value,
            neighbour,
            trouble,
        } = self.resolve(peer, None)?;
        let index = self.free.pop().ok_or(Unreachable::Full)?;
        let hop = Hop {
            peer,
            users: 1,
            idle_since: Instant::now(),
            value,
            neighbour,
            trouble: None,
        };
        self.hops[usize::from(index)] = Some(hop);
        self.by_peer.insert(peer, index);
        self.publish(index, value);
        self.report(index, trouble);
        Ok(index)
    }

    pub(super) fn release(&mut self, index: u16, now: Instant) {
        if let Some(hop) = &mut self.hops[usize::from(index)] {
            hop.users = hop.users.saturating_sub(1);
            hop.idle_since = now;
        }
    }

    /// Takes what the kernel says has changed.
    pub(super) fn handle_changes(&mut self) {
        let changes = self.netlink.changes();
        if changes.contains(&Change::Anything) {
            return self.refresh_all();
        }
        for change in changes {
            let Change::Neighbour { ifindex, address } = change else {
                continue;
            };
            let is_it =
                |watched: &Watched| watched.ifindex == ifindex && watched.address == address;
            for index in self.indices(|hop| hop.neighbour.as_ref().is_some_and(is_it)) {
                self.refresh(index);
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
        self.refresh_all();
    }

    /// Lets go of every neighbour.
    pub(super) fn clear(&mut self) {
        for index in self.indices(|_| true) {
            self.forget(index);
        }
    }

    fn refresh_all(&mut self) {
        for index in self.indices(|_| true) {
            self.refresh(index);
        }
    }

    fn indices(&self, wanted: impl Fn(&Hop) -> bool) -> Vec<u16> {
        self.by_peer
            .values()
            .copied()
            .filter(|index| self.hops[usize::from(*index)].as_ref().is_some_and(&wanted))
            .collect()
    }

    fn refresh(&mut self, index: u16) {
        let Some(hop) = &self.hops[usize::from(index)] else {
            return;
        };
        let (peer, old_neighbour, old_value) = (hop.peer, hop.neighbour, hop.value);
        let Resolution {
            value,
            neighbour,
            trouble,
        } = match self.resolve(peer, old_neighbour) {
            Ok(resolution) => resolution,
            Err(error) => Resolution {
                trouble: Some(error.to_string()),
                ..Resolution::default()
            },
        };
        if let Some(hop) = &mut self.hops[usize::from(index)] {
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
            let _ = self.netlink.use_neighbour(ifindex, address, false);
        }
    }

    /// Route, link and neighbour. The kernel is asked to resolve and keep the neighbour if
    /// it does not know it, or was not asked before.
    fn resolve(&mut self, peer: Peer, before: Option<Watched>) -> Result<Resolution, Unreachable> {
        let in_trouble = |why: String| {
            Ok(Resolution {
                trouble: Some(why),
                ..Resolution::default()
            })
        };
        let (ifindex, address) = match self.netlink.route(peer.remote, peer.local) {
            Ok(Route::Via { ifindex, neighbour }) => (ifindex, neighbour),
            Ok(Route::Local) => return Err(Unreachable::OwnAddress(peer.remote)),
            Ok(Route::None) => return in_trouble("there is no route".to_owned()),
            Err(error) => return in_trouble(format!("looking up the route: {error}")),
        };
        if !self.interfaces.contains(&ifindex) {
            return in_trouble(format!(
                "its route leaves by interface {ifindex}, which is not one for media"
            ));
        }
        let link = match self.netlink.link(ifindex) {
            Ok(Some(link)) if link.is_up => link,
            Ok(_) => return in_trouble(format!("interface {ifindex} is down or not Ethernet")),
            Err(error) => return in_trouble(format!("looking up interface {ifindex}: {error}")),
        };
        let known = self.netlink.neighbour(ifindex, address).unwrap_or(None);
        let neighbour = Watched {
            ifindex,
            address,
            is_managed: known.is_none_or(|known| !known.is_permanent),
        };
        let was_asked = before == Some(neighbour);
        let mut trouble = None;
        if neighbour.is_managed && (known.is_none() || !was_asked) {
            if let Err(error) = self.netlink.use_neighbour(ifindex, address, true) {
                trouble = Some(format!("asking for neighbour {address}: {error}"));
            } else if known.is_none() && was_asked {
                // Not worth a word at first: it usually takes a millisecond.
                trouble = Some(format!("neighbour {address} does not answer"));
            }
        }
        let value = known.map_or(NextHop::default(), |known| {
            next_hop(ifindex, &link, known.mac)
        });
        Ok(Resolution {
            value,
            neighbour: Some(neighbour),
            trouble,
        })
    }

    fn publish(&mut self, index: u16, value: NextHop) {
        if let Err(error) = self.map.set(u32::from(index), Abi(value), 0) {
            tracing::error!(index, %error, "media: a next hop could not be written");
        }
        let mut hops = self
            .shared
            .hops
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        hops[usize::from(index)] = value;
        self.shared.generation.fetch_add(1, Ordering::Release);
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

fn next_hop(ifindex: u32, link: &LinkInfo, mac: [u8; 6]) -> NextHop {
    NextHop {
        ifindex,
        source_mac: link.mac,
        destination_mac: mac,
        mtu: u16::try_from(link.mtu).unwrap_or(u16::MAX),
        ..NextHop::default()
    }
}

impl HopCache {
    pub(super) fn new(shared: Arc<SharedHops>) -> HopCache {
        let hops = shared
            .hops
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // Generation 0 of the copy with whatever the table was: the first renewal copies again.
        HopCache {
            generation: 0,
            hops,
            shared,
        }
    }

    /// Copies the table if it has changed; once per batch, not per packet.
    pub(super) fn renew(&mut self) {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation != self.generation {
            self.hops.clone_from(
                &self
                    .shared
                    .hops
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            self.generation = generation;
        }
    }

    pub(super) fn get(&self, index: u16) -> NextHop {
        self.hops
            .get(usize::from(index))
            .copied()
            .unwrap_or_default()
    }
}
