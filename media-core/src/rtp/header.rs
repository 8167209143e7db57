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
    pub ssrc: u32,
    /// Header, CSRC list and extension, bytes: where the payload begins.
    pub len: usize,
}

/// The part of the header that is always there, bytes.
const FIXED_LEN: usize = 12;

impl RtpHeader {
    /// `None` unless `packet` is of version 2 and holds its whole header.
    pub fn parse(packet: &[u8]) -> Option<RtpHeader> {
        let fixed: &[u8; FIXED_LEN] = packet.first_chunk()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut len = FIXED_LEN + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let words: &[u8; 4] = packet.get(len..)?.first_chunk()?;
            len += 4 + 4 * usize::from(u16::from_be_bytes([words[2], words[3]]));
        }
        if len > packet.len() {
            return None;
        }
        Some(RtpHeader {
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            len,
        })
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

    #[test]
    fn a_plain_header_is_read() {
        let header = RtpHeader::parse(&packet(0x80, 4)).unwrap();
        assert_eq!(
            header,
            RtpHeader {
                payload_type: 101,
                sequence: 0x1234,
                ssrc: 0xcafe_babe,
                len: 12
            }
        );
    }

    #[test]
    fn contributing_sources_and_extension_count_as_header() {
        let mut with_both = packet(0x92, 8 + 4 + 8 + 1);
        with_both[20..24].copy_from_slice(&[0xbe, 0xde, 0, 2]);
        assert_eq!(
            RtpHeader::parse(&with_both).map(|header| header.len),
            Some(12 + 8 + 4 + 8)
        );
    }

    #[test]
    fn what_does_not_hold_its_header_is_refused() {
        let mut extension_too_long = packet(0x90, 7);
        extension_too_long[14..16].copy_from_slice(&[0, 1]);
        let cases: [(&str, Vec<u8>); 6] = [
            ("empty", vec![]),
            ("11 bytes", packet(0x80, 0)[..11].to_vec()),
            ("version 1", packet(0x40, 8)),
            ("version 3", packet(0xc0, 8)),
            ("a CSRC is missing", packet(0x82, 7)),
            ("the extension is cut", extension_too_long),
        ];
        for (what, bytes) in cases {
            assert_eq!(RtpHeader::parse(&bytes), None, "{what}");
        }
    }
}
