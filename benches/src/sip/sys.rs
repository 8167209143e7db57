//! System calls of the load generator, and the clocks of other processes.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

/// Most datagrams that one call sends or receives.
pub const BATCH: usize = 64;
/// Room for one datagram that is received.
pub const STRIDE: usize = 4096;

/// Sends datagrams of `bytes`, up to [`BATCH`]; how many went.
pub fn send(
    socket: &UdpSocket,
    bytes: &[u8],
    datagrams: &[(Range<usize>, SocketAddrV4)],
) -> io::Result<usize> {
    // SAFETY: plain data for which all zeroes is a value.
    let mut addresses: [libc::sockaddr_in; BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut vectors: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    let mut count = 0;
    for (at, (range, to)) in datagrams.iter().take(BATCH).enumerate() {
        let datagram = &bytes[range.clone()];
        addresses[at] = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: to.port().to_be(),
            sin_addr: libc::in_addr {
                s_addr: u32::from_ne_bytes(to.ip().octets()),
            },
            sin_zero: [0; 8],
        };
        vectors[at].iov_base = datagram.as_ptr().cast_mut().cast();
        vectors[at].iov_len = datagram.len();
        let header = &mut messages[at].msg_hdr;
        header.msg_name = (&raw mut addresses[at]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        header.msg_iov = &raw mut vectors[at];
        header.msg_iovlen = 1;
        count += 1;
    }
    // SAFETY: `count` messages were filled in; what they point at outlives the call.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, 0) };
    check(sent).map(|sent| sent as usize)
}

/// Receives what waits, up to [`BATCH`], each at its own [`STRIDE`] of `buffer`: lengths and senders.
pub fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    received: &mut Vec<(usize, SocketAddrV4)>,
) -> io::Result<()> {
    received.clear();
    // SAFETY: plain data for which all zeroes is a value.
    let mut addresses: [libc::sockaddr_in; BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut vectors: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    let mut count = 0;
    for (at, room) in buffer.chunks_exact_mut(STRIDE).take(BATCH).enumerate() {
        vectors[at].iov_base = room.as_mut_ptr().cast();
        vectors[at].iov_len = room.len();
        let header = &mut messages[at].msg_hdr;
        header.msg_name = (&raw mut addresses[at]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        header.msg_iov = &raw mut vectors[at];
        header.msg_iovlen = 1;
        count += 1;
    }
    // SAFETY: `count` messages were filled in; what they point at outlives the call.
    let number = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            count,
            libc::MSG_DONTWAIT,
            std::ptr::null_mut(),
        )
    };
    let number = match check(number) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
        other => other? as usize,
    };
    for (message, address) in messages.iter().zip(&addresses).take(number) {
        let ip = Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes());
        let from = SocketAddrV4::new(ip, u16::from_be(address.sin_port));
        received.push((message.msg_len as usize, from));
    }
    Ok(())
}

/// Room for bursts at a socket of the generator, both ways.
pub fn set_buffers(socket: &UdpSocket, bytes: libc::c_int) -> io::Result<()> {
    for option in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
        // SAFETY: the pointer and the length describe `bytes`, which outlives the call.
        check(unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const bytes).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        })?;
    }
    Ok(())
}

/// Closing the stream resets it: no port waits for its last packets.
pub fn reset_on_close(stream: &std::net::TcpStream) -> io::Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the pointer and the length describe `linger`, which outlives the call.
    check(unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    })
    .map(drop)
}

/// CPU time of all threads that a process has or had, and of the softirqs that ran in them.
pub fn process_cpu_time(pid: u32) -> io::Result<Duration> {
    // The clock that clock_getcpuclockid gives for a process: its number inverted, above three
    // bits that say "scheduler's time of a whole process" (include/linux/posix-timers.h).
    let clock = (!(pid as libc::clockid_t) << 3) | 2;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a local.
    check(unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// The system's allocator, with the calling thread's allocations counted.
pub struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Allocations of the calling thread, those that grow counted again; 0 unless [`Counting`] is the
/// program's allocator.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

fn count_allocation() {
    // A thread that ends may allocate after the counter is gone.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came; counting touches a thread-local
// integer without a destructor, and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_allocation();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) };
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_allocation();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_arrive_as_they_were_sent() {
        let near = UdpSocket::bind("127.0.0.1:0").unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        let std::net::SocketAddr::V4(to) = far.local_addr().unwrap() else {
            panic!("not IPv4");
        };
        let sent = send(&near, b"onetwo", &[(0..3, to), (3..6, to)]).unwrap();
        assert_eq!(sent, 2);
        let mut buffer = vec![0; 4 * STRIDE];
        let mut received = Vec::new();
        receive(&far, &mut buffer, &mut received).unwrap();
        let texts: Vec<&[u8]> = received
            .iter()
            .enumerate()
            .map(|(at, (length, _))| &buffer[at * STRIDE..at * STRIDE + length])
            .collect();
        assert_eq!(texts, [b"one", b"two"]);
        assert_eq!(received[0].1.port(), near.local_addr().unwrap().port());
        receive(&far, &mut buffer, &mut received).unwrap();
        assert!(received.is_empty());
    }

    #[test]
    fn the_cpu_time_of_a_process_grows_with_its_work() {
        let before = process_cpu_time(std::process::id()).unwrap();
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        let worked = process_cpu_time(std::process::id()).unwrap() - before;
        assert!(worked >= Duration::from_millis(5), "{worked:?}");
    }
}
