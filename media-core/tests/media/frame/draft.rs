//! Frames built field by field.

use std::net::{IpAddr, SocketAddr};

use media_common::flow::ip_to_mapped;
use media_core::relay::frame;

use crate::common::at;

/// What a frame is built of.
#[derive(Clone, Debug)]
pub struct Draft {
    pub tags: Vec<[u8; 4]>,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub traffic_class: u8,
    pub hops: u8,
    pub protocol: u8,
    pub identification: u16,
    pub fragment: u16,
    pub checksum: UdpSum,
    pub payload: Vec<u8>,
    pub padding: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
pub enum UdpSum {
    Right,
    Partial,
    Zero,
    Other(u16),
}

impl Draft {
    pub fn pcmu(source: &str, destination: &str) -> Draft {
        let mut payload = vec![0x80, 0, 0, 1, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef];
        payload.extend([0xd5; 160]);
        Draft {
            tags: vec![],
            source: at(source),
            destination: at(destination),
            traffic_class: 0xb9,
            hops: 64,
            protocol: 17,
            identification: 0x1234,
            fragment: 0x4000,
            checksum: UdpSum::Right,
            payload,
            padding: vec![],
        }
    }

    pub fn build(&self) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        frame.extend(self.tags.concat());
        let udp_len = self.payload.len() as u16 + 8;
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                frame.extend([0x08, 0x00]);
                let mut header = vec![0x45, self.traffic_class];
                header.extend((udp_len + 20).to_be_bytes());
                header.extend(self.identification.to_be_bytes());
                header.extend(self.fragment.to_be_bytes());
                header.extend([self.hops, self.protocol, 0, 0]);
                header.extend(source.octets());
                header.extend(destination.octets());
                let checksum = !ones_sum(&header);
                header[10..12].copy_from_slice(&checksum.to_be_bytes());
                frame.extend(header);
            }
            (source, destination) => {
                frame.extend([0x86, 0xdd]);
                let first =
                    6 << 28 | u32::from(self.traffic_class) << 20 | u32::from(self.identification);
                frame.extend(first.to_be_bytes());
                frame.extend(udp_len.to_be_bytes());
                frame.extend([self.protocol, self.hops]);
                frame.extend(ip_to_mapped(source));
                frame.extend(ip_to_mapped(destination));
            }
        }
        let mut datagram = Vec::new();
        datagram.extend(self.source.port().to_be_bytes());
        datagram.extend(self.destination.port().to_be_bytes());
        datagram.extend(udp_len.to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(&self.payload);
        let pseudo = pseudo_header(self.source.ip(), self.destination.ip(), udp_len);
        let checksum = match self.checksum {
            UdpSum::Right => match !ones_sum(&[&pseudo[..], &datagram].concat()) {
                0 => 0xffff,
                checksum => checksum,
            },
            UdpSum::Partial => ones_sum(&pseudo),
            UdpSum::Zero => 0,
            UdpSum::Other(checksum) => checksum,
        };
        datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
        frame.extend(datagram);
        frame.extend(&self.padding);
        frame
    }
}

pub fn pseudo_header(source: IpAddr, destination: IpAddr, udp_len: u16) -> Vec<u8> {
    let mut pseudo = [ip_to_mapped(source), ip_to_mapped(destination)].concat();
    if source.is_ipv4() {
        pseudo = [&pseudo[12..16], &pseudo[28..32]].concat();
    }
    pseudo.extend([0, 17]);
    pseudo.extend(udp_len.to_be_bytes());
    pseudo
}

pub fn ones_sum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|word| u64::from(word[0]) << 8 | word.get(1).map_or(0, |low| u64::from(*low)));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// Whether the UDP checksum of an untagged frame is right.
pub fn has_right_checksum(frame: &[u8]) -> bool {
    let parsed = frame::parse(frame).unwrap();
    let pseudo = pseudo_header(
        parsed.source.ip(),
        parsed.destination.ip(),
        parsed.payload.len() as u16 + 8,
    );
    ones_sum(&[&pseudo, &frame[parsed.udp_at..parsed.payload.end]].concat()) == 0xffff
}
