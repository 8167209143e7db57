//! System calls without a safe form: scheduling, packet sockets, plain bytes for maps.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use bench_ebpf::{Generator, Sink, State};

/// Set when the run is to end early: by a signal, or by the watchdog.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Whether the run is to end early.
pub fn is_stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// Ends the run at the next opportunity; everything that it made is cleaned up on the way.
pub fn stop() {
    STOPPED.store(true, Ordering::Relaxed);
}

/// SIGINT, SIGTERM and SIGHUP end the run early; another one, two seconds after the first, at once.
/// Who signals both the process and its group, as timeout(1) does, means one.
pub fn stop_on_signals() {
    /// When the first one came (CLOCK_MONOTONIC), seconds.
    static FIRST: AtomicI64 = AtomicI64::new(0);

    extern "C" fn handle(_: libc::c_int) {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: async-signal-safe; it writes to `now`, which outlives the call.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        if !STOPPED.swap(true, Ordering::Relaxed) {
            FIRST.store(now.tv_sec, Ordering::Relaxed);
        } else if now.tv_sec > FIRST.load(Ordering::Relaxed) + 1 {
            // SAFETY: _exit is async-signal-safe.
            unsafe { libc::_exit(130) };
        }
    }
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler only touches atomics and calls clock_gettime and _exit.
        unsafe { libc::signal(signal, handle as *const () as libc::sighandler_t) };
    }
}

/// How a thread is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Before everything ordinary. What runs so for longer than 0.95 s at a time is interrupted
    /// in favour of ordinary threads, so turns are kept shorter.
    RealTime(u8),
    Ordinary,
    /// Only when nothing else wants the CPU.
    Idle,
}

/// Schedules the calling thread so. Threads that it starts later inherit it.
pub fn schedule(policy: Policy) -> io::Result<()> {
    schedule_thread(0, policy)
}

/// Schedules the thread of this process that has that name so.
pub fn schedule_thread_named(name: &str, policy: Policy) -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/task")?.flatten() {
        let comm = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let thread = entry.file_name().to_str().and_then(|id| id.parse().ok());
        if let (true, Some(thread)) = (comm.trim_end() == name, thread) {
            return schedule_thread(thread, policy);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// 0 is the calling thread.
fn schedule_thread(thread: libc::pid_t, policy: Policy) -> io::Result<()> {
    let (policy, priority) = match policy {
        Policy::RealTime(priority) => (libc::SCHED_RR, priority),
        Policy::Ordinary => (libc::SCHED_OTHER, 0),
        Policy::Idle => (libc::SCHED_IDLE, 0),
    };
    let parameters = libc::sched_param {
        sched_priority: priority.into(),
    };
    // SAFETY: the pointer is to a local.
    check(unsafe { libc::sched_setscheduler(thread, policy, &raw const parameters) }).map(drop)
}

/// Lets the calling thread run on these CPUs only. Threads that it starts later inherit it.
pub fn pin(cpus: &[usize]) -> io::Result<()> {
    // SAFETY: a set of CPUs is plain data for which all zeroes is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in cpus {
        // SAFETY: CPU_SET checks the number against the size of the set.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    // SAFETY: the pointer and the size describe a local; 0 is the calling thread.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) }).map(drop)
}

/// The CPUs that this process may use.
pub fn cpus() -> io::Result<Vec<usize>> {
    // SAFETY: as in `pin`.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: as in `pin`.
    check(unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) })?;
    // SAFETY: CPU_ISSET checks the number against the size of the set.
    Ok((0..libc::CPU_SETSIZE as usize)
        .filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) })
        .collect())
}

/// CPU time of the calling thread, with the interrupts that it was running in.
pub fn thread_cpu_time() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// `CLOCK_MONOTONIC`, which the kernel's programs read too.
pub fn monotonic() -> Duration {
    clock(libc::CLOCK_MONOTONIC)
}

fn clock(id: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a local; both clocks always exist.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A packet socket that sends by that interface, past its queueing discipline, and receives nothing.
pub fn packet_source(interface: u32) -> io::Result<OwnedFd> {
    // SAFETY: socket takes integers; the descriptor that it gives is owned by nobody else.
    let socket = unsafe {
        OwnedFd::from_raw_fd(check(libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            0,
        ))?)
    };
    let (bypass, buffer): (libc::c_int, libc::c_int) = (1, 64 << 20);
    for (level, option, value) in [
        (libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &bypass),
        (libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &buffer),
    ] {
        // SAFETY: the pointer and the size describe a local.
        check(unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                level,
                option,
                std::ptr::from_ref(value).cast(),
                size_of_val(value) as libc::socklen_t,
            )
        })?;
    }
    // SAFETY: sockaddr_ll is plain data for which all zeroes is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = interface as i32;
    // SAFETY: the pointer and the size describe a local.
    check(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of_val(&address) as libc::socklen_t,
        )
    })?;
    Ok(socket)
}

/// Most frames that one call sends.
pub const BATCH: usize = 64;

/// Sends up to [`BATCH`] frames of equal length that lie one after another at `stride`; how many went.
pub fn send_frames(
    socket: &OwnedFd,
    frames: &[u8],
    stride: usize,
    length: usize,
) -> io::Result<usize> {
    // SAFETY: both are plain data for which all zeroes is a value.
    let mut vectors: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    let mut count = 0;
    for (frame, (vector, message)) in frames
        .chunks_exact(stride)
        .zip(vectors.iter_mut().zip(&mut messages))
    {
        vector.iov_base = frame[..length].as_ptr().cast_mut().cast();
        vector.iov_len = length;
        message.msg_hdr.msg_iov = vector;
        message.msg_hdr.msg_iovlen = 1;
        count += 1;
    }
    // SAFETY: `count` messages were filled in, each pointing at a vector and a frame that outlive the call.
    let sent =
        check(unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, 0) });
    match sent {
        Ok(sent) => Ok(sent as usize),
        // The far end of the link had no room for the first of them: it was offered, and is lost.
        Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(1),
        Err(error) => Err(error),
    }
}

/// A value of the benches' maps as aya takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Plain<T>(pub(crate) T);

// SAFETY: `repr(C)`, made of integers and arrays of them, without implicit padding.
unsafe impl aya::Pod for Plain<Generator> {}
// SAFETY: as above.
unsafe impl aya::Pod for Plain<Sink> {}

/// The generator's memory before its first packet, on the heap: it is large.
pub(crate) fn fresh_state(first: u16) -> Box<State> {
    let mut state = Box::<State>::new_uninit();
    // SAFETY: all zeroes is a value of every field.
    let mut state = unsafe {
        state.as_mut_ptr().write_bytes(0, 1);
        state.assume_init()
    };
    state.random = 0x9e37_79b9_7f4a_7c15;
    state.sequences.fill(first);
    state
}

/// Writes one value of a map whose values are too large for the stack.
pub(crate) fn write_map<T>(
    map: std::os::fd::BorrowedFd<'_>,
    key: u32,
    value: &T,
) -> io::Result<()> {
    const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
    /// The fields of `union bpf_attr` for `BPF_MAP_*_ELEM` (linux/bpf.h).
    #[repr(C)]
    struct Element {
        map_fd: u32,
        _padding: u32,
        key: u64,
        value: u64,
        flags: u64,
    }
    let element = Element {
        map_fd: map.as_raw_fd() as u32,
        _padding: 0,
        key: (&raw const key) as u64,
        value: std::ptr::from_ref(value) as u64,
        flags: 0,
    };
    // SAFETY: the element and what it points at outlive the call; the caller's type is the map's.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_MAP_UPDATE_ELEM,
            &raw const element,
            size_of_val(&element),
        )
    };
    check(result as i32).map(drop)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
