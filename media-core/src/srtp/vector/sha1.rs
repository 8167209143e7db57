//! SHA-1 for HMAC (RFC 2104, FIPS 180-4): one message at a time, or sixteen in step.
//!
//! One message cannot keep the processor busy: every round waits for the one before. Sixteen
//! independent messages, one in each 32-bit lane of AVX-512, take little longer than one.

use super::super::auth::{BLOCK, Job, TAG, Tail};

/// Messages that are hashed in step.
pub(in crate::srtp) const LANES: usize = 16;
/// From so many on sixteen lanes are faster than one message after the other.
const WORTH_WHILE: usize = 3;

/// Compresses `blocks` into `state` with the SHA extensions; `false` where there are none.
#[inline]
pub(in crate::srtp) fn compress(state: &mut [u32; 5], blocks: &[[u8; BLOCK]]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sha")
        && std::arch::is_x86_feature_detected!("sse4.1")
        && std::arch::is_x86_feature_detected!("ssse3")
    {
        // SAFETY: the instructions that it is compiled for were just found.
        unsafe { single::compress(state, blocks) };
        return true;
    }
    let _ = (state, blocks);
    false
}

/// The tags of up to [`LANES`] messages, or `false` where it is not possible or not worth while.
pub(in crate::srtp) fn hmac(jobs: &[Job<'_>], tags: &mut [[u8; TAG]; LANES]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if (WORTH_WHILE..=LANES).contains(&jobs.len())
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
    {
        // SAFETY: the instructions that it is compiled for were just found.
        unsafe { lanes::hmac(jobs, tags) };
        return true;
    }
    let _ = (jobs, tags, WORTH_WHILE);
    false
}

#[cfg(target_arch = "x86_64")]
mod single {
    use std::arch::x86_64::*;

    use super::BLOCK;

    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    pub(super) fn compress(state: &mut [u32; 5], blocks: &[[u8; BLOCK]]) {
        let [a, b, c, d, e] = state.map(u32::cast_signed);
        // The instructions want A in the highest word.
        let mut abcd = _mm_set_epi32(a, b, c, d);
        let mut e = _mm_set_epi32(e, 0, 0, 0);
        for block in blocks {
            (abcd, e) = rounds(abcd, e, block);
        }
        *state = [
            _mm_extract_epi32::<3>(abcd),
            _mm_extract_epi32::<2>(abcd),
            _mm_extract_epi32::<1>(abcd),
            _mm_extract_epi32::<0>(abcd),
            _mm_extract_epi32::<3>(e),
        ]
        .map(i32::cast_unsigned);
    }

    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn rounds(abcd: __m128i, e: __m128i, block: &[u8; BLOCK]) -> (__m128i, __m128i) {
        let mut w = load(block);
        let mut now = abcd;
        let mut before = abcd;
        let mut first = _mm_add_epi32(e, w[0]);
        macro_rules! four_rounds {
            ($function:literal, $($i:literal)*) => {$({
                if $i > 3 {
                    // FIPS 180-4 section 6.1.2 step 1, four words at a time.
                    let mixed = _mm_xor_si128(
                        _mm_sha1msg1_epu32(w[$i % 4], w[($i + 1) % 4]),
                        w[($i + 2) % 4],
                    );
                    w[$i % 4] = _mm_sha1msg2_epu32(mixed, w[($i + 3) % 4]);
                }
                if $i > 0 {
                    first = _mm_sha1nexte_epu32(before, w[$i % 4]);
                }
                before = now;
                now = _mm_sha1rnds4_epu32::<$function>(now, first);
            })*};
        }
        four_rounds!(0, 0 1 2 3 4);
        four_rounds!(1, 5 6 7 8 9);
        four_rounds!(2, 10 11 12 13 14);
        four_rounds!(3, 15 16 17 18 19);
        (_mm_add_epi32(now, abcd), _mm_sha1nexte_epu32(before, e))
    }

    /// Sixteen words of the message, big-endian, the first in the highest place.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn load(block: &[u8; BLOCK]) -> [__m128i; 4] {
        let reverse = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
        let (quarters, _) = block.as_chunks::<16>();
        std::array::from_fn(|at| {
            // SAFETY: a quarter has 16 bytes, and the load needs no alignment.
            let words = unsafe { _mm_loadu_si128(quarters[at].as_ptr().cast()) };
            _mm_shuffle_epi8(words, reverse)
        })
    }
}

#[cfg(target_arch = "x86_64")]
mod lanes {
    use std::arch::x86_64::*;

    use super::{BLOCK, Job, LANES, TAG, Tail};

    /// One word of the state of each lane.
    type Words = [u32; LANES];

    /// HMAC of every job, lane by lane; messages that are much longer than the others are
    /// finished one after the other.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn hmac(jobs: &[Job<'_>], tags: &mut [[u8; TAG]; LANES]) {
        let mut tails = [const { Tail::EMPTY }; LANES];
        let mut messages: [&[[u8; BLOCK]]; LANES] = [&[]; LANES];
        let mut inner = [[0; LANES]; 5];
        let mut outer = [[0; LANES]; 5];
        for (lane, job) in jobs.iter().enumerate() {
            messages[lane] = job.blocks(&mut tails[lane]);
            for word in 0..5 {
                inner[word][lane] = job.hmac.inner()[word];
                outer[word][lane] = job.hmac.outer()[word];
            }
        }
        let mut state = inner.map(|words| load(&words));
        let mut done = 0;
        loop {
            let mut rows: [&[u8; BLOCK]; LANES] = [&[0; BLOCK]; LANES];
            let mut active: __mmask16 = 0;
            for lane in 0..jobs.len() {
                let (message, tail) = (messages[lane], tails[lane].blocks());
                let block = match message.get(done) {
                    Some(block) => Some(block),
                    None => tail.get(done - message.len()),
                };
                if let Some(block) = block {
                    rows[lane] = block;
                    active |= 1 << lane;
                }
            }
            if (active.count_ones() as usize) < super::WORTH_WHILE {
                break;
            }
            let next = compress(state, transpose(rows));
            for (word, next) in state.iter_mut().zip(next) {
                *word = _mm512_mask_mov_epi32(*word, active, next);
            }
            done += 1;
        }
        finish_the_longest(&mut state, &messages, &tails, done);

        // The outer hash: one block of the inner one's result, and padding.
        let zero = _mm512_setzero_si512();
        let mut block = [zero; 16];
        block[..5].copy_from_slice(&state);
        block[5] = _mm512_set1_epi32(0x8000_0000_u32.cast_signed());
        block[15] = _mm512_set1_epi32(((BLOCK + TAG) * 8) as i32);
        let state = compress(outer.map(|words| load(&words)), block);
        let words = state.map(|words| store(words));
        for (lane, tag) in tags.iter_mut().enumerate().take(jobs.len()) {
            for (bytes, words) in tag.as_chunks_mut::<4>().0.iter_mut().zip(&words) {
                *bytes = words[lane].to_be_bytes();
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn finish_the_longest(
        state: &mut [__m512i; 5],
        messages: &[&[[u8; BLOCK]]; LANES],
        tails: &[Tail; LANES],
        done: usize,
    ) {
        if messages
            .iter()
            .zip(tails)
            .all(|(message, tail)| message.len() + tail.blocks().len() <= done)
        {
            return;
        }
        let mut words = state.map(|words| store(words));
        for lane in 0..LANES {
            let (message, tail) = (messages[lane], tails[lane].blocks());
            let message_left = message.get(done..).unwrap_or_default();
            let tail_left = tail
                .get(done.saturating_sub(message.len())..)
                .unwrap_or_default();
            let mut one = words.map(|words| words[lane]);
            super::super::super::auth::compress(&mut one, message_left);
            super::super::super::auth::compress(&mut one, tail_left);
            for (words, word) in words.iter_mut().zip(one) {
                words[lane] = word;
            }
        }
        *state = words.map(|words| load(&words));
    }

    /// One block of every lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn compress(state: [__m512i; 5], mut w: [__m512i; 16]) -> [__m512i; 5] {
        let [mut a, mut b, mut c, mut d, mut e] = state;
        macro_rules! round {
            ($t:expr, $function:literal, $k:expr) => {{
                if $t > 15 {
                    // FIPS 180-4 section 6.1.2 step 1.
                    let three = _mm512_ternarylogic_epi32::<XOR>(
                        w[($t + 13) % 16],
                        w[($t + 8) % 16],
                        w[($t + 2) % 16],
                    );
                    w[$t % 16] = _mm512_rol_epi32::<1>(_mm512_xor_si512(three, w[$t % 16]));
                }
                let f = _mm512_ternarylogic_epi32::<$function>(b, c, d);
                let constant = _mm512_set1_epi32($k);
                let sum = _mm512_add_epi32(_mm512_add_epi32(e, constant), w[$t % 16]);
                let sum = _mm512_add_epi32(sum, f);
                e = d;
                d = c;
                c = _mm512_rol_epi32::<30>(b);
                b = a;
                a = _mm512_add_epi32(sum, _mm512_rol_epi32::<5>(a));
            }};
        }
        macro_rules! twenty_rounds {
            ($from:literal, $function:literal, $k:literal) => {
                twenty_rounds!(@ $from, $function, $k,
                    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19)
            };
            (@ $from:literal, $function:literal, $k:literal, $($t:literal)*) => {
                $(round!($from + $t, $function, u32::cast_signed($k));)*
            };
        }
        // Choose, parity, majority, parity, as tables of three bits.
        twenty_rounds!(0, 0xca, 0x5a82_7999);
        twenty_rounds!(20, 0x96, 0x6ed9_eba1);
        twenty_rounds!(40, 0xe8, 0x8f1b_bcdc);
        twenty_rounds!(60, 0x96, 0xca62_c1d6);
        let result = [a, b, c, d, e];
        std::array::from_fn(|at| _mm512_add_epi32(result[at], state[at]))
    }

    /// `a ^ b ^ c` as a table of three bits.
    const XOR: i32 = 0x96;

    /// Word `t` of every row's block, big-endian, in register `t`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn transpose(rows: [&[u8; BLOCK]; LANES]) -> [__m512i; 16] {
        let reverse =
            _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));
        let r: [__m512i; 16] = std::array::from_fn(|at| {
            // SAFETY: a block has 64 bytes, and the load needs no alignment.
            let row = unsafe { _mm512_loadu_si512(rows[at].as_ptr().cast()) };
            _mm512_shuffle_epi8(row, reverse)
        });
        // Pairs of rows, then fours: u[4g + j] holds words j, 4 + j, 8 + j and 12 + j of rows
        // 4g to 4g + 3.
        let u: [__m512i; 16] = std::array::from_fn(|at| {
            let (g, j) = (at / 4 * 4, at % 4);
            let (low, high) = if j < 2 {
                (
                    _mm512_unpacklo_epi32(r[g], r[g + 1]),
                    _mm512_unpacklo_epi32(r[g + 2], r[g + 3]),
                )
            } else {
                (
                    _mm512_unpackhi_epi32(r[g], r[g + 1]),
                    _mm512_unpackhi_epi32(r[g + 2], r[g + 3]),
                )
            };
            if j % 2 == 0 {
                _mm512_unpacklo_epi64(low, high)
            } else {
                _mm512_unpackhi_epi64(low, high)
            }
        });
        std::array::from_fn(|at| {
            let (q, j) = (at / 4, at % 4);
            let (low, high) = if q % 2 == 0 {
                (
                    _mm512_shuffle_i32x4::<0x88>(u[j], u[4 + j]),
                    _mm512_shuffle_i32x4::<0x88>(u[8 + j], u[12 + j]),
                )
            } else {
                (
                    _mm512_shuffle_i32x4::<0xdd>(u[j], u[4 + j]),
                    _mm512_shuffle_i32x4::<0xdd>(u[8 + j], u[12 + j]),
                )
            };
            if q < 2 {
                _mm512_shuffle_i32x4::<0x88>(low, high)
            } else {
                _mm512_shuffle_i32x4::<0xdd>(low, high)
            }
        })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn load(words: &Words) -> __m512i {
        // SAFETY: sixteen words are 64 bytes, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn store(register: __m512i) -> Words {
        let mut words = [0; LANES];
        // SAFETY: sixteen words are 64 bytes, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), register) };
        words
    }
}
