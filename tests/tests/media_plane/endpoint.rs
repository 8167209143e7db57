//! A peer of the edge: two sockets, keys, and packets whose payload says what it must be.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use media_core::session::{LocalMedia, RemoteMedia};
use media_core::srtp::{MAX_TRAILER, SrtcpReceiver, SrtcpSender, SrtpReceiver, SrtpSender};
use trunkline_tests::agent::MARKER;

use crate::support::Keys;

pub(crate) const PAYLOAD_LEN: usize = 160;

pub(crate) struct Endpoint {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    edge: LocalMedia,
    protection: Option<Protection>,
    ssrc: u32,
    sent: u16,
}

struct Protection {
    rtp_out: SrtpSender,
    rtp_in: SrtpReceiver,
    rtcp_out: SrtcpSender,
    rtcp_in: SrtcpReceiver,
}

impl Endpoint {
    /// Opens its sockets in the calling thread's network namespace.
    pub(crate) fn open(
        address: IpAddr,
        edge: LocalMedia,
        keys: Option<&Keys>,
        ssrc: u32,
    ) -> Endpoint {
        let open = || {
            let socket = UdpSocket::bind((address, 0)).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(500)))
                .unwrap();
            socket
        };
        let mut endpoint = Endpoint {
            rtp: open(),
            rtcp: open(),
            edge,
            protection: None,
            ssrc,
            sent: 0,
        };
        endpoint.set_keys(keys);
        endpoint
    }

    /// The edge's receive key is what this side sends under.
    pub(crate) fn set_keys(&mut self, keys: Option<&Keys>) {
        self.protection = keys.map(|keys| Protection {
            rtp_out: SrtpSender::new(keys.receive.clone()),
            rtp_in: SrtpReceiver::new(keys.send.clone()),
            rtcp_out: SrtcpSender::new(keys.receive.clone()),
            rtcp_in: SrtcpReceiver::new(keys.send.clone()),
        });
    }

    /// What its SDP says.
    pub(crate) fn sdp(&self) -> RemoteMedia {
        RemoteMedia {
            rtp: self.rtp.local_addr().unwrap(),
            rtcp: self.rtcp.local_addr().unwrap(),
        }
    }

    pub(crate) fn edge_rtp(&self) -> SocketAddr {
        SocketAddr::new(self.edge.address, self.edge.rtp_port)
    }

    /// The next packet as it goes on the wire, not sent yet.
    pub(crate) fn next_packet(&mut self) -> Vec<u8> {
        let plain = self.plain_packet();
        self.sent = self.sent.wrapping_add(1);
        match &mut self.protection {
            None => plain,
            Some(protection) => {
                let mut out = vec![0; plain.len() + MAX_TRAILER];
                let len = protection.rtp_out.protect(&plain, &mut out).unwrap();
                out.truncate(len);
                out
            }
        }
    }

    fn plain_packet(&self) -> Vec<u8> {
        let mut packet = vec![0x80, 0];
        packet.extend(self.sent.to_be_bytes());
        packet.extend((u32::from(self.sent) * 160).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload(self.ssrc, self.sent));
        packet
    }

    pub(crate) fn send(&mut self) -> Vec<u8> {
        let packet = self.next_packet();
        self.send_raw(&packet);
        packet
    }

    pub(crate) fn send_raw(&self, packet: &[u8]) {
        self.rtp.send_to(packet, self.edge_rtp()).unwrap();
    }

    /// The sequence number of the next packet that arrives, after its every byte was checked
    /// to be what the other endpoint with `ssrc` had sent. `None` after half a second.
    pub(crate) fn receive(&mut self, ssrc: u32) -> Option<u16> {
        let mut wire = [0; 2048];
        let (len, source) = self.rtp.recv_from(&mut wire).ok()?;
        assert_eq!(source, self.edge_rtp(), "it comes from the edge's port");
        let packet = self.unprotect(&wire[..len]);
        assert_eq!(packet[..2], [0x80, 0]);
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        assert_eq!(packet[4..8], (u32::from(sequence) * 160).to_be_bytes());
        assert_eq!(packet[8..12], ssrc.to_be_bytes());
        assert_eq!(packet[12..], payload(ssrc, sequence));
        Some(sequence)
    }

    fn unprotect(&mut self, wire: &[u8]) -> Vec<u8> {
        match &mut self.protection {
            None => wire.to_vec(),
            Some(protection) => {
                let mut out = vec![0; wire.len()];
                let (len, _) = protection
                    .rtp_in
                    .unprotect(wire, &mut out)
                    .expect("the edge's tag is right");
                out.truncate(len);
                out
            }
        }
    }

    /// Sends a receiver report to the edge's RTCP port.
    pub(crate) fn send_rtcp(&mut self) {
        let mut packet = vec![0x80, 201, 0, 1];
        packet.extend(self.ssrc.to_be_bytes());
        if let Some(protection) = &mut self.protection {
            let mut out = vec![0; packet.len() + MAX_TRAILER];
            let len = protection.rtcp_out.protect(&packet, &mut out).unwrap();
            out.truncate(len);
            packet = out;
        }
        let edge = SocketAddr::new(self.edge.address, self.edge.rtcp_port);
        self.rtcp.send_to(&packet, edge).unwrap();
    }

    /// Whether a receiver report of `ssrc` arrives.
    pub(crate) fn receives_rtcp(&mut self, ssrc: u32) -> bool {
        let mut wire = [0; 2048];
        let Ok((len, _)) = self.rtcp.recv_from(&mut wire) else {
            return false;
        };
        let packet = match &mut self.protection {
            None => wire[..len].to_vec(),
            Some(protection) => {
                let mut out = vec![0; len];
                let (len, _) = protection
                    .rtcp_in
                    .unprotect(&wire[..len], &mut out)
                    .expect("the edge's SRTCP tag is right");
                out.truncate(len);
                out
            }
        };
        packet[..4] == [0x80, 201, 0, 1] && packet[4..8] == ssrc.to_be_bytes()
    }

    /// Takes whatever has arrived as RTP.
    pub(crate) fn drain(&self) -> usize {
        drain(&self.rtp)
    }

    /// Takes whatever has arrived as RTCP.
    pub(crate) fn drain_rtcp(&self) -> usize {
        drain(&self.rtcp)
    }

    /// Nothing arrives within the time of a few round trips.
    pub(crate) fn hears_nothing(&self) -> bool {
        std::thread::sleep(Duration::from_millis(100));
        self.drain() == 0
    }
}

fn drain(socket: &UdpSocket) -> usize {
    let mut buffer = [0; 2048];
    socket.set_nonblocking(true).unwrap();
    let count = std::iter::from_fn(|| socket.recv_from(&mut buffer).ok()).count();
    socket.set_nonblocking(false).unwrap();
    count
}

fn payload(ssrc: u32, sequence: u16) -> [u8; PAYLOAD_LEN] {
    let mut payload = [0; PAYLOAD_LEN];
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte = (ssrc as u8)
            .wrapping_add(sequence as u8)
            .wrapping_add(at as u8);
    }
    // So that a leak of plaintext can be seen on a wire.
    payload[..MARKER.len()].copy_from_slice(MARKER);
    payload
}
