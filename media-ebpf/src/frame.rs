//! Checked access to a frame's bytes.
//!
//! Headers are overlaid on the frame, so that one comparison with its end makes every
//! field of them accessible: the kernel's verifier accepts an access if it follows a
//! comparison of the same pointer plus a constant with the packet's end. Slices would
//! compare lengths, which it does not understand.
#![allow(unsafe_code)] // The one place where packet memory is read and written.

use core::marker::PhantomData;

use media_common::checksum::Sum;

/// A header that can be overlaid on any bytes at an even address.
///
/// # Safety
/// The type is `repr(C)`, every bit pattern is a value of it, it has no padding, and it is
/// aligned to 2 at most.
pub unsafe trait Overlay {}

/// One frame, from its Ethernet header to its last byte.
pub struct Frame<'a> {
    start: *mut u8,
    end: *mut u8,
    bytes: PhantomData<&'a mut [u8]>,
}

/// The longest UDP datagram whose checksum is computed in full: more than fits the page
/// that an XDP frame without fragments lies in.
const MAX_SUMMED: usize = 4096;
const BLOCK: usize = 32;

impl<'a> Frame<'a> {
    /// # Safety
    /// From `start`, which is even, up to `end` lies memory that may be read and written and
    /// that nobody else touches during `'a`. In the kernel these are `data` and `data_end`
    /// of the context; `data` is even because the headroom is and headers are added and
    /// removed in whole words.
    #[inline(always)]
    pub unsafe fn new(start: *mut u8, end: *mut u8) -> Frame<'a> {
        Frame {
            start,
            end,
            bytes: PhantomData,
        }
    }

    /// A frame in ordinary memory; `None` if it begins at an odd address.
    pub fn from_bytes(bytes: &'a mut [u8]) -> Option<Frame<'a>> {
        let range = bytes.as_mut_ptr_range();
        // SAFETY: the range is that of an exclusively borrowed slice, and even.
        (range.start.addr().is_multiple_of(2))
            .then(|| unsafe { Frame::new(range.start, range.end) })
    }

    /// Length of the frame, bytes.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.end.addr().wrapping_sub(self.start.addr())
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The header of that type at offset `AT`, which is even, if the frame reaches that far.
    #[inline(always)]
    pub fn overlay<T: Overlay, const AT: usize>(&mut self) -> Option<&mut T> {
        const {
            assert!(AT.is_multiple_of(2) && align_of::<T>() <= 2);
        }
        let at = self.start.wrapping_add(AT);
        if at.wrapping_add(size_of::<T>()) > self.end {
            return None;
        }
        // SAFETY: the bytes lie within the frame, which is exclusively borrowed; the address
        // is even and `T` is an `Overlay`.
        Some(unsafe { &mut *at.cast::<T>() })
    }

    /// One's complement sum of `length` bytes from offset `AT`, which is even; an odd last
    /// byte is padded with zero. `None` if the frame does not reach that far or the length is
    /// more than an XDP frame can have.
    #[inline(always)]
    pub fn sum<const AT: usize>(&self, length: usize) -> Option<Sum> {
        const { assert!(AT.is_multiple_of(2)) }
        // SAFETY: start and end are this frame's; the sum only reads between them.
        unsafe { sum(self.start.wrapping_add(AT), self.end, length) }
    }
}

/// The address at `bytes`, as [`crate::parse::Address`] holds it.
///
/// # Safety
/// `bytes` lies at a multiple of 8: true of every address in the ABI, whose structs are
/// aligned to 8 and hold addresses at multiples of 8.
#[inline(always)]
pub(crate) unsafe fn aligned_words(bytes: &[u8; 16]) -> [u64; 2] {
    // SAFETY: the caller's promise; sixteen initialised bytes are two `u64`.
    unsafe { *bytes.as_ptr().cast::<[u64; 2]>() }
}

/// Those bytes as 16-bit words of memory order: one access each, where the compiler, which
/// does not see how a map's value is aligned, would take two.
///
/// # Safety
/// `bytes` lies at an even address: true of every address and MAC in the ABI.
#[inline(always)]
pub(crate) unsafe fn even_words<const BYTES: usize, const WORDS: usize>(
    bytes: &[u8; BYTES],
) -> [u16; WORDS] {
    const { assert!(BYTES == 2 * WORDS) }
    // SAFETY: the caller's promise; as many initialised bytes are those words.
    unsafe { *bytes.as_ptr().cast::<[u16; WORDS]>() }
}

/// Not inlined: it would be there four times, once for each kind of headers.
///
/// # Safety
/// What lies between `at`, which is even, and `end` may be read; `at` may lie after `end`.
#[inline(never)]
unsafe fn sum(mut at: *const u8, end: *const u8, length: usize) -> Option<Sum> {
    let mut total = Sum::default();
    let mut rest = length;
    // Bounded for the verifier, which walks each turn; blocks make it fewer turns.
    for _ in 0..MAX_SUMMED / BLOCK {
        if rest < BLOCK {
            break;
        }
        if at.wrapping_add(BLOCK) > end {
            return None;
        }
        // SAFETY: compared with the end just now; `at` is even.
        let block = unsafe { &*at.cast::<[u16; BLOCK / 2]>() };
        total = total.words(block);
        at = at.wrapping_add(BLOCK);
        rest = rest.wrapping_sub(BLOCK);
    }
    for _ in 0..BLOCK / 2 {
        if rest < 2 {
            break;
        }
        if at.wrapping_add(2) > end {
            return None;
        }
        // SAFETY: as above.
        total = total.word(unsafe { *at.cast::<u16>() });
        at = at.wrapping_add(2);
        rest = rest.wrapping_sub(2);
    }
    match rest {
        0 => Some(total),
        1 if at.wrapping_add(1) <= end => {
            // SAFETY: compared with the end just now.
            let last = unsafe { *at };
            Some(total.word(u16::from_ne_bytes([last, 0])))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    struct Pair {
        first: u16,
        second: [u8; 2],
    }

    // SAFETY: two fields of two bytes, no padding, aligned to 2.
    unsafe impl Overlay for Pair {}

    #[repr(align(8))]
    struct Aligned([u8; 256]);

    #[test]
    fn a_header_is_only_there_if_the_frame_holds_all_of_it() {
        let mut bytes = Aligned([7; 256]);
        for length in 0..12 {
            let mut frame = Frame::from_bytes(&mut bytes.0[..length]).unwrap();
            assert_eq!(frame.len(), length);
            assert_eq!(
                frame.overlay::<Pair, 4>().is_some(),
                length >= 8,
                "{length}"
            );
        }
    }

    #[test]
    fn what_is_written_through_a_header_is_in_the_frame() {
        let mut bytes = Aligned([0; 256]);
        let mut frame = Frame::from_bytes(&mut bytes.0[..8]).unwrap();
        let pair = frame.overlay::<Pair, 2>().unwrap();
        pair.first = 0x0102u16.to_be();
        pair.second = [3, 4];
        assert_eq!(bytes.0[..8], [0, 0, 1, 2, 3, 4, 0, 0]);
    }

    #[test]
    fn an_odd_address_is_no_frame() {
        let mut bytes = Aligned([0; 256]);
        assert!(Frame::from_bytes(&mut bytes.0[1..]).is_none());
    }

    #[test]
    fn sums_of_every_length_equal_the_plain_one() {
        let mut bytes = Aligned(core::array::from_fn(|n| (n * 7 + 3) as u8));
        let plain = bytes.0;
        let frame = Frame::from_bytes(&mut bytes.0).unwrap();
        for length in 0..=254 {
            let expected = Sum::default().bytes(&plain[2..2 + length]);
            assert_eq!(
                frame.sum::<2>(length).map(Sum::fold),
                Some(expected.fold()),
                "{length}"
            );
        }
        assert!(frame.sum::<2>(255).is_none());
        assert!(frame.sum::<2>(usize::MAX).is_none());
    }
}
