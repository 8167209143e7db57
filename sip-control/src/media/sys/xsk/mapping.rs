//! Memory that is shared with the kernel.

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

/// A mapping; unmapped when dropped.
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// Zeroed memory of our own, on huge pages where the system gives them: frames are touched
    /// all over, and would miss in the TLB each time.
    pub(super) fn anonymous(len: usize) -> io::Result<Mapping> {
        let flags = MapFlags::PRIVATE;
        // SAFETY: a new mapping at an address that the kernel chooses overlaps nothing.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, Self::ACCESS, flags) }?;
        // SAFETY: advice for the mapping just made; neither changes what the memory holds.
        unsafe {
            // Refused where the kernel has no transparent huge pages: small ones do as well.
            let _ = madvise(start, len, Advice::LinuxHugepage);
            // Before packets come. What is not populated here is by `XDP_UMEM_REG`.
            let _ = madvise(start, len, Advice::LinuxPopulateWrite);
        }
        Mapping::new(start.cast(), len)
    }

    /// `len` bytes of what `fd` has at `offset`.
    pub(super) fn of(fd: BorrowedFd<'_>, len: usize, offset: u64) -> io::Result<Mapping> {
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address that the kernel chooses overlaps nothing.
        let start = unsafe { mmap(ptr::null_mut(), len, Self::ACCESS, flags, fd, offset) }?;
        Mapping::new(start.cast(), len)
    }

    const ACCESS: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

    fn new(start: *mut u8, len: usize) -> io::Result<Mapping> {
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { start, len })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Where `T`s begin at `offset`, if `count` of them fit and are aligned there.
    pub(super) fn at<T>(&self, offset: u64, count: usize) -> io::Result<NonNull<T>> {
        let misplaced = || io::Error::other("the kernel describes a ring that does not fit");
        let offset = usize::try_from(offset).map_err(|_| misplaced())?;
        let end = count
            .checked_mul(size_of::<T>())
            .and_then(|bytes| bytes.checked_add(offset))
            .filter(|end| *end <= self.len);
        if end.is_none() || !offset.is_multiple_of(align_of::<T>()) {
            return Err(misplaced());
        }
        // SAFETY: `offset` is within the mapping, which is one allocation and begins at a page.
        Ok(unsafe { self.start.add(offset) }.cast())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and whoever points into it keeps it (see the users' fields).
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}
