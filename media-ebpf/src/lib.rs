//! The XDP program's arithmetic: everything that it does to a packet, without the kernel.
//!
//! ```text
//! frame ─ parse ─ classify ─ relay (source, payload, hops, ceiling) ─┬─ worker ─────────── verdict
//!                                                                   └─ forward ─ count ─ rewrite
//!                                                                                     └─ reshape
//! ```
//!
//! All of it compiles for the host as well, where [`relay::relay`] runs over tables
//! that are plain arrays; the maps and the helpers are in the modules that only exist for
//! the kernel. Every packet access goes through [`frame`], the one module here that may be
//! unsafe on the host.
//!
//! What is decided, and in which order, is written in [`media_common`].
#![cfg_attr(not(test), no_std)]

pub mod budget;
pub mod classify;
pub mod clock;
mod count;
mod forward;
pub mod frame;
pub mod parse;
pub mod relay;
pub mod reshape;
pub mod rewrite;
pub mod verdict;
