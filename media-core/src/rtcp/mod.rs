//! RTCP (RFC 3550 section 6): as much as the relay needs.

mod report;

pub use report::{ReceiverReport, Reports, ReportsSeen};

/// The part of an RTCP packet that is always there, and that SRTCP leaves readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpHeader {
    pub packet_type: u8,
    /// Who sent it.
    pub ssrc: u32,
}

/// The readable part, bytes (RFC 3711 section 3.4).
pub const HEADER_LEN: usize = 8;

impl RtcpHeader {
    /// `None` unless `packet` is of version 2, of a packet type of RTCP and names its sender.
    pub fn parse(packet: &[u8]) -> Option<RtcpHeader> {
        let header: &[u8; HEADER_LEN] = packet.first_chunk()?;
        if header[0] >> 6 != 2 || !is_rtcp(packet) {
            return None;
        }
        Some(RtcpHeader {
            packet_type: header[1],
            ssrc: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        })
    }
}

/// Tells RTCP from RTP by the packet type (RFC 5761 section 4).
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet
        .get(1)
        .is_some_and(|packet_type| (192..=223).contains(packet_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_report_is_read() {
        let report = [0x80, 200, 0, 6, 0xde, 0xad, 0xbe, 0xef];
        assert_eq!(
            RtcpHeader::parse(&report),
            Some(RtcpHeader {
                packet_type: 200,
                ssrc: 0xdead_beef
            })
        );
        assert_eq!(RtcpHeader::parse(&report[..7]), None);
        assert_eq!(
            RtcpHeader::parse(&[0x40, 200, 0, 6, 0, 0, 0, 0]),
            None,
            "version 1"
        );
        assert_eq!(RtcpHeader::parse(&[0x80, 0, 0, 6, 0, 0, 0, 0]), None, "RTP");
    }

    #[test]
    fn the_second_byte_tells_rtcp_from_rtp() {
        for (byte, rtcp) in [
            (0, false),
            (0x80, false),
            (191, false),
            (192, true),
            (200, true),
            (223, true),
            (224, false),
        ] {
            assert_eq!(is_rtcp(&[0x80, byte]), rtcp, "{byte}");
        }
        assert!(!is_rtcp(&[0x80]));
    }
}
