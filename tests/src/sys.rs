//! The system calls that the standard library has no safe form of: namespaces, packet sockets,
//! and the two-instruction XDP program that a veth peer needs; and the C library that SRTP is
//! compared with.
#![allow(unsafe_code)]

pub mod libsrtp;

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

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

/// A socket that sees every frame of an interface, both ways, with a receive time limit.
pub fn packet_socket(interface: &str, timeout: std::time::Duration) -> io::Result<OwnedFd> {
    let protocol = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: socket takes integers; the descriptor that it gives is owned by nobody else.
    let fd = check(unsafe {
        libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            i32::from(protocol),
        )
    })?;
    // SAFETY: `fd` was just made and is not used elsewhere.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: sockaddr_ll is plain data for which all zeroes is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = interface_index(interface)? as i32;
    // SAFETY: the pointer and the length describe `address`, which outlives the call.
    check(unsafe {
        libc::bind(
            fd,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    })?;
    let limit = libc::timeval {
        tv_sec: timeout.as_secs() as i64,
        tv_usec: i64::from(timeout.subsec_micros()),
    };
    let buffer: libc::c_int = 8 << 20;
    for (option, value, length) in [
        (
            libc::SO_RCVTIMEO,
            (&raw const limit).cast::<libc::c_void>(),
            size_of_val(&limit),
        ),
        (
            libc::SO_RCVBUFFORCE,
            (&raw const buffer).cast(),
            size_of_val(&buffer),
        ),
    ] {
        // SAFETY: `value` points at `length` bytes of a local that outlives the call.
        check(unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                option,
                value,
                length as libc::socklen_t,
            )
        })?;
    }
    Ok(socket)
}

/// Reads one frame; `None` when the time limit passes.
pub fn receive_frame(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    // SAFETY: the pointer and the length describe `buffer`.
    let read = unsafe {
        libc::recv(
            socket.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            0,
        )
    };
    match usize::try_from(read) {
        Ok(length) => Ok(Some(length)),
        Err(_) => match io::Error::last_os_error() {
            error
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(None)
            }
            error => Err(error),
        },
    }
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

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
