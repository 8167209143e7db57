//! A host on a network of its own that wants to be heard, or to hear.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use media_core::srtp::profile::Suite;
use media_core::srtp::{MAX_TRAILER, SrtcpSender, SrtpSender};
use trunkline_tests::capture::{Capture, Datagram};
use trunkline_tests::lab::{Host, Lab, UPLINK, ipv4, ipv6};
use trunkline_tests::xdp::packet::{rtp, sender_report};

use crate::edge::{CALLEE_SSRC, CALLER_SSRC, PORTS, media_addresses};
use crate::support::Keys;

/// Datagrams after which the stranger pauses: more at once than a veth's queue holds would be
/// lost before they are seen.
const BURST: usize = 64;
const PAUSE: Duration = Duration::from_millis(2);

/// The attacker.
pub(crate) struct Stranger {
    v4: UdpSocket,
    v6: UdpSocket,
    arsenal: Vec<Vec<u8>>,
    hears: Capture,
}

impl Stranger {
    /// In the lab's fourth namespace. It has read `overheard` on a wire.
    pub(crate) fn new(lab: &Lab, overheard: &[u8]) -> Stranger {
        let namespace = lab.namespace(Host::Stranger);
        let bind = |address: IpAddr| {
            namespace
                .enter(|| UdpSocket::bind((address, 4000)).unwrap())
                .unwrap()
        };
        Stranger {
            v4: bind(ipv4(Host::Stranger, 2)),
            v6: bind(ipv6(Host::Stranger, 2)),
            arsenal: arsenal(overheard),
            hears: Capture::start(namespace, UPLINK).unwrap(),
        }
    }

    /// Datagrams that one port of the edge gets in a [`Stranger::spray`].
    pub(crate) fn per_port(&self) -> u64 {
        self.arsenal.len() as u64
    }

    /// Everything that it has, to every port of every media address.
    pub(crate) fn spray(&self) {
        self.fire(targets().flat_map(|target| self.arsenal.iter().map(move |shot| (target, shot))));
    }

    /// One of what it has to each port, in turn.
    pub(crate) fn probe(&self) {
        self.fire(targets().zip(self.arsenal.iter().cycle()));
    }

    fn fire<'s>(&self, shots: impl Iterator<Item = (SocketAddr, &'s Vec<u8>)>) {
        for (count, (target, shot)) in shots.enumerate() {
            let socket = if target.is_ipv4() { &self.v4 } else { &self.v6 };
            // The edge's host may have answered an earlier one that its port is closed.
            let _ = socket.send_to(shot, target);
            if count % BURST == BURST - 1 {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Datagrams that came to it, whatever they hold.
    pub(crate) fn heard(&self) -> Vec<Datagram> {
        self.hears.all_datagrams()
    }
}

/// Every port of every media address.
fn targets() -> impl Iterator<Item = SocketAddr> {
    media_addresses()
        .into_iter()
        .flat_map(|address| PORTS.map(move |port| SocketAddr::new(address, port)))
}

/// Datagrams that look right: the call's SSRCs and the next sequence numbers, every kind that
/// a media port may see, under keys of its own where there must be a key.
fn arsenal(overheard: &[u8]) -> Vec<Vec<u8>> {
    let keys = Keys::generate(Suite::AesCm128HmacSha1_80);
    let mut shots = vec![overheard.to_vec()];
    for ssrc in [CALLER_SSRC, CALLEE_SSRC] {
        // Negotiated types, one that is not, and a marker bit.
        for payload_type in [0, 101, 8, 0x80] {
            shots.push(rtp(payload_type, 1, ssrc, &[0x55; 160]));
        }
        shots.push(sender_report(ssrc));
        shots.push([&[0x81, 203, 0, 1][..], &ssrc.to_be_bytes()].concat());

        let mut secure = vec![0; 172 + MAX_TRAILER];
        let packet = rtp(0, 1, ssrc, &[0x55; 160]);
        let length = SrtpSender::new(keys.receive.clone())
            .protect(&packet, &mut secure)
            .unwrap();
        shots.push(secure[..length].to_vec());
        let mut secure = vec![0; 28 + MAX_TRAILER];
        let length = SrtcpSender::new(keys.receive.clone())
            .protect(&sender_report(ssrc), &mut secure)
            .unwrap();
        shots.push(secure[..length].to_vec());
    }
    shots.push(stun_binding_request());
    // The head of a DTLS 1.2 record with a ClientHello (RFC 6347 section 4.1).
    shots.push([&[22, 0xfe, 0xfd][..], &[0; 60]].concat());
    shots
}

/// RFC 8489 section 5, without attributes.
fn stun_binding_request() -> Vec<u8> {
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend([7; 12]);
    request
}
