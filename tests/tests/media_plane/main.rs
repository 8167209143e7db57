//! The media plane without signalling: sessions applied to it, real packets through it.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod checksums;
mod edge;
mod endpoint;
mod faults;
mod hygiene;
mod injection;
mod lifecycle;
mod next_hops;
mod quality;
mod queues;
mod soak;
mod sockets;
mod stranger;
mod support;
mod vlan;
mod workers;
mod xdp;
