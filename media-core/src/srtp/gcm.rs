//! The tag of AES-GCM (RFC 7714 section 5, NIST SP 800-38D section 7).

use ghash::GHash;
use ghash::universal_hash::UniversalHash;

use super::cipher::SessionCipher;

/// GHASH with its key's powers computed once.
pub(super) struct GcmAuthenticator {
    hash: GHash,
}

impl GcmAuthenticator {
    pub(super) fn new(cipher: &SessionCipher) -> GcmAuthenticator {
        let key = cipher.hash_key();
        GcmAuthenticator {
            hash: GHash::new((&*key).into()),
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
        let mut hash = self.hash.clone();
        hash.update_padded(associated);
        hash.update_padded(encrypted);
        let bits = |bytes: &[u8]| bytes.len() as u128 * 8;
        let lengths = bits(associated) << 64 | bits(encrypted);
        hash.update(&[lengths.to_be_bytes().into()]);
        let mut tag: [u8; TAG_LEN] = hash.finalize().into();
        let mask = cipher.tag_mask(ssrc, index);
        tag.iter_mut()
            .zip(mask)
            .for_each(|(tag, mask)| *tag ^= mask);
        tag
    }
}

/// 128 bits: no suite cuts it (RFC 7714 section 13.2).
pub(super) const TAG_LEN: usize = 16;
