//! One worker: frames in by its sockets, relayed, frames out by its sockets.
//!
//! ```text
//!   receive frame ─ parse ─ slot by index ─ Flow::relay ─► transmit frame ─ tag ─ headers ─ queue ─ flush
//! ```
//!
//! Per packet: no allocation, no log, no lock but the flow's own.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use media_common::counters::{DropReason, Verdicts};
use media_common::flow::NextHop;
use media_core::relay::frame::{self, MAX_HEADERS, PassReason, UdpFrame};
use media_core::relay::{self, Begun, Lacking, Outcome};

use super::ports::{self, Exits, Port};
use crate::media::shared_hops::HopCache;
use crate::media::slots::{FlowReports, Latched, SharedVerdicts, Slots};
use crate::media::sys::{BATCH, FRAME, Receive, Room};

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
struct Arrived<'p> {
    frame: UdpFrame,
    datagram: &'p [u8],
    /// Of its flow.
    index: u32,
}

/// A packet that is relayed, and lacks its tag and its headers.
struct Leaving {
    room: Room,
    exit: usize,
    /// Bytes of UDP payload, from [`MAX_HEADERS`] on.
    len: usize,
    from: SocketAddr,
    to: SocketAddr,
    dscp: Option<u8>,
    next_hop: NextHop,
    lacking: Lacking,
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
    /// Each step is done for all of them before the next. So what a packet needs next is on its
    /// way into the cache while the others take their step, and tags are computed together.
    /// One flow is locked at a time, and none between the steps: there is no order of locks to
    /// keep. Control may change a flow meanwhile; what was begun under another key is then
    /// checked anew (`media_core::srtp::batch`).
    fn take(&mut self, now_ns: u64, receive: &Receive, group: Range<usize>) {
        let verdicts = &mut self.verdicts;
        let mut arrived = [const { None }; GROUP];
        for (arrived, place) in arrived.iter_mut().zip(group) {
            receive.prefetch(place + AHEAD);
            *arrived = kept(verdicts, Arrived::read(&self.slots, receive.frame(place)));
        }
        for packet in arrived.iter().flatten() {
            self.slots.prefetch_flow(packet.index);
        }
        let mut begun = [const { None }; GROUP];
        for (begun, packet) in begun.iter_mut().zip(&arrived) {
            let result = packet.as_ref().map(|packet| packet.begin(&self.slots));
            *begun = result.and_then(|result| kept(verdicts, result));
        }
        relay::compute_tags(begun.iter_mut().flatten());

        let mut leaving = [const { None }; GROUP];
        for (leaving, packet) in leaving.iter_mut().zip(arrived.iter().zip(&begun)) {
            if let (Some(packet), Some(begun)) = packet {
                let result = self.relay(now_ns, packet, begun);
                *leaving = kept(&mut self.verdicts, result);
            }
        }
        relay::write_tags(leaving.iter_mut().flatten().map(Leaving::payload));
        for (leaving, packet) in leaving.into_iter().zip(&arrived) {
            if let (Some(leaving), Some(packet)) = (leaving, packet) {
                let result = self.queue(leaving, packet);
                let queued = kept(&mut self.verdicts, result);
                self.verdicts.relayed += u64::from(queued.is_some());
            }
        }
    }

    /// Sends what was queued.
    fn flush(&mut self) {
        // They were counted as relayed.
        for _ in 0..self.exits.flush() {
            self.verdicts.relayed = self.verdicts.relayed.wrapping_sub(1);
            self.verdicts.count_drop(DropReason::TransmitFull);
        }
    }

    /// Relays a packet into a frame of the interface that it leaves by; its tag is to be written.
    fn relay(
        &mut self,
        now_ns: u64,
        packet: &Arrived<'_>,
        begun: &Begun<'_>,
    ) -> Result<Leaving, DropReason> {
        let mut guard = self.slots.lock(packet.index).ok_or(DropReason::BadEntry)?;
        let slot = guard.as_mut().ok_or(DropReason::BadEntry)?;

        // The packet is written where it most likely leaves. Room comes first: a packet that
        // is protected and then not sent has used up its index.
        let likely = slot
            .hops
            .iter()
            .next()
            .and_then(|(_, hop)| self.exits.towards(self.hops.get(hop).ifindex));
        let mut room = likely.map(|likely| self.exits.room(likely)).transpose()?;
        let out = match &mut room {
            Some(room) => room.bytes(),
            None => &mut *self.scratch,
        };
        let out = out.get_mut(MAX_HEADERS..).unwrap_or_default();
        let (outcome, lacking) = slot
            .flow
            .relay_begun(now_ns, packet.frame.source, begun, out);
        let (len, from, to, dscp, latched, digit) = match outcome {
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
        let hop = slot.hops.towards(to.ip());
        let generation = slot.flow.generation();
        drop(guard);
        let local = packet.frame.destination;
        if let Some(code) = digit {
            self.reports.digit(local, code);
        }
        if let Some(source) = latched {
            self.reports.latched(Latched {
                local,
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
        let room = match room {
            Some(room) if likely == Some(exit) => room,
            written => self.moved(exit, written, len)?,
        };
        Ok(Leaving {
            room,
            exit,
            len,
            from,
            to,
            dscp,
            next_hop,
            lacking,
        })
    }

    /// The relayed packet in a frame of the interface that it does leave by.
    fn moved(
        &mut self,
        exit: usize,
        written: Option<Room>,
        len: usize,
    ) -> Result<Room, DropReason> {
        let relayed = MAX_HEADERS..MAX_HEADERS + len;
        let mut room = self.exits.room(exit)?;
        let mut written = written;
        let from = match &mut written {
            Some(written) => written.bytes().get(relayed.clone()),
            None => self.scratch.get(relayed.clone()),
        };
        let (Some(from), Some(to)) = (from, room.bytes().get_mut(relayed)) else {
            return Err(DropReason::TooLong);
        };
        to.copy_from_slice(from);
        Ok(room)
    }

    /// Writes the headers around a packet that has its tag, and queues it.
    fn queue(&mut self, leaving: Leaving, packet: &Arrived<'_>) -> Result<(), DropReason> {
        let Leaving {
            mut room,
            exit,
            len,
            from,
            to,
            dscp,
            next_hop,
            ..
        } = leaving;
        let payload = MAX_HEADERS..MAX_HEADERS + len;
        let arrived = &packet.frame;
        let place = frame::emit(room.bytes(), payload, arrived, from, to, dscp, &next_hop)?;
        self.exits.queue(exit, room, place)
    }
}

impl<'p> Arrived<'p> {
    /// What the headers say, and whose packet it is.
    fn read(slots: &Slots, received: &'p [u8]) -> Result<Arrived<'p>, DropReason> {
        let frame = frame::parse(received).map_err(drop_reason)?;
        let index = slots
            .index_of(frame.destination)
            .ok_or(DropReason::BadEntry)?;
        slots.prefetch(index);
        if !frame::has_valid_checksum(received, &frame) {
            return Err(DropReason::Malformed);
        }
        let datagram = received
            .get(frame.payload.clone())
            .ok_or(DropReason::Malformed)?;
        Ok(Arrived {
            frame,
            datagram,
            index,
        })
    }

    fn begin(&self, slots: &Slots) -> Result<Begun<'p>, DropReason> {
        let guard = slots.lock(self.index).ok_or(DropReason::BadEntry)?;
        let slot = guard.as_ref().ok_or(DropReason::BadEntry)?;
        Ok(slot.flow.begin(self.frame.source, self.datagram))
    }
}

impl Leaving {
    /// What the packet's tag is to be written into.
    fn payload(&mut self) -> (&Lacking, &mut [u8]) {
        let payload = MAX_HEADERS..MAX_HEADERS + self.len;
        let bytes = self.room.bytes().get_mut(payload).unwrap_or_default();
        (&self.lacking, bytes)
    }
}

/// The value, or nothing and a drop that is counted.
fn kept<T>(verdicts: &mut Verdicts, result: Result<T, DropReason>) -> Option<T> {
    result
        .inspect_err(|reason| verdicts.count_drop(*reason))
        .ok()
}

/// Nothing that the kernel hands over fails to parse; if it did, it could not go back to the host.
fn drop_reason(_: PassReason) -> DropReason {
    DropReason::Malformed
}
