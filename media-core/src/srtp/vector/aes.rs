//! AES in counter mode on 512-bit registers: four blocks each, sixteen at a time.

use cipher::inout::InOutBuf;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Round keys of AES-128 or AES-256 (FIPS 197 section 5.2), for encryption only: counter mode
/// never decrypts a block.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(in crate::srtp) struct RoundKeys {
    keys: [[u8; 16]; 15],
    /// 10 or 14; one key more than that is in use.
    rounds: usize,
}

impl RoundKeys {
    /// Expands `key`, 16 or 32 bytes; `None` where the processor cannot use it.
    pub(in crate::srtp) fn new(key: &[u8]) -> Option<RoundKeys> {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("aes")
            && std::arch::is_x86_feature_detected!("sse4.1")
            && std::arch::is_x86_feature_detected!("vaes")
            && std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
        {
            // SAFETY: the instructions that it is compiled for were just found.
            return unsafe { x86_64::expand(key) };
        }
        let _ = key;
        None
    }

    /// Adds the keystream that begins with the counter block `iv`, whose last 32 bits do not
    /// overflow while it counts.
    #[inline]
    pub(in crate::srtp) fn apply_from(&self, iv: u128, data: InOutBuf<'_, '_, u8>) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: round keys exist only where `new` has found the instructions.
        unsafe {
            x86_64::apply(self, iv, data);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (iv, data);
    }

    /// The cipher of one block.
    #[inline]
    pub(in crate::srtp) fn block(&self, block: u128) -> [u8; 16] {
        let mut stream = [0; 16];
        self.apply_from(block, stream.as_mut_slice().into());
        stream
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::*;

    use super::{InOutBuf, RoundKeys};

    #[target_feature(enable = "aes,sse4.1")]
    pub(super) fn expand(key: &[u8]) -> Option<RoundKeys> {
        let words = key.len() / 4;
        if key.len() != 16 && key.len() != 32 {
            return None;
        }
        let mut keys = RoundKeys {
            keys: [[0; 16]; 15],
            rounds: words + 6,
        };
        let count = 4 * (keys.rounds + 1);
        let flat = keys.keys.as_flattened_mut();
        flat[..key.len()].copy_from_slice(key);
        let mut constant: u32 = 1;
        // FIPS 197 section 5.2, a word at a time.
        for at in words..count {
            let mut word = word_at(flat, at - 1);
            if at % words == 0 {
                word = substitute(word.rotate_right(8)) ^ constant;
                constant = constant << 1 ^ if constant & 0x80 == 0 { 0 } else { 0x11b };
            } else if words > 6 && at % words == 4 {
                word = substitute(word);
            }
            let word = word ^ word_at(flat, at - words);
            flat[4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes());
        }
        Some(keys)
    }

    fn word_at(bytes: &[u8], at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&bytes[4 * at..4 * at + 4]);
        u32::from_le_bytes(word)
    }

    /// SubWord: the S-box on each byte.
    #[target_feature(enable = "aes,sse4.1")]
    fn substitute(word: u32) -> u32 {
        let all = _mm_set1_epi32(word.cast_signed());
        _mm_extract_epi32::<0>(_mm_aeskeygenassist_si128::<0>(all)).cast_unsigned()
    }

    #[target_feature(enable = "aes,vaes,avx512f,avx512bw")]
    pub(super) fn apply(keys: &RoundKeys, iv: u128, data: InOutBuf<'_, '_, u8>) {
        let len = data.len();
        let (input, output) = data.into_raw();
        let (mut input, mut output) = (input.cast::<u8>(), output.cast::<u8>());
        // Little-endian: the block count stands in the lowest word of each block.
        let [low, high] = [iv as i64, (iv >> 64) as i64];
        let block = _mm_set_epi64x(high, low);
        let mut counter = _mm512_add_epi32(
            _mm512_broadcast_i32x4(block),
            _mm512_set_epi32(0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0),
        );
        let mut left = len;
        while left > 0 {
            let now = left.min(256);
            // SAFETY: `input` and `output` have `left` bytes from here on, of which `now` are
            // read and written; each register of input is read before its place is written.
            unsafe {
                match now {
                    1..=64 => some::<1>(keys, &mut counter, input, output, now),
                    65..=128 => some::<2>(keys, &mut counter, input, output, now),
                    129..=192 => some::<3>(keys, &mut counter, input, output, now),
                    _ => some::<4>(keys, &mut counter, input, output, now),
                }
                input = input.add(now);
                output = output.add(now);
            }
            left -= now;
        }
    }

    /// Up to `N` registers of keystream.
    ///
    /// # Safety
    /// `len` bytes, no more than `64 * N`, can be read at `input` and written at `output`, which
    /// are the same or do not overlap.
    #[inline]
    #[target_feature(enable = "aes,vaes,avx512f,avx512bw")]
    unsafe fn some<const N: usize>(
        keys: &RoundKeys,
        counter: &mut __m512i,
        input: *const u8,
        output: *mut u8,
        len: usize,
    ) {
        let reverse =
            _mm512_broadcast_i32x4(_mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f));
        let four = _mm512_broadcast_i32x4(_mm_set_epi32(0, 0, 0, 4));
        let first = round_key(keys, 0);
        let mut blocks = [first; N];
        for block in &mut blocks {
            *block = _mm512_xor_si512(*block, _mm512_shuffle_epi8(*counter, reverse));
            *counter = _mm512_add_epi32(*counter, four);
        }
        for round in 1..10 {
            let key = round_key(keys, round);
            blocks = blocks.map(|block| _mm512_aesenc_epi128(block, key));
        }
        if keys.rounds == 14 {
            for round in 10..14 {
                let key = round_key(keys, round);
                blocks = blocks.map(|block| _mm512_aesenc_epi128(block, key));
            }
        }
        let last = round_key(keys, keys.rounds);
        blocks = blocks.map(|block| _mm512_aesenclast_epi128(block, last));
        for (at, block) in blocks.into_iter().enumerate() {
            let here = (len - (64 * at).min(len)).min(64);
            let mask = if here == 64 {
                u64::MAX
            } else {
                (1 << here) - 1
            };
            // SAFETY: the mask keeps to the `len` bytes that the caller promises.
            unsafe {
                let text = _mm512_maskz_loadu_epi8(mask, input.wrapping_add(64 * at).cast());
                let text = _mm512_xor_si512(text, block);
                _mm512_mask_storeu_epi8(output.wrapping_add(64 * at).cast(), mask, text);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn round_key(keys: &RoundKeys, round: usize) -> __m512i {
        // `rounds` is 10 or 14 and there are 15 keys: the bound is never met.
        let key = &keys.keys[round.min(14)];
        // SAFETY: a round key has 16 bytes, and the load needs no alignment.
        _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(key.as_ptr().cast()) })
    }
}
