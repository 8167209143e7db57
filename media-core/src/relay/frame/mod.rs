//! From Ethernet frame to Ethernet frame.
//!
//! [`parse`()] and [`emit`()] put the headers around what a worker's [`super::Flow`] relays.

mod emit;
mod parse;

pub use emit::{MAX_HEADERS, emit};
pub use parse::{PassReason, UdpFrame, parse};
