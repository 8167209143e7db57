//! The daemon: everything that has a socket, a clock or a file. Signalling itself is
//! [`sip_core`], media arithmetic is [`media_core`]; the driver joins them to the world.

mod cdr;
mod clock;
pub mod config;
pub mod control;
pub mod daemon;
mod dns;
mod driver;
mod events;
pub mod flows;
pub mod gathering;
mod line_limit;
pub mod media;
pub mod metrics;
mod outbox;
mod ports;
mod signals;
pub mod status;
mod store;
pub mod transport;
