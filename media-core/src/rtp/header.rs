//! The RTP header, checked once.

/// An RTP header that lies within its packet.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// |                           timestamp                           |
/// |                             SSRC                              |
/// |                   CSRC (0 to 15 of them)                      |
/// | extension: defined by profile |   length (32-bit words)       |
/// |                            ....                               |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Fixed header and CSRC list, bytes; an extension may follow.
    pub len: usize,
    has_extension: bool,
}

/// The part of the header that is always there, bytes.
const FIXED_LEN: usize = 12;

impl RtpHeader {
    /// `None` unless `packet` is of version 2 and holds its fixed header and CSRC list.
    ///
    /// This is as much as the XDP program looks at; see [`RtpHeader::payload_at`].
    pub fn parse(packet: &[u8]) -> Option<RtpHeader> {
        let fixed: &[u8; FIXED_LEN] = packet.first_chunk()?;
        let len = FIXED_LEN + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] >> 6 != 2 || packet.len() < len {
            return None;
        }
        Some(RtpHeader {
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            len,
            has_extension: fixed[0] & 0x10 != 0,
        })
    }

    /// Where the payload of `packet`, whose header this is, begins: after the extension
    /// (RFC 3550 section 5.3.1).
    ///
    /// `None` if the extension does not lie within the packet.
    pub fn payload_at(&self, packet: &[u8]) -> Option<usize> {
        let mut at = self.len;
        if self.has_extension {
            let extension: &[u8; 4] = packet.get(at..)?.first_chunk()?;
            at += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        (at <= packet.len()).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(first: u8, rest: usize) -> Vec<u8> {
        let mut packet = vec![
            first,
            0x80 | 101,
            0x12,
            0x34,
            0,
            0,
            0,
            1,
            0xca,
            0xfe,
            0xba,
            0xbe,
        ];
        packet.resize(12 + rest, 0);
        packet
    }

    fn payload_at(packet: &[u8]) -> Option<usize> {
        RtpHeader::parse(packet)?.payload_at(packet)
    }

    #[test]
    fn a_plain_header_is_read() {
        let header = RtpHeader::parse(&packet(0x80, 4)).unwrap();
        assert_eq!(
            (
                header.payload_type,
                header.sequence,
                header.timestamp,
                header.ssrc
            ),
            (101, 0x1234, 1, 0xcafe_babe)
        );
        assert_eq!(payload_at(&packet(0x80, 4)), Some(12));
    }

    #[test]
    fn contributing_sources_and_extension_count_as_header() {
        let mut with_both = packet(0x92, 8 + 4 + 8 + 1);
        with_both[20..24].copy_from_slice(&[0xbe, 0xde, 0, 2]);
        assert_eq!(payload_at(&with_both), Some(12 + 8 + 4 + 8));
    }

    #[test]
    fn what_does_not_hold_its_header_is_refused() {
        let cases: [(&str, Vec<u8>); 5] = [
            ("empty", vec![]),
            ("11 bytes", packet(0x80, 0)[..11].to_vec()),
            ("version 1", packet(0x40, 8)),
            ("version 3", packet(0xc0, 8)),
            ("a CSRC is missing", packet(0x82, 7)),
        ];
        for (what, bytes) in cases {
            assert_eq!(RtpHeader::parse(&bytes), None, "{what}");
        }
    }

    #[test]
    fn an_extension_that_is_cut_has_no_payload_behind_it() {
        let mut packet = packet(0x90, 8);
        packet[14..16].copy_from_slice(&[0, 1]);
        assert_eq!(payload_at(&packet), Some(20));
        for len in 12..20 {
            assert!(
                RtpHeader::parse(&packet[..len]).is_some(),
                "{len} bytes hold the fixed header"
            );
            assert_eq!(
                payload_at(&packet[..len]),
                None,
                "{len} bytes do not hold the extension"
            );
        }
    }
}
