//! The system calls that the standard library has no safe form of: namespaces, packet sockets,
//! and the two-instruction XDP program that a veth peer needs; and the C library that SRTP is
//! compared with.
#![allow(unsafe_code)]

pub mod libsrtp;
mod packet;

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

pub use packet::{Seen, packet_socket, receive_frame, send_frame};

/// Moves the calling thread into the network namespace that `namespace` is open on.
pub fn enter_network_namespace(namespace: &File) -> io::Result<()> {
    // SAFETY: setns takes a descriptor that `namespace` keeps open, and no pointers.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// The effective user is root.
pub fn is_root() -> bool {
    // SAFETY: geteuid cannot fail and touches no memory.
    unsafe { libc::geteuid() == 0 }
}

/// `CLOCK_MONOTONIC`, nanoseconds: the XDP program's clock.
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime writes to a structure that outlives the call; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The index of an interface in the thread's network namespace.
pub fn interface_index(name: &str) -> io::Result<u32> {
    let name = CString::new(name).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// Asks a process to end.
pub fn signal(pid: u32, signal: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: kill takes two integers.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Attaches a program that passes everything to an interface of the thread's namespace.
///
/// A veth end hands XDP_TX and redirected frames on only if its peer has a program too.
/// The program stays until the link is dropped.
pub fn attach_xdp_pass(interface: &str) -> io::Result<OwnedFd> {
    const BPF_PROG_LOAD: libc::c_long = 5;
    const BPF_LINK_CREATE: libc::c_long = 28;
    const BPF_PROG_TYPE_XDP: u32 = 6;
    const BPF_XDP: u32 = 37;

    /// The fields of `union bpf_attr` that BPF_PROG_LOAD needs (linux/bpf.h).
    #[repr(C)]
    struct ProgLoad {
        prog_type: u32,
        insn_cnt: u32,
        insns: u64,
        license: u64,
        rest: [u64; 6],
    }
    /// The fields of `union bpf_attr` that BPF_LINK_CREATE needs.
    #[repr(C)]
    struct LinkCreate {
        prog_fd: u32,
        target_ifindex: u32,
        attach_type: u32,
        flags: u32,
        rest: [u64; 2],
    }

    // r0 = XDP_PASS (2); exit
    let instructions: [u64; 2] = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];
    let licence = c"GPL";
    let load = ProgLoad {
        prog_type: BPF_PROG_TYPE_XDP,
        insn_cnt: 2,
        insns: instructions.as_ptr() as u64,
        license: licence.as_ptr() as u64,
        rest: [0; 6],
    };
    // SAFETY: `load` and what it points at outlive the call; its size is given.
    let program = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_LOAD,
            &raw const load,
            size_of::<ProgLoad>(),
        )
    };
    // SAFETY: a descriptor that the kernel just made for us, checked to be one.
    let program = unsafe { OwnedFd::from_raw_fd(check(program as i32)?) };
    let create = LinkCreate {
        prog_fd: program.as_raw_fd() as u32,
        target_ifindex: interface_index(interface)?,
        attach_type: BPF_XDP,
        flags: 0,
        rest: [0; 2],
    };
    // SAFETY: `create` outlives the call; its size is given.
    let link = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_LINK_CREATE,
            &raw const create,
            size_of::<LinkCreate>(),
        )
    };
    // SAFETY: a descriptor that the kernel just made for us, checked to be one.
    Ok(unsafe { OwnedFd::from_raw_fd(check(link as i32)?) })
}

/// Runs `before` in the child between fork and exec.
pub fn in_child(
    command: &mut std::process::Command,
    before: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    use std::os::unix::process::CommandExt;
    // SAFETY: the closures given here make system calls only (setns, prctl): async-signal-safe, no allocation.
    unsafe { command.pre_exec(before) };
}

/// The calling process gets SIGTERM when its parent dies: no child outlives a killed test.
pub fn die_with_parent() -> io::Result<()> {
    // SAFETY: prctl with integers only.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) }).map(drop)
}

/// Room for datagrams that have not been read, bytes; beyond what an ordinary user may ask for.
pub fn set_receive_buffer(socket: &std::net::UdpSocket, bytes: i32) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `bytes`, which outlives the call.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const bytes).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    })
    .map(drop)
}

/// A thread of this process that stands still until this is dropped.
pub struct Held(());

/// Holds are one at a time: the flag that ends one is the process's.
static HOLDS: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Makes a thread of this process stand still, wherever it is, as a bug in it could.
pub fn hold_thread(thread: i32) -> io::Result<Held> {
    use std::sync::atomic::Ordering;
    HOLDS.store(true, Ordering::SeqCst);
    let held = Held(());
    // SAFETY: sigaction is plain data for which all zeroes is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = stand_still as *const () as usize;
    // SAFETY: `action` outlives the call, and its handler makes async-signal-safe calls only.
    check(unsafe { libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut()) })?;
    // SAFETY: tgkill takes integers.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR2) };
    check(sent as i32)?;
    Ok(held)
}

impl Drop for Held {
    fn drop(&mut self) {
        HOLDS.store(false, std::sync::atomic::Ordering::SeqCst);
    }
}

extern "C" fn stand_still(_signal: libc::c_int) {
    let pause = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    // SAFETY: the location of this thread's errno is valid as long as the thread runs.
    let errno = unsafe { *libc::__errno_location() };
    while HOLDS.load(std::sync::atomic::Ordering::SeqCst) {
        // SAFETY: `pause` outlives the call; nanosleep is async-signal-safe.
        unsafe { libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
    }
    // SAFETY: as above; the interrupted code must not see nanosleep's.
    unsafe { *libc::__errno_location() = errno };
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
