//! From Ethernet frame to Ethernet frame.
//!
//! [`decide`] answers with the tables of the XDP program what the program must answer, byte
//! for byte; it shares no code with it. [`parse`()] and [`emit`()] put the headers around what
//! a worker's [`super::Flow`] relays.

mod checksum;
mod count;
mod emit;
mod ethernet;
mod parse;
mod rewrite;
mod verdict;
mod verify;

pub use emit::{MAX_HEADERS, emit};
pub use parse::{Carried, PassReason, UdpFrame, parse};
pub use verdict::{FrameTables, FrameVerdict, decide};
pub use verify::has_valid_checksum;
