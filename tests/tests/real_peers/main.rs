//! Signalling with real peers in the lab: SIPp by scenarios, Kamailio as a carrier's proxy, a name
//! server, a carrier that is killed; and what tshark reads on the wire.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

// `cfg(test)` always holds here; with it clippy knows that this is a test's code.
#[cfg(test)]
mod carriers;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod load;
#[cfg(test)]
mod names;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod support;
#[cfg(test)]
mod timers;
#[cfg(test)]
mod transfers;
#[cfg(test)]
mod wire;
