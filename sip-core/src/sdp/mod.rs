//! SDP (RFC 8866): offer and answer between the two legs of a call (RFC 3264) with SDES keys
//! (RFC 4568).
//!
//! [`negotiation::Negotiation`] is the one entry: SDP of one leg in, SDP for the other leg and a
//! [`media_core::session::Session`] for the media plane out.

pub mod negotiation;
pub mod policy;

pub use negotiation::{LegMedia, Negotiation};
pub use policy::LegPolicy;
