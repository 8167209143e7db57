//! An AF_XDP socket with its own UMEM, as a side that receives and a side that sends.
//!
//! ```text
//!   Receive:   fill ring ─► kernel ─► receive ring ─► frame(n) ─► give_back: fill ring
//!   Transmit:  Room ─► commit: transmit ring ─► flush: kernel ─► completion ring ─► Room
//! ```
//!
//! Each side has frames of its own. The receive side gives a batch back before it takes the
//! next, and has as many frames as the fill ring has entries: the kernel always has all of
//! them but the batch at hand, whatever becomes of the packets.

mod mapping;
mod ring;

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::io::Errno;
use rustix::net::sockopt::{
    self, set_xdp_rx_ring_size, set_xdp_tx_ring_size, set_xdp_umem_completion_ring_size,
    set_xdp_umem_fill_ring_size, set_xdp_umem_reg, xdp_mmap_offsets,
};
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, XDP_PGOFF_RX_RING, XDP_PGOFF_TX_RING,
    XDP_UMEM_PGOFF_COMPLETION_RING, XDP_UMEM_PGOFF_FILL_RING, XdpDesc, XdpDescOptions,
    XdpOptionsFlags, XdpUmemReg, XdpUmemRegFlags,
};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

use super::cache::prefetch;
use mapping::Mapping;
use ring::{Consumer, Producer};

/// Frames of the receive side: at 100,000 packets/s what arrives in 40 ms, should something
/// else have the worker's CPU for so long.
const RECEIVE_FRAMES: u32 = 4096;
/// Frames of the side that sends. In copy mode they are back when [`Transmit::flush`] is.
const TRANSMIT_FRAMES: u32 = 2048;
/// Bytes of a frame; the kernel leaves the first 256 of a received one free
/// (`XDP_PACKET_HEADROOM`).
pub(in crate::media) const FRAME: usize = 2048;
/// Frames that [`Receive::receive`] gives at most.
pub(in crate::media) const BATCH: usize = 64;
/// Bytes at the beginning of a packet that [`Receive::prefetch`] fetches: headers and voice.
const PREFETCHED: usize = 256;

/// The side that receives. Stays on the thread that made it.
pub(in crate::media) struct Receive {
    ring: Consumer<XdpDesc>,
    fill: Producer<u64>,
    /// Frames that were taken and not given back.
    taken: u32,
    shared: Rc<Shared>,
}

/// The side that sends. Stays on the thread that made it.
pub(in crate::media) struct Transmit {
    ring: Producer<XdpDesc>,
    completion: Consumer<u64>,
    shared: Rc<Shared>,
}

/// An empty frame of the side that sends. Dropped, it is there for another packet.
pub(in crate::media) struct Room {
    /// `None` when it is given away.
    address: Option<u64>,
    shared: Rc<Shared>,
}

/// What both sides need. The socket is closed before its memory is unmapped.
struct Shared {
    fd: OwnedFd,
    umem: Mapping,
    /// Frames to send in that nobody has: the last one back is the first to be used again,
    /// while it is in the cache.
    free: RefCell<Vec<u64>>,
}

/// Why a socket is not bound.
#[derive(Debug)]
pub(in crate::media) enum BindError {
    /// The queue has a socket, or had one until a moment ago.
    Busy,
    /// The process may not lock as much memory as the UMEM has (RLIMIT_MEMLOCK).
    LockedMemory,
    Refused(io::Error),
}

/// Binds a socket to `queue` of the interface; `copy` forbids zero-copy.
pub(in crate::media) fn open(
    ifindex: u32,
    queue: u32,
    copy: bool,
) -> Result<(Receive, Transmit), BindError> {
    let flags = SocketFlags::CLOEXEC;
    let fd = socket_with(AddressFamily::XDP, SocketType::RAW, flags, None)
        .map_err(refused("making the socket"))?;
    let frames = (RECEIVE_FRAMES + TRANSMIT_FRAMES) as usize;
    let umem = Mapping::anonymous(frames * FRAME).map_err(BindError::Refused)?;
    register(&fd, &umem)?;
    let free = (RECEIVE_FRAMES..RECEIVE_FRAMES + TRANSMIT_FRAMES).rev();
    let free = RefCell::new(free.map(address_of).collect());
    let shared = Rc::new(Shared { fd, umem, free });
    let (receive, transmit) = sides(&shared).map_err(BindError::Refused)?;
    let mut flags = SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP;
    if copy {
        flags |= SocketAddrXdpFlags::XDP_COPY;
    }
    bind(&shared.fd, &SocketAddrXdp::new(flags, ifindex, queue)).map_err(|error| match error {
        Errno::BUSY => BindError::Busy,
        error => refused("binding")(error),
    })?;
    Ok((receive, transmit))
}

/// Gives the kernel the memory, and has it make the rings.
fn register(fd: &OwnedFd, umem: &Mapping) -> Result<(), BindError> {
    let region = XdpUmemReg {
        addr: umem.start().as_ptr() as u64,
        len: umem.len() as u64,
        chunk_size: FRAME as u32,
        headroom: 0,
        flags: XdpUmemRegFlags::empty(),
        tx_metadata_len: 0,
    };
    set_xdp_umem_reg(fd, region).map_err(|error| match error {
        // What `xdp_umem_account_pages` answers (net/xdp/xdp_umem.c).
        Errno::NOBUFS => BindError::LockedMemory,
        error => refused("registering memory")(error),
    })?;
    set_xdp_umem_fill_ring_size(fd, RECEIVE_FRAMES).map_err(refused("making a ring"))?;
    set_xdp_umem_completion_ring_size(fd, TRANSMIT_FRAMES).map_err(refused("making a ring"))?;
    set_xdp_rx_ring_size(fd, RECEIVE_FRAMES).map_err(refused("making a ring"))?;
    set_xdp_tx_ring_size(fd, TRANSMIT_FRAMES).map_err(refused("making a ring"))
}

/// Maps the rings of a registered socket, and fills the fill ring.
fn sides(shared: &Rc<Shared>) -> io::Result<(Receive, Transmit)> {
    let fd = shared.fd.as_fd();
    let offsets = xdp_mmap_offsets(fd)?;
    // SAFETY: sizes as registered, offsets and places as the kernel says them; descriptors are
    // of receive and transmit rings, addresses of fill and completion rings (linux/if_xdp.h).
    let (received, mut fill, ring, completion) = unsafe {
        (
            Consumer::map(fd, RECEIVE_FRAMES, XDP_PGOFF_RX_RING, &offsets.rx)?,
            Producer::map(fd, RECEIVE_FRAMES, XDP_UMEM_PGOFF_FILL_RING, &offsets.fr)?,
            Producer::map(fd, TRANSMIT_FRAMES, XDP_PGOFF_TX_RING, &offsets.tx)?,
            Consumer::map(
                fd,
                TRANSMIT_FRAMES,
                XDP_UMEM_PGOFF_COMPLETION_RING,
                &offsets.cr,
            )?,
        )
    };
    for frame in 0..RECEIVE_FRAMES {
        fill.push(address_of(frame));
    }
    fill.publish();
    let receive = Receive {
        ring: received,
        fill,
        taken: 0,
        shared: Rc::clone(shared),
    };
    let transmit = Transmit {
        ring,
        completion,
        shared: Rc::clone(shared),
    };
    Ok((receive, transmit))
}

impl Receive {
    pub(in crate::media) fn fd(&self) -> BorrowedFd<'_> {
        self.shared.fd.as_fd()
    }

    /// Whether the driver reads and writes our memory itself.
    pub(in crate::media) fn is_zero_copy(&self) -> bool {
        sockopt::xdp_options(self.fd())
            .is_ok_and(|options| options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY))
    }

    /// Takes what has arrived, at most [`BATCH`]; how many frames there now are. Those of the
    /// batch before go back first.
    #[inline]
    pub(in crate::media) fn receive(&mut self) -> usize {
        self.give_back();
        self.taken = self.ring.available().min(BATCH as u32);
        self.taken as usize
    }

    /// What frame `place` of the batch holds; empty if there is no such frame.
    #[inline]
    pub(in crate::media) fn frame(&self, place: usize) -> &[u8] {
        let Some(frame) = self.place_of(place) else {
            return &[];
        };
        // SAFETY: within the UMEM. The kernel has given the frame to us (it was in the receive
        // ring) and writes to it again only after `give_back`, which takes `&mut self`.
        unsafe {
            std::slice::from_raw_parts(
                self.shared.umem.start().as_ptr().add(frame.start),
                frame.len(),
            )
        }
    }

    /// Has the beginning of frame `place` fetched into the cache: another CPU wrote it.
    #[inline]
    pub(in crate::media) fn prefetch(&self, place: usize) {
        if let Some(frame) = self.place_of(place) {
            let len = PREFETCHED.min(frame.len());
            prefetch(
                self.shared.umem.start().as_ptr().wrapping_add(frame.start),
                len,
            );
        }
    }

    /// Gives the kernel the frames of the batch back.
    pub(in crate::media) fn give_back(&mut self) {
        if self.taken == 0 {
            return;
        }
        for place in 0..self.taken {
            // There are as many entries as frames: the ring has room.
            self.fill
                .push(self.ring.get(place).addr & !(FRAME as u64 - 1));
        }
        self.fill.publish();
        self.ring.release(self.taken);
        self.taken = 0;
        if self.fill.needs_wakeup() {
            // A driver that found no frames has stopped looking. EAGAIN is the usual answer.
            let _ = recv(&self.shared.fd, &mut [0u8; 0][..], RecvFlags::DONTWAIT);
        }
    }

    #[inline]
    fn place_of(&self, place: usize) -> Option<Range<usize>> {
        let place = u32::try_from(place).ok().filter(|at| *at < self.taken)?;
        let entry = self.ring.get(place);
        let start = usize::try_from(entry.addr).ok()?;
        let end = start.checked_add(entry.len as usize)?;
        (end <= RECEIVE_FRAMES as usize * FRAME).then_some(start..end)
    }
}

impl Transmit {
    /// An empty frame, for [`Transmit::commit`]; `None` while all are on their way.
    #[inline]
    pub(in crate::media) fn room(&mut self) -> Option<Room> {
        let free = self.shared.free.borrow_mut().pop();
        let address = free.or_else(|| {
            self.reclaim();
            self.shared.free.borrow_mut().pop()
        })?;
        Some(Room {
            address: Some(address),
            shared: Rc::clone(&self.shared),
        })
    }

    /// Queues what `packet` has of a frame of this socket, for [`Transmit::flush`]. `false` if it
    /// does not fit.
    #[inline]
    pub(in crate::media) fn commit(&mut self, mut room: Room, packet: Range<usize>) -> bool {
        if packet.is_empty() || packet.end > FRAME || !Rc::ptr_eq(&self.shared, &room.shared) {
            return false;
        }
        let Some(address) = room.address else {
            return false;
        };
        // There are as many entries as frames: the ring has room.
        let is_queued = self.ring.push(XdpDesc {
            addr: address + packet.start as u64,
            len: packet.len() as u32,
            options: XdpDescOptions::empty(),
        });
        if is_queued {
            room.address = None;
        }
        is_queued
    }

    /// Has the kernel send what is queued; answers how many packets it dropped.
    ///
    /// In copy mode the kernel sends only when called, some dozen packets a time. It is called
    /// again while it gets on: what a full or dead interface leaves waits for the next flush.
    pub(in crate::media) fn flush(&mut self) -> usize {
        self.ring.publish();
        let mut dropped = 0;
        // Each call takes a packet or is the last one.
        let mut pending = self.ring.pending();
        while pending > 0 && self.ring.needs_wakeup() {
            // Another error is none: EAGAIN says that the budget for one call is used up, or that
            // there is no room. What EBUSY stands for is one packet that was dropped behind the
            // interface (`NET_XMIT_DROP`), whose queue is full.
            if let Err(Errno::BUSY) = send(&self.shared.fd, &[], SendFlags::DONTWAIT) {
                dropped += 1;
            }
            let left = self.ring.pending();
            if left >= pending {
                break;
            }
            pending = left;
        }
        self.reclaim();
        dropped
    }

    /// Whether packets are queued that the kernel has not taken.
    pub(in crate::media) fn is_pending(&self) -> bool {
        self.ring.pending() > 0
    }

    /// Takes back the frames that were sent.
    fn reclaim(&mut self) {
        let count = self.completion.available();
        if count == 0 {
            return;
        }
        let mut free = self.shared.free.borrow_mut();
        for place in 0..count {
            free.push(self.completion.get(place) & !(FRAME as u64 - 1));
        }
        self.completion.release(count);
    }
}

impl Room {
    #[inline]
    pub(in crate::media) fn bytes(&mut self) -> &mut [u8] {
        let start = self
            .address
            .and_then(|address| usize::try_from(address).ok());
        let Some(start) = start.filter(|start| start + FRAME <= self.shared.umem.len()) else {
            return &mut [];
        };
        // SAFETY: within the UMEM. An address is in the free list once or in one `Room`, or else
        // with the kernel, and never that of a frame to receive in: the borrow of `self` is the
        // only one of these bytes.
        unsafe {
            std::slice::from_raw_parts_mut(self.shared.umem.start().as_ptr().add(start), FRAME)
        }
    }
}

impl Drop for Room {
    #[inline]
    fn drop(&mut self) {
        if let Some(address) = self.address.take() {
            self.shared.free.borrow_mut().push(address);
        }
    }
}

fn address_of(frame: u32) -> u64 {
    u64::from(frame) * FRAME as u64
}

fn refused(what: &'static str) -> impl Fn(Errno) -> BindError {
    move |error| {
        let error = io::Error::from(error);
        BindError::Refused(io::Error::new(error.kind(), format!("{what}: {error}")))
    }
}
