//! The daemon as an operator and its peers see it: a process, its files and its sockets.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod api;
mod bounds;
mod certificates;
mod cli;
mod config;
mod connections;
mod credentials;
mod docs;
mod lifecycle;
mod mutual_tls;
mod observed;
mod openssl;
mod policies;
mod streams;
mod support;
mod targets;
mod tls;
