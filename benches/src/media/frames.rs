//! The bench's packets: PCMU in RTP over UDP and IPv4, one flow per port.

use std::net::Ipv4Addr;

use bench_ebpf::{
    HEADER_BYTES, HEADER_WORDS, SEQUENCE, TIMESTAMP, UDP_CHECKSUM, UDP_DESTINATION, UDP_SOURCE,
};

use super::lab::{INGRESS_MAC, MEDIA, SOURCE, SOURCE_MAC};

/// 20 ms of PCMU, bytes.
pub const PAYLOAD: usize = 160;
/// RTP header, bytes.
pub const RTP: usize = 12;
/// Ethernet, IPv4 and UDP headers, bytes.
pub const ENVELOPE: usize = 42;
/// A whole frame, bytes.
pub const FRAME: usize = HEADER_BYTES + PAYLOAD;
/// What all payloads are filled with.
pub const FILL: u8 = 0x55;

/// Ports of the media addresses in the XDP bench, and of its flow table.
pub const PORT_LOW: u16 = 10_000;

/// The headers of a frame to one of our media addresses, without the fields that differ: ports,
/// UDP checksum, sequence number, timestamp.
pub fn template(media: usize) -> [u16; HEADER_WORDS] {
    words(
        &envelope(MEDIA[media], (0, 0), RTP + PAYLOAD),
        &rtp_header(0, 0),
    )
}

/// The one's complement sum over everything that the UDP checksum covers in such a frame, native words.
pub fn template_sum(media: usize) -> u32 {
    let template = template(media);
    let addresses = sum(&template[13..17]);
    let udp_length = u32::from(template[19]);
    let protocol = u32::from(17_u16.to_be());
    let payload = (PAYLOAD as u32 / 2) * u32::from(u16::from_ne_bytes([FILL; 2]));
    // The length counts twice: in the pseudo-header and in the UDP header.
    addresses + protocol + 2 * udp_length + sum(&template[21..]) + payload
}

/// An RTP header: PCMU, SSRC 0x5eed5eed.
pub fn rtp_header(sequence: u16, timestamp: u32) -> [u8; RTP] {
    let mut header = [0x80, 0, 0, 0, 0, 0, 0, 0, 0x5e, 0xed, 0x5e, 0xed];
    header[2..4].copy_from_slice(&sequence.to_be_bytes());
    header[4..8].copy_from_slice(&timestamp.to_be_bytes());
    header
}

/// Ethernet, IPv4 and UDP headers from the source to `to`; the UDP checksum is left zero, which
/// in IPv4 means that there is none (RFC 768).
pub fn envelope(to: Ipv4Addr, ports: (u16, u16), payload: usize) -> [u8; ENVELOPE] {
    let mut frame = [0; ENVELOPE];
    frame[..6].copy_from_slice(&INGRESS_MAC);
    frame[6..12].copy_from_slice(&SOURCE_MAC);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    let (udp_length, total) = ((8 + payload) as u16, (28 + payload) as u16);
    frame[14] = 0x45;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame[20] = 0x40; // Do not fragment.
    frame[22..24].copy_from_slice(&[64, 17]);
    frame[26..30].copy_from_slice(&SOURCE.octets());
    frame[30..34].copy_from_slice(&to.octets());
    let checksum = !fold(sum_bytes(&frame[14..34]));
    frame[24..26].copy_from_slice(&checksum.to_ne_bytes());
    frame[34..36].copy_from_slice(&ports.0.to_be_bytes());
    frame[36..38].copy_from_slice(&ports.1.to_be_bytes());
    frame[38..40].copy_from_slice(&udp_length.to_be_bytes());
    frame
}

/// Source and destination port.
pub type Ports = (u16, u16);

/// A whole frame of RTP to a media address, with a right checksum.
pub fn rtp_frame(media: usize, ports: Ports) -> [u8; FRAME] {
    let mut frame = [FILL; FRAME];
    let mut headers = template(media);
    headers[UDP_SOURCE] = ports.0.to_be();
    headers[UDP_DESTINATION] = ports.1.to_be();
    for (at, word) in headers.iter().enumerate() {
        frame[2 * at..2 * at + 2].copy_from_slice(&word.to_ne_bytes());
    }
    number(&mut frame, media, ports, 0, 0);
    frame
}

/// Gives a frame of [`rtp_frame`] its sequence number and timestamp, and the checksum for them.
pub fn number(frame: &mut [u8], media: usize, ports: Ports, sequence: u16, timestamp: u32) {
    let words = [
        sequence.to_be(),
        ((timestamp >> 16) as u16).to_be(),
        (timestamp as u16).to_be(),
    ];
    let mut put = |at: usize, word: u16| {
        frame[2 * at..2 * at + 2].copy_from_slice(&word.to_ne_bytes());
    };
    put(SEQUENCE, words[0]);
    put(TIMESTAMP, words[1]);
    put(TIMESTAMP + 1, words[2]);
    let ports = sum(&[ports.0.to_be(), ports.1.to_be()]);
    let total = template_sum_cached(media) + ports + sum(&words);
    put(UDP_CHECKSUM, udp_checksum(total));
}

/// A frame to the first media address with any payload of even length, appended to `out`.
pub fn append_frame(out: &mut Vec<u8>, ports: Ports, payload: &[u8]) {
    let mut head = envelope(MEDIA[0], ports, payload.len());
    let length = u32::from((8 + payload.len() as u16).to_be());
    let protocol = u32::from(17_u16.to_be());
    // Addresses, ports, length (also in the pseudo-header), protocol, payload.
    let total = sum_bytes(&head[26..40]) + length + protocol + sum_bytes(payload);
    head[40..42].copy_from_slice(&udp_checksum(total).to_ne_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
}

/// Zero would mean that there is none (RFC 768).
fn udp_checksum(sum: u32) -> u16 {
    match !fold(sum) {
        0 => 0xffff,
        checksum => checksum,
    }
}

fn template_sum_cached(media: usize) -> u32 {
    static SUMS: std::sync::OnceLock<[u32; MEDIA.len()]> = std::sync::OnceLock::new();
    SUMS.get_or_init(|| std::array::from_fn(template_sum))[media]
}

fn words(envelope: &[u8; ENVELOPE], rtp: &[u8; RTP]) -> [u16; HEADER_WORDS] {
    let bytes: Vec<u8> = envelope.iter().chain(rtp).copied().collect();
    std::array::from_fn(|at| u16::from_ne_bytes([bytes[2 * at], bytes[2 * at + 1]]))
}

fn sum(words: &[u16]) -> u32 {
    words.iter().map(|word| u32::from(*word)).sum()
}

fn sum_bytes(bytes: &[u8]) -> u32 {
    bytes
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_ne_bytes([pair[0], pair[1]])))
        .sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    use trunkline_tests::xdp::packet::{Packet, rtp};

    #[test]
    fn a_frame_is_what_the_packet_builder_of_the_tests_builds() {
        let ports = (12_345, 54_320);
        let mut frame = rtp_frame(1, ports);
        number(&mut frame, 1, ports, 513, 160 * 513);
        let mut payload = rtp(0, 513, 0x5eed_5eed, &[FILL; PAYLOAD]);
        payload[4..8].copy_from_slice(&(160_u32 * 513).to_be_bytes());
        let packet = Packet {
            source_mac: SOURCE_MAC,
            destination_mac: INGRESS_MAC,
            identification: 0,
            ..Packet::udp(
                (SOURCE, ports.0).into(),
                (MEDIA[1], ports.1).into(),
                payload,
            )
        };
        assert_eq!(frame.as_slice(), packet.build());

        let packet = Packet {
            destination: (MEDIA[0], ports.1).into(),
            ..packet
        };
        let mut frame = Vec::new();
        append_frame(&mut frame, ports, &packet.payload);
        assert_eq!(frame, packet.build());
    }
}
