//! The daemon as an operator and its peers see it: a process, its files and its sockets.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod alias;
mod api;
mod bounds;
mod certificates;
mod checking;
mod cli;
mod config;
mod connections;
mod credentials;
mod docs;
mod faults;
mod lifecycle;
mod mutual_tls;
mod observed;
mod openssl;
mod origination_config;
mod policies;
mod streams;
mod support;
mod targets;
mod tls;
mod trunk_config;
mod trunk_mistakes;
mod unreachable;
