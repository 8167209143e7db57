//! `cargo xtask bench sip` builds this and runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use trunkline_benches::media::sys;
use trunkline_benches::sip::sys::Counting;
use trunkline_benches::sip::{Options, run};

/// Allocations per message are a figure of the bench.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Parser)]
#[command(about = "Measures signalling beside its peers")]
struct Arguments {
    /// The daemon.
    #[arg(long)]
    daemon: PathBuf,
    /// One JSON object as the last thing on standard output.
    #[arg(long)]
    json: bool,
    /// Fewer and shorter turns.
    #[arg(long)]
    quick: bool,
    /// Only this section; may be given more than once.
    #[arg(long)]
    only: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = sys::cpus().map_err(anyhow::Error::from).and_then(|cpus| {
        let options = Options {
            daemon: arguments.daemon,
            is_quick: arguments.quick,
            is_json: arguments.json,
            only: arguments.only,
            generator_cpu: cpus.first().copied().unwrap_or_default(),
            contender_cpus: cpus.into_iter().skip(1).collect(),
        };
        run(&options)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
