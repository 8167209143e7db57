//! The session keys of one context: what encrypts and what authenticates.

use cipher::inout::InOutBuf;

use super::auth::{Authenticated, Authenticator};
use super::cipher::{Mode, SessionCipher};
use super::error::SrtpError;
use super::gcm::GcmAuthenticator;
use super::kdf::{Derived, Labels};
use super::key::MasterKey;

/// What a context computes with.
pub(super) struct SessionKeys {
    cipher: SessionCipher,
    authenticator: Kind,
    /// GCM authenticates the word after the packet as associated data: SRTCP's E flag and index
    /// (RFC 7714 section 9.2). SRTP's rollover counter is in the counter block already.
    word_is_associated: bool,
}

enum Kind {
    Hmac(Authenticator),
    Gcm(GcmAuthenticator),
}

/// Which packet is protected, and what of it.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) ssrc: u32,
    /// Packet index of SRTP, 48 bits, or of SRTCP, 31 bits.
    pub(super) index: u64,
    /// What stays readable, bytes.
    pub(super) header_len: usize,
    /// What HMAC authenticates after the packet: ROC, or E flag and SRTCP index.
    pub(super) word: u32,
}

impl SessionKeys {
    pub(super) fn for_rtp(master: &MasterKey) -> SessionKeys {
        SessionKeys::derive(master, Labels::RTP, false)
    }

    pub(super) fn for_rtcp(master: &MasterKey) -> SessionKeys {
        SessionKeys::derive(master, Labels::RTCP, true)
    }

    fn derive(master: &MasterKey, labels: Labels, word_is_associated: bool) -> SessionKeys {
        let derived = Derived::from(master, labels);
        let (key, salt) = (derived.key(), derived.salt());
        if master.suite().is_aead() {
            return SessionKeys::of_gcm(key, salt, word_is_associated);
        }
        SessionKeys {
            cipher: SessionCipher::new(key, salt, Mode::CounterMode),
            authenticator: Kind::Hmac(Authenticator::new(derived.auth_key())),
            word_is_associated,
        }
    }

    fn of_gcm(key: &[u8], salt: &[u8], word_is_associated: bool) -> SessionKeys {
        let cipher = SessionCipher::new(key, salt, Mode::Gcm);
        SessionKeys {
            authenticator: Kind::Gcm(GcmAuthenticator::new(&cipher)),
            cipher,
            word_is_associated,
        }
    }

    /// What computes tags, unless encryption does.
    pub(super) fn hmac(&self) -> Option<&Authenticator> {
        match &self.authenticator {
            Kind::Hmac(hmac) => Some(hmac),
            Kind::Gcm(_) => None,
        }
    }

    /// Encrypts, or decrypts, what follows the header.
    pub(super) fn apply(&self, subject: Subject, data: InOutBuf<'_, '_, u8>) {
        self.cipher.apply(subject.ssrc, subject.index, data);
    }

    /// The tag over `message`, a packet with its payload encrypted and without trailer; to be
    /// cut to the suite's length.
    pub(super) fn tag(&self, subject: Subject, message: &[u8]) -> [u8; MAX_TAG_LEN] {
        match &self.authenticator {
            Kind::Hmac(hmac) => hmac.tag(message, subject.word),
            Kind::Gcm(gcm) => {
                let (header, encrypted) = message.split_at(subject.header_len);
                let packet = (subject.ssrc, subject.index);
                let mut with_word = [0; RTCP_ASSOCIATED_LEN];
                let associated = if self.word_is_associated {
                    let (first, last) = with_word.split_at_mut(header.len());
                    first.copy_from_slice(header);
                    last.copy_from_slice(&subject.word.to_be_bytes());
                    &with_word
                } else {
                    header
                };
                let tag = gcm.tag(&self.cipher, packet, associated, encrypted);
                let mut longer = [0; MAX_TAG_LEN];
                longer[..tag.len()].copy_from_slice(&tag);
                longer
            }
        }
    }

    /// Compares `tag`, of the length that the suite says, in constant time.
    pub(super) fn verify(
        &self,
        subject: Subject,
        message: &[u8],
        tag: &[u8],
    ) -> Result<Authenticated, SrtpError> {
        Authenticated::by(&self.tag(subject, message), tag)
    }
}

/// Of HMAC-SHA1, uncut.
const MAX_TAG_LEN: usize = 20;
/// First header and source, then the index: 3 words (RFC 7714 section 9.2).
const RTCP_ASSOCIATED_LEN: usize = crate::rtcp::HEADER_LEN + 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::tests::hex;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const SALT: &str = "517569642070726f2071756f";

    /// What of `plain` leaves, tag included.
    fn protect(keys: &SessionKeys, subject: Subject, plain: &str) -> Vec<u8> {
        let mut packet = hex(plain);
        keys.apply(subject, packet[subject.header_len..].as_mut().into());
        let tag = keys.tag(subject, &packet);
        assert!(keys.verify(subject, &packet, &tag[..16]).is_ok());
        packet.extend(&tag[..16]);
        packet
    }

    /// RFC 7714 sections 16.1.1 and 16.2.1. They give session keys, not master keys.
    #[test]
    fn srtp_with_gcm_is_that_of_the_rfc() {
        let plain = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e\
                     207061727465732074726573";
        let subject = Subject {
            ssrc: 0x5501_a0b2,
            index: 0xf17b,
            header_len: 12,
            word: 0,
        };
        for (key, protected) in [
            (
                &KEY[..32],
                "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a\
                 51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
            ),
            (
                KEY,
                "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a02\
                 76ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
            ),
        ] {
            let keys = SessionKeys::of_gcm(&hex(key), &hex(SALT), false);
            assert_eq!(protect(&keys, subject, plain), hex(protected));
        }
    }

    /// RFC 7714 sections 17.1 and 17.2; the index follows the tag.
    #[test]
    fn srtcp_with_gcm_is_that_of_the_rfc() {
        let plain = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeef\
                     deadbeefdeadbeefdeadbeefdeadbeef";
        let subject = Subject {
            ssrc: 0x4d61_7273,
            index: 0x5d4,
            header_len: 8,
            word: 0x8000_05d4,
        };
        for (key, protected) in [
            (
                &KEY[..32],
                "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda\
                 4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade",
            ),
            (
                KEY,
                "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be\
                 8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be",
            ),
        ] {
            let keys = SessionKeys::of_gcm(&hex(key), &hex(SALT), true);
            assert_eq!(protect(&keys, subject, plain), hex(protected));
        }
    }
}
