//! Where a flow's packets go next, by destination.

use std::net::IpAddr;

/// RTP's destination and RTCP's.
const MAX_HOPS: usize = 2;

/// The next hops of one flow, by index in the table of them: RTP's destination first. In place,
/// as every flow has them twice, and no packet should wait for one more line of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FlowHops([Option<(IpAddr, u16)>; MAX_HOPS]);

impl FlowHops {
    /// Adds a destination's. A flow has no more destinations than there is room for; one more would
    /// be unresolved.
    pub(super) fn push(&mut self, remote: IpAddr, hop: u16) {
        let free = self.0.iter_mut().find(|place| place.is_none());
        debug_assert!(free.is_some());
        if let Some(free) = free {
            *free = Some((remote, hop));
        }
    }

    /// Every destination and its next hop.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = (IpAddr, u16)> {
        self.0.iter().flatten().copied()
    }

    /// The next hop to `remote`.
    #[inline]
    pub(super) fn towards(&self, remote: IpAddr) -> Option<u16> {
        self.iter()
            .find(|(to, _)| *to == remote)
            .map(|(_, hop)| hop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_keep_their_order_and_their_hops() {
        let [rtp, rtcp, other] = [1, 2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
        let mut hops = FlowHops::default();
        assert_eq!(hops.iter().next(), None);
        hops.push(rtp, 7);
        hops.push(rtcp, 5);
        assert_eq!(hops.iter().collect::<Vec<_>>(), [(rtp, 7), (rtcp, 5)]);
        assert_eq!(
            [rtp, rtcp, other].map(|to| hops.towards(to)),
            [Some(7), Some(5), None]
        );
    }
}
