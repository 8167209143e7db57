//! SRTP and SRTCP (RFC 3711) with AES in counter mode and HMAC-SHA1, 128 and 256 bits (RFC 6188),
//! or AES-GCM (RFC 7714).
//!
//! A context belongs to one master key and one direction: [`SrtpSender`], [`SrtpReceiver`],
//! [`SrtcpSender`], [`SrtcpReceiver`]. Session keys are derived and expanded once, the keyed
//! states are kept; a packet costs no allocation. The key derivation rate is 0 (section
//! 4.3.1), the session parameters are those of RFC 4568: encrypted and authenticated both.
//!
//! Who has many packets at hand, of whatever flows, takes them through [`batch`], which is
//! faster for each.

mod auth;
pub mod batch;
mod cipher;
mod error;
mod gcm;
mod kdf;
pub mod key;
mod keys;
pub(crate) mod parked;
pub mod profile;
mod replay;
mod rtcp;
mod rtp;
mod sources;
mod trailer;
mod vector;

pub use auth::Authenticated;
pub use error::SrtpError;
pub use rtcp::{SrtcpReceiver, SrtcpSender};
pub use rtp::{SrtpReceiver, SrtpSender};
pub use sources::MAX_SOURCES;

/// What protection adds to a packet at most, bytes: SRTCP index, MKI, and the tag of GCM
/// (RFC 3711 section 3.4, RFC 7714 section 9).
pub const MAX_TRAILER: usize = 4 + key::MAX_MKI_LEN + gcm::TAG_LEN;

#[cfg(test)]
mod tests;
