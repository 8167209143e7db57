//! SRTP and SRTCP (RFC 3711).

pub mod key;
pub mod profile;

/// What protection adds to a packet at most: SRTCP index, MKI, tag (RFC 3711 section 3.4).
pub const MAX_TRAILER: usize = 4 + 128 + 10;

/// Proof that a packet's tag was right. Only authentication makes one, and only it
/// moves a rollover counter, a replay window or a latch.
pub struct Authenticated(());
