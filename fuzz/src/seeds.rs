//! Where each target starts from: the torture messages of RFC 4475 and RFC 5118, and what makes the
//! others go deep.

#[path = "../../sip-core/tests/message_torture/messages.rs"]
pub mod torture;

use crate::sdp::MARK;
use crate::stack;

pub fn messages() -> Vec<Vec<u8>> {
    torture::all().map(|(_, bytes)| bytes).collect()
}

/// Every value that is an address, and every Request-URI.
pub fn addresses() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for message in messages() {
        let head = String::from_utf8_lossy(&message).replace("\r\n ", " ");
        for line in head.lines() {
            if let Some((_, value)) = line.split_once(':') {
                found.push(value.trim().as_bytes().to_vec());
            }
            found.extend(line.split(' ').nth(1).map(|word| word.as_bytes().to_vec()));
        }
    }
    found.retain(|value| !value.is_empty());
    found.sort();
    found.dedup();
    found
}

/// Messages one after the other, keep-alives between them.
pub fn streams() -> Vec<Vec<u8>> {
    let messages = messages();
    let mut streams: Vec<Vec<u8>> = messages
        .iter()
        .enumerate()
        .map(|(at, bytes)| {
            let other = &messages[(at * 7 + 3) % messages.len()];
            [&[at as u8], &bytes[..], b"\r\n\r\n", other].concat()
        })
        .collect();
    let small = b"BYE sip:a@b SIP/2.0\r\nContent-Length : 3\r\nl: 3\r\n\r\nabc";
    let empty = b"SIP/2.0 200 OK\r\nl:0\r\n\r\n";
    streams.push(
        [
            &[9][..],
            b"\r\n",
            small,
            b"\r\n\r\n",
            empty,
            empty,
            b"\r\n",
            small,
        ]
        .concat(),
    );
    streams.push(
        [
            &[2][..],
            small,
            b"INVITE sip:a@b SIP/2.0\r\nl: 500\r\n\r\nabc",
        ]
        .concat(),
    );
    streams
}

/// An offer and an answer of every kind that legs may have, and what follows.
pub fn negotiations() -> Vec<Vec<u8>> {
    let descriptions: Vec<Vec<u8>> = (0..stack::DESCRIPTIONS)
        .map(|kind| stack::description(kind, "192.0.2.7"))
        .collect();
    let mut seeds = Vec::new();
    for policies in [
        [0, 0],
        [1, 0],
        [1, 1],
        [0x13, 0x13],
        [0x25, 2],
        [2, 2],
        [3, 2],
        [2, 0],
        [4, 4],
        [0x8a, 0x40],
    ] {
        for (at, offer) in descriptions.iter().enumerate() {
            let answer = &descriptions[(at + 1) % descriptions.len()];
            let own = |step: u8, sdp: &[u8]| [&[step], sdp, &[MARK]].concat();
            let mut seed = policies.to_vec();
            seed.extend(own(0, offer));
            seed.extend(own(7, offer));
            seed.extend(own(12, b""));
            seed.extend(own(1, answer));
            seed.extend(own(6, answer));
            seed.extend(own(14, b""));
            seeds.push(seed);
        }
    }
    seeds
}

pub fn operations() -> Vec<Vec<u8>> {
    stack::seeds()
}

/// RTP, RTCP, STUN and DTLS behind the two bytes that choose.
pub fn packets() -> Vec<Vec<u8>> {
    let rtp = [0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4];
    let extended = [
        0x91, 101, 0, 2, 0, 0, 0, 160, 1, 2, 3, 4, 9, 9, 9, 9, 0xbe, 0xde, 0, 1, 1, 1, 1, 1, 7,
    ];
    let report = [
        0x81, 201, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 10, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 3, 0, 1, 0, 0,
        0, 0, 1, 0,
    ];
    let stun = [
        0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ];
    let mut seeds = Vec::new();
    for choice in [0, 1, 2, 3, 4, 5, 0x80] {
        for packet in [&rtp[..], &extended, &report, &stun, &[22, 254, 253]] {
            let mut seed = vec![choice, 13];
            seed.extend(packet);
            seed.resize(seed.len() + 40, 0x55);
            seeds.push(seed);
        }
    }
    seeds
}
