//! Sockets with the options that signalling wants.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

use crate::media::sys::report_given_back;

/// Room for a burst of requests while the driver is busy; the kernel may grant less.
const DATAGRAM_BUFFER_BYTES: usize = 4 * 1024 * 1024;
const BACKLOG: i32 = 1024;
/// A peer that has vanished is noticed within two minutes, and within half a minute when
/// something was sent to it.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

pub(super) fn datagram(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = bindable(address, Type::DGRAM, Protocol::UDP)?;
    // Best effort: without it bursts are shorter.
    let _ = socket.set_recv_buffer_size(DATAGRAM_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(DATAGRAM_BUFFER_BYTES);
    // Best effort: without it a peer that is gone is known when a timer has run out.
    let _ = report_given_back(&socket, address.is_ipv6());
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

pub(super) fn stream_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bindable(address, Type::STREAM, Protocol::TCP)?;
    // A restart must not wait for the connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Connects from `from`, unless that is no particular address.
pub(super) async fn connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if !from.is_unspecified() {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = socket.connect(to).await?;
    tune(&stream)?;
    Ok(stream)
}

/// Small messages go at once, and a peer that vanished is noticed (SIG-3).
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

fn bindable(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two listeners, and no peer's address is IPv4-mapped.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}
