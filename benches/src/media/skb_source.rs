//! A generator of ordinary packets: AF_PACKET, `sendmmsg`, past the queueing discipline.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trunkline_tests::lab::Namespace;

use super::frames::{self, FRAME, PORT_LOW};
use super::lab::{OUT, index_of};
use super::sys::{self, BATCH};

/// Frames lie at multiples of this in memory.
const STRIDE: usize = 256;

/// Sends RTP of many flows, one after another in an order that is random and stays.
pub struct SkbSource {
    socket: OwnedFd,
    /// A frame of each flow, in the order of sending.
    frames: Vec<u8>,
    ports: Vec<u16>,
    next: usize,
    round: u16,
}

impl SkbSource {
    /// Flows of the first media address, the first at the lowest port.
    pub fn new(source: &Namespace, flows: u16) -> Result<SkbSource> {
        ensure!(
            usize::from(flows).is_multiple_of(4),
            "flows are sent in fours at least"
        );
        let index = index_of(source, OUT)?;
        let socket = source
            .enter(|| sys::packet_source(index))?
            .context("opening a packet socket")?;
        let mut ports: Vec<u16> = (0..flows).map(|flow| PORT_LOW + flow).collect();
        shuffle(&mut ports);
        let mut all = vec![0; ports.len() * STRIDE];
        for (slot, port) in all.chunks_exact_mut(STRIDE).zip(&ports) {
            slot[..FRAME].copy_from_slice(&frames::rtp_frame(0, *port));
        }
        Ok(SkbSource {
            socket,
            frames: all,
            ports,
            next: 0,
            round: 0,
        })
    }

    /// Sends that many packets as fast as it goes; the CPU time of it. On the calling thread,
    /// with everything that the kernel does with the packets before it returns.
    pub fn flat_out(&mut self, packets: u64) -> Result<Duration> {
        let begun = sys::thread_cpu_time();
        let mut left = packets;
        while left > 0 {
            left -= self.send(left.min(BATCH as u64) as usize)? as u64;
        }
        Ok(sys::thread_cpu_time() - begun)
    }

    /// Sends up to that many packets now; how many.
    pub fn send(&mut self, count: usize) -> Result<usize> {
        let count = count.min(self.ports.len() - self.next).min(BATCH);
        let range = self.next..self.next + count;
        let slots = &mut self.frames[range.start * STRIDE..range.end * STRIDE];
        for (slot, port) in slots.chunks_exact_mut(STRIDE).zip(&self.ports[range]) {
            let timestamp = u32::from(self.round) * bench_ebpf::UNITS;
            frames::number(slot, 0, *port, self.round, timestamp);
        }
        let sent =
            sys::send_frames(&self.socket, slots, STRIDE, FRAME).context("sending packets")?;
        self.next += sent;
        if self.next == self.ports.len() {
            self.next = 0;
            self.round = self.round.wrapping_add(1);
        }
        Ok(sent)
    }
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
