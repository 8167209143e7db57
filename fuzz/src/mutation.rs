//! Inputs for the short run: seeds changed at random, the same for the same seed.

use rand_core::{CryptoRng, RngCore};

/// SplitMix64. Good enough to fuzz with; never for keys.
#[derive(Clone, Debug)]
pub struct SeededRng(pub u64);

impl SeededRng {
    /// From 0 to `limit`, exclusive; 0 for 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next_u64() % limit.max(1) as u64) as usize
    }
}

impl RngCore for SeededRng {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = self.next_u32() as u8;
        }
    }
}

impl CryptoRng for SeededRng {}

/// What matters to the grammars of SIP and SDP.
pub const DICTIONARY: [&[u8]; 48] = [
    b"\r\n",
    b"\r\n ",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b" ",
    b"\t",
    b"\"",
    b"\\",
    b"<",
    b">",
    b",",
    b";",
    b":",
    b":::",
    b"@",
    b"=",
    b"[",
    b"]",
    b"%",
    b"%00",
    b"?",
    b"/",
    b"\0",
    b"\xff",
    b"\xfe",
    b"SIP/2.0",
    b"l: 1\r\n",
    b"Content-Length",
    b"99999999999",
    b"4294967296",
    b"sips:",
    b"tel:",
    b"INVITE",
    b"ACK",
    b";tag=",
    b";branch=z9hG4bK",
    b"Via: SIP/2.0/UDP h\r\n",
    b"Require: 100rel\r\n",
    b"m=audio 0 RTP/AVP 0\r\n",
    b"a=crypto:1 ",
    b"inline:",
    b"c=IN IP6 ::\r\n",
    b"a=sendonly\r\n",
    b"Replaces: x;to-tag=a;from-tag=b\r\n",
    b"RTP/SAVP",
    b"|2^31",
    b"application/sdp",
];

/// One input: a seed, or two joined, with up to eight changes; now and then nothing but noise.
pub fn input(rng: &mut SeededRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    if seeds.is_empty() || rng.below(32) == 0 {
        let mut noise = vec![0; rng.below(300)];
        rng.fill_bytes(&mut noise);
        return noise;
    }
    let mut bytes = seeds[rng.below(seeds.len())].clone();
    if rng.below(8) == 0 {
        let other = &seeds[rng.below(seeds.len())];
        bytes.truncate(rng.below(bytes.len() + 1));
        bytes.extend_from_slice(&other[rng.below(other.len())..]);
    }
    for _ in 0..rng.below(9) {
        change(rng, &mut bytes);
    }
    bytes
}

fn change(rng: &mut SeededRng, bytes: &mut Vec<u8>) {
    let at = rng.below(bytes.len() + 1);
    let length = bytes.len().min(at + 1 + rng.below(20)) - at;
    match rng.below(6) {
        0 => drop(bytes.drain(at..at + length)),
        1 => {
            let piece = DICTIONARY[rng.below(DICTIONARY.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
        2 => bytes[at..].first_mut().into_iter().for_each(|byte| {
            *byte ^= 1 << rng.below(8);
        }),
        3 => bytes[at..].first_mut().into_iter().for_each(|byte| {
            *byte = rng.next_u32() as u8;
        }),
        4 => {
            let piece = DICTIONARY[rng.below(DICTIONARY.len())];
            let end = bytes.len().min(at + piece.len());
            bytes[at..end].copy_from_slice(&piece[..end - at]);
        }
        _ => {
            let copy = bytes[at..at + length].to_vec();
            let to = rng.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
    }
}
