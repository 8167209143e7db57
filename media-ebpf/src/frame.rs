//! Checked access to a frame's bytes.
//!
//! Headers are overlaid on the frame, so that one comparison with its end makes every
//! field of them accessible: the kernel's verifier accepts an access if it follows a
//! comparison of the same pointer plus a constant with the packet's end. Slices would
//! compare lengths, which it does not understand.
#![allow(unsafe_code)] // The one place where packet memory is read and written.

use core::marker::PhantomData;

use media_common::checksum::Sum;

/// A header that can be overlaid on any bytes.
///
/// # Safety
/// The type is `repr(C, packed)`, or `repr(C)` and made of such types alone, and every bit pattern
/// is a value of it.
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
    /// From `start` up to `end` lies memory that may be read and written and that nobody else
    /// touches during `'a`. In the kernel these are `data` and `data_end` of the context.
    #[inline(always)]
    pub unsafe fn new(start: *mut u8, end: *mut u8) -> Frame<'a> {
        Frame {
            start,
            end,
            bytes: PhantomData,
        }
    }

    /// A frame in ordinary memory.
    pub fn from_bytes(bytes: &'a mut [u8]) -> Frame<'a> {
        let range = bytes.as_mut_ptr_range();
        // SAFETY: the range is that of an exclusively borrowed slice.
        unsafe { Frame::new(range.start, range.end) }
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

    /// The header of that type at offset `AT`, if the frame reaches that far.
    #[inline(always)]
    pub fn overlay<T: Overlay, const AT: usize>(&mut self) -> Option<&mut T> {
        const { assert!(align_of::<T>() == 1) }
        let at = self.start.wrapping_add(AT);
        if at.wrapping_add(size_of::<T>()) > self.end {
            return None;
        }
        // SAFETY: the bytes lie within the frame, which is exclusively borrowed, and `T` is an
        // `Overlay`, which has no alignment.
        Some(unsafe { &mut *at.cast::<T>() })
    }

    /// What lies `further` bytes, 0xfff at most, behind offset `AT`, if the frame reaches that far.
    #[inline(always)]
    pub fn read_behind<T: Overlay + Copy, const AT: usize>(&self, further: usize) -> Option<T> {
        // The verifier (Linux 6.18) wants to know how far a variable offset may reach, and LLVM 22
        // leaves out a mask that follows from a comparison before.
        let further = core::hint::black_box(further) & 0xfff;
        let at = self.start.wrapping_add(further).wrapping_add(AT);
        if at.wrapping_add(size_of::<T>()) > self.end {
            return None;
        }
        // SAFETY: as for `overlay`.
        Some(unsafe { *at.cast::<T>() })
    }

    /// One's complement sum of `length` bytes from offset `AT`; an odd last byte is padded with
    /// zero. `None` if the frame does not reach that far or the length is more than an XDP frame
    /// can have.
    #[inline(always)]
    pub fn sum<const AT: usize>(&self, length: usize) -> Option<Sum> {
        // SAFETY: start and end are this frame's; the sum only reads between them.
        unsafe { sum(self.start.wrapping_add(AT), self.end, length) }
    }
}

/// Not inlined: it would be there for every kind of headers.
///
/// # Safety
/// What lies between `start` and `end` may be read; `start` may lie after `end`.
#[inline(never)]
unsafe fn sum(start: *const u8, end: *const u8, length: usize) -> Option<Sum> {
    if length >= MAX_SUMMED {
        return None;
    }
    let mut total = Sum::default();
    let mut at = start;
    let mut rest = length;
    // Bounded for the verifier, which walks each turn; blocks make it fewer turns.
    for _ in 0..MAX_SUMMED / BLOCK {
        if rest < BLOCK {
            break;
        }
        if at.wrapping_add(BLOCK) > end {
            return None;
        }
        // SAFETY: compared with the end just now.
        let block = unsafe { at.cast::<[u64; BLOCK / 8]>().read_unaligned() };
        for four in block {
            total = total.four(four);
        }
        at = at.wrapping_add(BLOCK);
        rest = rest.wrapping_sub(BLOCK);
    }
    // By a variable offset, so that the verifier takes the ends of all those turns for one: after
    // each it would walk what follows anew (Linux 6.18, "BPF program is too large").
    let mut at = start.wrapping_add(core::hint::black_box(length) & (MAX_SUMMED - BLOCK));
    let mut rest = core::hint::black_box(length) & (BLOCK - 1);
    for _ in 0..BLOCK / 2 {
        if rest < 2 {
            break;
        }
        if at.wrapping_add(2) > end {
            return None;
        }
        // SAFETY: as above.
        total = total.word(unsafe { at.cast::<u16>().read_unaligned() });
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

    #[derive(Clone, Copy)]
    #[repr(C, packed)]
    struct Pair {
        first: u16,
        second: [u8; 2],
    }

    // SAFETY: packed, and any bytes are integers.
    unsafe impl Overlay for Pair {}

    struct Bytes([u8; 256]);

    #[test]
    fn a_header_is_only_there_if_the_frame_holds_all_of_it() {
        let mut bytes = Bytes([7; 256]);
        for length in 0..12 {
            let mut frame = Frame::from_bytes(&mut bytes.0[..length]);
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
        let mut bytes = Bytes([0; 256]);
        let mut frame = Frame::from_bytes(&mut bytes.0[..8]);
        let pair = frame.overlay::<Pair, 2>().unwrap();
        pair.first = 0x0102u16.to_be();
        pair.second = [3, 4];
        assert_eq!(bytes.0[..8], [0, 0, 1, 2, 3, 4, 0, 0]);
    }

    #[test]
    fn what_lies_further_behind_is_read_if_it_is_there() {
        let mut bytes = Bytes(core::array::from_fn(|n| n as u8));
        let frame = Frame::from_bytes(&mut bytes.0[..101]);
        let second = |further| {
            frame
                .read_behind::<Pair, 10>(further)
                .map(|pair| pair.second)
        };
        assert_eq!(second(87), Some([99, 100]));
        assert_eq!(second(88), None);
        assert_eq!(second(0), Some([12, 13]));
    }

    #[test]
    fn sums_of_every_length_equal_the_plain_one() {
        let mut bytes = Bytes(core::array::from_fn(|n| (n * 7 + 3) as u8));
        let plain = bytes.0;
        let frame = Frame::from_bytes(&mut bytes.0);
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
