//! RTP (RFC 3550 section 5.1): as much as the relay needs.

mod foreign;
mod header;
mod sequence;

pub use foreign::{Foreign, foreign};
pub use header::RtpHeader;
pub use sequence::{PacketIndex, estimate_index};
