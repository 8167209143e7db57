//! Transports.
pub mod tls;
