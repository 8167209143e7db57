//! The AF_XDP workers: re-encryption, first packets, whatever the kernel cannot do alone.
//!
//! Worker `w` of `n` owns, on every interface, the sockets of the queues `q` with
//! `q % n == w`, so that a packet that came by one of its queues leaves by another without
//! another thread. `n` is the smallest number of queues that an interface has.

mod ports;
mod worker;

use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::sockopt::xdp_statistics;
use rustix::process::Resource;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity, set_current_timer_slack};

use super::error::MediaError;
use super::limits;
use super::loader::Attached;
use super::monotonic;
use super::pace::{Pace, Rest};
use super::shared_hops::{HopCache, SharedHops};
use super::slots::{FlowReports, SharedVerdicts, Slots};
use super::status::AttachedMode;
use super::sys::{self, BindError};
use super::wake::{self, Waker};
use ports::Port;
use worker::Worker;

/// The kernel gives a queue back some milliseconds after its last socket was closed.
const BUSY_FOR: Duration = Duration::from_secs(1);
const BUSY_RETRY: Duration = Duration::from_millis(10);

/// What the workers run on.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) slots: Arc<Slots>,
    pub(super) hops: Arc<SharedHops>,
    pub(super) reports: FlowReports,
    /// Wakes control, which then looks whether a worker has failed.
    pub(super) control: Waker,
}

/// All workers. Dropped, they stop and their sockets are closed.
pub(super) struct Workers {
    workers: Vec<Handle>,
    /// Packets that the kernel had no frame or no place for, over all sockets.
    lost: u64,
}

/// A socket that a worker has bound.
pub(super) struct BoundSocket {
    /// Where it belongs among the AF_XDP sockets.
    pub(super) slot: u32,
    /// The socket itself: it is closed when the worker's end and this one are.
    pub(super) fd: OwnedFd,
    pub(super) ifindex: u32,
    pub(super) is_zero_copy: bool,
    /// Packets that the kernel had no frame or no place for, as told so far.
    lost: u64,
}

struct Handle {
    thread: Option<JoinHandle<()>>,
    stop: Arc<Stop>,
    verdicts: SharedVerdicts,
    sockets: Vec<BoundSocket>,
}

struct Stop {
    requested: AtomicBool,
    failed: AtomicBool,
    waker: Waker,
}

/// A queue to bind to.
#[derive(Clone)]
struct Place {
    interface: String,
    ifindex: u32,
    queue: u32,
    slot: u32,
    copy: bool,
}

impl Workers {
    /// Starts every worker with its sockets bound; nothing reaches them until control
    /// has put the sockets into the kernel's map.
    pub(super) fn start(
        interfaces: &[Attached],
        cpus: &[usize],
        tables: &Tables,
    ) -> Result<Workers, MediaError> {
        // Without CAP_IPC_LOCK, the sockets' memory counts against it.
        limits::raise(Resource::Memlock, "locked memory");
        let count = interfaces
            .iter()
            .map(|interface| interface.queues)
            .min()
            .unwrap_or(0);
        let cpus = if cpus.is_empty() {
            own_cpus()
        } else {
            cpus.to_vec()
        };
        let mut workers = Workers {
            workers: Vec::new(),
            lost: 0,
        };
        for number in 0..count {
            let places = places(interfaces, number, count);
            let cpu = (!cpus.is_empty()).then(|| cpus[number as usize % cpus.len()]);
            let worker_tables = tables.clone();
            let work = move |stop: &Stop, verdicts, ready: &Ready| {
                run(&places, cpu, worker_tables, stop, verdicts, ready);
            };
            workers
                .workers
                .push(Handle::start(number, tables.control.clone(), work)?);
        }
        Ok(workers)
    }

    /// Ends the threads and closes the sockets.
    pub(super) fn stop(&mut self) {
        self.workers.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.workers.len()
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = &BoundSocket> {
        self.workers.iter().flat_map(|worker| &worker.sockets)
    }

    /// The sockets of workers that have ended in a panic since the last call.
    pub(super) fn take_failed(&mut self) -> Vec<BoundSocket> {
        self.workers
            .iter_mut()
            .flat_map(Handle::take_failed)
            .collect()
    }

    /// Whether a worker has ended in a panic: packets of its queues are dropped.
    pub(super) fn has_failed(&self) -> bool {
        let failed = |worker: &Handle| worker.stop.failed.load(Ordering::Acquire);
        self.workers.iter().any(failed)
    }

    /// Packets lost between the program, which has counted them as handed over, and workers,
    /// by the last [`Workers::report_losses`].
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Counts, and says, what the kernel could not give to a worker that is too slow.
    pub(super) fn report_losses(&mut self) {
        for socket in self
            .workers
            .iter_mut()
            .flat_map(|worker| &mut worker.sockets)
        {
            let Ok(statistics) = xdp_statistics(&socket.fd) else {
                continue;
            };
            // What an empty fill ring costs is part of the first when the kernel copies; a
            // driver that does not never had those packets, nor had the program.
            let lost = statistics.rx_dropped + statistics.rx_ring_full.unwrap_or(0);
            if lost > socket.lost {
                let packets = lost - socket.lost;
                tracing::warn!(
                    ifindex = socket.ifindex,
                    packets,
                    "media: a worker is too slow; packets were lost"
                );
                socket.lost = lost;
                self.lost += packets;
            }
        }
    }

    pub(super) fn verdicts(&self) -> impl Iterator<Item = SharedVerdicts> {
        self.workers.iter().map(|worker| worker.verdicts.clone())
    }
}

/// How a worker says that its sockets are bound, or why not.
type Ready = mpsc::Sender<Result<Vec<BoundSocket>, MediaError>>;

impl Handle {
    /// Starts a thread with `work` and waits until it is ready. Should it panic later,
    /// `control` is woken to see that [`Stop::failed`].
    fn start(
        number: u32,
        control: Waker,
        work: impl FnOnce(&Stop, SharedVerdicts, &Ready) + Send + 'static,
    ) -> Result<Handle, MediaError> {
        let system = |action| move |source| MediaError::System { action, source };
        let waker = Waker::new().map_err(system("making an event counter"))?;
        let stop = Arc::new(Stop {
            requested: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            waker,
        });
        let verdicts = SharedVerdicts::default();
        let (ready, started) = mpsc::channel();
        let guarded = {
            let (stop, verdicts) = (Arc::clone(&stop), verdicts.clone());
            move || {
                if catch_unwind(AssertUnwindSafe(|| work(&stop, verdicts, &ready))).is_err() {
                    tracing::error!(
                        worker = number,
                        "media: a worker panicked; the packets of its queues are dropped"
                    );
                    stop.failed.store(true, Ordering::Release);
                    control.wake();
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name(format!("media-{number}"))
            .spawn(guarded)
            .map_err(system("starting a worker"))?;
        // From here on the thread is stopped if something fails.
        let mut handle = Handle {
            thread: Some(thread),
            stop,
            verdicts,
            sockets: Vec::new(),
        };
        handle.sockets = match started.recv() {
            Ok(sockets) => sockets?,
            Err(_) => {
                return Err(MediaError::Load(
                    "a worker panicked at its start".to_owned(),
                ));
            }
        };
        Ok(handle)
    }

    /// The sockets, once, if the thread has ended in a panic.
    fn take_failed(&mut self) -> Vec<BoundSocket> {
        if self.stop.failed.load(Ordering::Acquire) {
            std::mem::take(&mut self.sockets)
        } else {
            Vec::new()
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.requested.store(true, Ordering::Release);
        self.stop.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A panic in it has been caught and told.
            let _ = thread.join();
        }
    }
}

/// The worker's thread: binds, says so, relays.
fn run(
    places: &[Place],
    cpu: Option<usize>,
    tables: Tables,
    stop: &Stop,
    verdicts: SharedVerdicts,
    ready: &Ready,
) {
    if let Some(cpu) = cpu
        && let Err(error) = pin_to(cpu)
    {
        tracing::warn!(cpu, %error, "media: a worker could not be pinned to its CPU");
    }
    // It sleeps for fractions of a millisecond; the default would add 50 microseconds to each.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    let ports = match places.iter().map(bind).collect::<Result<Vec<_>, _>>() {
        Ok(ports) => ports,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let (bound, polled) = match bound_sockets(&ports, places) {
        Ok(sockets) => sockets,
        Err(source) => {
            return drop(ready.send(Err(MediaError::System {
                action: "sharing a socket",
                source,
            })));
        }
    };
    if ready.send(Ok(bound)).is_err() {
        return;
    }
    let mut worker = Worker::new(
        ports,
        tables.slots,
        HopCache::new(tables.hops),
        tables.reports,
        verdicts,
    );
    let mut wakers: Vec<_> = polled.iter().map(|fd| wake::readable(fd.as_fd())).collect();
    wakers.push(wake::readable(stop.waker.as_fd()));
    let mut pace = Pace::default();
    while !stop.requested.load(Ordering::Acquire) {
        let now_ns = monotonic::now_ns();
        let round = worker.relay_round(now_ns);
        match pace.after(round.packets, round.is_full, now_ns) {
            Rest::None => {}
            Rest::Gather(time) => std::thread::sleep(time),
            Rest::UntilPacket => wake::sleep(&mut wakers, None),
        }
    }
}

/// Each socket as control holds it, and once more for the worker to sleep on.
fn bound_sockets(
    ports: &[Port],
    places: &[Place],
) -> std::io::Result<(Vec<BoundSocket>, Vec<OwnedFd>)> {
    let mut bound = Vec::with_capacity(ports.len());
    let mut polled = Vec::with_capacity(ports.len());
    for (port, place) in ports.iter().zip(places) {
        bound.push(BoundSocket {
            slot: place.slot,
            fd: port.receive.fd().try_clone_to_owned()?,
            ifindex: place.ifindex,
            is_zero_copy: port.receive.is_zero_copy(),
            lost: 0,
        });
        polled.push(port.receive.fd().try_clone_to_owned()?);
    }
    Ok((bound, polled))
}

/// Binds, with patience for a queue that was in use a moment ago.
fn bind(place: &Place) -> Result<Port, MediaError> {
    let begun = Instant::now();
    let detail = loop {
        match sys::open_xsk(place.ifindex, place.queue, place.copy) {
            Ok((receive, transmit)) => {
                return Ok(Port {
                    ifindex: place.ifindex,
                    receive,
                    transmit,
                });
            }
            Err(BindError::Busy) if begun.elapsed() < BUSY_FOR => std::thread::sleep(BUSY_RETRY),
            Err(BindError::Busy) => break "the queue has another AF_XDP socket".to_owned(),
            Err(BindError::Refused(error))
                if error.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                let action = format!("opening an AF_XDP socket on {}", place.interface);
                return Err(MediaError::MissingCapability {
                    capability: "CAP_NET_RAW",
                    action,
                });
            }
            Err(BindError::LockedMemory) => {
                let action = format!(
                    "locking memory for {} (RLIMIT_MEMLOCK is {} bytes; or raise LimitMEMLOCK)",
                    place.interface,
                    limits::hard(Resource::Memlock)
                );
                return Err(MediaError::MissingCapability {
                    capability: "CAP_IPC_LOCK",
                    action,
                });
            }
            Err(BindError::Refused(error)) => break error.to_string(),
        }
    };
    Err(MediaError::Xsk {
        interface: place.interface.clone(),
        queue: place.queue,
        detail,
    })
}

fn places(interfaces: &[Attached], worker: u32, workers: u32) -> Vec<Place> {
    let queues = |interface: &Attached| (worker..interface.queues).step_by(workers as usize);
    let place = |interface: &Attached, queue| Place {
        interface: interface.name.clone(),
        ifindex: interface.ifindex,
        queue,
        slot: interface.first_slot + queue,
        // A generic program hands over packets of the network stack, never the driver's.
        copy: interface.mode == AttachedMode::Generic,
    };
    interfaces
        .iter()
        .flat_map(|interface| queues(interface).map(move |queue| place(interface, queue)))
        .collect()
}

fn own_cpus() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU)
        .filter(|cpu| set.is_set(*cpu))
        .collect()
}

fn pin_to(cpu: usize) -> rustix::io::Result<()> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(rustix::io::Errno::INVAL);
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, ifindex: u32, queues: u32, first_slot: u32) -> Attached {
        Attached {
            name: name.to_owned(),
            ifindex,
            queues,
            mode: AttachedMode::Native,
            first_slot,
        }
    }

    fn a_socket() -> BoundSocket {
        let fd = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into();
        BoundSocket {
            slot: 3,
            fd,
            ifindex: 2,
            is_zero_copy: false,
            lost: 0,
        }
    }

    #[test]
    fn a_worker_that_panics_gives_its_sockets_up_and_wakes_control() {
        let control = Waker::new().unwrap();
        let work = |_: &Stop, _, ready: &Ready| {
            ready.send(Ok(vec![a_socket()])).unwrap();
            panic!("a bug in the relay");
        };
        let mut worker = Handle::start(0, control.clone(), work).unwrap();
        wake::sleep(
            &mut [wake::readable(control.as_fd())],
            Some(Duration::from_secs(5)),
        );
        let slots: Vec<_> = worker
            .take_failed()
            .iter()
            .map(|socket| socket.slot)
            .collect();
        assert_eq!(slots, [3]);
        assert!(worker.take_failed().is_empty(), "once");
    }

    #[test]
    fn a_worker_that_cannot_start_is_an_error_and_ends() {
        let control = Waker::new().unwrap();
        let refuse = |_: &Stop, _, ready: &Ready| {
            ready.send(Err(MediaError::Load("no".to_owned()))).unwrap();
        };
        assert!(Handle::start(0, control.clone(), refuse).is_err());
        assert!(Handle::start(0, control, |_: &Stop, _, _: &Ready| panic!("at once")).is_err());
    }

    #[test]
    fn every_queue_has_one_worker_and_every_worker_every_interface() {
        let interfaces = [interface("a", 2, 2, 0), interface("b", 3, 5, 2)];
        let of_worker = |worker| -> Vec<_> {
            places(&interfaces, worker, 2)
                .iter()
                .map(|place| (place.ifindex, place.queue, place.slot))
                .collect()
        };
        assert_eq!(of_worker(0), [(2, 0, 0), (3, 0, 2), (3, 2, 4), (3, 4, 6)]);
        assert_eq!(of_worker(1), [(2, 1, 1), (3, 1, 3), (3, 3, 5)]);
    }
}
