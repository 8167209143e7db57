//! The relay: one packet in, at most one packet out. The oracle of the XDP program.
//!
//! A [`Flow`] is what happens to the packets that arrive at one local port: check the
//! source, check that the packet is RTP or RTCP, check the payload type, remove and add
//! the protection of the two legs, say where it goes. [`frame`] does the same from
//! Ethernet frame to Ethernet frame with the tables that the XDP program reads. Nothing
//! here allocates, locks or logs on a packet's way.

mod config;
mod contexts;
mod flow;
pub mod frame;
mod latch;
mod outcome;
mod tags;
mod transform;

pub use config::{Carries, FlowConfig, Route, Source, Transform};
pub use flow::Flow;
pub(crate) use latch::is_allowed;
pub use outcome::{Drops, FlowStats, Outcome};
pub use tags::{Begun, Lacking, compute_tags, write_tags};
