//! The 48-bit packet index behind the 16-bit sequence number (RFC 3711 section 3.3.1).

/// 2^16 × rollover counter + sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PacketIndex(pub u64);

impl PacketIndex {
    /// The rollover counter (ROC).
    pub fn roc(self) -> u32 {
        (self.0 >> 16) as u32
    }

    pub fn sequence(self) -> u16 {
        self.0 as u16
    }
}

/// The index that is nearest to `highest` among those with this sequence number
/// (RFC 3711 appendix A).
///
/// `None` if that would lie before the first or after the last index of a key.
pub fn estimate_index(highest: PacketIndex, sequence: u16) -> Option<PacketIndex> {
    let ahead = i64::from(sequence) - i64::from(highest.sequence());
    let roc = i64::from(highest.roc());
    let roc = if ahead < -0x8000 {
        roc + 1
    } else if ahead > 0x8000 {
        roc - 1
    } else {
        roc
    };
    let roc = u32::try_from(roc).ok()?;
    Some(PacketIndex(u64::from(roc) << 16 | u64::from(sequence)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_follows_the_sequence_number_over_its_end_and_back() {
        let cases = [
            // highest, sequence, expected
            (0x0000_0000, 1, Some(0x0000_0001)),
            (0x0000_ffff, 0, Some(0x0001_0000)),
            (0x0001_0000, 0xffff, Some(0x0000_ffff)),
            (0x0001_7fff, 0xffff, Some(0x0001_ffff)),
            (0x0001_7ffe, 0xffff, Some(0x0000_ffff)),
            (0x0001_8000, 0x0000, Some(0x0001_0000)),
            (0x0001_8001, 0x0000, Some(0x0002_0000)),
            // Before the first packet of all, after the last.
            (0x0000_0002, 0xffff, None),
            (0xffff_ffff_ffff, 0, None),
        ];
        for (highest, sequence, expected) in cases {
            assert_eq!(
                estimate_index(PacketIndex(highest), sequence),
                expected.map(PacketIndex),
                "{highest:#x} then {sequence:#x}"
            );
        }
    }
}
