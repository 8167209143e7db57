//! What is fuzzed: a function of bytes for each part that reads what strangers send. It returns if
//! what must hold has held, and panics if not.
//!
//! The binaries of libFuzzer in `libfuzzer/` call these functions, and so does an ordinary test
//! (`tests/short_run.rs`) with inputs of its own making: a seeded [`mutation`] of the [`seeds`].

#[allow(clippy::unwrap_used, reason = "of a test")]
#[path = "../../media-core/tests/media/common.rs"]
pub mod common;
pub mod dictionary;
pub mod frame;
mod framing;
mod input;
mod message;
pub mod mutation;
pub mod rng;
mod sdp;
pub mod seeds;
mod srtp;
mod stack;
mod uri;

/// One thing to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its binary, corpus and regressions.
    pub name: &'static str,
    /// Panics if something that must hold does not.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many inputs the short run gives it: a few seconds without optimisation.
    pub short_run: usize,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "message",
        run: message::parse_and_write,
        seeds: seeds::messages,
        short_run: 30_000,
    },
    Target {
        name: "uri",
        run: uri::addresses,
        seeds: seeds::addresses,
        short_run: 300_000,
    },
    Target {
        name: "framing",
        run: framing::split_anywhere,
        seeds: seeds::streams,
        short_run: 8_000,
    },
    Target {
        name: "sdp",
        run: sdp::negotiate,
        seeds: seeds::negotiations,
        short_run: 50_000,
    },
    Target {
        name: "stack",
        run: stack::operate,
        seeds: seeds::operations,
        short_run: 8_000,
    },
    Target {
        name: "srtp",
        run: srtp::unprotect,
        seeds: seeds::packets,
        short_run: 20_000,
    },
    Target {
        name: "frame",
        run: frame::relay_and_program,
        seeds: frame::seeds,
        short_run: 120_000,
    },
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|target| target.name == name).copied()
}

/// Gives an input to the target of that name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = target(name).expect("a binary is named after its target");
    (target.run)(bytes);
}
