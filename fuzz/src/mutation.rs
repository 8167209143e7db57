//! Inputs for the short run: seeds changed at random, the same for the same seed.

use rand_core::RngCore;

use crate::dictionary::DICTIONARY;
use crate::rng::SeededRng;

/// One input: a seed, or two joined, with up to eight changes; now and then nothing but noise.
pub fn input(rng: &mut SeededRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    if seeds.is_empty() || below(rng, 32) == 0 {
        let mut noise = vec![0; below(rng, 300)];
        rng.fill_bytes(&mut noise);
        return noise;
    }
    let mut bytes = seeds[below(rng, seeds.len())].clone();
    if below(rng, 8) == 0 {
        let other = &seeds[below(rng, seeds.len())];
        bytes.truncate(below(rng, bytes.len() + 1));
        bytes.extend_from_slice(&other[below(rng, other.len())..]);
    }
    for _ in 0..below(rng, 9) {
        change(rng, &mut bytes);
    }
    bytes
}

fn change(rng: &mut SeededRng, bytes: &mut Vec<u8>) {
    let at = below(rng, bytes.len() + 1);
    let length = bytes.len().min(at + 1 + below(rng, 20)) - at;
    match below(rng, 6) {
        0 => drop(bytes.drain(at..at + length)),
        1 => {
            let piece = DICTIONARY[below(rng, DICTIONARY.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
        2 => bytes[at..].first_mut().into_iter().for_each(|byte| {
            *byte ^= 1 << below(rng, 8);
        }),
        3 => bytes[at..].first_mut().into_iter().for_each(|byte| {
            *byte = rng.next_u32() as u8;
        }),
        4 => {
            let piece = DICTIONARY[below(rng, DICTIONARY.len())];
            let end = bytes.len().min(at + piece.len());
            bytes[at..end].copy_from_slice(&piece[..end - at]);
        }
        _ => {
            let copy = bytes[at..at + length].to_vec();
            let to = below(rng, bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
    }
}

fn below(rng: &mut SeededRng, limit: usize) -> usize {
    rng.below(limit as u64) as usize
}
