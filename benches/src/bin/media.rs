//! `cargo xtask bench media` builds this and runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use trunkline_benches::media::{Objects, Options, run, sys};

#[derive(Parser)]
#[command(about = "Measures the media plane beside its peers")]
struct Arguments {
    /// The shipped XDP object.
    #[arg(long)]
    media_object: PathBuf,
    /// The benches' own object.
    #[arg(long)]
    bench_object: PathBuf,
    /// One JSON object as the last thing on standard output.
    #[arg(long)]
    json: bool,
    /// Fewer turns: under three minutes.
    #[arg(long)]
    quick: bool,
    /// Only this section; may be given more than once.
    #[arg(long)]
    only: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let objects = Objects {
        media: arguments.media_object,
        bench: arguments.bench_object,
    };
    let result = sys::cpus().map_err(anyhow::Error::from).and_then(|cpus| {
        let options = Options {
            is_quick: arguments.quick,
            is_json: arguments.json,
            only: arguments.only,
            generator_cpu: cpus.first().copied().unwrap_or_default(),
            contender_cpus: cpus.into_iter().skip(1).collect(),
        };
        run(&objects, &options)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
