//! The media plane without signalling: sessions applied to it, real packets through it.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

// `cfg(test)` always holds here; with it clippy knows that this is a test's code.
#[cfg(test)]
mod checksums;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod endpoint;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hygiene;
#[cfg(test)]
mod injection;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod next_hops;
#[cfg(test)]
mod quality;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod stranger;
#[cfg(test)]
mod support;
#[cfg(test)]
mod vlan;
#[cfg(test)]
mod workers;
#[cfg(test)]
mod xdp;
