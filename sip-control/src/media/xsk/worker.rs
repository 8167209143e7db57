//! One worker: frames in by its sockets, relayed, frames out by its sockets.
//!
//! ```text
//!   receive frame ─ parse ─ slot by index ─ Flow::relay ─► transmit frame ─ headers ─ queue ─ flush
//! ```
//!
//! Per packet: no allocation, no log, no lock but the flow's own.

use std::sync::Arc;
use std::time::Instant;

use media_common::counters::{DropReason, Verdicts};
use media_core::relay::Outcome;
use media_core::relay::frame::{self, MAX_HEADERS, PassReason};

use super::ports::{Port, Ports};
use crate::media::shared_hops::HopCache;
use crate::media::slots::{LatchReports, Latched, SharedVerdicts, Slots};
use crate::media::sys::Frame;

/// As long as a frame of a UMEM, bytes.
const FRAME: usize = 2048;

pub(super) struct Worker {
    ports: Ports,
    slots: Arc<Slots>,
    hops: HopCache,
    latches: LatchReports,
    shared_verdicts: SharedVerdicts,
    /// Since the last batch.
    verdicts: Verdicts,
    /// Takes what is relayed to nowhere: the flow's state moves on all the same.
    scratch: Box<[u8]>,
}

impl Worker {
    pub(super) fn new(
        ports: Vec<Port>,
        slots: Arc<Slots>,
        hops: HopCache,
        latches: LatchReports,
        shared_verdicts: SharedVerdicts,
    ) -> Worker {
        let scratch = vec![0; FRAME].into();
        Worker {
            ports: Ports(ports),
            slots,
            hops,
            latches,
            shared_verdicts,
            verdicts: Verdicts::default(),
            scratch,
        }
    }

    /// Relays what has arrived, at most one batch per socket. `false` if there was nothing.
    pub(super) fn relay_batch(&mut self) -> bool {
        self.hops.renew();
        let mut has_worked = false;
        for place in 0..self.ports.0.len() {
            if self.ports.0[place].socket.receive() == 0 {
                continue;
            }
            has_worked = true;
            let now = Instant::now();
            while let Some(received) = self.ports.0[place].socket.pop() {
                match self.relay(now, &received) {
                    Ok(dropped) => {
                        self.verdicts.relayed += 1;
                        self.take_back(dropped);
                    }
                    Err(reason) => self.verdicts.count_drop(reason),
                }
            }
            let dropped = self.ports.flush();
            self.take_back(dropped);
        }
        self.ports.recycle();
        if has_worked {
            self.shared_verdicts
                .add(&std::mem::take(&mut self.verdicts));
        }
        has_worked
    }

    /// Relays one packet into a queue; answers how many queued frames were dropped for it.
    fn relay(&mut self, now: Instant, received: &Frame) -> Result<usize, DropReason> {
        let arrived = frame::parse(received.bytes()).map_err(drop_reason)?;
        let index = self
            .slots
            .index_of(arrived.destination)
            .ok_or(DropReason::BadEntry)?;
        if !frame::has_valid_checksum(received.bytes(), &arrived) {
            return Err(DropReason::Malformed);
        }
        let datagram = received
            .bytes()
            .get(arrived.payload.clone())
            .ok_or(DropReason::Malformed)?;
        let mut guard = self.slots.lock(index).ok_or(DropReason::BadEntry)?;
        let slot = guard.as_mut().ok_or(DropReason::BadEntry)?;

        // The packet is written where it most likely leaves. Room comes first: a packet that
        // is protected and then not sent has used up its index.
        let likely = slot
            .hops
            .first()
            .and_then(|(_, hop)| self.ports.towards(self.hops.get(*hop).ifindex));
        let mut transmit = likely.map(|place| self.ports.allocate(place)).transpose()?;
        let out = match &mut transmit {
            Some(transmit) => transmit.whole().get_mut(MAX_HEADERS..).unwrap_or_default(),
            None => &mut self.scratch,
        };
        let (len, from, to, dscp, latched) =
            match slot.flow.relay(now, arrived.source, datagram, out) {
                Outcome::Forward {
                    len,
                    from,
                    to,
                    dscp,
                    latched,
                } => (len, from, to, dscp, latched),
                Outcome::Drop(reason) => return Err(reason),
            };
        let hop = slot
            .hops
            .iter()
            .find(|(remote, _)| *remote == to.ip())
            .map(|(_, hop)| *hop);
        let generation = slot.flow.config().generation;
        drop(guard);
        if let Some(source) = latched {
            self.latches.send(Latched {
                local: arrived.destination,
                source,
                generation,
            });
        }

        let next_hop = hop
            .map(|hop| self.hops.get(hop))
            .filter(|hop| hop.ifindex != 0)
            .ok_or(DropReason::NextHop)?;
        let exit = self
            .ports
            .towards(next_hop.ifindex)
            .ok_or(DropReason::BadEntry)?;
        let mut transmit = match transmit {
            Some(transmit) if likely == Some(exit) => transmit,
            other => self.moved(exit, other, len)?,
        };
        let payload = MAX_HEADERS..MAX_HEADERS + len;
        let range = frame::emit(
            transmit.whole(),
            payload,
            &arrived,
            from,
            to,
            dscp,
            &next_hop,
        )?;
        if !transmit.keep(range) {
            return Err(DropReason::TooLong);
        }
        Ok(self.ports.queue(exit, transmit))
    }

    /// The relayed packet in a frame of the interface that it does leave by.
    fn moved(
        &mut self,
        exit: usize,
        written: Option<Frame>,
        len: usize,
    ) -> Result<Frame, DropReason> {
        let mut transmit = self.ports.allocate(exit)?;
        let to = transmit
            .whole()
            .get_mut(MAX_HEADERS..MAX_HEADERS + len)
            .ok_or(DropReason::TooLong)?;
        match written {
            Some(mut written) => {
                to.copy_from_slice(
                    written
                        .whole()
                        .get(MAX_HEADERS..MAX_HEADERS + len)
                        .ok_or(DropReason::TooLong)?,
                );
            }
            None => to.copy_from_slice(self.scratch.get(..len).ok_or(DropReason::TooLong)?),
        }
        Ok(transmit)
    }

    /// Packets that were counted as relayed and then not sent.
    fn take_back(&mut self, dropped: usize) {
        for _ in 0..dropped {
            self.verdicts.relayed = self.verdicts.relayed.wrapping_sub(1);
            self.verdicts.count_drop(DropReason::TransmitFull);
        }
    }
}

/// Nothing that the kernel hands over fails to parse; if it did, it could not go back to the host.
fn drop_reason(_: PassReason) -> DropReason {
    DropReason::Malformed
}
