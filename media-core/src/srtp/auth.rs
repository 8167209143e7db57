//! HMAC-SHA1 (RFC 3711 section 4.2.1) and the proof that a tag was right.

use digest::{FixedOutput, KeyInit, Update};
use hmac::Hmac;
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::error::SrtpError;

/// Proof that a packet's tag was verified.
///
/// Only the comparison of a tag makes one, and only a receiver of SRTP or SRTCP hands it
/// out: whatever moves a rollover counter, a replay window or a latch asks for it.
#[derive(Debug)]
pub struct Authenticated(());

/// HMAC-SHA1 with the inner and outer states of its key computed once.
pub(super) struct Authenticator {
    keyed: Hmac<Sha1>,
}

impl Authenticator {
    pub(super) fn new(key: &[u8; 20]) -> Authenticator {
        let mut block = zeroize::Zeroizing::new([0; 64]);
        // HMAC pads a key shorter than a block with zeros (RFC 2104 section 2).
        block[..20].copy_from_slice(key);
        Authenticator {
            keyed: Hmac::new((&*block).into()),
        }
    }

    /// The tag over `authenticated` and, for SRTP, the rollover counter; to be cut to length.
    pub(super) fn tag(&self, authenticated: &[u8], roc: Option<u32>) -> [u8; 20] {
        let mut mac = self.keyed.clone();
        mac.update(authenticated);
        if let Some(roc) = roc {
            mac.update(&roc.to_be_bytes());
        }
        mac.finalize_fixed().into()
    }

    /// Compares `tag`, of the length that the suite says, in constant time.
    pub(super) fn verify(
        &self,
        authenticated: &[u8],
        roc: Option<u32>,
        tag: &[u8],
    ) -> Result<Authenticated, SrtpError> {
        let expected = self.tag(authenticated, roc);
        let expected = expected.get(..tag.len()).ok_or(SrtpError::Malformed)?;
        if !tag.is_empty() && bool::from(expected.ct_eq(tag)) {
            Ok(Authenticated(()))
        } else {
            Err(SrtpError::Authentication)
        }
    }
}

/// Writes MKI and tag at `out[at..]`, which has room for them; answers where they end.
pub(super) fn append(out: &mut [u8], at: usize, mki: &[u8], tag: &[u8]) -> usize {
    let tag_at = at + mki.len();
    let end = tag_at + tag.len();
    out[at..tag_at].copy_from_slice(mki);
    out[tag_at..end].copy_from_slice(tag);
    end
}

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

    #[test]
    fn the_rollover_counter_is_authenticated() {
        let auth = Authenticator::new(&[1; 20]);
        let tag = auth.tag(b"packet", Some(7));
        assert!(auth.verify(b"packet", Some(7), &tag[..10]).is_ok());
        for (roc, tag) in [
            (Some(8), &tag[..10]),
            (None, &tag[..10]),
            (Some(7), &tag[1..11]),
            (Some(7), &[]),
        ] {
            assert_eq!(
                auth.verify(b"packet", roc, tag).unwrap_err(),
                SrtpError::Authentication
            );
        }
    }
}
