//! The socket backend: a UDP socket per local port, and the same relay as everywhere.
//!
//! For hosts without XDP and for processes without privileges. Each call belongs to one of
//! a few threads, so that both sockets of a packet are the thread's own.

mod relay;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media_common::counters::Verdicts;
use media_core::flow_plan::PlannedFlow;
use media_core::report::MediaPath;
use media_core::session::CallId;
use rustix::process::Resource;

use super::carrier::{Carrier, FlowTotals, Paths, Place};
use super::error::MediaError;
use super::hops::FlowHops;
use super::limits;
use super::slots::{FlowReports, SharedVerdicts, Slots};
use super::wake::Waker;
use relay::{Command, Relay};

/// More threads than this gain nothing that XDP would not give for less.
const MAX_THREADS: usize = 4;
const NO_THREAD: &str = "every relay thread has ended";
/// How long a port that is used again may take to be closed. A thread that lives takes some
/// microseconds; on a machine with no time for it, as long as the machine takes.
const CLOSING: Duration = Duration::from_millis(500);

pub(super) struct UdpBackend {
    threads: Vec<Thread>,
    thread_verdicts: Vec<SharedVerdicts>,
    slots: Arc<Slots>,
    flows: HashMap<SocketAddr, Open>,
    /// Released, and maybe not closed by their thread yet: nobody can bind them until then.
    closing: HashMap<SocketAddr, Closed>,
}

struct Open {
    index: u32,
    thread: usize,
    closed: Closed,
}

/// Its other end is dropped after the socket.
type Closed = mpsc::Receiver<Infallible>;

struct Thread {
    commands: mpsc::Sender<Command>,
    waker: Waker,
    verdicts: SharedVerdicts,
    join: Option<JoinHandle<()>>,
}

impl UdpBackend {
    pub(super) fn start(
        slots: Arc<Slots>,
        reports: &FlowReports,
    ) -> Result<UdpBackend, MediaError> {
        // The soft limit is meant for programs that use `select`.
        limits::raise(Resource::Nofile, "open files");
        for media in slots
            .layout()
            .addresses
            .iter()
            .take_while(|media| media.address != [0; 16])
        {
            let address = IpAddr::from(media.address).to_canonical();
            UdpSocket::bind((address, 0)).map_err(|source| MediaError::Bind { address, source })?;
        }
        let count =
            std::thread::available_parallelism().map_or(1, |count| count.get().min(MAX_THREADS));
        let threads = (0..count)
            .map(|number| Thread::start(number, &slots, reports))
            .collect::<Result<Vec<_>, _>>()?;
        let thread_verdicts = threads
            .iter()
            .map(|thread| thread.verdicts.clone())
            .collect();
        Ok(UdpBackend {
            threads,
            thread_verdicts,
            slots,
            flows: HashMap::new(),
            closing: HashMap::new(),
        })
    }

    fn open(&mut self, call: CallId, local: SocketAddr, index: u32) -> Result<(), String> {
        if self.threads.is_empty() {
            return Err("the media plane has stopped".to_owned());
        }
        let live: Vec<bool> = self.threads.iter().map(Thread::is_live).collect();
        let thread = thread_of(call, &live).ok_or(NO_THREAD)?;
        if let Some(closed) = self.closing.remove(&local) {
            // Nothing is ever sent: it ends by its end. If not in time, binding tells.
            let _ = closed.recv_timeout(CLOSING);
        }
        let socket = UdpSocket::bind(local).map_err(|error| bind_error(local, &error))?;
        socket
            .set_nonblocking(true)
            .map_err(|error| bind_error(local, &error))?;
        let (open, closed) = mpsc::channel();
        self.threads[thread].send(Command::Open {
            index,
            socket,
            open,
        });
        let open = Open {
            index,
            thread,
            closed,
        };
        self.flows.insert(local, open);
        Ok(())
    }
}

impl Carrier for UdpBackend {
    fn install(&mut self, call: CallId, flow: &PlannedFlow) -> Result<(), String> {
        let index = self
            .slots
            .index_of(flow.local)
            .ok_or_else(|| format!("{} is not one of our media ports", flow.local))?;
        self.slots.install(index, &flow.config, FlowHops::default());
        if let Some(open) = self.flows.get(&flow.local) {
            let relay = self.threads.get(open.thread);
            return match relay.is_some_and(Thread::is_live) {
                true => Ok(()),
                false => Err("the relay thread of this call has ended".to_owned()),
            };
        }
        self.open(call, flow.local, index)
            .inspect_err(|_| self.slots.clear(index))
    }

    /// The socket is bound: what arrives waits in it, and the kernel asks for neighbours.
    fn is_ready(&mut self, _local: SocketAddr) -> bool {
        true
    }

    /// The socket stays until the release: a packet of the other direction may leave by it.
    fn close(&mut self, _local: SocketAddr) {}

    fn release(&mut self, local: SocketAddr) {
        if let Some(open) = self.flows.remove(&local) {
            self.slots.clear(open.index);
            if let Some(thread) = self.threads.get(open.thread) {
                thread.send(Command::Close { index: open.index });
            }
            self.closing.insert(local, open.closed);
        }
    }

    fn totals(&mut self, local: SocketAddr) -> FlowTotals {
        let Some(open) = self.flows.get(&local) else {
            return FlowTotals::default();
        };
        FlowTotals {
            relay: self.slots.stats(open.index),
            ..FlowTotals::default()
        }
    }

    fn heard_ns(&mut self, local: SocketAddr) -> u64 {
        let open = self.flows.get(&local);
        open.map_or(0, |open| self.slots.last_seen_ns(open.index))
    }

    fn place(&self, local: SocketAddr) -> Place {
        Place {
            index: self.slots.index_of(local),
            hops: Vec::new(),
        }
    }

    fn latched(&mut self, local: SocketAddr) -> Option<SocketAddr> {
        self.slots.latched(self.flows.get(&local)?.index)
    }

    fn verdicts(&mut self) -> Verdicts {
        let mut sum = Verdicts::default();
        for thread in &self.thread_verdicts {
            sum.add(&thread.get());
        }
        sum
    }

    fn stop(&mut self) {
        self.threads.clear();
    }

    fn tick(&mut self, _now: Instant) {
        let is_open = Err(mpsc::TryRecvError::Empty);
        self.closing
            .retain(|_, closed| closed.try_recv() == is_open);
        for (number, thread) in self.threads.iter_mut().enumerate() {
            if thread.join.as_ref().is_some_and(JoinHandle::is_finished) {
                thread.join = None;
                tracing::error!(
                    thread = number,
                    "media: a relay thread ended; the packets of its calls are dropped"
                );
            }
        }
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    fn handle_readable(&mut self) {}

    fn paths(&self) -> Paths {
        Paths {
            kernel: MediaPath::Socket,
            relay: MediaPath::Socket,
        }
    }
}

impl Thread {
    fn start(
        number: usize,
        slots: &Arc<Slots>,
        reports: &FlowReports,
    ) -> Result<Thread, MediaError> {
        let system = |action| move |source: io::Error| MediaError::System { action, source };
        let waker = Waker::new().map_err(system("making an event counter"))?;
        let verdicts = SharedVerdicts::default();
        let (commands, inbox) = mpsc::channel();
        let relay = Relay::new(
            inbox,
            waker.clone(),
            Arc::clone(slots),
            reports.clone(),
            verdicts.clone(),
        )
        .map_err(system("making an epoll instance"))?;
        let join = std::thread::Builder::new()
            .name(format!("media-{number}"))
            .spawn(move || relay.run())
            .map_err(system("starting a relay thread"))?;
        Ok(Thread {
            commands,
            waker,
            verdicts,
            join: Some(join),
        })
    }

    fn is_live(&self) -> bool {
        self.join.as_ref().is_some_and(|join| !join.is_finished())
    }

    fn send(&self, command: Command) {
        // Fails if the thread has panicked, which `tick` reports.
        let _ = self.commands.send(command);
        self.waker.wake();
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.send(Command::Stop);
        if let Some(join) = self.join.take()
            && join.join().is_err()
        {
            tracing::error!("media: a relay thread panicked");
        }
    }
}

fn bind_error(local: SocketAddr, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EMFILE) => {
            let limit = limits::hard(Resource::Nofile);
            format!(
                "the limit of open files is reached (RLIMIT_NOFILE is {limit}); each call needs 4"
            )
        }
        Some(libc::ENFILE) => {
            "the system's limit of open files is reached (fs.file-max)".to_owned()
        }
        _ => format!("binding {local}: {error}"),
    }
}

/// The thread of a call: by its number, and of those that live, so that both sockets of a
/// packet are the same thread's. `None` if none lives.
fn thread_of(call: CallId, live: &[bool]) -> Option<usize> {
    let usual = (call.0 % live.len().max(1) as u64) as usize;
    if live.get(usual) == Some(&true) {
        return Some(usual);
    }
    let others: Vec<usize> = (0..live.len()).filter(|thread| live[*thread]).collect();
    let at = call.0.checked_rem(others.len() as u64)? as usize;
    others.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_goes_to_a_thread_that_lives() {
        let threads = |live: &[bool]| -> Vec<_> {
            (0..4).map(|call| thread_of(CallId(call), live)).collect()
        };
        assert_eq!(threads(&[true, true]), [Some(0), Some(1), Some(0), Some(1)]);
        assert_eq!(
            threads(&[true, false, true]),
            [Some(0), Some(2), Some(2), Some(0)]
        );
        assert_eq!(threads(&[false, false]), [None; 4]);
        assert_eq!(threads(&[]), [None; 4]);
    }

    #[test]
    fn a_call_that_finds_no_descriptor_is_told_which_limit_it_was() {
        let local = "127.0.0.1:30000".parse().unwrap();
        let reason = |errno| bind_error(local, &io::Error::from_raw_os_error(errno));
        assert!(reason(libc::EMFILE).contains("RLIMIT_NOFILE"));
        assert!(reason(libc::ENFILE).contains("fs.file-max"));
        assert!(reason(libc::EADDRINUSE).contains("127.0.0.1:30000"));
    }
}
