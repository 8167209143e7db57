//! Frames, header by header, with checksums computed the plain way.
//!
//! Nothing here uses the code under test: sums are over big-endian words in a wide integer.

use std::net::{IpAddr, SocketAddr};

/// Tag protocol identifier of IEEE 802.1Q.
pub const TAG_802_1Q: u16 = 0x8100;
/// Tag protocol identifier of IEEE 802.1ad.
pub const TAG_802_1AD: u16 = 0x88a8;

const FITS: &str = "a packet of a test fits its length fields";

/// What a sender has put into the UDP checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    #[default]
    Complete,
    /// The pseudo-header's sum alone: a veth sender with tx offload (`CHECKSUM_PARTIAL`).
    Partial,
    /// Zero.
    None,
    /// This, whatever it should be.
    Raw(u16),
}

/// A UDP datagram in an Ethernet frame.
#[derive(Clone, Debug)]
pub struct Packet {
    pub source_mac: [u8; 6],
    pub destination_mac: [u8; 6],
    /// Tag protocol identifiers and contents, from the outside in.
    pub tags: Vec<(u16, u16)>,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// TTL or hop limit.
    pub hops: u8,
    /// TOS or traffic class: DSCP and ECN.
    pub traffic_class: u8,
    /// IPv4 identification.
    pub identification: u16,
    /// IPv4 flags and fragment offset.
    pub fragment: u16,
    /// IPv6 flow label.
    pub flow_label: u32,
    /// Protocol or next header.
    pub protocol: u8,
    /// IPv4 options, a multiple of four bytes.
    pub options: Vec<u8>,
    pub checksum: Checksum,
    pub payload: Vec<u8>,
    /// Bytes of the IP payload that lie after the UDP datagram.
    pub surplus: Vec<u8>,
    /// Bytes of the frame that lie after the IP packet.
    pub padding: Vec<u8>,
}

impl Packet {
    /// A datagram between these addresses, which are of one family.
    pub fn udp(source: SocketAddr, destination: SocketAddr, payload: Vec<u8>) -> Packet {
        Packet {
            source_mac: [2, 0, 0, 0, 0, 0x0a],
            destination_mac: [2, 0, 0, 0, 0, 0x0b],
            tags: Vec::new(),
            source,
            destination,
            hops: 64,
            traffic_class: 0,
            identification: 0x1234,
            fragment: 0x4000,
            flow_label: 0x5_4321,
            protocol: 17,
            options: Vec::new(),
            checksum: Checksum::Complete,
            payload,
            surplus: Vec::new(),
            padding: Vec::new(),
        }
    }

    /// The frame's bytes.
    ///
    /// # Panics
    /// If the addresses are of different families or something does not fit its length field.
    pub fn build(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend(self.destination_mac);
        frame.extend(self.source_mac);
        for (identifier, tag) in &self.tags {
            frame.extend(identifier.to_be_bytes());
            frame.extend(tag.to_be_bytes());
        }
        let udp = self.udp_bytes();
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                frame.extend([0x08, 0x00]);
                frame.extend(self.ipv4_header(source.octets(), destination.octets(), udp.len()));
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                frame.extend([0x86, 0xdd]);
                frame.extend(self.ipv6_header(source.octets(), destination.octets(), udp.len()));
            }
            _ => panic!(
                "{} and {} are of different families",
                self.source, self.destination
            ),
        }
        frame.extend(udp);
        frame.extend(&self.surplus);
        frame.extend(&self.padding);
        frame
    }

    fn ipv4_header(&self, source: [u8; 4], destination: [u8; 4], udp: usize) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let total = u16::try_from(header_len + udp + self.surplus.len()).expect(FITS);
        let mut header = vec![0x40 | (header_len / 4) as u8, self.traffic_class];
        header.extend(total.to_be_bytes());
        header.extend(self.identification.to_be_bytes());
        header.extend(self.fragment.to_be_bytes());
        header.extend([self.hops, self.protocol, 0, 0]);
        header.extend(source);
        header.extend(destination);
        header.extend(&self.options);
        let checksum = !fold(sum(&header));
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        header
    }

    fn ipv6_header(&self, source: [u8; 16], destination: [u8; 16], udp: usize) -> Vec<u8> {
        let length = u16::try_from(udp + self.surplus.len()).expect(FITS);
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label;
        let mut header = first.to_be_bytes().to_vec();
        header.extend(length.to_be_bytes());
        header.extend([self.protocol, self.hops]);
        header.extend(source);
        header.extend(destination);
        header
    }

    fn udp_bytes(&self) -> Vec<u8> {
        let length = u16::try_from(8 + self.payload.len()).expect(FITS);
        let mut udp = self.source.port().to_be_bytes().to_vec();
        udp.extend(self.destination.port().to_be_bytes());
        udp.extend(length.to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(&self.payload);
        let pseudo = address_sum(self.source.ip())
            + address_sum(self.destination.ip())
            + 17
            + u64::from(length);
        let checksum = match self.checksum {
            Checksum::Complete => match !fold(pseudo + sum(&udp)) {
                0 => 0xffff,
                checksum => checksum,
            },
            Checksum::Partial => fold(pseudo),
            Checksum::None => 0,
            Checksum::Raw(checksum) => checksum,
        };
        udp[6..8].copy_from_slice(&checksum.to_be_bytes());
        udp
    }
}

/// An RTP packet with a header of twelve bytes.
pub fn rtp(payload_type: u8, sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// An RTCP sender report without report blocks (RFC 3550 section 6.4.1).
pub fn sender_report(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0; 20]);
    packet
}

fn address_sum(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => sum(&address.octets()),
        IpAddr::V6(address) => sum(&address.octets()),
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|word| u64::from(word[0]) << 8 | word.get(1).map_or(0, |low| u64::from(*low)))
        .sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from `ping`-sized DNS traffic would prove no more than the arithmetic:
    /// over a datagram with the right checksum the sum is all ones (RFC 1071 section 1).
    #[test]
    fn complete_checksums_verify() {
        let v4 = Packet::udp(
            "192.0.2.1:5004".parse().unwrap(),
            "192.0.2.2:6000".parse().unwrap(),
            vec![1, 2, 3],
        );
        let frame = v4.build();
        assert_eq!(fold(sum(&frame[14..34])), 0xffff);
        assert_eq!(
            fold(sum(&frame[26..34]) + 17 + 11 + sum(&frame[34..])),
            0xffff
        );
        let v6 = Packet::udp(
            "[2001:db8::1]:5004".parse().unwrap(),
            "[2001:db8::2]:6000".parse().unwrap(),
            vec![1, 2, 3],
        );
        let frame = v6.build();
        assert_eq!(
            fold(sum(&frame[22..54]) + 17 + 11 + sum(&frame[54..])),
            0xffff
        );
    }

    #[test]
    fn tags_options_and_padding_lie_where_they_belong() {
        let mut packet = Packet::udp(
            "192.0.2.1:5004".parse().unwrap(),
            "192.0.2.2:6000".parse().unwrap(),
            vec![9; 4],
        );
        packet.tags = vec![(TAG_802_1Q, 7)];
        packet.options = vec![1; 4];
        packet.padding = vec![0xee; 3];
        let frame = packet.build();
        assert_eq!(frame[12..18], [0x81, 0, 0, 7, 8, 0]);
        assert_eq!(frame[18], 0x46);
        assert_eq!(frame.len(), 18 + 24 + 8 + 4 + 3);
        assert_eq!(frame[frame.len() - 7..], [9, 9, 9, 9, 0xee, 0xee, 0xee]);
    }
}
