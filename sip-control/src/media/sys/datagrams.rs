//! Datagrams of UDP sockets, several in a system call, with TTL and DSCP as they arrived.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Datagrams of one system call at most.
pub(in crate::media) const TURN: usize = 16;
/// Bytes that a datagram may have; IPv6's longest over Ethernet and then some.
pub(in crate::media) const LONGEST: usize = 2048;

/// Room for a TURN of datagrams, and what was received last.
pub(in crate::media) struct Datagrams {
    bytes: Box<[[u8; LONGEST]; TURN]>,
    heads: [Head; TURN],
}

/// What a received datagram is, beside its bytes.
#[derive(Clone, Copy)]
struct Head {
    len: usize,
    is_cut: bool,
    source: SocketAddr,
    marks: Marks,
}

/// The bytes of the IP header that a relay carries over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) struct Marks {
    /// TTL or hop limit.
    pub(in crate::media) hop_limit: u8,
    /// DSCP and ECN: the TOS or traffic class byte.
    pub(in crate::media) traffic_class: u8,
}

/// A datagram to send.
#[derive(Clone, Copy)]
pub(in crate::media) struct Outgoing<'a> {
    pub(in crate::media) bytes: &'a [u8],
    pub(in crate::media) to: SocketAddr,
}

/// Has the socket tell TTL and DSCP of what it receives.
pub(in crate::media) fn report_marks(socket: impl AsFd, is_ipv6: bool) -> io::Result<()> {
    let (level, options) = if is_ipv6 {
        let options = [libc::IPV6_RECVHOPLIMIT, libc::IPV6_RECVTCLASS];
        (libc::IPPROTO_IPV6, options)
    } else {
        (libc::IPPROTO_IP, [libc::IP_RECVTTL, libc::IP_RECVTOS])
    };
    let socket = socket.as_fd();
    options
        .into_iter()
        .try_for_each(|option| switch_on(socket, level, option))
}

/// Sets an option of a socket that is on or off.
pub(super) fn switch_on(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the length describe `on`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

impl Datagrams {
    pub(in crate::media) fn new() -> Datagrams {
        let head = Head {
            len: 0,
            is_cut: false,
            source: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
            marks: Marks::UNKNOWN,
        };
        let bytes = vec![[0; LONGEST]; TURN].into_boxed_slice();
        Datagrams {
            bytes: bytes
                .try_into()
                .unwrap_or_else(|_| unreachable!("of that length")),
            heads: [head; TURN],
        }
    }

    /// Receives at most `limit` datagrams without waiting; how many there are.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; else what an earlier datagram has met on its way (ICMP).
    pub(in crate::media) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        limit: usize,
    ) -> io::Result<usize> {
        if limit <= 1 {
            return self.receive_one(socket);
        }
        let limit = limit.min(TURN);
        let mut places = [const { Place::EMPTY }; TURN];
        let mut vectors = [libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        }; TURN];
        let mut messages: [MaybeUninit<libc::mmsghdr>; TURN] =
            [const { MaybeUninit::uninit() }; TURN];
        for at in 0..limit {
            vectors[at] = libc::iovec {
                iov_base: self.bytes[at].as_mut_ptr().cast(),
                iov_len: LONGEST,
            };
            messages[at].write(libc::mmsghdr {
                msg_hdr: places[at].header(&mut vectors[at]),
                msg_len: 0,
            });
        }
        // SAFETY: the first `limit` messages are written, and describe buffers of `self` and of
        // this function, which outlive the call and are used by nothing else meanwhile.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr().cast(),
                limit as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for at in 0..count.min(limit) {
            // SAFETY: written above.
            let message = unsafe { messages[at].assume_init_ref() };
            self.heads[at] = places[at].head(&message.msg_hdr, message.msg_len as usize);
        }
        Ok(count)
    }

    /// The same for one datagram, for which `recvmsg` is the cheaper call.
    fn receive_one(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut place = Place::EMPTY;
        let mut vector = libc::iovec {
            iov_base: self.bytes[0].as_mut_ptr().cast(),
            iov_len: LONGEST,
        };
        let mut header = place.header(&mut vector);
        // SAFETY: the header describes buffers of `self` and of this function, which outlive the
        // call and are used by nothing else meanwhile.
        let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
        let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
        self.heads[0] = place.head(&header, len);
        Ok(1)
    }

    /// Datagram `at` of those that were received last: bytes, source, marks. `None` if there
    /// is none, or if it was longer than [`LONGEST`] bytes and was cut.
    pub(in crate::media) fn get(&self, at: usize) -> Option<(&[u8], SocketAddr, Marks)> {
        let head = self.heads.get(at).filter(|head| !head.is_cut)?;
        Some((
            self.bytes.get(at)?.get(..head.len)?,
            head.source,
            head.marks,
        ))
    }
}

impl Marks {
    /// As a host sends unless told otherwise.
    const UNKNOWN: Marks = Marks {
        hop_limit: 64,
        traffic_class: 0,
    };

    /// Takes what a control message says, if it is of these.
    fn take(&mut self, level: libc::c_int, kind: libc::c_int, value: u8) {
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                self.hop_limit = value;
            }
            (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                self.traffic_class = value;
            }
            _ => {}
        }
    }
}

/// Where the kernel writes source and control messages of a datagram.
pub(super) struct Place {
    source: MaybeUninit<libc::sockaddr_storage>,
    control: Control,
}

/// Room for two control messages of an `int` each, or for one that tells of an error and of who
/// told of it; aligned for their headers.
#[repr(C, align(8))]
struct Control(MaybeUninit<[u8; CONTROL]>);

/// `CMSG_SPACE(sizeof(int))`, twice, is 48; `CMSG_SPACE` of a sock_extended_err and a sockaddr_in6, 64.
const CONTROL: usize = 64;

impl Place {
    pub(super) const EMPTY: Place = Place {
        source: MaybeUninit::uninit(),
        control: Control(MaybeUninit::uninit()),
    };

    /// Points at this place and at `vector`.
    pub(super) fn header(&mut self, vector: &mut libc::iovec) -> libc::msghdr {
        // SAFETY: msghdr is plain data for which all zeroes is a value.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_name = self.source.as_mut_ptr().cast();
        header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        header.msg_control = self.control.0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL as _;
        header
    }

    /// Reads what the kernel wrote here for a datagram of `len` bytes.
    fn head(&self, header: &libc::msghdr, len: usize) -> Head {
        Head {
            len: len.min(LONGEST),
            is_cut: header.msg_flags & libc::MSG_TRUNC != 0,
            source: self.source(header.msg_namelen as usize),
            marks: marks(header),
        }
    }

    /// The source, of which the kernel has written `len` bytes; no address if it is none of IP.
    pub(super) fn source(&self, len: usize) -> SocketAddr {
        let at = self.source.as_ptr();
        if len >= size_of::<libc::sockaddr_in>() {
            // SAFETY: the kernel has written at least a sockaddr_in, whose family comes first.
            let v4 = unsafe { &*at.cast::<libc::sockaddr_in>() };
            let port = u16::from_be(v4.sin_port);
            if v4.sin_family == libc::AF_INET as libc::sa_family_t {
                let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                return SocketAddr::V4(SocketAddrV4::new(address, port));
            }
            if v4.sin_family == libc::AF_INET6 as libc::sa_family_t
                && len >= size_of::<libc::sockaddr_in6>()
            {
                // SAFETY: the kernel has written a whole sockaddr_in6.
                let v6 = unsafe { &*at.cast::<libc::sockaddr_in6>() };
                let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                return SocketAddr::V6(SocketAddrV6::new(address, port, 0, v6.sin6_scope_id));
            }
        }
        SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))
    }
}

/// What the control messages of a received datagram say.
fn marks(header: &libc::msghdr) -> Marks {
    let mut marks = Marks::UNKNOWN;
    // SAFETY: the header is one that the kernel has filled: it describes whole control messages
    // in a buffer that is alive, and the macros stay within `msg_controllen`.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(found) = message.as_ref() {
            let data = libc::CMSG_DATA(message);
            let room = found.cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
            // A byte for IP_TOS, an int for the others.
            let value = match room {
                0 => None,
                1..4 => Some(data.read()),
                _ => u8::try_from(data.cast::<libc::c_int>().read_unaligned()).ok(),
            };
            if let Some(value) = value {
                marks.take(found.cmsg_level, found.cmsg_type, value);
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    marks
}

/// Sends `datagrams`, at most [`TURN`] of them, without waiting; answers how many went out
/// before one failed.
///
/// # Errors
/// Why the first did not go out.
pub(in crate::media) fn send(
    socket: BorrowedFd<'_>,
    datagrams: &[Outgoing<'_>],
) -> io::Result<usize> {
    if let [datagram] = datagrams {
        return send_one(socket, datagram).map(|()| 1);
    }
    let count = datagrams.len().min(TURN);
    let mut addresses = [const { MaybeUninit::<libc::sockaddr_in6>::uninit() }; TURN];
    let mut vectors = [libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    }; TURN];
    let mut messages: [MaybeUninit<libc::mmsghdr>; TURN] = [const { MaybeUninit::uninit() }; TURN];
    for (at, datagram) in datagrams.iter().take(count).enumerate() {
        vectors[at] = libc::iovec {
            iov_base: datagram.bytes.as_ptr().cast_mut().cast(),
            iov_len: datagram.bytes.len(),
        };
        // SAFETY: msghdr is plain data for which all zeroes is a value.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_namelen = write_address(&mut addresses[at], datagram.to);
        header.msg_name = addresses[at].as_mut_ptr().cast();
        header.msg_iov = &raw mut vectors[at];
        header.msg_iovlen = 1;
        messages[at].write(libc::mmsghdr {
            msg_hdr: header,
            msg_len: 0,
        });
    }
    // SAFETY: the first `count` messages are written, and describe bytes and addresses that
    // outlive the call; the kernel only reads what they point at.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr().cast(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// The same for one datagram, for which `sendto` is the cheaper call.
fn send_one(socket: BorrowedFd<'_>, datagram: &Outgoing<'_>) -> io::Result<()> {
    let mut address = MaybeUninit::uninit();
    let len = write_address(&mut address, datagram.to);
    // SAFETY: the pointers and lengths describe the datagram and the address just written.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            datagram.bytes.as_ptr().cast(),
            datagram.bytes.len(),
            libc::MSG_DONTWAIT,
            address.as_ptr().cast(),
            len,
        )
    };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Writes a `sockaddr_in` or `sockaddr_in6`, which is the longer one; answers its length.
fn write_address(
    out: &mut MaybeUninit<libc::sockaddr_in6>,
    address: SocketAddr,
) -> libc::socklen_t {
    match address {
        SocketAddr::V4(v4) => {
            let address = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from(*v4.ip()).to_be(),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: a sockaddr_in6 has room for a sockaddr_in, and its alignment.
            unsafe { out.as_mut_ptr().cast::<libc::sockaddr_in>().write(address) };
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(v6) => {
            out.write(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr {
                    s6_addr: v6.ip().octets(),
                },
                sin6_scope_id: v6.scope_id(),
            });
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use rustix::net::sockopt::{set_ip_tos, set_ip_ttl, set_ipv6_tclass, set_ipv6_unicast_hops};

    use super::*;

    /// A sender that marks what it sends, and a receiver that is told.
    fn marked_pair(address: &str, marks: Marks) -> (UdpSocket, UdpSocket) {
        let sender = UdpSocket::bind(address).unwrap();
        let receiver = UdpSocket::bind(address).unwrap();
        let is_ipv6 = receiver.local_addr().unwrap().is_ipv6();
        report_marks(&receiver, is_ipv6).unwrap();
        if is_ipv6 {
            set_ipv6_unicast_hops(&sender, Some(marks.hop_limit)).unwrap();
            set_ipv6_tclass(&sender, u32::from(marks.traffic_class)).unwrap();
        } else {
            set_ip_ttl(&sender, u32::from(marks.hop_limit)).unwrap();
            set_ip_tos(&sender, marks.traffic_class).unwrap();
        }
        (sender, receiver)
    }

    #[test]
    fn datagrams_arrive_with_source_and_marks_in_one_call() {
        let marks = Marks {
            hop_limit: 17,
            traffic_class: 46 << 2,
        };
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (sender, receiver) = marked_pair(address, marks);
            let to = receiver.local_addr().unwrap();
            let packets: [&[u8]; 3] = [b"one", b"", b"three"];
            let outgoing = packets.map(|bytes| Outgoing { bytes, to });
            assert_eq!(send(sender.as_fd(), &outgoing).unwrap(), 3);

            let mut datagrams = Datagrams::new();
            assert_eq!(datagrams.receive(receiver.as_fd(), TURN).unwrap(), 3);
            let source = sender.local_addr().unwrap();
            for (at, bytes) in packets.into_iter().enumerate() {
                assert_eq!(datagrams.get(at), Some((bytes, source, marks)));
            }
            let error = datagrams.receive(receiver.as_fd(), 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn no_more_are_taken_than_asked_for() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        let packet = Outgoing { bytes: b"x", to };
        assert_eq!(send(receiver.as_fd(), &[packet; 5]).unwrap(), 5);
        let mut datagrams = Datagrams::new();
        let counts = [1, 3, TURN].map(|limit| datagrams.receive(receiver.as_fd(), limit).unwrap());
        assert_eq!(counts, [1, 3, 1]);
    }

    #[test]
    fn a_datagram_that_is_too_long_is_none_and_the_next_is_whole() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        for bytes in [&[7; LONGEST + 1][..], &[7; LONGEST]] {
            receiver.send_to(bytes, to).unwrap();
        }
        let mut datagrams = Datagrams::new();
        assert_eq!(datagrams.receive(receiver.as_fd(), TURN).unwrap(), 2);
        assert_eq!(datagrams.get(0), None);
        assert_eq!(datagrams.get(1).unwrap().0.len(), LONGEST);
    }
}
