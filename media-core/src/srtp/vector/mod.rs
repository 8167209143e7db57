//! SRTP's primitives with the processor's own instructions, where it has them.
//!
//! [`sha1`]: HMAC-SHA1 of one message with the SHA extensions, of sixteen at once with AVX-512.
//! [`aes`]: counter mode with AES on 512-bit registers. Each function is found at run time and
//! answers `None` or `false` where the processor cannot; callers then use the portable crates,
//! against which the tests compare every function here.
//!
//! This is the crate's one module of `unsafe` code: calls into functions that are compiled for
//! instructions which were found to be there, and loads and stores within slices.
#![allow(unsafe_code)]

pub(super) mod aes;
pub(super) mod sha1;

/// Asks for the bytes of a packet that is looked at soon: it comes from memory that a network
/// interface or another core has written.
#[inline]
pub(super) fn prefetch(packet: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in packet.chunks(64).take(4) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the address is one of the packet's, and prefetching reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = packet;
}
