//! Crypto suites (RFC 4568 section 6.2).

/// A crypto suite that this crate can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suite {
    /// `AES_CM_128_HMAC_SHA1_80`
    AesCm128HmacSha1_80,
    /// `AES_CM_128_HMAC_SHA1_32`
    AesCm128HmacSha1_32,
}

impl Suite {
    pub const ALL: &'static [Suite] = &[Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

    /// The name in `a=crypto`.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite of that name, case-insensitively.
    pub fn from_name(name: &str) -> Option<Suite> {
        Suite::ALL
            .iter()
            .copied()
            .find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Master key length, bytes.
    pub fn key_len(self) -> usize {
        16
    }

    /// Master salt length, bytes.
    pub fn salt_len(self) -> usize {
        14
    }

    /// SRTP authentication tag length, bytes.
    pub fn rtp_tag_len(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 => 10,
            Suite::AesCm128HmacSha1_32 => 4,
        }
    }

    /// SRTCP authentication tag length, bytes: 80 bits with both (RFC 4568 section 6.2).
    pub fn rtcp_tag_len(self) -> usize {
        10
    }
}
