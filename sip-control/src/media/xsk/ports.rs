//! A worker's sockets, by the interface that they are bound to.

use media_common::counters::DropReason;

use crate::media::sys::{Frame, Xsk};

/// A socket and its interface.
pub(super) struct Port {
    pub(super) ifindex: u32,
    pub(super) socket: Xsk,
}

pub(super) struct Ports(pub(super) Vec<Port>);

impl Ports {
    /// Where to send by that interface.
    pub(super) fn towards(&self, ifindex: u32) -> Option<usize> {
        self.0.iter().position(|port| port.ifindex == ifindex)
    }

    /// An empty frame to send there.
    pub(super) fn allocate(&mut self, place: usize) -> Result<Frame, DropReason> {
        let socket = &mut self.0[place].socket;
        if let Some(frame) = socket.allocate() {
            return Ok(frame);
        }
        socket.recycle();
        socket.allocate().ok_or(DropReason::TransmitFull)
    }

    /// Queues a frame of that place; answers how many frames were dropped to make room.
    pub(super) fn queue(&mut self, place: usize, frame: Frame) -> usize {
        let socket = &mut self.0[place].socket;
        match socket.queue(frame) {
            Ok(()) => 0,
            Err(frame) => {
                // The queue holds a batch, and is empty after this.
                let dropped = socket.flush();
                dropped + usize::from(socket.queue(frame).is_err())
            }
        }
    }

    /// Sends everything that is queued; answers how many frames were dropped.
    pub(super) fn flush(&mut self) -> usize {
        self.0.iter_mut().map(|port| port.socket.flush()).sum()
    }

    pub(super) fn recycle(&mut self) {
        for port in &mut self.0 {
            port.socket.recycle();
        }
    }
}
