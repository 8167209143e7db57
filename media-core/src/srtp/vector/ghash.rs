//! GHASH (NIST SP 800-38D section 6.4) with carry-less multiplication.
//!
//! In the form of POLYVAL (RFC 8452 appendix A), whose bits stand in the order of the processor's:
//! blocks and key are read backwards, the key is multiplied by x once, and nothing is shifted
//! per block. Up to [`POWERS`] blocks are multiplied by as many powers of the key and reduced once.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Blocks that are reduced together.
const POWERS: usize = 8;

/// Powers of the hash key, the first in front.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(in crate::srtp) struct HashKey {
    powers: [[u64; 2]; POWERS],
}

impl HashKey {
    /// `None` where the processor cannot use it.
    pub(in crate::srtp) fn new(key: &[u8; 16]) -> Option<HashKey> {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("pclmulqdq")
            && std::arch::is_x86_feature_detected!("ssse3")
            && std::arch::is_x86_feature_detected!("sse4.1")
        {
            // SAFETY: the instructions that it is compiled for were just found.
            return Some(unsafe { x86_64::expand(key) });
        }
        let _ = key;
        None
    }

    /// The hash over associated data and encrypted text, each padded with zeros to whole blocks,
    /// and over their lengths.
    #[inline]
    pub(in crate::srtp) fn hash(&self, associated: &[u8], encrypted: &[u8]) -> [u8; 16] {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a key exists only where `new` has found the instructions.
        unsafe {
            x86_64::hash(self, associated, encrypted)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (associated, encrypted);
            [0; 16]
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::*;

    use super::{HashKey, POWERS};

    #[target_feature(enable = "pclmulqdq,ssse3,sse4.1")]
    pub(super) fn expand(key: &[u8; 16]) -> HashKey {
        // mulX_POLYVAL (RFC 8452 appendix A) of the key read backwards.
        let key = u128::from_be_bytes(*key);
        let carry = (key >> 127).wrapping_neg();
        let first = register(key << 1 ^ carry & (0xc2 << 120 | 1));
        let mut hash_key = HashKey {
            powers: [[0; 2]; POWERS],
        };
        let mut power = first;
        for place in &mut hash_key.powers {
            *place = [
                _mm_extract_epi64::<0>(power).cast_unsigned(),
                _mm_extract_epi64::<1>(power).cast_unsigned(),
            ];
            let mut product = Product::zero();
            product.add(power, first);
            power = product.reduce();
        }
        hash_key
    }

    #[target_feature(enable = "pclmulqdq,ssse3,sse4.1")]
    pub(super) fn hash(key: &HashKey, associated: &[u8], encrypted: &[u8]) -> [u8; 16] {
        let bits = |bytes: &[u8]| bytes.len() as u128 * 8;
        let lengths = register(bits(associated) << 64 | bits(encrypted));
        let mut left = associated.len().div_ceil(16) + encrypted.len().div_ceil(16) + 1;
        let mut state = State {
            key,
            sum: _mm_setzero_si128(),
            product: Product::zero(),
            power: 0,
        };
        for part in [associated, encrypted] {
            let (blocks, rest) = part.as_chunks::<16>();
            for block in blocks {
                state.block(load(block), &mut left);
            }
            if !rest.is_empty() {
                let mut block = [0; 16];
                block[..rest.len()].copy_from_slice(rest);
                state.block(load(&block), &mut left);
            }
        }
        state.block(lengths, &mut left);
        let hash = state.sum;
        let low = _mm_extract_epi64::<0>(hash).cast_unsigned();
        let high = _mm_extract_epi64::<1>(hash).cast_unsigned();
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }

    /// What is hashed so far.
    struct State<'k> {
        key: &'k HashKey,
        sum: __m128i,
        /// Of the blocks since `sum` was made.
        product: Product,
        /// Of the next block; 0: a new group begins.
        power: usize,
    }

    impl State<'_> {
        /// Takes one block, of which `left` are to come with it.
        #[inline]
        #[target_feature(enable = "pclmulqdq,ssse3,sse4.1")]
        fn block(&mut self, mut block: __m128i, left: &mut usize) {
            if self.power == 0 {
                self.power = POWERS.min(*left);
                block = _mm_xor_si128(block, self.sum);
                self.product = Product::zero();
            }
            *left -= 1;
            self.power -= 1;
            let [low, high] = self.key.powers[self.power % POWERS];
            let power = _mm_set_epi64x(high.cast_signed(), low.cast_signed());
            self.product.add(block, power);
            if self.power == 0 {
                self.sum = self.product.reduce();
            }
        }
    }

    /// A sum of products of 256 bits, not reduced.
    struct Product {
        low: __m128i,
        middle: __m128i,
        high: __m128i,
    }

    impl Product {
        #[inline]
        #[target_feature(enable = "pclmulqdq,ssse3,sse4.1")]
        fn zero() -> Product {
            let zero = _mm_setzero_si128();
            Product {
                low: zero,
                middle: zero,
                high: zero,
            }
        }

        #[inline]
        #[target_feature(enable = "pclmulqdq,ssse3,sse4.1")]
        fn add(&mut self, one: __m128i, other: __m128i) {
            let cross = _mm_xor_si128(
                _mm_clmulepi64_si128::<0x01>(one, other),
                _mm_clmulepi64_si128::<0x10>(one, other),
            );
            self.low = _mm_xor_si128(self.low, _mm_clmulepi64_si128::<0x00>(one, other));
            self.middle = _mm_xor_si128(self.middle, cross);
            self.high = _mm_xor_si128(self.high, _mm_clmulepi64_si128::<0x11>(one, other));
        }

        /// Times x^-128, modulo x^128 + x^127 + x^126 + x^121 + 1 (Montgomery's way, 64 bits at
        /// a time).
        #[inline]
        #[target_feature(enable = "pclmulqdq,ssse3,sse4.1")]
        fn reduce(&self) -> __m128i {
            let polynomial = _mm_set_epi64x(0, (0xc2_u64 << 56).cast_signed());
            let low = _mm_xor_si128(self.low, _mm_slli_si128::<8>(self.middle));
            let high = _mm_xor_si128(self.high, _mm_srli_si128::<8>(self.middle));
            let fold = |x: __m128i| {
                _mm_xor_si128(
                    _mm_shuffle_epi32::<0x4e>(x),
                    _mm_clmulepi64_si128::<0x00>(x, polynomial),
                )
            };
            _mm_xor_si128(high, fold(fold(low)))
        }
    }

    /// A block, read backwards.
    #[inline]
    #[target_feature(enable = "pclmulqdq,ssse3,sse4.1")]
    fn load(block: &[u8; 16]) -> __m128i {
        let backwards = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
        // SAFETY: a block has 16 bytes, and the load needs no alignment.
        _mm_shuffle_epi8(unsafe { _mm_loadu_si128(block.as_ptr().cast()) }, backwards)
    }

    #[inline]
    #[target_feature(enable = "sse4.1")]
    fn register(value: u128) -> __m128i {
        _mm_set_epi64x((value >> 64) as i64, value as i64)
    }
}
