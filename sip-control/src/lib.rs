//! The daemon: everything that has a socket, a clock or a file. Signalling itself is
//! [`sip_core`], media arithmetic is [`media_core`]; the driver joins them to the world.

mod api;
mod calls;
mod cdr;
pub mod cli;
mod clock;
pub mod config;
pub mod control;
pub mod daemon;
mod dns;
mod driver;
mod events;
pub mod flows;
pub mod gathering;
mod health;
mod line_limit;
mod manage;
pub mod media;
pub mod metrics;
mod observe;
mod operation;
mod outbox;
mod ports;
mod signals;
pub mod status;
mod store;
pub mod transport;
