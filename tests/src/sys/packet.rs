//! Packet sockets: every frame of an interface, read and written as it is.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::{check, interface_index};

/// What a packet socket has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Of the frame, bytes, without the tag.
    pub length: usize,
    /// This host sent it.
    pub is_outgoing: bool,
    /// Identifier and contents of the outermost VLAN tag, which the kernel takes out of the frame.
    pub tag: Option<(u16, u16)>,
}

/// A socket that sees every frame of an interface, both ways, with a receive time limit.
pub fn packet_socket(interface: &str, timeout: Duration) -> io::Result<OwnedFd> {
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
    let tags: libc::c_int = 1;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &limit)?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &buffer)?;
    set_option(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, &tags)?;
    Ok(socket)
}

fn set_option<T>(socket: &OwnedFd, level: i32, option: i32, value: &T) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which outlives the call.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const *value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    })
    .map(drop)
}

/// Reads one frame; `None` when the time limit passes.
pub fn receive_frame(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<Seen>> {
    // SAFETY: sockaddr_ll and msghdr are plain data for which all zeroes is a value.
    let (mut from, mut message): (libc::sockaddr_ll, libc::msghdr) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let mut data = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // Aligned as control messages must be.
    let mut control = [0_u64; 16];
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    message.msg_iov = &raw mut data;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: `message` points at locals of the lengths that it gives, which outlive the call.
    let read = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    match usize::try_from(read) {
        Ok(length) => Ok(Some(Seen {
            length,
            is_outgoing: from.sll_pkttype == libc::PACKET_OUTGOING,
            tag: tag_of(&message),
        })),
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

/// The tag that a message's control data tells of.
fn tag_of(message: &libc::msghdr) -> Option<(u16, u16)> {
    // SAFETY: the kernel has filled the message's control buffer, which is still there.
    let header = unsafe { libc::CMSG_FIRSTHDR(message).as_ref()? };
    if (header.cmsg_level, header.cmsg_type) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
        return None;
    }
    // SAFETY: control data of this type is a tpacket_auxdata (packet(7)); it may be unaligned.
    let data: libc::tpacket_auxdata =
        unsafe { std::ptr::read_unaligned(libc::CMSG_DATA(header).cast()) };
    let has_tag = data.tp_status & libc::TP_STATUS_VLAN_VALID != 0;
    has_tag.then_some((data.tp_vlan_tpid, data.tp_vlan_tci))
}

/// Sends one frame as it is, by the interface that the socket is bound to.
pub fn send_frame(socket: &OwnedFd, frame: &[u8]) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `frame`.
    let sent = unsafe { libc::send(socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
    match sent {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
