//! An AF_XDP socket with its own UMEM.
//!
//! ```text
//!             fill ring ─► kernel ─► receive ring ─► Frame ─► dropped: back to the UMEM
//!   UMEM ─► Frame ─► transmit ring ─► kernel ─► completion ring ─► back to the UMEM
//! ```
//!
//! Half of the UMEM's frames are lent to the receive side, the rest is for sending.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::rc::Rc;

use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::net::sockopt::xdp_options;
use rustix::net::xdp::XdpOptionsFlags;
use xdp::nic::NicIndex;
use xdp::slab::{HeapSlab, Slab};
use xdp::socket::{SocketError, XdpSocket, XdpSocketBuilder};
use xdp::umem::{FrameSize, UmemCfgBuilder};
use xdp::{Packet, RingConfigBuilder, Umem, WakableRings};

/// Entries of each ring, and frames lent to each side.
const RING: u32 = 2048;
/// Frames that [`Xsk::receive`] hands out at most, and that wait for [`Xsk::flush`] at most.
pub(in crate::media) const BATCH: usize = 64;
/// The kernel sends at most 32 frames per wake-up in copy mode (`TX_BATCH_SIZE`).
const WAKE_UPS_PER_FLUSH: usize = RING as usize / 32;

/// One AF_XDP socket, bound to a queue of an interface. Stays on the thread that made it.
pub(in crate::media) struct Xsk {
    // Rings and socket go before the memory that they point into.
    rings: WakableRings,
    socket: XdpSocket,
    received: HeapSlab,
    waiting: HeapSlab,
    /// Frames that the receive side is owed.
    owed: usize,
    umem: Rc<RefCell<Umem>>,
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

impl Xsk {
    /// Binds to `queue` of the interface; `copy` forbids zero-copy.
    pub(in crate::media) fn bind(ifindex: u32, queue: u32, copy: bool) -> Result<Xsk, BindError> {
        let umem_config = UmemCfgBuilder {
            frame_size: FrameSize::TwoK,
            frame_count: 2 * RING,
            ..UmemCfgBuilder::default()
        };
        let umem_config = umem_config
            .build()
            .map_err(|error| refused(io::Error::other(error.to_string())))?;
        let mut umem = Umem::map(umem_config).map_err(refused)?;
        let ring_config = RingConfigBuilder {
            rx_count: RING,
            tx_count: RING,
            fill_count: RING,
            completion_count: RING,
        }
        .build()
        .map_err(|error| refused(io::Error::other(error.to_string())))?;
        let mut builder = XdpSocketBuilder::new().map_err(socket_error)?;
        let (mut rings, mut flags) = builder
            .build_wakable_rings(&umem, ring_config)
            .map_err(socket_error)?;
        if copy {
            flags.force_copy();
        }
        // SAFETY: `Xsk` keeps the UMEM until after its socket is closed (field order).
        unsafe { rings.fill_ring.enqueue(&mut umem, RING as usize, false) }.map_err(refused)?;
        let socket = builder
            .bind(NicIndex::new(ifindex), queue, flags)
            .map_err(socket_error)?;
        Ok(Xsk {
            rings,
            socket,
            received: HeapSlab::with_capacity(BATCH),
            waiting: HeapSlab::with_capacity(BATCH),
            owed: 0,
            umem: Rc::new(RefCell::new(umem)),
        })
    }

    /// Whether the driver reads and writes our memory itself.
    pub(in crate::media) fn is_zero_copy(&self) -> bool {
        xdp_options(self.fd())
            .is_ok_and(|options| options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY))
    }

    pub(in crate::media) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as `self.socket`, which the result borrows.
        unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) }
    }

    /// Takes what has arrived, at most [`BATCH`]; how many frames [`Xsk::pop`] then gives.
    pub(in crate::media) fn receive(&mut self) -> usize {
        let Some(ring) = &mut self.rings.rx_ring else {
            return 0;
        };
        // SAFETY: the packets become `Frame`s, each of which keeps the UMEM.
        let count = unsafe { ring.recv(&self.umem.borrow(), &mut self.received) };
        self.owed += count;
        count
    }

    /// The next received frame.
    pub(in crate::media) fn pop(&mut self) -> Option<Frame> {
        let packet = self.received.pop_back()?;
        Some(self.frame(packet))
    }

    /// An empty frame to send; `None` while all are on their way.
    pub(in crate::media) fn allocate(&mut self) -> Option<Frame> {
        // SAFETY: the packet becomes a `Frame`, which keeps the UMEM.
        let packet = unsafe { self.umem.borrow_mut().alloc() }?;
        Some(self.frame(packet))
    }

    /// Queues a frame that this socket allocated, until [`Xsk::flush`]. Gives it back if
    /// [`BATCH`] frames wait already.
    pub(in crate::media) fn queue(&mut self, mut frame: Frame) -> Result<(), Frame> {
        debug_assert!(
            Rc::ptr_eq(&frame.umem, &self.umem),
            "the frame is of another socket's UMEM"
        );
        let Some(packet) = frame.packet.take() else {
            return Ok(());
        };
        match self.waiting.push_front(packet) {
            None => Ok(()),
            Some(packet) => {
                frame.packet = Some(packet);
                Err(frame)
            }
        }
    }

    /// Sends what was queued, with as few wake-ups as the kernel allows. Frames that the
    /// ring has no room for are dropped; answers how many.
    pub(in crate::media) fn flush(&mut self) -> usize {
        if self.waiting.is_empty() {
            return 0;
        }
        if let Some(ring) = &mut self.rings.tx_ring {
            // SAFETY: `Xsk` keeps the UMEM until after its socket is closed (field order).
            // Without a wake-up this makes no system call and cannot fail.
            let _ = unsafe { ring.send(&mut self.waiting, false) };
        }
        let mut dropped = 0;
        while let Some(packet) = self.waiting.pop_back() {
            self.umem.borrow_mut().free_packet(packet);
            dropped += 1;
        }
        self.wake_up();
        dropped
    }

    /// Gives the kernel back its frames and takes the sent ones.
    pub(in crate::media) fn recycle(&mut self) {
        let umem = &mut self.umem.borrow_mut();
        self.rings.completion_ring.dequeue(umem, RING as usize);
        if self.owed > 0 {
            // SAFETY: `Xsk` keeps the UMEM until after its socket is closed (field order).
            // Without a wake-up this makes no system call and cannot fail.
            let filled = unsafe { self.rings.fill_ring.enqueue(umem, self.owed, false) };
            self.owed -= filled.unwrap_or(0);
        }
    }

    /// In copy mode the kernel sends nothing by itself. What one wake-up leaves behind
    /// (EAGAIN) gets another; what fails otherwise waits for the next batch or `poll`.
    fn wake_up(&self) {
        for _ in 0..WAKE_UPS_PER_FLUSH {
            match rustix::net::send(self.fd(), &[], SendFlags::DONTWAIT) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn frame(&self, packet: Packet) -> Frame {
        Frame {
            packet: Some(packet),
            umem: Rc::clone(&self.umem),
        }
    }
}

/// A frame of a UMEM, owned by us: the kernel neither reads nor writes it.
/// Dropped, it returns to its UMEM.
pub(in crate::media) struct Frame {
    packet: Option<Packet>,
    umem: Rc<RefCell<Umem>>,
}

impl Frame {
    /// What the frame holds.
    pub(in crate::media) fn bytes(&self) -> &[u8] {
        self.packet.as_deref().unwrap_or_default()
    }

    /// All of an empty frame's room, for [`Frame::keep`] to cut.
    pub(in crate::media) fn whole(&mut self) -> &mut [u8] {
        let Some(packet) = &mut self.packet else {
            return &mut [];
        };
        let room = packet.capacity() - packet.len();
        if packet.adjust_tail(room as i32).is_err() {
            return &mut [];
        }
        packet
    }

    /// Cuts the frame to `range` of what [`Frame::whole`] gave. `false` if it does not fit.
    pub(in crate::media) fn keep(&mut self, range: std::ops::Range<usize>) -> bool {
        let Some(packet) = &mut self.packet else {
            return false;
        };
        let Some(surplus) = packet.len().checked_sub(range.end) else {
            return false;
        };
        packet.adjust_tail(-(surplus as i32)).is_ok()
            && packet.adjust_head(range.start as i32).is_ok()
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if let Some(packet) = self.packet.take() {
            self.umem.borrow_mut().free_packet(packet);
        }
    }
}

fn refused(error: io::Error) -> BindError {
    BindError::Refused(error)
}

fn socket_error(error: SocketError) -> BindError {
    let (what, error) = match error {
        SocketError::Bind(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            return BindError::Busy;
        }
        // What `xdp_umem_account_pages` answers (net/xdp/xdp_umem.c).
        SocketError::SetSockOpt { inner, .. } if inner.raw_os_error() == Some(libc::ENOBUFS) => {
            return BindError::LockedMemory;
        }
        SocketError::Bind(error) => ("binding", error),
        SocketError::SocketCreation(error) => ("making the socket", error),
        SocketError::SetSockOpt { inner, .. } | SocketError::GetSockOpt { inner, .. } => {
            ("setting an option", inner)
        }
        SocketError::RingMap { inner, .. } => ("mapping a ring", inner),
    };
    BindError::Refused(io::Error::new(error.kind(), format!("{what}: {error}")))
}
