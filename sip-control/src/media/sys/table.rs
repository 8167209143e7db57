//! The flow table as memory: the maps' values, shared with the kernel.
//!
//! A value is read and written as 64-bit words, each at once and none together with another:
//! the program runs meanwhile.

use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use media_common::flow::{ACTION_NONE, Flow, FlowEntry};
use media_common::quality::{FlowCounters, FlowIncidents};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// An array map with `BPF_F_MMAPABLE`, mapped.
struct Mapped<T> {
    start: NonNull<AtomicU64>,
    values: u32,
    of: PhantomData<T>,
}

// SAFETY: shared memory that is only accessed by atomic operations.
unsafe impl<T> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Mapped<T> {}

impl<T> Mapped<T> {
    const WORDS: usize = size_of::<T>() / size_of::<u64>();

    /// `values` is how many values the map has.
    fn new(map: impl AsFd, values: u32) -> io::Result<Mapped<T>> {
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                Self::bytes(values),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                map,
                0,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapped {
            start,
            values,
            of: PhantomData,
        })
    }

    fn bytes(values: u32) -> usize {
        values as usize * size_of::<T>()
    }

    /// The words of a value; none for an index that the map does not have.
    fn words(&self, index: u32) -> &[AtomicU64] {
        if index >= self.values {
            return &[];
        }
        // SAFETY: the value lies within the mapping, which lives as long as `self`, is aligned to
        // a page and so to words, and holds initialised memory; nobody accesses it otherwise
        // than as atomic words on our side, and the kernel's program is outside of the model.
        unsafe {
            let first = self.start.add(index as usize * Self::WORDS);
            std::slice::from_raw_parts(first.as_ptr(), Self::WORDS)
        }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: this is the whole mapping, made by `new`; no reference into it outlives `self`.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), Self::bytes(self.values)) };
    }
}

/// The flows and their incidents.
pub(in crate::media) struct FlowTable {
    flows: Mapped<Flow>,
    incidents: Mapped<FlowIncidents>,
}

const ENTRY_WORDS: usize = size_of::<FlowEntry>() / size_of::<u64>();
const COUNTER_WORDS: usize = size_of::<FlowCounters>() / size_of::<u64>();
const INCIDENT_WORDS: usize = size_of::<FlowIncidents>() / size_of::<u64>();

const _: () = {
    // What opens and closes a flow is in the first word, and so are flags and next hop.
    assert!(std::mem::offset_of!(FlowEntry, action) < 8);
    assert!(std::mem::offset_of!(Flow, entry) == 0);
    assert!(std::mem::offset_of!(Flow, counters) == ENTRY_WORDS * 8);
};

impl FlowTable {
    /// Both maps have that many `values`.
    pub(in crate::media) fn new(
        flows: impl AsFd,
        incidents: impl AsFd,
        values: u32,
    ) -> io::Result<FlowTable> {
        Ok(FlowTable {
            flows: Mapped::new(flows, values)?,
            incidents: Mapped::new(incidents, values)?,
        })
    }

    /// Writes an entry. The word with the action comes last, and first for one that closes: the
    /// program never sees an open entry whose addresses are not there yet, or not any more.
    pub(in crate::media) fn set_entry(&self, index: u32, entry: FlowEntry) {
        // SAFETY: `repr(C)`, 64 bytes of integers without padding, as media-common asserts.
        let new: [u64; ENTRY_WORDS] = unsafe { std::mem::transmute(entry) };
        let Some((first, rest)) = self.flows.words(index).split_first() else {
            return;
        };
        if entry.action == ACTION_NONE {
            first.store(new[0], Ordering::SeqCst);
        }
        for (word, value) in rest.iter().zip(&new[1..]) {
            word.store(*value, Ordering::Relaxed);
        }
        first.store(new[0], Ordering::SeqCst);
    }

    /// Zeros, if there is no such flow.
    pub(in crate::media) fn counters(&self, index: u32) -> FlowCounters {
        let mut words = [0u64; COUNTER_WORDS];
        let shared = self.flows.words(index).iter().skip(ENTRY_WORDS);
        for (word, shared) in words.iter_mut().zip(shared) {
            *word = shared.load(Ordering::Relaxed);
        }
        // SAFETY: `repr(C)`, 64 bytes of integers: every bit pattern is a value.
        unsafe { std::mem::transmute(words) }
    }

    /// Zeros, if there is no such flow.
    pub(in crate::media) fn incidents(&self, index: u32) -> FlowIncidents {
        let mut words = [0u64; INCIDENT_WORDS];
        for (word, shared) in words.iter_mut().zip(self.incidents.words(index)) {
            *word = shared.load(Ordering::Relaxed);
        }
        // SAFETY: as for counters.
        unsafe { std::mem::transmute(words) }
    }

    /// Sets what is counted to zero: for a flow that is closed.
    pub(in crate::media) fn clear(&self, index: u32) {
        let counters = self.flows.words(index).iter().skip(ENTRY_WORDS);
        for word in counters.chain(self.incidents.words(index)) {
            word.store(0, Ordering::Relaxed);
        }
    }
}
