//! Why a packet was not protected or unprotected.

use media_common::counters::DropReason;

/// Nothing of a context has changed when it answers with one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// Not RTP or RTCP of version 2, shorter than its header and trailer, or SRTCP that is
    /// not encrypted.
    #[error("not a packet of its kind")]
    Malformed,
    /// The tag is wrong, or the MKI names another key.
    #[error("authentication failed")]
    Authentication,
    /// The index was seen before or lies before the replay window. A sender says so too:
    /// encrypting under an index twice would give the keystream away (RFC 3711 section 9.1).
    #[error("index already used")]
    Replay,
    /// The key has protected all the packets that it may (RFC 3711 section 9.2), or more
    /// sources than can be told apart.
    #[error("the key is used up")]
    KeyExpired,
    /// The output has no room for the packet.
    #[error("no room for the packet")]
    TooLong,
}

impl From<SrtpError> for DropReason {
    fn from(error: SrtpError) -> DropReason {
        match error {
            SrtpError::Malformed => DropReason::Malformed,
            SrtpError::Authentication => DropReason::Authentication,
            SrtpError::Replay => DropReason::Replay,
            SrtpError::KeyExpired => DropReason::KeyExpired,
            SrtpError::TooLong => DropReason::TooLong,
        }
    }
}
