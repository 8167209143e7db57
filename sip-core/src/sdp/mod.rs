//! SDP (RFC 8866): offer and answer between the two legs of a call (RFC 3264) with SDES keys
//! (RFC 4568).
//!
//! [`Negotiation`] is the one entry: SDP of one leg in, SDP for the other leg and a
//! [`media_core::session::Session`] for the media plane out.
//!
//! ```text
//! body ─ document (lines, bytes kept) ─ stream (what an m-line says: fields, codec, fax, crypto) ─┐
//! body ─ rewrite (only what must change) ─ leg (our o=, ports, keys) ─ negotiation ───────────────┘
//! ```

mod alternative;
mod answering;
mod codec;
mod crypto;
mod document;
mod exchange;
mod fax;
mod fields;
mod holding;
mod leg;
pub mod negotiation;
mod offering;
pub mod policy;
mod repeated;
mod rewrite;
mod stream;

pub use alternative::Alternative;
pub use negotiation::{LegMedia, Negotiation};
pub use policy::LegPolicy;
pub use repeated::DescriptionOrigin;
