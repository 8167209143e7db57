//! The crate as the media plane uses it.
#![allow(clippy::unwrap_used)] // A test may panic.

pub mod common;
mod flow;
mod flow_plan;
pub mod frame;
mod ports;
