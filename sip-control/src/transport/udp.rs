//! Datagrams: one message each (RFC 3261 section 18.1.1).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sip_core::stack::{Transmit, TransportFailure};
use sip_core::transport::{ListenerId, Origin, Transport};
use tokio::net::UdpSocket;

use super::{Arrival, Shared, failure};

/// The largest UDP payload there is.
const LARGEST_BYTES: usize = 65_535;
/// After errors that do not go away, such as no memory.
const PAUSE: Duration = Duration::from_millis(100);
/// So many in a row do not go away; others are what ICMP said of some datagram.
const LASTING: u32 = 16;
/// Times that a datagram is sent. What ICMP said of another one is an error of the next that is sent,
/// which does not leave then.
const ATTEMPTS: u32 = 3;

/// Reads the socket for the life of the daemon.
pub(super) async fn receive(listener: ListenerId, socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let Ok(local) = socket.local_addr() else {
        return;
    };
    let mut buffer = vec![0; LARGEST_BYTES];
    let mut errors = 0;
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, remote)) => {
                errors = 0;
                let bytes = &buffer[..length];
                if is_keepalive(bytes) {
                    continue;
                }
                let origin = Origin {
                    transport: Transport::Udp,
                    listener,
                    local,
                    remote,
                    connection: None,
                    tls: None,
                };
                shared
                    .arrive(Arrival::Message {
                        origin,
                        bytes: bytes.to_vec(),
                    })
                    .await;
            }
            Err(error) => {
                errors += 1;
                if errors > LASTING {
                    tracing::debug!(%local, "receiving: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// What phones send to keep a NAT binding: line ends or zeros.
fn is_keepalive(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// Sends at once to an address, and to a name as soon as it is resolved.
pub(super) fn send(
    transmit: Transmit,
    socket: &Arc<UdpSocket>,
    shared: &Arc<Shared>,
) -> Result<(), TransportFailure> {
    // Asked of the kernel, and only where it matters.
    let ipv6 = || socket.local_addr().is_ok_and(|local| local.is_ipv6());
    let chosen = transmit.target.address;
    let known = || {
        if transmit.target.by_service {
            return None;
        }
        let addresses = shared.resolver.known(&transmit.target.host, ipv6())?;
        addresses.first().copied()
    };
    if let Some(address) = chosen.or_else(known) {
        let to = SocketAddr::new(address, transmit.target.port);
        return send_to(socket, &transmit.bytes, to, shared)
            .map_err(|error| failure(transmit.id, &format!("{to}: {error}")));
    }
    tokio::spawn(send_to_name(
        transmit,
        ipv6(),
        Arc::clone(socket),
        Arc::clone(shared),
    ));
    Ok(())
}

async fn send_to_name(transmit: Transmit, ipv6: bool, socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let target = &transmit.target;
    let port = (!target.by_service).then_some(target.port);
    let places = shared
        .resolver
        .places(&target.host, port, Transport::Udp, ipv6);
    let sent = match places.await {
        Err(error) => Err(error.to_string()),
        Ok(places) => {
            let to = places[0];
            send_to(&socket, &transmit.bytes, to, &shared).map_err(|error| format!("{to}: {error}"))
        }
    };
    if let Err(reason) = sent {
        shared.fail(transmit.id, &reason).await;
    }
}

/// A full socket buffer is a lost datagram: the transaction sends it again.
fn send_to(socket: &UdpSocket, bytes: &[u8], to: SocketAddr, shared: &Shared) -> io::Result<()> {
    let mut attempts = 1;
    loop {
        match socket.try_send_to(bytes, to) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                shared.counters.datagrams_not_sent.add_one();
                return Ok(());
            }
            Err(error) if attempts == ATTEMPTS => return Err(error),
            Err(_) => attempts += 1,
        }
    }
}
