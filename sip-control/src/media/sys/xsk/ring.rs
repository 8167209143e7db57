//! The rings between an AF_XDP socket and the kernel (`net/xdp/xsk_queue.h`): one side
//! produces, the other consumes, each writes its own index.

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::net::xdp::{XdpRingFlags, XdpRingOffset};

use super::mapping::Mapping;

/// A ring that we put entries into.
pub(super) struct Producer<T: Copy> {
    ring: Ring<T>,
    /// Where the next entry goes; the kernel sees it after [`Producer::publish`].
    next: u32,
}

/// A ring that we take entries from.
pub(super) struct Consumer<T: Copy> {
    ring: Ring<T>,
    /// The first entry that we have not given back.
    next: u32,
}

struct Ring<T> {
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: Option<NonNull<AtomicU32>>,
    entries: NonNull<T>,
    /// A power of two.
    size: u32,
    _mapping: Mapping,
}

impl<T: Copy> Producer<T> {
    /// # Safety
    /// `offset` and `place` are those that `fd` says for a ring of `size` entries of type `T`,
    /// which the kernel consumes.
    pub(super) unsafe fn map(
        fd: BorrowedFd<'_>,
        size: u32,
        place: u64,
        offset: &XdpRingOffset,
    ) -> io::Result<Producer<T>> {
        let ring = Ring::map(fd, size, place, offset)?;
        let next = ring.producer().load(Ordering::Relaxed);
        Ok(Producer { ring, next })
    }

    /// Entries that the kernel has not taken yet, published or not.
    #[inline]
    pub(super) fn pending(&self) -> u32 {
        self.next
            .wrapping_sub(self.ring.consumer().load(Ordering::Acquire))
    }

    /// Puts an entry in; `false` if the ring is full.
    #[inline]
    pub(super) fn push(&mut self, entry: T) -> bool {
        if self.pending() >= self.ring.size {
            return false;
        }
        // SAFETY: masked, so within the ring; the kernel has consumed what was there (just
        // compared, with Acquire) and reads it again only after `publish`.
        unsafe { self.ring.at(self.next).write(entry) };
        self.next = self.next.wrapping_add(1);
        true
    }

    /// Shows the kernel what was put in.
    #[inline]
    pub(super) fn publish(&self) {
        self.ring.producer().store(self.next, Ordering::Release);
    }

    /// Whether the kernel looks at the ring only after a system call.
    #[inline]
    pub(super) fn needs_wakeup(&self) -> bool {
        let needs = |flags: u32| {
            XdpRingFlags::from_bits_retain(flags).contains(XdpRingFlags::XDP_RING_NEED_WAKEUP)
        };
        // Before Linux 5.4 there are no flags, and it always does.
        self.ring.flags().is_none_or(needs)
    }
}

impl<T: Copy> Consumer<T> {
    /// # Safety
    /// `offset` and `place` are those that `fd` says for a ring of `size` entries of type `T`,
    /// which the kernel produces.
    pub(super) unsafe fn map(
        fd: BorrowedFd<'_>,
        size: u32,
        place: u64,
        offset: &XdpRingOffset,
    ) -> io::Result<Consumer<T>> {
        let ring = Ring::map(fd, size, place, offset)?;
        let next = ring.consumer().load(Ordering::Relaxed);
        Ok(Consumer { ring, next })
    }

    /// Entries that wait for us.
    #[inline]
    pub(super) fn available(&self) -> u32 {
        let produced = self.ring.producer().load(Ordering::Acquire);
        produced.wrapping_sub(self.next).min(self.ring.size)
    }

    /// The entry that is `place` after the first; for places below [`Consumer::available`].
    #[inline]
    pub(super) fn get(&self, place: u32) -> T {
        // SAFETY: masked, so within the ring; entries are plain data of any value, and the
        // kernel does not write to one before it was given back.
        unsafe { self.ring.at(self.next.wrapping_add(place)).read() }
    }

    /// Gives the first `count` entries back.
    #[inline]
    pub(super) fn release(&mut self, count: u32) {
        self.next = self.next.wrapping_add(count);
        self.ring.consumer().store(self.next, Ordering::Release);
    }
}

impl<T> Ring<T> {
    fn map(
        fd: BorrowedFd<'_>,
        size: u32,
        place: u64,
        offset: &XdpRingOffset,
    ) -> io::Result<Ring<T>> {
        debug_assert!(size.is_power_of_two());
        let end = offset.desc + u64::from(size) * size_of::<T>() as u64;
        let len = usize::try_from(end).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mapping = Mapping::of(fd, len, place)?;
        Ok(Ring {
            producer: mapping.at(offset.producer, 1)?,
            consumer: mapping.at(offset.consumer, 1)?,
            flags: offset.flags.map(|at| mapping.at(at, 1)).transpose()?,
            entries: mapping.at(offset.desc, size as usize)?,
            size,
            _mapping: mapping,
        })
    }

    #[inline]
    fn producer(&self) -> &AtomicU32 {
        // SAFETY: in the mapping, aligned (`Mapping::at`), and used by both sides as atomic.
        unsafe { self.producer.as_ref() }
    }

    #[inline]
    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as for the producer's index.
        unsafe { self.consumer.as_ref() }
    }

    #[inline]
    fn flags(&self) -> Option<u32> {
        // SAFETY: as for the producer's index.
        self.flags
            .map(|flags| unsafe { flags.as_ref() }.load(Ordering::Relaxed))
    }

    /// The entry of an index that counts on for ever.
    #[inline]
    fn at(&self, index: u32) -> NonNull<T> {
        // SAFETY: masked by the size, which `Mapping::at` has checked to fit.
        unsafe { self.entries.add((index & (self.size - 1)) as usize) }
    }
}
