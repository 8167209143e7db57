//! The crate as the media plane uses it.
#![allow(clippy::unwrap_used)] // A test may panic.

mod common;
mod flow;
mod flow_plan;
mod frame;
mod ports;
