//! Trunkline's own build tool: `cargo xtask <command>`, a file per command.
//!
//! Progress goes to standard error; standard output carries only what a command
//! promises there (a path, the demo's report), so that it can be piped.

mod bench;
mod build;
mod demo;
mod ebpf;
mod fuzz;
mod lint;
mod progress;
mod run;
mod setup;
mod test;
mod web;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Sets up, builds, runs and checks Trunkline"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find what is missing on this machine and install it (as root) or say how.
    Setup(setup::Arguments),
    /// Build the daemon with the XDP program embedded and print its path.
    Build(build::Arguments),
    /// Build the daemon and run it: `cargo xtask run -- run --config trunkline.toml`.
    Run(run::Arguments),
    /// Place five calls through the daemon, in namespaces or over loopback.
    Demo(demo::Arguments),
    /// Run every test.
    Test(test::Arguments),
    /// Run libFuzzer on the parsers and the signalling stack, with nightly.
    Fuzz(fuzz::Arguments),
    /// Check formatting, clippy, documentation and dependencies.
    Lint,
    /// Run the microbenches, or measure the media plane beside its peers.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup(arguments) => setup::command(&arguments),
        Command::Build(arguments) => build::command(&arguments),
        Command::Run(arguments) => run::command(&arguments),
        Command::Demo(arguments) => demo::command(&arguments),
        Command::Test(arguments) => test::command(&arguments),
        Command::Fuzz(arguments) => fuzz::command(&arguments),
        Command::Lint => lint::command(),
        Command::Bench(arguments) => bench::command(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
