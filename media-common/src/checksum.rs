//! One's complement sums (RFC 1071), their incremental update (RFC 1624) and the
//! rule for UDP checksums that a virtual interface has left half done.
//!
//! A [`Sum`] is kept in native byte order over the packet's 16-bit words as they lie
//! in memory: RFC 1071 section 2 (B) shows that the result is right in either order.

/// A one's complement sum that is not yet folded to 16 bits.
///
/// Words of 32 bits may be added as well as words of 16: both are sums modulo 2^16 - 1
/// (RFC 1071 section 2 (C)). Room for 2^15 of the former before anything is lost: more than
/// any packet has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

/// A multiple of 2^16 - 1, that is zero, which no sum of a packet exceeds.
const NOTHING: u64 = 0xffff_ffff << 16;

impl Sum {
    /// With one more 16-bit word, in memory order (`u16::from_ne_bytes`).
    #[inline(always)]
    #[must_use]
    pub fn word(self, word: u16) -> Sum {
        Sum(self.0.wrapping_add(u64::from(word)))
    }

    /// With two more 16-bit words, in memory order (`u32::from_ne_bytes`).
    #[inline(always)]
    #[must_use]
    pub fn pair(self, pair: u32) -> Sum {
        Sum(self.0.wrapping_add(u64::from(pair)))
    }

    /// With four more 16-bit words, in memory order (`u64::from_ne_bytes`).
    #[inline(always)]
    #[must_use]
    pub fn four(self, four: u64) -> Sum {
        self.pair(four as u32).pair((four >> 32) as u32)
    }

    /// With a number that the packet carries in network byte order.
    #[inline(always)]
    #[must_use]
    pub fn number(self, number: u16) -> Sum {
        self.word(number.to_be())
    }

    /// With `old` taken out and `new` put in (RFC 1624 equation 3): `- m + m'` as
    /// `+ ~m + m'`.
    #[inline(always)]
    #[must_use]
    pub fn replace(self, old: u16, new: u16) -> Sum {
        self.word(!old).word(new)
    }

    /// The same for two words.
    #[inline(always)]
    #[must_use]
    pub fn replace_pair(self, old: u32, new: u32) -> Sum {
        self.pair(!old).pair(new)
    }

    /// With bytes that begin at an even offset; an odd last byte is padded with zero.
    pub fn bytes(self, bytes: &[u8]) -> Sum {
        let mut sum = self;
        let mut chunks = bytes.chunks_exact(2);
        for chunk in &mut chunks {
            sum = sum.word(u16::from_ne_bytes([chunk[0], chunk[1]]));
        }
        match chunks.remainder() {
            [last] => sum.word(u16::from_ne_bytes([*last, 0])),
            _ => sum,
        }
    }

    /// Both sums together.
    #[inline(always)]
    #[must_use]
    pub fn with(self, other: Sum) -> Sum {
        Sum(self.0.wrapping_add(other.0))
    }

    /// With all of `other`, which is a sum over one packet at most, taken out.
    #[inline(always)]
    #[must_use]
    pub fn without(self, other: Sum) -> Sum {
        Sum(self.0.wrapping_add(NOTHING.wrapping_sub(other.0)))
    }

    /// The sum in 16 bits, memory order, not complemented.
    #[inline(always)]
    pub fn fold(self) -> u16 {
        let mut sum = (self.0 & 0xffff_ffff).wrapping_add(self.0 >> 32);
        sum = (sum & 0xffff).wrapping_add(sum >> 16);
        sum = (sum & 0xffff).wrapping_add(sum >> 16);
        (sum & 0xffff).wrapping_add(sum >> 16) as u16
    }

    /// The checksum field, memory order: the complement of the sum.
    #[inline(always)]
    pub fn checksum(self) -> u16 {
        !self.fold()
    }

    /// The UDP checksum field, memory order: zero would mean "none" and is sent as its
    /// other representation (RFC 768).
    #[inline(always)]
    pub fn udp_checksum(self) -> u16 {
        match self.checksum() {
            0 => 0xffff,
            checksum => checksum,
        }
    }
}

/// The sum that a checksum field stands for, to update it (RFC 1624: `HC' = ~(~HC + ...)`).
#[inline(always)]
pub fn sum_of(checksum: u16) -> Sum {
    Sum::default().word(!checksum)
}

/// Sum of UDP's pseudo-header: `addresses` is the sum of both, then protocol 17 and the UDP length
/// field as it lies in memory (RFC 768; RFC 8200 section 8.1, the same but for the addresses).
#[inline(always)]
pub fn pseudo_header(addresses: Sum, udp_length: u16) -> Sum {
    addresses.number(17).word(udp_length)
}

/// What to do with the UDP checksum of a packet whose addresses or ports change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UdpChecksum {
    /// The sender's interface would have finished it (Linux `CHECKSUM_PARTIAL`): the field
    /// holds the pseudo-header's sum alone, and has to be computed in full.
    Partial,
    /// The sender computed none.
    None,
    /// Whole: to be updated by RFC 1624.
    Complete,
}

/// Tells them apart. `field` is in memory order; `pseudo` is the pseudo-header's sum of the
/// packet as it arrived.
///
/// A whole checksum looks partial once in 65,536 packets; computing it in full is then
/// right as well.
#[inline(always)]
pub fn udp_checksum_kind(field: u16, pseudo: Sum) -> UdpChecksum {
    if field == pseudo.fold() {
        UdpChecksum::Partial
    } else if field == 0 {
        UdpChecksum::None
    } else {
        UdpChecksum::Complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071 section 3: the sum of these words is ddf2.
    #[test]
    fn rfc_1071_example() {
        let sum = Sum::default().bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(u16::from_be(sum.fold()), 0xddf2);
    }

    /// RFC 1624 section 4: HC = DD2F, m = 5555, m' = 3285 gives 0000, not FFFF.
    #[test]
    fn rfc_1624_example() {
        let sum = sum_of(0xdd2fu16.to_be()).replace(0x5555u16.to_be(), 0x3285u16.to_be());
        assert_eq!(sum.checksum(), 0);
        assert_eq!(sum.udp_checksum(), 0xffff);
    }

    #[test]
    fn an_odd_last_byte_counts_as_the_high_one() {
        let odd = Sum::default().bytes(&[1, 2, 3]);
        assert_eq!(odd.fold(), Sum::default().bytes(&[1, 2, 3, 0]).fold());
    }

    #[test]
    fn an_update_equals_a_new_computation() {
        let mut bytes = [0u8; 64];
        let mut state = 1u32;
        for _ in 0..10_000 {
            for byte in &mut bytes {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (state >> 24) as u8;
            }
            let before = Sum::default().bytes(&bytes).checksum();
            let old = u16::from_ne_bytes([bytes[10], bytes[11]]);
            let new = (state & 0xffff) as u16;
            bytes[10..12].copy_from_slice(&new.to_ne_bytes());
            let updated = sum_of(before).replace(old, new);
            let computed = Sum::default().bytes(&bytes);
            // Both representations of zero verify; the bytes are never all zero here.
            assert_eq!(updated.udp_checksum(), computed.udp_checksum());
        }
    }

    #[test]
    fn a_partial_checksum_is_recognised() {
        let addresses = Sum::default()
            .pair(0x0a00_0001u32.to_be())
            .pair(0x0a00_0002u32.to_be());
        let pseudo = pseudo_header(addresses, 180u16.to_be());
        let bytes = [10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0, 180];
        assert_eq!(pseudo.fold(), Sum::default().bytes(&bytes).fold());
        assert_eq!(
            udp_checksum_kind(pseudo.fold(), pseudo),
            UdpChecksum::Partial
        );
        assert_eq!(udp_checksum_kind(0, pseudo), UdpChecksum::None);
        assert_eq!(
            udp_checksum_kind(!pseudo.fold(), pseudo),
            UdpChecksum::Complete
        );
    }

    #[test]
    fn the_largest_packet_does_not_overflow() {
        static LARGEST: [u8; 65_535] = [0xff; 65_535];
        assert_eq!(Sum::default().bytes(&LARGEST[..65_534]).fold(), 0xffff);
        let in_pairs = (0..65_536 / 4).fold(Sum::default(), |sum, _| sum.pair(u32::MAX));
        assert_eq!(in_pairs.fold(), 0xffff);
        assert_eq!(Sum::default().word(7).without(in_pairs).fold(), 7);
    }

    #[test]
    fn wide_words_sum_up_as_narrow_ones_do() {
        let bytes: [u8; 16] = core::array::from_fn(|n| (n * 37 + 200) as u8);
        let narrow = Sum::default().bytes(&bytes);
        let (fours, _) = bytes.as_chunks::<8>();
        let wide = fours.iter().fold(Sum::default(), |sum, four| {
            sum.four(u64::from_ne_bytes(*four))
        });
        assert_eq!(wide.fold(), narrow.fold());
        let taken_out = wide.without(Sum::default().bytes(&bytes[4..]));
        assert_eq!(taken_out.fold(), Sum::default().bytes(&bytes[..4]).fold());
    }
}
