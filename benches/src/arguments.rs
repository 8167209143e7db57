//! The command line of the benches that put calls through a daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::media::sys;
use crate::sip::Options;

#[derive(Parser)]
pub struct SignallingArguments {
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

impl SignallingArguments {
    /// Measures as the command line says, and says on standard error if that fails.
    pub fn run(self, measure: impl FnOnce(&Options) -> anyhow::Result<()>) -> ExitCode {
        let result = sys::cpus().map_err(anyhow::Error::from).and_then(|cpus| {
            measure(&Options {
                daemon: self.daemon,
                is_quick: self.quick,
                is_json: self.json,
                only: self.only,
                generator_cpu: cpus.first().copied().unwrap_or_default(),
                contender_cpus: cpus.into_iter().skip(1).collect(),
            })
        });
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}
