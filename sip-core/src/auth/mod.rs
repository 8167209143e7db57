//! Digest authentication: RFC 3261 section 22, RFC 7616, and RFC 8760 for the algorithms in SIP.
//!
//! Both roles are here. As a server (`Authenticator`) we challenge with SHA-256 and MD5, and
//! judge what comes back; [`crate::stack`] delays and tells of what fails. As a client
//! ([`client`]) we answer the challenges of a trunk's peer.
//!
//! Only `qop=auth` is spoken: without it there is no count of requests, and so no defence against
//! replays. Passwords are kept as HA1 where that is enough, zeroised, and never shown.

pub mod client;
mod credentials;
mod digest;
mod nonce;
mod params;
mod server;
mod throttle;

pub use self::credentials::{CredentialSet, CredentialSetError, Login};
pub use self::digest::{Algorithm, Ha1};
pub(crate) use self::server::{Authenticator, Verdict};
pub(crate) use self::throttle::Throttle;
