//! Other protocols on a media port, told apart by their first byte (RFC 7983 section 7).

/// What a datagram is that is not RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// ICE's connectivity checks (RFC 8445), or a telephone's look at its own address.
    Stun,
    /// The beginning of DTLS-SRTP (RFC 5764).
    Dtls,
}

/// `None` for RTP, RTCP, and what is none of those.
#[inline]
pub fn foreign(datagram: &[u8]) -> Option<Foreign> {
    match datagram.first()? {
        0..=3 => Some(Foreign::Stun),
        20..=63 => Some(Foreign::Dtls),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells() {
        for (first, expected) in [
            (0, Some(Foreign::Stun)),
            (3, Some(Foreign::Stun)),
            (4, None),
            (19, None),
            (20, Some(Foreign::Dtls)),
            (63, Some(Foreign::Dtls)),
            (64, None),
            (0x80, None),
        ] {
            assert_eq!(foreign(&[first, 1]), expected, "{first}");
        }
        assert_eq!(foreign(&[]), None);
    }
}
