//! Media of whole calls through the daemon: what the pairings in `calls.rs` do not show.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

// `cfg(test)` always holds here; with it clippy knows that this is a test's code.
#[cfg(test)]
mod digits;
#[cfg(test)]
mod fax;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod passthrough;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod support;
