//! One's complement sums over big-endian words (RFC 1071).

/// Not yet folded; an odd last byte counts as the high one of a word.
///
/// Taken 32 bits at a time: as 2^16 is 1 modulo 0xffff, that folds to the same (RFC 1071
/// section 2 (C)). Room for 2^32 of them.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let halves = |word: &[u8; 8]| {
        let word = u64::from_be_bytes(*word);
        (word >> 32) + (word & 0xffff_ffff)
    };
    words.iter().map(halves).sum::<u64>() + halves(&last)
}

pub(super) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 section 3.
    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(
            fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])),
            0xddf2
        );
        assert_eq!(sum(&[1, 2, 3]), sum(&[1, 2, 3, 0]));
    }

    #[test]
    fn wide_words_fold_to_what_words_of_16_bits_do() {
        let bytes: Vec<u8> = (0..300u32)
            .map(|at| ((at * 7919) >> 3) as u8 | 0x81)
            .collect();
        for len in 0..bytes.len() {
            let plain: u64 = bytes[..len]
                .chunks(2)
                .map(|word| u64::from(word[0]) << 8 | word.get(1).map_or(0, |low| u64::from(*low)))
                .sum();
            assert_eq!(fold(sum(&bytes[..len])), fold(plain), "{len} bytes");
        }
    }
}
