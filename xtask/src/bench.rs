//! `cargo xtask bench`: the criterion microbenches.

use anyhow::Result;

use crate::{progress, workspace};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Arguments of criterion, after `--`: a name to select benches by, `--quick`.
    #[arg(last = true)]
    arguments: Vec<std::ffi::OsString>,
}

pub(crate) fn command(arguments: &Arguments) -> Result<()> {
    let mut command = workspace::cargo();
    command.args(["bench", "-p", "trunkline-benches", "--benches", "--"]);
    command.args(&arguments.arguments);
    progress::shown("microbenches", &mut command)
}
