//! A stream of packets for the tests of each part, and what all parts make of it together.

use super::*;

const PCMU: RtpTerms = RtpTerms {
    clock_khz: 8,
    telephone_event: 101,
};
pub(super) const START_NS: u64 = 1_000_000_000;
pub(super) const PTIME_NS: u64 = 20_000_000;

/// A flow that is fed packets by place in the stream: 20 ms and 160 units apart.
#[derive(Default)]
pub(super) struct Fed {
    pub(super) counters: FlowCounters,
    pub(super) incidents: FlowIncidents,
}

impl Fed {
    /// The stream begins near the end of a cycle of sequence numbers.
    const FIRST: u16 = 65_530;

    pub(super) fn packet(place: u64) -> RtpSeen {
        RtpSeen {
            sequence: Self::FIRST.wrapping_add(place as u16),
            timestamp: (place as u32).wrapping_mul(160).wrapping_sub(500),
            ssrc: 7,
            payload_type: 0,
        }
    }

    pub(super) fn see(&mut self, rtp: RtpSeen, now_ns: u64) -> Notice {
        let incidents = &mut self.incidents;
        self.counters.observe(rtp, PCMU, now_ns, || Some(incidents))
    }

    pub(super) fn feed(places: impl IntoIterator<Item = u64>) -> Fed {
        let mut fed = Fed::default();
        for (turn, place) in places.into_iter().enumerate() {
            fed.see(Fed::packet(place), START_NS + turn as u64 * PTIME_NS);
        }
        fed
    }

    /// Lost, reordered, duplicated, longest loss, restarts.
    pub(super) fn incidents(&self) -> [u32; 5] {
        let FlowIncidents {
            lost,
            reordered,
            duplicated,
            longest_loss,
            restarts,
            ..
        } = self.incidents;
        [lost, reordered, duplicated, longest_loss, restarts]
    }
}

#[test]
fn a_stream_in_order_has_no_incident_even_over_the_end_of_the_numbers() {
    let fed = Fed::feed(0..200_000);
    assert_eq!(fed.incidents, FlowIncidents::default());
    assert_eq!(fed.counters.jitter, 0);
    assert_eq!(fed.counters.longest_pause_us, 20_000);
    assert_eq!(
        fed.counters.highest,
        (1 << 16 | u32::from(Fed::FIRST)) + 199_999
    );
}

#[test]
fn another_source_begins_anew_and_is_told() {
    let mut fed = Fed::feed(0..10);
    let other = RtpSeen {
        ssrc: 8,
        sequence: 9,
        ..Fed::packet(10)
    };
    assert_eq!(fed.see(other, START_NS + 10 * PTIME_NS), Notice::SsrcChange);
    let next = RtpSeen {
        sequence: 10,
        timestamp: other.timestamp + 160,
        ..other
    };
    assert_eq!(fed.see(next, START_NS + 11 * PTIME_NS), Notice::None);
    assert_eq!(fed.incidents.ssrc_changes, 1);
    assert_eq!(fed.incidents(), [0; 5]);
    assert_eq!(fed.counters.jitter, 0);
}

#[test]
fn a_digit_of_another_source_is_new_whatever_its_timestamp() {
    let mut fed = Fed::feed(0..2);
    assert!(fed.incidents.is_new_digit(4_000_000));
    let other = RtpSeen {
        ssrc: 8,
        timestamp: 1000,
        ..Fed::packet(2)
    };
    fed.see(other, START_NS + 2 * PTIME_NS);
    let new: [bool; 2] = [1000, 1000].map(|at| fed.incidents.is_new_digit(at));
    assert_eq!(new, [true, false]);
}

#[test]
fn counting_touches_incidents_only_when_something_happens() {
    let mut counters = FlowCounters::default();
    for place in 0..100 {
        counters.observe(
            Fed::packet(place),
            PCMU,
            START_NS + place * PTIME_NS,
            || -> Option<&mut FlowIncidents> { panic!("nothing has happened") },
        );
    }
}
