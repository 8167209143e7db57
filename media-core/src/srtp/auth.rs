//! HMAC-SHA1 (RFC 3711 section 4.2.1) and the proof that a tag was right.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::error::SrtpError;
use super::vector;
pub(super) use super::vector::sha1::LANES;

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
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(super) struct Authenticator {
    inner: State,
    outer: State,
}

/// A message whose tag is wanted, and the word that is authenticated after it: of SRTP the
/// rollover counter, of SRTCP E flag and index.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) hmac: &'a Authenticator,
    pub(super) message: &'a [u8],
    pub(super) word: u32,
}

/// What is hashed after the whole blocks of a message: its rest, the word, and SHA-1's padding
/// (FIPS 180-4 section 5.1.1), at most 63 + 4 + 9 bytes.
#[derive(Clone, Copy)]
pub(super) struct Tail {
    blocks: [[u8; BLOCK]; 2],
    count: usize,
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

    pub(super) fn inner(&self) -> &State {
        &self.inner
    }

    pub(super) fn outer(&self) -> &State {
        &self.outer
    }

    /// The tag over `message` and the word that follows it; to be cut to length.
    pub(super) fn tag(&self, message: &[u8], word: u32) -> [u8; TAG] {
        let job = Job {
            hmac: self,
            message,
            word,
        };
        let mut tail = Tail::EMPTY;
        let blocks = job.blocks(&mut tail);
        let mut state = self.inner;
        compress(&mut state, blocks);
        compress(&mut state, tail.blocks());

        let mut block = [0; BLOCK];
        block[..TAG].copy_from_slice(&to_bytes(state));
        block[TAG] = 0x80;
        block[56..].copy_from_slice(&((BLOCK + TAG) as u64 * 8).to_be_bytes());
        let mut state = self.outer;
        compress(&mut state, &[block]);
        to_bytes(state)
    }
}

impl<'a> Job<'a> {
    /// What is hashed after the key's block: the whole blocks, then `tail`, which was empty.
    #[inline]
    pub(super) fn blocks(&self, tail: &mut Tail) -> &'a [[u8; BLOCK]] {
        let (blocks, rest) = self.message.as_chunks::<BLOCK>();
        let bytes = tail.blocks.as_flattened_mut();
        bytes[..rest.len()].copy_from_slice(rest);
        let len = rest.len() + 4;
        bytes[rest.len()..len].copy_from_slice(&self.word.to_be_bytes());
        bytes[len] = 0x80;
        tail.count = if len + 9 > BLOCK { 2 } else { 1 };
        let hashed = BLOCK + self.message.len() + 4;
        bytes[tail.count * BLOCK - 8..tail.count * BLOCK]
            .copy_from_slice(&(hashed as u64 * 8).to_be_bytes());
        blocks
    }
}

impl Tail {
    pub(super) const EMPTY: Tail = Tail {
        blocks: [[0; BLOCK]; 2],
        count: 0,
    };

    pub(super) fn blocks(&self) -> &[[u8; BLOCK]] {
        &self.blocks[..self.count]
    }
}

/// The tags of up to [`LANES`] jobs, at once where the processor can.
pub(super) fn tags(jobs: &[Job<'_>], tags: &mut [[u8; TAG]; LANES]) {
    if !vector::sha1::hmac(jobs, tags) {
        for (job, tag) in jobs.iter().zip(tags) {
            *tag = job.hmac.tag(job.message, job.word);
        }
    }
}

/// SHA-1's compression function over each block.
#[inline]
pub(super) fn compress(state: &mut State, blocks: &[[u8; BLOCK]]) {
    if !vector::sha1::compress(state, blocks) {
        sha1::block_api::compress(state, blocks);
    }
}

fn to_bytes(state: State) -> [u8; TAG] {
    let mut bytes = [0; TAG];
    for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    bytes
}

type State = [u32; 5];
/// Block length of SHA-1, bytes.
pub(super) const BLOCK: usize = 64;
/// Length of an uncut tag, bytes.
pub(super) const TAG: usize = 20;
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

    /// RFC 2202 section 3, the cases with keys of 20 bytes and at least 4 of data, of which the
    /// last 4 are the word: numbers 1 and 3.
    #[test]
    fn the_tag_is_that_of_rfc_2202() {
        let auth = Authenticator::new(&[0x0b; 20]);
        assert_eq!(
            auth.tag(b"Hi T", u32::from_be_bytes(*b"here")).as_slice(),
            hex("b617318655057264e28bc0b6fb378c8ef146be00")
        );
        let auth = Authenticator::new(&[0xaa; 20]);
        assert_eq!(
            auth.tag(&[0xdd; 46], 0xdddd_dddd).as_slice(),
            hex("125d7342b9ac11cd91a39af48aa17b4f63f175d3")
        );
    }

    fn reference(key: &[u8; 20], message: &[u8], word: u32) -> [u8; 20] {
        use digest::{FixedOutput, KeyInit, Update};
        let mut reference = hmac::Hmac::<sha1::Sha1>::new_from_slice(key).unwrap();
        reference.update(message);
        reference.update(&word.to_be_bytes());
        reference.finalize_fixed().into()
    }

    /// Against the hmac crate: every length over three blocks.
    #[test]
    fn tags_of_every_length_are_hmac_sha1() {
        let key = [0x5a; 20];
        let message: Vec<u8> = (0..200).collect();
        for len in 0..=message.len() {
            let message = &message[..len];
            assert_eq!(
                Authenticator::new(&key).tag(message, 0x0102_0304),
                reference(&key, message, 0x0102_0304),
                "{len} bytes"
            );
        }
    }

    /// Where the processor has no SHA extensions, the crate computes the same.
    #[test]
    fn the_processors_sha_1_is_the_portable_one() {
        let blocks: Vec<[u8; BLOCK]> = (0..5_u8).map(|at| [at.wrapping_mul(77); BLOCK]).collect();
        for count in 0..blocks.len() {
            let (mut one, mut other) = (INITIAL, INITIAL);
            compress(&mut one, &blocks[..count]);
            sha1::block_api::compress(&mut other, &blocks[..count]);
            assert_eq!(one, other, "{count} blocks");
        }
    }

    proptest::proptest! {
        /// Batches of every size, of messages of any lengths under any keys.
        #[test]
        fn tags_of_a_batch_are_those_of_its_messages(
            batch in proptest::collection::vec(
                (proptest::prelude::any::<[u8; 20]>(), proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), proptest::prelude::any::<u32>()),
                0..=LANES,
            ),
            long in proptest::option::of((0..LANES, 400_usize..1500)),
        ) {
            let mut batch = batch;
            if let Some((at, len)) = long
                && let Some((_, message, _)) = batch.get_mut(at)
            {
                message.resize(len, 0x5a);
            }
            let authenticators: Vec<Authenticator> =
                batch.iter().map(|(key, ..)| Authenticator::new(key)).collect();
            let jobs: Vec<Job<'_>> = batch
                .iter()
                .zip(&authenticators)
                .map(|((_, message, word), hmac)| Job { hmac, message, word: *word })
                .collect();
            let mut computed = [[0; TAG]; LANES];
            tags(&jobs, &mut computed);
            for ((key, message, word), tag) in batch.iter().zip(computed) {
                proptest::prop_assert_eq!(tag, reference(key, message, *word));
            }
        }
    }

    #[test]
    fn the_rollover_counter_is_authenticated() {
        let auth = Authenticator::new(&[1; 20]);
        let tag = auth.tag(b"packet", 7);
        let verify =
            |roc, tag: &[u8]| Authenticated::by(&auth.tag(b"packet", roc), tag).map(|_| ());
        assert_eq!(verify(7, &tag[..10]), Ok(()));
        for (roc, tag) in [(8, &tag[..10]), (7, &tag[1..11]), (7, &[])] {
            assert_eq!(verify(roc, tag), Err(SrtpError::Authentication));
        }
    }
}
