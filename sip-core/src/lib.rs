//! Pure SIP: messages, framing, transactions, dialogs, SDP and the back-to-back user agent.
//!
//! No sockets, no clock, no async runtime: time comes in as `now`, randomness as an injected
//! generator, media ports through [`media_core::ports::MediaPorts`]; effects go out as
//! [`stack::Command`].

pub mod auth;
pub mod call;
pub mod dialog;
pub mod framing;
pub mod message;
mod rate;
pub mod refusal;
pub mod registrar;
pub mod registration;
pub mod sdp;
pub mod stack;
pub mod transaction;
pub mod transport;
pub mod trunk;
