//! Generators of ordinary packets: AF_PACKET, `sendmmsg`, past the queueing discipline.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use media_core::srtp::key::MasterKey;
use media_core::srtp::{MAX_TRAILER, SrtpSender};
use trunkline_tests::lab::Namespace;

use super::frames::{self, ENVELOPE, FILL, FRAME, PAYLOAD, Ports, RTP};
use super::lab::{OUT, index_of};
use super::sys::{self, BATCH};

/// Frames lie at multiples of this in memory.
const STRIDE: usize = 256;

/// What sends packets.
pub trait Source: Send {
    /// Sends up to that many packets now, in one system call; how many went.
    fn send(&mut self, count: usize) -> Result<usize>;

    /// Gets that many packets ready, if they have to be.
    fn prepare(&mut self, _packets: u64) -> Result<()> {
        Ok(())
    }
}

/// Sends that many packets as fast as it goes; the CPU time of it. On the calling thread, with
/// everything that the kernel does with the packets before it returns.
pub fn flat_out(source: &mut dyn Source, packets: u64) -> Result<Duration> {
    let begun = sys::thread_cpu_time();
    let mut left = packets;
    while left > 0 {
        left -= source.send(left.min(BATCH as u64) as usize)? as u64;
    }
    Ok(sys::thread_cpu_time() - begun)
}

/// RTP of many flows, one after another in an order that is random and stays. Sequence numbers
/// and timestamps are written as the packets go.
pub struct RtpSource {
    socket: OwnedFd,
    /// A frame of each flow, in the order of sending.
    frames: Vec<u8>,
    flows: Vec<Ports>,
    next: usize,
    round: u16,
    /// The RTP timestamp is the low half of the time of sending in nanoseconds.
    is_timed: bool,
}

impl RtpSource {
    /// Sequence numbers begin with `first`.
    pub fn new(
        source: &Namespace,
        flows: &[Ports],
        first: u16,
        is_timed: bool,
    ) -> Result<RtpSource> {
        let mut flows = flows.to_vec();
        shuffle(&mut flows);
        let mut frames = vec![0; flows.len() * STRIDE];
        for (slot, ports) in frames.chunks_exact_mut(STRIDE).zip(&flows) {
            slot[..FRAME].copy_from_slice(&frames::rtp_frame(0, *ports));
        }
        Ok(RtpSource {
            socket: socket(source)?,
            frames,
            flows,
            next: 0,
            round: first,
            is_timed,
        })
    }
}

impl Source for RtpSource {
    fn send(&mut self, count: usize) -> Result<usize> {
        let count = count.min(self.flows.len() - self.next).min(BATCH);
        let range = self.next..self.next + count;
        let slots = &mut self.frames[range.start * STRIDE..range.end * STRIDE];
        let timestamp = match self.is_timed {
            true => sys::monotonic().as_nanos() as u32,
            false => u32::from(self.round) * bench_ebpf::UNITS,
        };
        for (slot, ports) in slots.chunks_exact_mut(STRIDE).zip(&self.flows[range]) {
            frames::number(slot, 0, *ports, self.round, timestamp);
        }
        let sent =
            sys::send_frames(&self.socket, slots, STRIDE, FRAME).context("sending packets")?;
        self.next += sent;
        if self.next == self.flows.len() {
            self.next = 0;
            self.round = self.round.wrapping_add(1);
        }
        Ok(sent)
    }
}

/// SRTP of many flows, protected before it is sent: the generator's CPU time has no cryptography.
pub struct SrtpSource {
    socket: OwnedFd,
    flows: Vec<(Ports, SrtpSender)>,
    /// Length of each frame, bytes: they are all alike.
    length: usize,
    /// Frames that are ready, in the order of sending.
    frames: Vec<u8>,
    next: usize,
    /// Packets made so far.
    made: u64,
    first: u16,
}

impl SrtpSource {
    /// Sequence numbers begin with `first`.
    pub fn new(
        source: &Namespace,
        flows: Vec<(Ports, MasterKey)>,
        first: u16,
    ) -> Result<SrtpSource> {
        let tag = flows
            .first()
            .map_or(0, |(_, key)| key.suite().rtp_tag_len());
        let mut flows: Vec<_> = flows
            .into_iter()
            .map(|(ports, key)| (ports, SrtpSender::new(key)))
            .collect();
        shuffle(&mut flows);
        Ok(SrtpSource {
            socket: socket(source)?,
            flows,
            length: FRAME + tag,
            frames: Vec::new(),
            next: 0,
            made: 0,
            first,
        })
    }

    fn make(&mut self) -> Result<()> {
        let at = (self.made % self.flows.len() as u64) as usize;
        let round = self
            .first
            .wrapping_add((self.made / self.flows.len() as u64) as u16);
        let mut packet = [FILL; RTP + PAYLOAD];
        packet[..RTP].copy_from_slice(&frames::rtp_header(
            round,
            u32::from(round) * bench_ebpf::UNITS,
        ));
        let mut protected = [0; RTP + PAYLOAD + MAX_TRAILER];
        let (ports, sender) = &mut self.flows[at];
        let length = sender
            .protect(&packet, &mut protected)
            .context("protecting a packet")?;
        ensure!(ENVELOPE + length == self.length, "packets differ in length");
        let begin = self.frames.len();
        frames::append_frame(&mut self.frames, *ports, &protected[..length]);
        self.frames.resize(begin + STRIDE, 0);
        self.made += 1;
        Ok(())
    }
}

impl Source for SrtpSource {
    fn prepare(&mut self, packets: u64) -> Result<()> {
        self.frames.clear();
        self.next = 0;
        (0..packets).try_for_each(|_| self.make())
    }

    fn send(&mut self, count: usize) -> Result<usize> {
        let ready = self.frames.len() / STRIDE;
        ensure!(self.next < ready, "no packet is ready");
        let end = (self.next + count.min(BATCH)).min(ready);
        let slots = &self.frames[self.next * STRIDE..end * STRIDE];
        let sent = sys::send_frames(&self.socket, slots, STRIDE, self.length)
            .context("sending packets")?;
        self.next += sent;
        Ok(sent)
    }
}

fn socket(source: &Namespace) -> Result<OwnedFd> {
    let index = index_of(source, OUT)?;
    source
        .enter(|| sys::packet_source(index))?
        .context("opening a packet socket")
}

/// Fisher and Yates, with a xorshift that always begins alike.
pub fn shuffle<T>(items: &mut [T]) {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for last in (1..items.len()).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        items.swap(last, (random % (last as u64 + 1)) as usize);
    }
}
