//! One worker: frames in by its sockets, relayed, frames out by its sockets.
//!
//! ```text
//!   receive frame ─ parse ─ slot by index ─ Flow::relay ─► transmit frame ─ headers ─ queue ─ flush
//! ```
//!
//! Per packet: no allocation, no log, no lock but the flow's own.

use std::ops::Range;
use std::sync::Arc;

use media_common::counters::{DropReason, Verdicts};
use media_core::relay::Outcome;
use media_core::relay::frame::{self, MAX_HEADERS, PassReason, UdpFrame};

use super::ports::{self, Exits, Port};
use crate::media::shared_hops::HopCache;
use crate::media::slots::{FlowReports, Latched, SharedVerdicts, Slots};
use crate::media::sys::{BATCH, FRAME, Receive};

/// How many packets ahead of the one at hand are fetched into the cache.
const AHEAD: usize = 4;
/// Packets that take each step of their way together.
const GROUP: usize = 16;

pub(super) struct Worker {
    receives: Vec<Receive>,
    relay: Relay,
    shared_verdicts: SharedVerdicts,
}

/// All that a packet needs on its way from a receive frame into a transmit frame.
struct Relay {
    exits: Exits,
    slots: Arc<Slots>,
    hops: HopCache,
    reports: FlowReports,
    /// Since the last batch.
    verdicts: Verdicts,
    /// Takes what is relayed to nowhere: the flow's state moves on all the same.
    scratch: Box<[u8; FRAME]>,
}

/// A packet whose headers are read.
struct Arrived {
    frame: UdpFrame,
    /// Of its flow.
    index: u32,
}

/// What a round has found.
pub(super) struct Round {
    pub(super) packets: usize,
    /// A socket gave as many as a batch may have, and may have more.
    pub(super) is_full: bool,
}

impl Worker {
    pub(super) fn new(
        ports: Vec<Port>,
        slots: Arc<Slots>,
        hops: HopCache,
        reports: FlowReports,
        shared_verdicts: SharedVerdicts,
    ) -> Worker {
        let (receives, exits) = ports::split(ports);
        Worker {
            receives,
            relay: Relay {
                exits,
                slots,
                hops,
                reports,
                verdicts: Verdicts::default(),
                scratch: Box::new([0; FRAME]),
            },
            shared_verdicts,
        }
    }

    /// Relays what has arrived by `now_ns`, at most one batch per socket.
    pub(super) fn relay_round(&mut self, now_ns: u64) -> Round {
        let mut round = Round {
            packets: 0,
            is_full: false,
        };
        self.relay.hops.renew();
        for receive in &mut self.receives {
            let count = receive.receive();
            if count == 0 {
                continue;
            }
            round.packets += count;
            round.is_full |= count == BATCH;
            (0..AHEAD).for_each(|place| receive.prefetch(place));
            for first in (0..count).step_by(GROUP) {
                let group = first..(first + GROUP).min(count);
                self.relay.take(now_ns, receive, group);
            }
            receive.give_back();
        }
        if round.packets > 0 {
            self.relay.flush();
            self.shared_verdicts
                .add(&std::mem::take(&mut self.relay.verdicts));
        }
        round
    }
}

impl Relay {
    /// Relays a group of packets into queues, or counts why not.
    ///
    /// Each step is done for all of them before the next: what a packet needs next is then on
    /// its way into the cache while the others take their step.
    fn take(&mut self, now_ns: u64, receive: &Receive, group: Range<usize>) {
        let mut arrived: [Option<Arrived>; GROUP] = [const { None }; GROUP];
        for (arrived, place) in arrived.iter_mut().zip(group.clone()) {
            receive.prefetch(place + AHEAD);
            match self.arrived(receive.frame(place)) {
                Ok(packet) => {
                    self.slots.prefetch(packet.index);
                    *arrived = Some(packet);
                }
                Err(reason) => self.verdicts.count_drop(reason),
            }
        }
        for packet in arrived.iter().flatten() {
            self.slots.prefetch_flow(packet.index);
        }
        for (packet, place) in arrived.iter().zip(group) {
            let Some(packet) = packet else { continue };
            match self.relay(now_ns, receive.frame(place), packet) {
                Ok(()) => self.verdicts.relayed += 1,
                Err(reason) => self.verdicts.count_drop(reason),
            }
        }
    }

    /// What the headers say, and whose packet it is.
    fn arrived(&self, received: &[u8]) -> Result<Arrived, DropReason> {
        let frame = frame::parse(received).map_err(drop_reason)?;
        let index = self
            .slots
            .index_of(frame.destination)
            .ok_or(DropReason::BadEntry)?;
        if !frame::has_valid_checksum(received, &frame) {
            return Err(DropReason::Malformed);
        }
        Ok(Arrived { frame, index })
    }

    /// Sends what was queued.
    fn flush(&mut self) {
        // They were counted as relayed.
        for _ in 0..self.exits.flush() {
            self.verdicts.relayed = self.verdicts.relayed.wrapping_sub(1);
            self.verdicts.count_drop(DropReason::TransmitFull);
        }
    }

    fn relay(&mut self, now_ns: u64, received: &[u8], packet: &Arrived) -> Result<(), DropReason> {
        let arrived = &packet.frame;
        let datagram = received
            .get(arrived.payload.clone())
            .ok_or(DropReason::Malformed)?;
        let mut guard = self.slots.lock(packet.index).ok_or(DropReason::BadEntry)?;
        let slot = guard.as_mut().ok_or(DropReason::BadEntry)?;

        // The packet is written where it most likely leaves. Room comes first: a packet that
        // is protected and then not sent has used up its index.
        let likely = slot
            .hops()
            .next()
            .and_then(|(_, hop)| self.exits.towards(self.hops.get(hop).ifindex));
        let out = match likely {
            Some(likely) => self.exits.room(likely)?,
            None => &mut *self.scratch,
        };
        let out = out.get_mut(MAX_HEADERS..).unwrap_or_default();
        let (len, from, to, dscp, latched, digit) =
            match slot.flow.relay(now_ns, arrived.source, datagram, out) {
                Outcome::Forward {
                    len,
                    from,
                    to,
                    dscp,
                    latched,
                    digit,
                } => (len, from, to, dscp, latched, digit),
                Outcome::Drop(reason) => return Err(reason),
            };
        let hop = slot
            .hops()
            .find(|(remote, _)| *remote == to.ip())
            .map(|(_, hop)| hop);
        let generation = slot.flow.config().generation;
        drop(guard);
        if let Some(code) = digit {
            self.reports.digit(arrived.destination, code);
        }
        if let Some(source) = latched {
            self.reports.latched(Latched {
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
            .exits
            .towards(next_hop.ifindex)
            .ok_or(DropReason::BadEntry)?;
        if likely != Some(exit) {
            self.move_to(exit, likely, len)?;
        }
        let room = self.exits.room(exit)?;
        let payload = MAX_HEADERS..MAX_HEADERS + len;
        let packet = frame::emit(room, payload, arrived, from, to, dscp, &next_hop)?;
        self.exits.queue(exit, packet)
    }

    /// Brings the relayed packet to a frame of the interface that it does leave by.
    fn move_to(
        &mut self,
        exit: usize,
        written: Option<usize>,
        len: usize,
    ) -> Result<(), DropReason> {
        let relayed = MAX_HEADERS..MAX_HEADERS + len;
        if let Some(written) = written {
            let written = self.exits.room(written)?.get(relayed.clone());
            let kept = self.scratch.get_mut(relayed.clone());
            let (Some(written), Some(kept)) = (written, kept) else {
                return Err(DropReason::TooLong);
            };
            kept.copy_from_slice(written);
        }
        let written = self.scratch.get(relayed.clone());
        let room = self.exits.room(exit)?.get_mut(relayed);
        let (Some(written), Some(room)) = (written, room) else {
            return Err(DropReason::TooLong);
        };
        room.copy_from_slice(written);
        Ok(())
    }
}

/// Nothing that the kernel hands over fails to parse; if it did, it could not go back to the host.
fn drop_reason(_: PassReason) -> DropReason {
    DropReason::Malformed
}
