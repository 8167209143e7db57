//! HMAC-SHA1 (RFC 3711 section 4.2.1) and the proof that a tag was right.

use sha1::block_api::compress;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::error::SrtpError;

/// Proof that a packet's tag was verified.
///
/// Only the comparison of a tag makes one, and only a receiver of SRTP or SRTCP hands it
/// out: whatever moves a rollover counter, a replay window or a latch asks for it.
#[derive(Debug)]
pub struct Authenticated(());

impl Authenticated {
    /// Compares `tag`, of the length that the suite says, in constant time with the begin of
    /// the one that was computed.
    pub(super) fn by(computed: &[u8], tag: &[u8]) -> Result<Authenticated, SrtpError> {
        let expected = computed.get(..tag.len()).ok_or(SrtpError::Malformed)?;
        if !tag.is_empty() && bool::from(expected.ct_eq(tag)) {
            Ok(Authenticated(()))
        } else {
            Err(SrtpError::Authentication)
        }
    }
}

/// HMAC-SHA1 (RFC 2104) with the inner and outer states of its key computed once.
///
/// On the compression function itself: a packet then costs its blocks and one more, and
/// the keyed states are copied, 20 bytes each, without a hasher's buffers around them.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Authenticator {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl Authenticator {
    pub(super) fn new(key: &[u8; 20]) -> Authenticator {
        let keyed = |pad: u8| {
            let mut block = Zeroizing::new([pad; BLOCK]);
            block
                .iter_mut()
                .zip(key)
                .for_each(|(byte, key)| *byte ^= key);
            let mut state = INITIAL;
            compress(&mut state, std::slice::from_ref(&*block));
            state
        };
        Authenticator {
            inner: keyed(0x36),
            outer: keyed(0x5c),
        }
    }

    /// The tag over `authenticated` and the word that follows it: of SRTP the rollover counter,
    /// of SRTCP E flag and index. To be cut to length.
    pub(super) fn tag(&self, authenticated: &[u8], word: Option<u32>) -> [u8; 20] {
        let (blocks, rest) = authenticated.as_chunks::<BLOCK>();
        let mut state = self.inner;
        compress(&mut state, blocks);
        // What is left, the counter, and SHA-1's padding (FIPS 180-4 section 5.1.1) are at
        // most 63 + 4 + 9 bytes.
        let mut tail = [[0; BLOCK]; 2];
        let bytes = tail.as_flattened_mut();
        bytes[..rest.len()].copy_from_slice(rest);
        let mut len = rest.len();
        if let Some(word) = word {
            bytes[len..len + 4].copy_from_slice(&word.to_be_bytes());
            len += 4;
        }
        bytes[len] = 0x80;
        let used = if len + 9 > BLOCK { 2 } else { 1 };
        let hashed = BLOCK + blocks.len() * BLOCK + len;
        bytes[used * BLOCK - 8..used * BLOCK].copy_from_slice(&(hashed as u64 * 8).to_be_bytes());
        compress(&mut state, &tail[..used]);

        let mut block = [0; BLOCK];
        block[..20].copy_from_slice(&to_bytes(state));
        block[20] = 0x80;
        block[56..].copy_from_slice(&((BLOCK + 20) as u64 * 8).to_be_bytes());
        let mut state = self.outer;
        compress(&mut state, &[block]);
        to_bytes(state)
    }
}

fn to_bytes(state: [u32; 5]) -> [u8; 20] {
    let mut bytes = [0; 20];
    for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    bytes
}

/// Block length of SHA-1, bytes.
const BLOCK: usize = 64;
/// The initial hash value (FIPS 180-4 section 5.3.1).
const INITIAL: [u32; 5] = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::tests::hex;

    /// RFC 2202 section 3, test case 1: the key of 20 bytes that SRTP uses.
    #[test]
    fn the_tag_is_that_of_rfc_2202() {
        let auth = Authenticator::new(&[0x0b; 20]);
        assert_eq!(
            auth.tag(b"Hi There", None).as_slice(),
            hex("b617318655057264e28bc0b6fb378c8ef146be00")
        );
        // Case 3.
        let auth = Authenticator::new(&[0xaa; 20]);
        assert_eq!(
            auth.tag(&[0xdd; 50], None).as_slice(),
            hex("125d7342b9ac11cd91a39af48aa17b4f63f175d3")
        );
    }

    /// Against the hmac crate: every length over three blocks, with and without a counter.
    #[test]
    fn tags_of_every_length_are_hmac_sha1() {
        use digest::{FixedOutput, KeyInit, Update};
        let key = [0x5a; 20];
        let message: Vec<u8> = (0..200).collect();
        for len in 0..=message.len() {
            for roc in [None, Some(0x0102_0304_u32)] {
                let mut reference = hmac::Hmac::<sha1::Sha1>::new_from_slice(&key).unwrap();
                reference.update(&message[..len]);
                reference.update(
                    roc.map(u32::to_be_bytes)
                        .as_ref()
                        .map_or(&[], |roc| roc.as_slice()),
                );
                let expected: [u8; 20] = reference.finalize_fixed().into();
                assert_eq!(
                    Authenticator::new(&key).tag(&message[..len], roc),
                    expected,
                    "{len} bytes"
                );
            }
        }
    }

    #[test]
    fn the_rollover_counter_is_authenticated() {
        let auth = Authenticator::new(&[1; 20]);
        let tag = auth.tag(b"packet", Some(7));
        let verify =
            |roc, tag: &[u8]| Authenticated::by(&auth.tag(b"packet", roc), tag).map(|_| ());
        assert_eq!(verify(Some(7), &tag[..10]), Ok(()));
        for (roc, tag) in [
            (Some(8), &tag[..10]),
            (None, &tag[..10]),
            (Some(7), &tag[1..11]),
            (Some(7), &[]),
        ] {
            assert_eq!(verify(roc, tag), Err(SrtpError::Authentication));
        }
    }
}
