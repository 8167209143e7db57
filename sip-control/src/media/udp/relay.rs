//! A relay thread: waits for its sockets, and relays from one to another.
//!
//! ```text
//!   epoll ─ recvmmsg ─ Flow::relay ─► queue ─ sendmmsg by the other leg's socket
//! ```
//!
//! Per packet: no allocation, no log, no lock but the flow's own.

use std::convert::Infallible;
use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};

use media_common::counters::{DropReason, Verdicts};
use media_core::relay::Outcome;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::net::sockopt::{set_ip_tos, set_ip_ttl, set_ipv6_tclass, set_ipv6_unicast_hops};
use rustix::thread::set_current_timer_slack;

use crate::media::monotonic;
use crate::media::pace::{Pace, Rest};
use crate::media::slots::{FlowReports, Latched, SharedVerdicts, Slots};
use crate::media::sys::{Datagrams, LONGEST, Marks, Outgoing, TURN, report_marks, send};
use crate::media::wake::Waker;

/// Sockets that one wait reports at most.
const READY: usize = 256;
/// Stands for the waker among the flow indices.
const WAKER: u64 = u64::MAX;
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// What control tells the thread.
pub(super) enum Command {
    /// `open` is dropped when the socket has been closed.
    Open {
        index: u32,
        socket: UdpSocket,
        open: mpsc::Sender<Infallible>,
    },
    Close {
        index: u32,
    },
    Stop,
}

pub(super) struct Relay {
    commands: mpsc::Receiver<Command>,
    waker: Waker,
    epoll: OwnedFd,
    /// By flow index.
    sockets: Vec<Option<Socket>>,
    slots: Arc<Slots>,
    reports: FlowReports,
    shared_verdicts: SharedVerdicts,
    verdicts: Verdicts,
    /// Counts the times that sockets were looked at.
    round: u32,
    received: Datagrams,
    queued: Queue,
}

struct Socket {
    socket: UdpSocket,
    is_ipv6: bool,
    /// As they are set now.
    marks: Option<Marks>,
    /// When it last had a packet.
    last_round: u32,
    /// Tells that the socket is closed: fields are dropped in their order.
    _open: mpsc::Sender<Infallible>,
}

/// The packets of a turn that are to be sent.
struct Queue {
    bytes: Box<[[u8; LONGEST]]>,
    packets: Vec<Queued>,
}

struct Queued {
    /// Flow index of the socket that it leaves by.
    exit: u32,
    len: usize,
    to: SocketAddr,
    marks: Marks,
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
            sockets: std::iter::repeat_with(|| None)
                .take(slots.len() as usize)
                .collect(),
            slots,
            reports,
            shared_verdicts,
            verdicts: Verdicts::default(),
            round: 1,
            received: Datagrams::new(),
            queued: Queue {
                bytes: vec![[0; LONGEST]; TURN].into(),
                packets: Vec::with_capacity(TURN),
            },
        })
    }

    pub(super) fn run(mut self) {
        // It sleeps for fractions of a millisecond; the default would add 50 microseconds to each.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        let mut ready = [const { MaybeUninit::uninit() }; READY];
        let mut pace = Pace::default();
        let mut timeout = None;
        loop {
            // The only errors are EINTR and those of a wrong call.
            let Ok((events, _)) = epoll::wait(&self.epoll, &mut ready, timeout.as_ref()) else {
                continue;
            };
            let now_ns = monotonic::now_ns();
            let (mut was_woken, mut packets) = (false, 0);
            let mut is_full = events.len() == READY;
            self.round = self.round.wrapping_add(1);
            for event in events {
                match u32::try_from(event.data.u64()) {
                    Ok(index) => {
                        let count = self.relay_turn(now_ns, index);
                        packets += count;
                        is_full |= count == TURN;
                    }
                    Err(_) => was_woken = true,
                }
            }
            if packets > 0 {
                self.shared_verdicts
                    .add(&std::mem::take(&mut self.verdicts));
            }
            if was_woken && !self.obey() {
                return;
            }
            timeout = match pace.after(packets, is_full, now_ns) {
                Rest::None => Some(AT_ONCE),
                Rest::Gather(time) => {
                    std::thread::sleep(time);
                    Some(AT_ONCE)
                }
                Rest::UntilPacket => None,
            };
        }
    }

    /// Does what control says; `false` at the end.
    fn obey(&mut self) -> bool {
        self.waker.clear();
        loop {
            match self.commands.try_recv() {
                Ok(Command::Open {
                    index,
                    socket,
                    open,
                }) => self.open(index, socket, open),
                // Closing a socket takes it out of the epoll instance too.
                Ok(Command::Close { index }) => {
                    if let Some(place) = self.sockets.get_mut(index as usize) {
                        *place = None;
                    }
                }
                Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return false,
                Err(mpsc::TryRecvError::Empty) => return true,
            }
        }
    }

    fn open(&mut self, index: u32, socket: UdpSocket, open: mpsc::Sender<Infallible>) {
        let is_ipv6 = socket.local_addr().is_ok_and(|local| local.is_ipv6());
        if let Err(error) = report_marks(&socket, is_ipv6) {
            tracing::warn!(%error, "media: a socket does not tell TTL and DSCP; they are lost");
        }
        let data = epoll::EventData::new_u64(u64::from(index));
        let polled = epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN);
        let place = self.sockets.get_mut(index as usize);
        match (polled, place) {
            (Ok(()), Some(place)) => *place = Some(Socket::new(socket, is_ipv6, open)),
            (Ok(()), None) => {}
            (Err(error), _) => {
                tracing::error!(%error, "media: a socket cannot be polled; its packets are dropped");
            }
        }
    }

    /// Relays what has arrived at one socket, up to a turn; how many packets that were.
    ///
    /// Most sockets have one packet at a time, and to ask for more costs as much as half of
    /// another. One that had some in the last round too is asked for all it has.
    fn relay_turn(&mut self, now_ns: u64, index: u32) -> usize {
        let Some(Some(socket)) = self.sockets.get_mut(index as usize) else {
            return 0;
        };
        let is_busy = self.round.wrapping_sub(socket.last_round) <= 1;
        socket.last_round = self.round;
        let limit = if is_busy { TURN } else { 1 };
        // An error is for something that was sent (ICMP), or there is nothing: what else there
        // is, the next wait reports again.
        let count = self
            .received
            .receive(socket.socket.as_fd(), limit)
            .unwrap_or(0);
        for at in 0..count {
            if let Err(reason) = self.relay(now_ns, index, at) {
                self.verdicts.count_drop(reason);
            }
        }
        self.send_queued();
        count
    }

    /// Relays one received packet into the queue.
    fn relay(&mut self, now_ns: u64, index: u32, at: usize) -> Result<(), DropReason> {
        let (datagram, source, arrived) = self.received.get(at).ok_or(DropReason::TooLong)?;
        let place = self.queued.packets.len();
        let out = self
            .queued
            .bytes
            .get_mut(place)
            .ok_or(DropReason::TransmitFull)?;
        let (outcome, generation) = {
            let mut guard = self.slots.lock(index).ok_or(DropReason::BadEntry)?;
            let slot = guard.as_mut().ok_or(DropReason::NoPeer)?;
            let outcome = slot.flow.relay(now_ns, source, datagram, out);
            (outcome, slot.flow.generation())
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
        let exit = self.slots.index_of(from).ok_or(DropReason::BadEntry)?;
        let marks = arrived.leaving(dscp)?;
        self.queued.packets.push(Queued {
            exit,
            len,
            to,
            marks,
        });
        Ok(())
    }

    /// Sends the packets of a turn: those that leave alike in one system call.
    fn send_queued(&mut self) {
        let Queue { bytes, packets } = &self.queued;
        let alike = packets.chunk_by(|a, b| (a.exit, a.marks) == (b.exit, b.marks));
        let mut place = 0;
        for run in alike {
            let mut outgoing = [Outgoing {
                bytes: &[],
                to: run[0].to,
            }; TURN];
            for (out, packet) in outgoing.iter_mut().zip(run) {
                *out = Outgoing {
                    bytes: bytes
                        .get(place)
                        .and_then(|bytes| bytes.get(..packet.len))
                        .unwrap_or_default(),
                    to: packet.to,
                };
                place += 1;
            }
            let exit = self.sockets.get_mut(run[0].exit as usize);
            match exit.and_then(Option::as_mut) {
                Some(exit) => {
                    exit.mark(run[0].marks);
                    send_all(&exit.socket, &outgoing[..run.len()], &mut self.verdicts);
                }
                None => run
                    .iter()
                    .for_each(|_| self.verdicts.count_drop(DropReason::BadEntry)),
            }
        }
        self.queued.packets.clear();
    }
}

impl Marks {
    /// What leaves for what has arrived, as a worker's `frame::emit` has it: one hop less; the
    /// DSCP as it came unless `dscp` sets one; ECN as it came.
    fn leaving(self, dscp: Option<u8>) -> Result<Marks, DropReason> {
        if self.hop_limit <= 1 {
            return Err(DropReason::HopLimit);
        }
        let traffic_class = match dscp {
            Some(dscp) => dscp << 2 | self.traffic_class & ECN_MASK,
            None => self.traffic_class,
        };
        Ok(Marks {
            hop_limit: self.hop_limit - 1,
            traffic_class,
        })
    }
}

impl Socket {
    fn new(socket: UdpSocket, is_ipv6: bool, open: mpsc::Sender<Infallible>) -> Socket {
        Socket {
            socket,
            is_ipv6,
            marks: None,
            last_round: 0,
            _open: open,
        }
    }

    /// Sets TTL and traffic class of what is sent; system calls only when they change, which
    /// in the middle of a stream they hardly do.
    fn mark(&mut self, marks: Marks) {
        if self.marks == Some(marks) {
            return;
        }
        let set = if self.is_ipv6 {
            set_ipv6_unicast_hops(&self.socket, Some(marks.hop_limit))
                .and_then(|()| set_ipv6_tclass(&self.socket, u32::from(marks.traffic_class)))
        } else {
            set_ip_ttl(&self.socket, u32::from(marks.hop_limit))
                .and_then(|()| set_ip_tos(&self.socket, marks.traffic_class))
        };
        // A packet with other marks is better than none; the next one tries again.
        self.marks = set.is_ok().then_some(marks);
    }
}

/// Sends in order; what fails is counted and does not keep back what follows.
fn send_all(socket: &UdpSocket, packets: &[Outgoing<'_>], verdicts: &mut Verdicts) {
    let mut rest = packets;
    let mut is_retry = false;
    while let [_, others @ ..] = rest {
        match send(socket.as_fd(), rest) {
            Ok(sent) => {
                verdicts.relayed += sent as u64;
                rest = rest.get(sent.max(1)..).unwrap_or_default();
                is_retry = false;
            }
            // An ICMP error for an earlier packet (RFC 1122 section 4.1.3.3): it has been read now.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !is_retry => {
                is_retry = true;
            }
            Err(error) => {
                verdicts.count_drop(send_error(&error));
                rest = others;
                is_retry = false;
            }
        }
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

const ECN_MASK: u8 = 0x03;

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::{ip_tos, ip_ttl, ipv6_tclass, ipv6_unicast_hops};

    fn bound(address: &str) -> Socket {
        let socket = UdpSocket::bind(address).unwrap();
        let is_ipv6 = socket.local_addr().unwrap().is_ipv6();
        Socket::new(socket, is_ipv6, mpsc::channel().0)
    }

    #[test]
    fn marks_are_set_on_sockets_of_both_families() {
        let marks = Marks {
            hop_limit: 61,
            traffic_class: 46 << 2 | 1,
        };
        let mut v4 = bound("127.0.0.1:0");
        v4.mark(marks);
        let set = (ip_ttl(&v4.socket).unwrap(), ip_tos(&v4.socket).unwrap());
        assert_eq!(set, (61, 46 << 2 | 1));
        let mut v6 = bound("[::1]:0");
        v6.mark(marks);
        let hops = ipv6_unicast_hops(&v6.socket).unwrap();
        assert_eq!((hops, ipv6_tclass(&v6.socket).unwrap()), (61, 46 << 2 | 1));
    }

    #[test]
    fn a_packet_leaves_with_one_hop_less_and_the_dscp_of_its_flow() {
        let arrived = Marks {
            hop_limit: 64,
            traffic_class: 34 << 2 | 2,
        };
        let left = |hop_limit, traffic_class| Marks {
            hop_limit,
            traffic_class,
        };
        assert_eq!(arrived.leaving(None), Ok(left(63, 34 << 2 | 2)));
        assert_eq!(arrived.leaving(Some(46)), Ok(left(63, 46 << 2 | 2)));
        for hop_limit in [0, 1] {
            let last = Marks {
                hop_limit,
                ..arrived
            };
            assert_eq!(last.leaving(None), Err(DropReason::HopLimit));
        }
    }

    #[test]
    fn a_packet_that_cannot_be_sent_does_not_keep_back_the_next() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        let too_long = vec![0; 70_000];
        let packets = [b"first".as_slice(), &too_long, b"last"].map(|bytes| Outgoing { bytes, to });
        let mut verdicts = Verdicts::default();
        send_all(&socket, &packets, &mut verdicts);
        assert_eq!((verdicts.relayed, verdicts.drop_too_long), (2, 1));
        let mut buffer = [0; 16];
        for expected in [b"first".as_slice(), b"last"] {
            let len = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], expected);
        }
    }
}
