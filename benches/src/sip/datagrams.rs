//! A UDP socket of the generator: datagrams gather and go in batches.

use std::io;
use std::net::{SocketAddrV4, UdpSocket};
use std::ops::Range;

use anyhow::{Context as _, Result};

use super::sys::{self, BATCH, STRIDE};
use crate::media::sys::is_stopped;

/// Room for bursts while the generator works on something else.
const BUFFER_BYTES: i32 = 32 << 20;
/// How often a full socket is tried again, some microseconds each.
const PATIENCE: usize = 100_000;

pub struct Datagrams {
    socket: UdpSocket,
    outgoing: Vec<u8>,
    datagrams: Vec<(Range<usize>, SocketAddrV4)>,
    incoming: Vec<u8>,
    received: Vec<(usize, SocketAddrV4)>,
}

impl Datagrams {
    /// A socket that is bound already.
    pub fn new(socket: UdpSocket) -> Result<Datagrams> {
        socket.set_nonblocking(true)?;
        sys::set_buffers(&socket, BUFFER_BYTES).context("enlarging the generator's buffers")?;
        Ok(Datagrams {
            socket,
            outgoing: Vec::with_capacity(BATCH * STRIDE),
            datagrams: Vec::with_capacity(BATCH),
            incoming: vec![0; BATCH * STRIDE],
            received: Vec::with_capacity(BATCH),
        })
    }

    /// Leaves a datagram to be sent.
    pub fn put(&mut self, to: SocketAddrV4, write: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.outgoing.len();
        write(&mut self.outgoing);
        self.datagrams.push((begin..self.outgoing.len(), to));
    }

    /// Sends what was put.
    pub fn flush(&mut self) -> Result<()> {
        let mut at = 0;
        let mut full = 0;
        while at < self.datagrams.len() {
            match sys::send(&self.socket, &self.outgoing, &self.datagrams[at..]) {
                Ok(sent) => at += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && full < PATIENCE => {
                    full += 1;
                    if is_stopped() {
                        break;
                    }
                }
                // What an edge that is gone makes its peers' sockets say.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error).context("the generator cannot send"),
            }
        }
        self.outgoing.clear();
        self.datagrams.clear();
        Ok(())
    }

    /// Receives what waits, up to a batch; how many datagrams.
    pub fn receive(&mut self) -> Result<usize> {
        match sys::receive(&self.socket, &mut self.incoming, &mut self.received) {
            Ok(()) => Ok(self.received.len()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(0),
            Err(error) => Err(error).context("the generator cannot receive"),
        }
    }

    /// How many datagrams the last [`Datagrams::receive`] brought.
    pub fn received(&self) -> usize {
        self.received.len()
    }

    /// Moves a received datagram into `message`; who sent it.
    pub fn take(&self, at: usize, message: &mut Vec<u8>) -> SocketAddrV4 {
        let (length, from) = self.received[at];
        message.clear();
        message.extend_from_slice(&self.incoming[at * STRIDE..at * STRIDE + length]);
        from
    }
}
