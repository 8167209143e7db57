//! The daemon: everything that has a socket, a clock or a file. Signalling itself is
//! [`sip_core`], media arithmetic is [`media_core`].

pub mod config;
mod dns;
pub mod media;
pub mod metrics;
mod ports;
pub mod transport;
