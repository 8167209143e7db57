//! Signalling with real peers in the lab: SIPp by scenarios, Kamailio as a carrier's proxy, a name
//! server, a carrier that is killed; and what tshark reads on the wire.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod carriers;
mod flows;
mod load;
mod names;
mod proxy;
mod support;
mod timers;
mod transfers;
mod wire;
