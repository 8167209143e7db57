//! The daemon as an operator and its peers see it: a process, its files and its sockets.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod config;
mod lifecycle;
mod policies;
mod streams;
mod support;
mod targets;
mod tls;
