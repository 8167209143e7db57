//! One's complement sums over big-endian words (RFC 1071), the slow and plain way.

/// Not yet folded; an odd last byte counts as the high one of a word.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let words: u64 = words
        .iter()
        .map(|word| u64::from(u16::from_be_bytes(*word)))
        .sum();
    words + rest.first().map_or(0, |last| u64::from(*last) << 8)
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
}
