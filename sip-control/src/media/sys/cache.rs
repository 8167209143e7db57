//! Memory that is needed soon, fetched into the CPU's cache meanwhile.

const CACHE_LINE: usize = 64;

/// Has the value fetched; not what it points at.
#[inline]
pub(in crate::media) fn prefetch_value<T>(value: &T) {
    prefetch(std::ptr::from_ref(value).cast(), size_of::<T>());
}

/// Has `len` bytes fetched. A hint: any address will do.
#[inline]
pub(super) fn prefetch(start: *const u8, len: usize) {
    for at in (0..len).step_by(CACHE_LINE) {
        prefetch_line(start.wrapping_add(at));
    }
}

#[inline]
fn prefetch_line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which does not fault whatever the address; SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    // Elsewhere there is no stable way to say it.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
