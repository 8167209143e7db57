//! The pool of media ports.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use media_common::flow::{MAX_MEDIA_ADDRESSES, MediaAddress, ip_to_mapped};
use rand_core::RngCore;

use super::{MediaPorts, NoPorts, RealmId};
use crate::session::LocalMedia;

/// The media addresses and ports of a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmPorts {
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    /// Inclusive.
    pub port_low: u16,
    /// Inclusive.
    pub port_high: u16,
}

/// Why a pool cannot be made of the realms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRealms {
    #[error(
        "realm {realm}: the port range {low}-{high} holds no even port with the odd one above it"
    )]
    NoPair { realm: usize, low: u16, high: u16 },
    #[error("realm {realm}: it has no media address")]
    NoAddress { realm: usize },
    #[error("realms {first} and {second} share {address} and some of its ports")]
    Overlap {
        first: usize,
        second: usize,
        address: IpAddr,
    },
    #[error(
        "there are {0} pairs of media address and port range, at most {MAX_MEDIA_ADDRESSES} are possible"
    )]
    TooMany(usize),
}

/// Pairs of ports at random, each resting for the cool-down before it is used again.
///
/// Allocation and release take constant time. The pool has no clock: what has rested
/// long enough becomes free in [`PortPool::tick`] and in [`MediaPorts::release`].
pub struct PortPool<R> {
    rng: R,
    cooldown: Duration,
    realms: Vec<[Option<usize>; 2]>,
    ranges: Vec<Range>,
}

impl<R: RngCore> PortPool<R> {
    /// The realm at index `n` is [`RealmId`]`(n)`.
    ///
    /// # Errors
    /// The realms have no usable ports, share some, or are too many for the flow table.
    pub fn new(
        realms: &[RealmPorts],
        cooldown: Duration,
        rng: R,
    ) -> Result<PortPool<R>, BadRealms> {
        let mut pool = PortPool {
            rng,
            cooldown,
            realms: Vec::with_capacity(realms.len()),
            ranges: Vec::new(),
        };
        let mut owners = Vec::new();
        for (index, realm) in realms.iter().enumerate() {
            if realm.ipv4.is_none() && realm.ipv6.is_none() {
                return Err(BadRealms::NoAddress { realm: index });
            }
            let mut of_family = [None, None];
            let addresses = [realm.ipv4.map(IpAddr::V4), realm.ipv6.map(IpAddr::V6)];
            for (slot, address) in of_family.iter_mut().zip(addresses) {
                let Some(address) = address else { continue };
                let range = Range::new(index, address, realm)?;
                if let Some(shared) = pool.ranges.iter().position(|other| other.overlaps(&range)) {
                    return Err(BadRealms::Overlap {
                        first: owners[shared],
                        second: index,
                        address,
                    });
                }
                *slot = Some(pool.ranges.len());
                pool.ranges.push(range);
                owners.push(index);
            }
            pool.realms.push(of_family);
        }
        if pool.ranges.len() > MAX_MEDIA_ADDRESSES {
            return Err(BadRealms::TooMany(pool.ranges.len()));
        }
        Ok(pool)
    }

    /// Frees what has rested for the cool-down.
    pub fn tick(&mut self, now: Instant) {
        for range in &mut self.ranges {
            range.free_rested(now, self.cooldown);
        }
    }

    /// Pairs of a realm and family by state; zeros if it has no such address.
    pub fn usage(&self, realm: RealmId, ipv6: bool) -> PortUsage {
        self.range_index(realm, ipv6)
            .map_or(PortUsage::default(), |index| self.ranges[index].usage())
    }

    /// The media addresses for the flow table: ranges laid out one after another.
    ///
    /// One entry per address and range: an address that several realms share occurs several times.
    pub fn flow_table_layout(&self) -> Vec<MediaAddress> {
        let mut first_index = 0;
        self.ranges
            .iter()
            .map(|range| {
                let entry = MediaAddress {
                    address: ip_to_mapped(range.address),
                    first_index,
                    port_low: range.low,
                    port_high: range.high,
                };
                first_index += u32::from(range.high - range.low) + 1;
                entry
            })
            .collect()
    }

    fn range_index(&self, realm: RealmId, ipv6: bool) -> Option<usize> {
        self.realms.get(usize::from(realm.0))?[usize::from(ipv6)]
    }
}

impl<R: RngCore> MediaPorts for PortPool<R> {
    fn allocate(&mut self, realm: RealmId, ipv6: bool) -> Result<LocalMedia, NoPorts> {
        let index = self.range_index(realm, ipv6).ok_or(NoPorts::NoAddress)?;
        self.ranges[index]
            .allocate(&mut self.rng)
            .ok_or(NoPorts::Exhausted)
    }

    fn release(&mut self, now: Instant, realm: RealmId, media: LocalMedia) {
        if let Some(index) = self.range_index(realm, media.address.is_ipv6()) {
            self.ranges[index].release(now, media);
            self.ranges[index].free_rested(now, self.cooldown);
        }
    }
}

/// Pairs of ports by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortUsage {
    pub free: usize,
    pub in_use: usize,
    pub cooling: usize,
}

/// The ports of one address.
struct Range {
    address: IpAddr,
    low: u16,
    high: u16,
    /// How many pairs there are.
    pairs: usize,
    /// RTP ports that may be given out, in no order.
    free: Vec<u16>,
    /// RTP ports at rest, the longest first.
    cooling: VecDeque<(Instant, u16)>,
    /// By pair: given out and not yet released.
    in_use: Vec<bool>,
}

impl Range {
    fn new(realm: usize, address: IpAddr, ports: &RealmPorts) -> Result<Range, BadRealms> {
        let (low, high) = (ports.port_low, ports.port_high);
        let first = u32::from(low).next_multiple_of(2);
        let free: Vec<u16> = (first..u32::from(high))
            .step_by(2)
            .filter_map(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0)
            .collect();
        if free.is_empty() {
            return Err(BadRealms::NoPair { realm, low, high });
        }
        let in_use = vec![false; (usize::from(high) - usize::from(low)) / 2 + 1];
        Ok(Range {
            address,
            low,
            high,
            pairs: free.len(),
            free,
            cooling: VecDeque::new(),
            in_use,
        })
    }

    fn overlaps(&self, other: &Range) -> bool {
        self.address == other.address && self.low <= other.high && other.low <= self.high
    }

    fn allocate(&mut self, rng: &mut impl RngCore) -> Option<LocalMedia> {
        if self.free.is_empty() {
            return None;
        }
        // The high half of the product is uniform but for 1 in 2^32 per choice.
        let choice = (u64::from(rng.next_u32()) * self.free.len() as u64) >> 32;
        let rtp_port = self.free.swap_remove(choice as usize);
        let pair = self.pair(rtp_port)?;
        self.in_use[pair] = true;
        Some(LocalMedia {
            address: self.address,
            rtp_port,
            rtcp_port: rtp_port + 1,
        })
    }

    /// Ports that are not given out, or not from here, change nothing.
    fn release(&mut self, now: Instant, media: LocalMedia) {
        let Some(pair) = self.pair(media.rtp_port) else {
            return;
        };
        if media.address != self.address || !media.rtp_port.is_multiple_of(2) || !self.in_use[pair]
        {
            return;
        }
        self.in_use[pair] = false;
        self.cooling.push_back((now, media.rtp_port));
    }

    fn free_rested(&mut self, now: Instant, cooldown: Duration) {
        while let Some((released, port)) = self.cooling.front().copied() {
            if now.saturating_duration_since(released) < cooldown {
                break;
            }
            self.cooling.pop_front();
            self.free.push(port);
        }
    }

    fn pair(&self, rtp_port: u16) -> Option<usize> {
        let pair = usize::from(rtp_port.checked_sub(self.low)?) / 2;
        (pair < self.in_use.len()).then_some(pair)
    }

    fn usage(&self) -> PortUsage {
        PortUsage {
            free: self.free.len(),
            in_use: self.pairs - self.free.len() - self.cooling.len(),
            cooling: self.cooling.len(),
        }
    }
}
