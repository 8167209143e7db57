//! RTP and RTCP packets as bytes (RFC 3550), and the check that both relays make of them.

use crate::counters::DropReason;
use crate::flow::{FLAG_RAW, FLAG_RTCP, FLAG_RTCP_MUX, FlowEntry};

/// Length of the fixed RTP header (RFC 3550 section 5.1), bytes.
pub const RTP_HEADER: usize = 12;
/// Length of what every RTCP packet begins with: header and SSRC (RFC 3550 section 6.4), bytes.
pub const RTCP_HEADER: usize = 8;

const VERSION: u8 = 2;
const RTCP_PACKET_TYPES: core::ops::RangeInclusive<u8> = 192..=223;

/// What a packet on a media port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Rtp,
    Rtcp,
    /// Whatever a flow of [`FLAG_RAW`] carries.
    Raw,
}

/// Tells RTCP from RTP on one port by the second byte (RFC 5761 section 4): RTCP packet
/// types 192–223 are RTP payload types 64–95 with the marker set, which RTP then must not use.
#[inline(always)]
pub fn is_rtcp(second: u8) -> bool {
    // Written without the range's two comparisons: 0b110x_xxxx.
    second & 0xe0 == 0xc0
}

/// The check that every packet of a flow passes before anything is done with it:
/// version, minimum length, payload type.
///
/// `first` and `second` are the first two bytes of the UDP payload, `length` is its
/// length in bytes; both bytes are only meaningful if `length` is at least 2.
///
/// # Errors
/// `Stun` and `Dtls` by the first byte (RFC 7983 section 7): the XDP program hands these to the
/// worker. `Malformed` for what is none of them, nor RTP or RTCP of version 2, or too short;
/// `PayloadType` for RTP of a type that was not negotiated.
#[inline(always)]
pub fn check(entry: &FlowEntry, first: u8, second: u8, length: usize) -> Result<Kind, DropReason> {
    if entry.flags & FLAG_RAW != 0 {
        return Ok(Kind::Raw);
    }
    if length < 2 {
        return Err(DropReason::Malformed);
    }
    if first >> 6 != VERSION {
        return Err(match first {
            0..=3 => DropReason::Stun,
            20..=63 => DropReason::Dtls,
            _ => DropReason::Malformed,
        });
    }
    let (kind, minimum) =
        if entry.flags & FLAG_RTCP != 0 || (entry.flags & FLAG_RTCP_MUX != 0 && is_rtcp(second)) {
            (Kind::Rtcp, RTCP_HEADER)
        } else {
            (Kind::Rtp, RTP_HEADER + 4 * (first & 0x0f) as usize)
        };
    if length < minimum {
        return Err(DropReason::Malformed);
    }
    match kind {
        Kind::Rtcp if !is_rtcp(second) => Err(DropReason::Malformed),
        Kind::Rtp if !entry.allows_payload_type(second & 0x7f) => Err(DropReason::PayloadType),
        kind => Ok(kind),
    }
}

/// The highest event code (RFC 4733 section 3.2) that is a digit: 0–9, `*`, `#`, A–D, flash.
pub const MAX_DIGIT: u8 = 16;
/// Length of the payload of a telephone event (RFC 4733 section 2.3), bytes.
pub const TELEPHONE_EVENT: usize = 4;

/// An RTP packet, or the clear part of an SRTP packet, whose header lies within its bytes.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// |                           timestamp                           |
/// |                             SSRC                              |
/// |              CSRC, CC times; extension if X                   |
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RtpView<'a> {
    bytes: &'a [u8],
    header_len: usize,
}

impl<'a> RtpView<'a> {
    /// `None` if the version is not 2 or the header with its CSRC list and extension
    /// does not fit.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Option<RtpView<'a>> {
        let first = *bytes.first()?;
        if first >> 6 != VERSION {
            return None;
        }
        let mut header_len = RTP_HEADER + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            // RFC 3550 section 5.3.1: 16 bits of profile, 16 bits of length in words.
            let length = bytes.get(header_len + 2..header_len + 4)?;
            header_len += 4 + 4 * usize::from(u16::from_be_bytes([length[0], length[1]]));
        }
        (bytes.len() >= header_len).then_some(RtpView { bytes, header_len })
    }

    /// As far as [`check`] looks: fixed header and CSRC list. What follows may claim anything, and
    /// counts as payload.
    #[inline]
    pub fn parse_fixed(bytes: &'a [u8]) -> Option<RtpView<'a>> {
        let first = *bytes.first()?;
        let header_len = RTP_HEADER + 4 * usize::from(first & 0x0f);
        (first >> 6 == VERSION && bytes.len() >= header_len)
            .then_some(RtpView { bytes, header_len })
    }

    /// The whole packet.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub fn has_padding(&self) -> bool {
        self.bytes[0] & 0x20 != 0
    }

    pub fn has_extension(&self) -> bool {
        self.bytes[0] & 0x10 != 0
    }

    pub fn csrc_count(&self) -> u8 {
        self.bytes[0] & 0x0f
    }

    pub fn marker(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }

    pub fn payload_type(&self) -> u8 {
        self.bytes[1] & 0x7f
    }

    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }

    pub fn timestamp(&self) -> u32 {
        self.word(4)
    }

    pub fn ssrc(&self) -> u32 {
        self.word(8)
    }

    /// Fixed header, CSRC list and extension, bytes.
    pub fn header_len(&self) -> usize {
        self.header_len
    }

    /// Everything after the header, padding and SRTP's tag included.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[self.header_len..]
    }

    fn word(&self, at: usize) -> u32 {
        let b = self.bytes;
        u32::from_be_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
    }
}

/// The first packet of an RTCP compound, or the clear part of SRTCP.
///
/// ```text
/// |V=2|P|   count |       PT      |            length             |
/// |                         SSRC of sender                        |
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RtcpView<'a> {
    bytes: &'a [u8],
}

impl<'a> RtcpView<'a> {
    /// `None` if the version is not 2, the packet type is not RTCP's, or the bytes are fewer
    /// than eight.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Option<RtcpView<'a>> {
        let valid = bytes.len() >= RTCP_HEADER
            && bytes[0] >> 6 == VERSION
            && RTCP_PACKET_TYPES.contains(&bytes[1]);
        valid.then_some(RtcpView { bytes })
    }

    /// The whole compound.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub fn packet_type(&self) -> u8 {
        self.bytes[1]
    }

    /// Length of the first packet of the compound, bytes, as it announces it.
    pub fn first_len(&self) -> usize {
        4 * (usize::from(u16::from_be_bytes([self.bytes[2], self.bytes[3]])) + 1)
    }

    pub fn ssrc(&self) -> u32 {
        let b = self.bytes;
        u32::from_be_bytes([b[4], b[5], b[6], b[7]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 14] = [
        0x80, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 0xd5, 0xd5,
    ];

    #[test]
    fn a_plain_packet_is_read() {
        let view = RtpView::parse(&PLAIN).unwrap();
        assert!(view.marker() && !view.has_padding() && !view.has_extension());
        assert_eq!(view.payload_type(), 8);
        assert_eq!(view.sequence(), 0x1234);
        assert_eq!(view.timestamp(), 160);
        assert_eq!(view.ssrc(), 0xdead_beef);
        assert_eq!((view.header_len(), view.payload()), (12, &[0xd5, 0xd5][..]));
    }

    #[test]
    fn csrc_list_and_extension_count_into_the_header() {
        let mut packet = [0u8; 12 + 8 + 4 + 4 + 3];
        packet[0] = 0x80 | 0x10 | 2;
        packet[20..24].copy_from_slice(&[0xbe, 0xde, 0, 1]);
        let view = RtpView::parse(&packet).unwrap();
        assert_eq!(
            (view.csrc_count(), view.header_len(), view.payload().len()),
            (2, 28, 3)
        );
        for length in 0..28 {
            assert!(
                RtpView::parse(&packet[..length]).is_none(),
                "{length} bytes are too few"
            );
        }
    }

    #[test]
    fn an_extension_that_claims_more_than_there_is_refused() {
        let mut packet = [0u8; 16];
        packet[0] = 0x90;
        packet[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
        assert!(RtpView::parse(&packet).is_none());
    }

    #[test]
    fn other_versions_are_refused() {
        for version in [0, 1, 3] {
            let mut packet = PLAIN;
            packet[0] = version << 6;
            assert!(RtpView::parse(&packet).is_none());
            packet[1] = 200;
            assert!(RtcpView::parse(&packet).is_none());
        }
    }

    #[test]
    fn a_sender_report_is_read() {
        let packet = [0x80, 200, 0, 1, 1, 2, 3, 4];
        let view = RtcpView::parse(&packet).unwrap();
        assert_eq!(
            (view.packet_type(), view.first_len(), view.ssrc()),
            (200, 8, 0x0102_0304)
        );
        assert!(RtcpView::parse(&packet[..7]).is_none());
    }

    /// RFC 5761 section 4: packet types 192 to 223.
    #[test]
    fn rtcp_is_told_from_rtp_by_its_packet_type() {
        for second in 0..=255u8 {
            assert_eq!(
                is_rtcp(second),
                RTCP_PACKET_TYPES.contains(&second),
                "{second}"
            );
        }
    }

    #[test]
    fn the_check_of_a_flow_names_the_reason() {
        let pcmu = FlowEntry {
            payload_types: [1, 0, 0, 0],
            ..FlowEntry::default()
        };
        let mux = FlowEntry {
            flags: FLAG_RTCP_MUX,
            ..pcmu
        };
        let rtcp = FlowEntry {
            flags: FLAG_RTCP,
            ..FlowEntry::default()
        };
        let raw = FlowEntry {
            flags: FLAG_RAW,
            ..FlowEntry::default()
        };
        let malformed = Err(DropReason::Malformed);
        let wrong_type = Err(DropReason::PayloadType);
        for (what, entry, first, second, length, expected) in [
            ("PCMU", &pcmu, 0x80, 0, 172, Ok(Kind::Rtp)),
            ("PCMU with marker", &pcmu, 0x80, 0x80, 172, Ok(Kind::Rtp)),
            ("a header alone", &pcmu, 0x80, 0, 12, Ok(Kind::Rtp)),
            ("less than a header", &pcmu, 0x80, 0, 11, malformed),
            ("nothing", &pcmu, 0, 0, 0, malformed),
            ("CSRC list that fits", &pcmu, 0x82, 0, 20, Ok(Kind::Rtp)),
            ("CSRC list that does not", &pcmu, 0x82, 0, 19, malformed),
            ("version 1", &pcmu, 0x40, 0, 172, malformed),
            ("one byte", &pcmu, 0x80, 0, 1, malformed),
            ("STUN", &pcmu, 0, 1, 20, Err(DropReason::Stun)),
            ("STUN, to its end", &mux, 3, 1, 2, Err(DropReason::Stun)),
            ("one byte of STUN", &pcmu, 0, 1, 1, malformed),
            ("nobody's", &pcmu, 4, 0, 172, malformed),
            ("ZRTP", &pcmu, 16, 0, 172, malformed),
            ("DTLS", &pcmu, 20, 0, 172, Err(DropReason::Dtls)),
            (
                "DTLS on RTCP's port",
                &rtcp,
                63,
                0,
                2,
                Err(DropReason::Dtls),
            ),
            ("TURN", &pcmu, 64, 0, 172, malformed),
            ("version 3", &pcmu, 192, 0, 172, malformed),
            (
                "anything where anything may pass",
                &raw,
                0,
                1,
                0,
                Ok(Kind::Raw),
            ),
            ("PCMA, not negotiated", &pcmu, 0x80, 8, 172, wrong_type),
            ("payload type 127", &pcmu, 0x80, 127, 172, wrong_type),
            ("RTCP without mux", &pcmu, 0x80, 200, 28, wrong_type),
            ("RTCP with mux", &mux, 0x80, 200, 28, Ok(Kind::Rtcp)),
            ("short RTCP with mux", &mux, 0x80, 200, 7, malformed),
            ("RTP with mux", &mux, 0x80, 0, 172, Ok(Kind::Rtp)),
            ("RTCP", &rtcp, 0x81, 201, 8, Ok(Kind::Rtcp)),
            ("RTP on the RTCP port", &rtcp, 0x80, 0, 172, malformed),
        ] {
            assert_eq!(check(entry, first, second, length), expected, "{what}");
        }
    }
}
