//! A relay thread: waits for its sockets, and relays from one to another.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, mpsc};

use media_common::counters::{DropReason, Verdicts};
use media_core::relay::Outcome;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::net::sockopt::{set_ip_tos, set_ipv6_tclass};

use crate::media::monotonic;
use crate::media::slots::{FlowReports, Latched, SharedVerdicts, Slots};
use crate::media::wake::Waker;

/// The longest datagram that is relayed, bytes; IPv6's longest over Ethernet and then some.
const LONGEST: usize = 2048;
/// Datagrams that one socket may have relayed before the next has its turn.
const TURN: usize = 16;
/// Sockets that one wait reports at most.
const READY: usize = 256;
/// Stands for the waker among the flow indices.
const WAKER: u64 = u64::MAX;

/// What control tells the thread.
pub(super) enum Command {
    Open { index: u32, socket: UdpSocket },
    Close { index: u32 },
    Stop,
}

pub(super) struct Relay {
    commands: mpsc::Receiver<Command>,
    waker: Waker,
    epoll: OwnedFd,
    sockets: HashMap<u32, Socket>,
    slots: Arc<Slots>,
    reports: FlowReports,
    shared_verdicts: SharedVerdicts,
    verdicts: Verdicts,
    received: Box<[u8; LONGEST]>,
    transmit: Box<[u8; LONGEST]>,
}

struct Socket {
    socket: UdpSocket,
    /// As it is set now; 0 is what a new socket has.
    dscp: u8,
}

impl Relay {
    pub(super) fn new(
        commands: mpsc::Receiver<Command>,
        waker: Waker,
        slots: Arc<Slots>,
        reports: FlowReports,
        shared_verdicts: SharedVerdicts,
    ) -> io::Result<Relay> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &waker,
            epoll::EventData::new_u64(WAKER),
            epoll::EventFlags::IN,
        )?;
        Ok(Relay {
            commands,
            waker,
            epoll,
            sockets: HashMap::new(),
            slots,
            reports,
            shared_verdicts,
            verdicts: Verdicts::default(),
            received: Box::new([0; LONGEST]),
            transmit: Box::new([0; LONGEST]),
        })
    }

    pub(super) fn run(mut self) {
        let mut ready = [const { MaybeUninit::uninit() }; READY];
        loop {
            // The only errors are EINTR and those of a wrong call.
            let Ok((events, _)) = epoll::wait(&self.epoll, &mut ready, None) else {
                continue;
            };
            let now_ns = monotonic::now_ns();
            let mut was_woken = false;
            for event in events {
                match u32::try_from(event.data.u64()) {
                    Ok(index) => self.relay_turn(now_ns, index),
                    Err(_) => was_woken = true,
                }
            }
            self.shared_verdicts
                .add(&std::mem::take(&mut self.verdicts));
            if was_woken && !self.obey() {
                return;
            }
        }
    }

    /// Does what control says; `false` at the end.
    fn obey(&mut self) -> bool {
        self.waker.clear();
        loop {
            match self.commands.try_recv() {
                Ok(Command::Open { index, socket }) => self.open(index, socket),
                // Closing a socket takes it out of the epoll instance too.
                Ok(Command::Close { index }) => drop(self.sockets.remove(&index)),
                Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return false,
                Err(mpsc::TryRecvError::Empty) => return true,
            }
        }
    }

    fn open(&mut self, index: u32, socket: UdpSocket) {
        let data = epoll::EventData::new_u64(u64::from(index));
        match epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN) {
            Ok(()) => drop(self.sockets.insert(index, Socket { socket, dscp: 0 })),
            Err(error) => {
                tracing::error!(%error, "media: a socket cannot be polled; its packets are dropped");
            }
        }
    }

    /// Relays what has arrived at one socket, up to a turn.
    fn relay_turn(&mut self, now_ns: u64, index: u32) {
        for _ in 0..TURN {
            let Some(arrived_at) = self.sockets.get(&index) else {
                return;
            };
            match arrived_at.socket.recv_from(&mut *self.received) {
                Ok((len, source)) => match self.relay(now_ns, index, source, len) {
                    Ok(()) => self.verdicts.relayed += 1,
                    Err(reason) => self.verdicts.count_drop(reason),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error for something that was sent: the next receive has the next packet.
                Err(_) => {}
            }
        }
    }

    fn relay(
        &mut self,
        now_ns: u64,
        index: u32,
        source: SocketAddr,
        len: usize,
    ) -> Result<(), DropReason> {
        // A datagram that fills the buffer may have been cut.
        let datagram = self
            .received
            .get(..len)
            .filter(|_| len < LONGEST)
            .ok_or(DropReason::TooLong)?;
        let (outcome, generation) = {
            let mut guard = self.slots.lock(index).ok_or(DropReason::BadEntry)?;
            let slot = guard.as_mut().ok_or(DropReason::NoPeer)?;
            let outcome = slot
                .flow
                .relay(now_ns, source, datagram, &mut *self.transmit);
            (outcome, slot.flow.config().generation)
        };
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
        if (latched.is_some() || digit.is_some())
            && let Some(local) = self.slots.local_of(index)
        {
            if let Some(source) = latched {
                self.reports.latched(Latched {
                    local,
                    source,
                    generation,
                });
            }
            if let Some(code) = digit {
                self.reports.digit(local, code);
            }
        }
        let exit = self
            .slots
            .index_of(from)
            .and_then(|index| self.sockets.get_mut(&index));
        let exit = exit.ok_or(DropReason::BadEntry)?;
        if let Some(dscp) = dscp {
            exit.mark(dscp);
        }
        let packet = self.transmit.get(..len).ok_or(DropReason::TooLong)?;
        send(&exit.socket, packet, to)
    }
}

impl Socket {
    /// Sets the DSCP of what is sent; one more system call only when it changes.
    fn mark(&mut self, dscp: u8) {
        if self.dscp == dscp {
            return;
        }
        let traffic_class = dscp << 2;
        let is_ipv6 = self.socket.local_addr().is_ok_and(|local| local.is_ipv6());
        let set = if is_ipv6 {
            set_ipv6_tclass(&self.socket, u32::from(traffic_class))
        } else {
            set_ip_tos(&self.socket, traffic_class)
        };
        if set.is_ok() {
            self.dscp = dscp;
        }
    }
}

fn send(socket: &UdpSocket, packet: &[u8], to: SocketAddr) -> Result<(), DropReason> {
    match socket.send_to(packet, to) {
        Ok(_) => Ok(()),
        // An ICMP error for an earlier packet (RFC 1122 section 4.1.3.3): it has been read now.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => socket
            .send_to(packet, to)
            .map(drop)
            .map_err(|error| send_error(&error)),
        Err(error) => Err(send_error(&error)),
    }
}

fn send_error(error: &io::Error) -> DropReason {
    match error.raw_os_error() {
        Some(libc::EMSGSIZE) => DropReason::TooLong,
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EINVAL) => {
            DropReason::NextHop
        }
        _ => DropReason::TransmitFull,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::{ip_tos, ipv6_tclass};

    #[test]
    fn dscp_is_set_on_sockets_of_both_families() {
        for (address, is_ipv6) in [("127.0.0.1:0", false), ("[::1]:0", true)] {
            let mut socket = Socket {
                socket: UdpSocket::bind(address).unwrap(),
                dscp: 0,
            };
            socket.mark(46);
            let traffic_class = if is_ipv6 {
                ipv6_tclass(&socket.socket).unwrap()
            } else {
                u32::from(ip_tos(&socket.socket).unwrap())
            };
            assert_eq!((traffic_class, socket.dscp), (46 << 2, 46));
        }
    }
}
