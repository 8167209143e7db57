//! Pure media: SRTP, the relay that is the oracle of the XDP program, sessions, ports, flow plans.
//!
//! No sockets, no clock, no async runtime: time comes in as `now`, randomness as an
//! injected generator.

pub mod flow_plan;
pub mod ports;
pub mod quality;
pub mod relay;
pub mod report;
pub mod rtcp;
pub mod rtp;
pub mod session;
pub mod srtp;
