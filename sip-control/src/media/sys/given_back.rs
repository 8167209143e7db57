//! Datagrams that ICMP gives back: the error queue of a UDP socket (ip(7) and ipv6(7), `IP_RECVERR`).

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::datagrams::{LONGEST, Place, switch_on};

/// What an ICMP message says of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenBack {
    /// Where it went.
    pub(crate) to: SocketAddr,
    /// Its first bytes, as many as the message quotes.
    pub(crate) quoted: Vec<u8>,
    /// The message is one of ICMPv6 (RFC 4443); else of ICMP (RFC 792).
    pub(crate) is_ipv6: bool,
    pub(crate) kind: u8,
    pub(crate) code: u8,
}

/// Has the socket keep what ICMP says of its datagrams. From then on each message is also an error,
/// once, of the next call that sends or receives.
pub(crate) fn report_given_back(socket: impl AsFd, is_ipv6: bool) -> io::Result<()> {
    let (level, option) = match is_ipv6 {
        true => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        false => (libc::IPPROTO_IP, libc::IP_RECVERR),
    };
    switch_on(socket.as_fd(), level, option)
}

/// Takes the next message; `None` if it is an error of this host's own.
///
/// # Errors
/// `WouldBlock` if there is none.
pub(crate) fn next_given_back(socket: BorrowedFd<'_>) -> io::Result<Option<GivenBack>> {
    let mut bytes = [0; LONGEST];
    let mut place = Place::EMPTY;
    let mut vector = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: LONGEST,
    };
    let mut header = place.header(&mut vector);
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header describes buffers of this function, which outlive the call and are used
    // by nothing else meanwhile.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let Some(error) = extended_error(&header) else {
        return Ok(None);
    };
    let is_ipv6 = match error.ee_origin {
        libc::SO_EE_ORIGIN_ICMP => false,
        libc::SO_EE_ORIGIN_ICMP6 => true,
        _ => return Ok(None),
    };
    Ok(Some(GivenBack {
        to: place.source(header.msg_namelen as usize),
        quoted: bytes[..length.min(LONGEST)].to_vec(),
        is_ipv6,
        kind: error.ee_type,
        code: error.ee_code,
    }))
}

/// What the control messages of a message of the error queue say.
fn extended_error(header: &libc::msghdr) -> Option<libc::sock_extended_err> {
    let wanted = [
        (libc::IPPROTO_IP, libc::IP_RECVERR),
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    ];
    // SAFETY: the header is one that the kernel has filled: it describes whole control messages in a
    // buffer that is alive, and the macros stay within `msg_controllen`. What is read is as long as
    // the message says, and plain data.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(found) = message.as_ref() {
            let needed = libc::CMSG_LEN(size_of::<libc::sock_extended_err>() as u32) as usize;
            if wanted.contains(&(found.cmsg_level, found.cmsg_type)) && found.cmsg_len >= needed {
                let data = libc::CMSG_DATA(message).cast::<libc::sock_extended_err>();
                return Some(data.read_unaligned());
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    use super::*;

    /// What comes within a second.
    fn wait(socket: &UdpSocket) -> GivenBack {
        let started = Instant::now();
        loop {
            match next_given_back(socket.as_fd()) {
                Ok(Some(given_back)) => return given_back,
                Ok(None) => panic!("an error of this host"),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            assert!(started.elapsed() < Duration::from_secs(1));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_datagram_to_a_port_where_nobody_is_comes_back_with_its_first_bytes() {
        // Type and code of "port unreachable": RFC 792, RFC 4443 section 3.1.
        for (address, kind, code) in [("127.0.0.1:0", 3, 3), ("[::1]:0", 1, 4)] {
            let dead = UdpSocket::bind(address).unwrap().local_addr().unwrap();
            let socket = UdpSocket::bind(address).unwrap();
            report_given_back(&socket, dead.is_ipv6()).unwrap();
            let sent = b"OPTIONS sip:a@b SIP/2.0".repeat(60);
            socket.send_to(&sent, dead).unwrap();
            let given_back = wait(&socket);
            assert_eq!(given_back.to, dead);
            assert!(
                given_back.quoted.len() >= 500,
                "{}",
                given_back.quoted.len()
            );
            assert!(sent.starts_with(&given_back.quoted));
            assert_eq!(given_back.is_ipv6, dead.is_ipv6());
            assert_eq!((given_back.kind, given_back.code), (kind, code));
            let nothing = next_given_back(socket.as_fd()).unwrap_err();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        }
    }
}
