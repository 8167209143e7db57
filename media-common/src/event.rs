//! Rare things that the XDP program tells user space through the ring buffer.

/// [`Event::kind`]: the first packet of a flow was sent on: of RTP, or of whatever else a flow
/// carries that never carries RTP.
pub const KIND_FIRST_PACKET: u8 = 1;
/// [`Event::kind`]: a packet did not come from the peer. Reported for the 1st, 2nd, 4th,
/// 8th … packet that a flow drops, and for no more than [`MISMATCHES_PER_WINDOW`] packets.
pub const KIND_SOURCE_MISMATCH: u8 = 2;
/// [`Event::kind`]: another synchronisation source speaks in the flow.
pub const KIND_SSRC_CHANGE: u8 = 3;
/// [`Event::kind`]: the first packet of a telephone event (RFC 4733); [`Event::detail`] is the
/// event code.
pub const KIND_DIGIT: u8 = 4;

/// Source mismatches that one CPU reports in a window of 2^[`WINDOW_SHIFT`] ns.
pub const MISMATCHES_PER_WINDOW: u32 = 16;
/// Logarithm of the window, nanoseconds: 134 ms.
pub const WINDOW_SHIFT: u32 = 27;

/// One entry of the ring buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub time_ns: u64,
    /// Index of the flow in the flow table.
    pub flow: u32,
    /// `KIND_*`.
    pub kind: u8,
    /// The second byte of the UDP payload without the marker: the payload type of RTP.
    pub payload_type: u8,
    /// Where the packet came from, network byte order.
    pub source_port: [u8; 2],
    /// Where the packet came from, IPv4-mapped or IPv6.
    pub source_address: [u8; 16],
    /// Synchronisation source of the RTP packet, network byte order; zero if it had none.
    pub ssrc: [u8; 4],
    /// What the kind says; else 0.
    pub detail: u32,
}

const _: () = {
    assert!(size_of::<Event>() == 40);
    assert!(core::mem::offset_of!(Event, flow) == 8);
    assert!(core::mem::offset_of!(Event, kind) == 12);
    assert!(core::mem::offset_of!(Event, source_address) == 16);
    assert!(core::mem::offset_of!(Event, ssrc) == 32);
};

impl Event {
    /// The event in these bytes, as user space finds them in the ring buffer.
    ///
    /// `None` if the length is not that of an event.
    pub fn from_bytes(bytes: &[u8]) -> Option<Event> {
        let bytes: &[u8; 40] = bytes.try_into().ok()?;
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let (flow, rest) = rest.split_first_chunk::<4>()?;
        let (head, rest) = rest.split_first_chunk::<4>()?;
        let (address, rest) = rest.split_first_chunk::<16>()?;
        let (ssrc, rest) = rest.split_first_chunk::<4>()?;
        let (detail, _) = rest.split_first_chunk::<4>()?;
        Some(Event {
            time_ns: u64::from_ne_bytes(*time),
            flow: u32::from_ne_bytes(*flow),
            kind: head[0],
            payload_type: head[1],
            source_port: [head[2], head[3]],
            source_address: *address,
            ssrc: *ssrc,
            detail: u32::from_ne_bytes(*detail),
        })
    }
}

/// Whether the `count`th dropped packet of a flow is worth a report: powers of two are.
#[inline(always)]
pub fn is_reported(count: u64) -> bool {
    count & count.wrapping_sub(1) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_back_from_its_bytes() {
        let mut bytes = [0u8; 40];
        bytes[..8].copy_from_slice(&7u64.to_ne_bytes());
        bytes[8..12].copy_from_slice(&9u32.to_ne_bytes());
        bytes[12] = KIND_SOURCE_MISMATCH;
        bytes[13] = 8;
        bytes[14..16].copy_from_slice(&5004u16.to_be_bytes());
        bytes[16..32].copy_from_slice(&[3; 16]);
        bytes[32..36].copy_from_slice(&[1, 2, 3, 4]);
        bytes[36..40].copy_from_slice(&11u32.to_ne_bytes());
        let event = Event::from_bytes(&bytes).unwrap();
        assert_eq!(
            event,
            Event {
                time_ns: 7,
                flow: 9,
                kind: KIND_SOURCE_MISMATCH,
                payload_type: 8,
                source_port: [0x13, 0x8c],
                source_address: [3; 16],
                ssrc: [1, 2, 3, 4],
                detail: 11,
            }
        );
        assert_eq!(Event::from_bytes(&bytes[..39]), None);
    }

    #[test]
    fn reports_thin_out_as_packets_come() {
        let reported: [bool; 9] = core::array::from_fn(|n| is_reported(n as u64 + 1));
        assert_eq!(
            reported,
            [true, true, false, true, false, false, false, true, false]
        );
    }
}
