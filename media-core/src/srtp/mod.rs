//! SRTP and SRTCP (RFC 3711).

pub mod key;
pub mod profile;
