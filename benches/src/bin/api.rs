//! `cargo xtask bench api` builds this and runs it.

use std::process::ExitCode;

use clap::Parser as _;
use trunkline_benches::arguments::SignallingArguments;
use trunkline_benches::sip::run_api;

fn main() -> ExitCode {
    SignallingArguments::parse().run(run_api)
}
