//! The ABI between the XDP program and user space, version [`ABI_VERSION`].
//!
//! Everything here is `repr(C)` with explicit padding, integers instead of
//! enums, and network byte order where a value is compared with or written to
//! a packet. The crate has no dependencies and no allocation.
#![no_std]

pub mod counters;
pub mod flow;

/// Changes when any layout or meaning in this crate changes; names the directory of the pins.
pub const ABI_VERSION: u32 = 1;
