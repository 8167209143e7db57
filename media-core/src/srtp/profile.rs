//! Crypto suites (RFC 4568 section 6.2, RFC 6188 section 3, RFC 7714 section 14.1).

/// A crypto suite that this crate can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suite {
    /// `AES_CM_128_HMAC_SHA1_80` (RFC 4568 section 6.2.1)
    AesCm128HmacSha1_80,
    /// `AES_CM_128_HMAC_SHA1_32` (RFC 4568 section 6.2.2)
    AesCm128HmacSha1_32,
    /// `AES_256_CM_HMAC_SHA1_80` (RFC 6188 section 3.2)
    Aes256CmHmacSha1_80,
    /// `AES_256_CM_HMAC_SHA1_32` (RFC 6188 section 3.2)
    Aes256CmHmacSha1_32,
    /// `AEAD_AES_128_GCM` (RFC 7714 section 14.1)
    AeadAes128Gcm,
    /// `AEAD_AES_256_GCM` (RFC 7714 section 14.1)
    AeadAes256Gcm,
}

impl Suite {
    pub const ALL: &'static [Suite] = &[
        Suite::AesCm128HmacSha1_80,
        Suite::AesCm128HmacSha1_32,
        Suite::Aes256CmHmacSha1_80,
        Suite::Aes256CmHmacSha1_32,
        Suite::AeadAes128Gcm,
        Suite::AeadAes256Gcm,
    ];

    /// What a trunk accepts that names none: the suites that every SDES peer knows (SEC-6).
    pub const DEFAULT: &'static [Suite] = &[Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

    /// The name in `a=crypto`, as the IANA registry of SDES crypto suites has it.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::Aes256CmHmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::Aes256CmHmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of that name, case-insensitively.
    pub fn from_name(name: &str) -> Option<Suite> {
        Suite::ALL
            .iter()
            .copied()
            .find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Encryption and authentication in one, without HMAC (RFC 7714).
    pub fn is_aead(self) -> bool {
        matches!(self, Suite::AeadAes128Gcm | Suite::AeadAes256Gcm)
    }

    /// Master key length, bytes.
    pub fn key_len(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 | Suite::AeadAes128Gcm => 16,
            Suite::Aes256CmHmacSha1_80 | Suite::Aes256CmHmacSha1_32 | Suite::AeadAes256Gcm => 32,
        }
    }

    /// Master salt length, bytes.
    pub fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// SRTP authentication tag length, bytes.
    pub fn rtp_tag_len(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 | Suite::Aes256CmHmacSha1_80 => 10,
            Suite::AesCm128HmacSha1_32 | Suite::Aes256CmHmacSha1_32 => 4,
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 16,
        }
    }

    /// SRTCP authentication tag length, bytes: 80 bits with every HMAC, the short ones too
    /// (RFC 4568 section 6.2, RFC 6188 section 3.2).
    pub fn rtcp_tag_len(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_found_by_its_registered_name() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_name(suite.name()), Some(*suite));
            assert_eq!(
                Suite::from_name(&suite.name().to_ascii_lowercase()),
                Some(*suite)
            );
        }
        assert_eq!(Suite::from_name("F8_128_HMAC_SHA1_80"), None);
    }
}
