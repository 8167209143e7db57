//! `cargo xtask bench sip` builds this and runs it.

use std::process::ExitCode;

use clap::Parser as _;
use trunkline_benches::arguments::SignallingArguments;
use trunkline_benches::sip::run;
use trunkline_benches::sip::sys::Counting;

/// Allocations per message are a figure of the bench.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    SignallingArguments::parse().run(run)
}
