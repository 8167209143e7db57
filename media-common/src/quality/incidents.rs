//! What happens rarely in a flow: gaps, drops by reason, telephone events.

use crate::counters::DropReason;

/// What changes rarely: another cache line.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowIncidents {
    /// RTP packets that were skipped and have not come since.
    pub lost: u32,
    /// RTP packets that came after one with a higher sequence number.
    pub reordered: u32,
    /// RTP packets whose sequence number had come already.
    pub duplicated: u32,
    /// Most packets that were skipped in a row.
    pub longest_loss: u32,
    /// Times that another source spoke.
    pub ssrc_changes: u32,
    /// Times that a source began anew, with a sequence number from elsewhere.
    pub restarts: u32,
    /// RTCP packets among [`FlowCounters::packets`](super::FlowCounters::packets).
    pub rtcp: u32,
    /// Telephone events (RFC 4733), each counted once.
    pub digits: u32,
    /// RTP timestamp of the last telephone event, host byte order.
    pub digit_timestamp: u32,
    /// Drops for `drop_wrong_source`.
    pub wrong_source: u32,
    /// Drops for `drop_malformed`.
    pub malformed: u32,
    /// Drops for `drop_payload_type`.
    pub wrong_payload_type: u32,
    /// Drops for `drop_ceiling`.
    pub over_ceiling: u32,
    /// Drops for any other reason, such as `drop_hop_limit`, `drop_next_hop`, `drop_too_long`
    /// and `drop_bad_entry`.
    pub unsendable: u32,
    /// Drops for `drop_xsk_unbound`.
    pub no_worker: u32,
    pub _reserved: u32,
}

const _: () = {
    assert!(size_of::<FlowIncidents>() == 64);
    assert!(core::mem::offset_of!(FlowIncidents, wrong_source) == 36);
};

impl FlowIncidents {
    /// Counts a packet of the flow that the program drops.
    #[inline(always)]
    pub fn count_drop(&mut self, reason: DropReason) {
        let counter = match reason {
            DropReason::WrongSource => &mut self.wrong_source,
            DropReason::Malformed => &mut self.malformed,
            DropReason::PayloadType => &mut self.wrong_payload_type,
            DropReason::Ceiling => &mut self.over_ceiling,
            DropReason::XskUnbound => &mut self.no_worker,
            _ => &mut self.unsendable,
        };
        *counter = counter.wrapping_add(1);
    }

    /// The drops by name. Those that have no counter of their own here are `drop_unsendable`.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            (DropReason::WrongSource.name(), self.wrong_source),
            (DropReason::Malformed.name(), self.malformed),
            (DropReason::PayloadType.name(), self.wrong_payload_type),
            (DropReason::Ceiling.name(), self.over_ceiling),
            (DropReason::XskUnbound.name(), self.no_worker),
            ("drop_unsendable", self.unsendable),
        ]
        .into_iter()
        .map(|(name, count)| (name, u64::from(count)))
    }

    /// Whether a packet of a telephone event with that timestamp (host byte order) is the first
    /// of its event: all packets of an event have the same one (RFC 4733 section 2.2.2).
    #[inline(always)]
    pub fn is_new_digit(&mut self, timestamp: u32) -> bool {
        let ahead = timestamp.wrapping_sub(self.digit_timestamp) as i32;
        if self.digits != 0 && ahead <= 0 {
            return false;
        }
        self.digits = self.digits.wrapping_add(1);
        self.digit_timestamp = timestamp;
        true
    }

    /// Timestamps begin anew: a digit at `timestamp` or later is new.
    #[inline(always)]
    pub(super) fn forget_digit(&mut self, timestamp: u32) {
        self.digit_timestamp = timestamp.wrapping_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digit_is_new_once() {
        let mut incidents = FlowIncidents::default();
        let new: [bool; 7] = [0, 0, 0, 800, 800, 0, 1600].map(|at| incidents.is_new_digit(at));
        assert_eq!(new, [true, false, false, true, false, false, true]);
        assert_eq!(incidents.digits, 3);
    }

    #[test]
    fn every_drop_of_a_flow_has_a_name() {
        for reason in DropReason::ALL {
            let mut incidents = FlowIncidents::default();
            incidents.count_drop(*reason);
            let names = incidents.drops().filter(|(_, count)| *count == 1);
            assert_eq!(names.count(), 1, "{reason:?}");
        }
    }
}
