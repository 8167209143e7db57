//! A worker's sockets: a side that receives and a side that sends, by interface.

use std::ops::Range;

use media_common::counters::DropReason;

use crate::media::sys::{Receive, Room, Transmit};

/// A bound socket.
pub(super) struct Port {
    pub(super) ifindex: u32,
    pub(super) receive: Receive,
    pub(super) transmit: Transmit,
}

/// The sides that send.
pub(super) struct Exits(Vec<Exit>);

struct Exit {
    ifindex: u32,
    transmit: Transmit,
    /// Something is queued that the kernel has not taken.
    is_queued: bool,
}

/// Parts the sockets.
pub(super) fn split(ports: Vec<Port>) -> (Vec<Receive>, Exits) {
    let (receives, exits) = ports
        .into_iter()
        .map(|port| {
            let exit = Exit {
                ifindex: port.ifindex,
                transmit: port.transmit,
                is_queued: false,
            };
            (port.receive, exit)
        })
        .unzip();
    (receives, Exits(exits))
}

impl Exits {
    /// Where to send by that interface.
    #[inline]
    pub(super) fn towards(&self, ifindex: u32) -> Option<usize> {
        self.0.iter().position(|exit| exit.ifindex == ifindex)
    }

    /// An empty frame to send there.
    #[inline]
    pub(super) fn room(&mut self, exit: usize) -> Result<Room, DropReason> {
        let exit = self.0.get_mut(exit).ok_or(DropReason::BadEntry)?;
        exit.transmit.room().ok_or(DropReason::TransmitFull)
    }

    /// Queues what lies at `packet` in a frame of that exit.
    #[inline]
    pub(super) fn queue(
        &mut self,
        exit: usize,
        room: Room,
        packet: Range<usize>,
    ) -> Result<(), DropReason> {
        let exit = self.0.get_mut(exit).ok_or(DropReason::BadEntry)?;
        if !exit.transmit.commit(room, packet) {
            return Err(DropReason::TooLong);
        }
        exit.is_queued = true;
        Ok(())
    }

    /// Sends everything that is queued; answers how many packets the kernel dropped.
    pub(super) fn flush(&mut self) -> usize {
        let queued = self.0.iter_mut().filter(|exit| exit.is_queued);
        queued
            .map(|exit| {
                let dropped = exit.transmit.flush();
                exit.is_queued = exit.transmit.is_pending();
                dropped
            })
            .sum()
    }
}
