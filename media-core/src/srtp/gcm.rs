//! The tag of AES-GCM (RFC 7714 section 5, NIST SP 800-38D section 7).

use ghash::GHash;
use ghash::universal_hash::UniversalHash;

use super::cipher::SessionCipher;
use super::vector::ghash::HashKey;

/// GHASH with its key's powers computed once.
pub(super) enum GcmAuthenticator {
    /// Where the processor multiplies without carry.
    Vector(HashKey),
    Portable(GHash),
}

impl GcmAuthenticator {
    pub(super) fn new(cipher: &SessionCipher) -> GcmAuthenticator {
        let key = cipher.hash_key();
        match HashKey::new(&key) {
            Some(key) => GcmAuthenticator::Vector(key),
            None => GcmAuthenticator::Portable(GHash::new((&*key).into())),
        }
    }

    /// The tag over associated data and the encrypted text of packet `index` of source `ssrc`.
    pub(super) fn tag(
        &self,
        cipher: &SessionCipher,
        (ssrc, index): (u32, u64),
        associated: &[u8],
        encrypted: &[u8],
    ) -> [u8; TAG_LEN] {
        let mut tag = match self {
            GcmAuthenticator::Vector(key) => key.hash(associated, encrypted),
            GcmAuthenticator::Portable(key) => portable(key, associated, encrypted),
        };
        let mask = cipher.tag_mask(ssrc, index);
        tag.iter_mut()
            .zip(mask)
            .for_each(|(tag, mask)| *tag ^= mask);
        tag
    }
}

fn portable(key: &GHash, associated: &[u8], encrypted: &[u8]) -> [u8; TAG_LEN] {
    let mut hash = key.clone();
    hash.update_padded(associated);
    hash.update_padded(encrypted);
    let bits = |bytes: &[u8]| bytes.len() as u128 * 8;
    let lengths = bits(associated) << 64 | bits(encrypted);
    hash.update(&[lengths.to_be_bytes().into()]);
    hash.finalize().into()
}

/// 128 bits: no suite cuts it (RFC 7714 section 13.2).
pub(super) const TAG_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_processors_hash_is_the_portable_one(
            key in any::<[u8; 16]>(),
            associated in prop::collection::vec(any::<u8>(), 0..80),
            encrypted in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            if let Some(processors) = HashKey::new(&key) {
                prop_assert_eq!(
                    processors.hash(&associated, &encrypted),
                    portable(&GHash::new((&key).into()), &associated, &encrypted)
                );
            }
        }
    }
}
