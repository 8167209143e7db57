//! `trunkline man`: a manual page for each verb.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::arguments::Arguments;
use super::failure::Failure;

#[derive(Args)]
pub(super) struct ManArguments {
    /// Such as /usr/local/share/man/man1; made if it is not there.
    directory: PathBuf,
}

impl ManArguments {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let directory = &self.directory;
        let failed = |error| Failure::file(directory, &error);
        std::fs::create_dir_all(directory).map_err(failed)?;
        clap_mangen::generate_to(Arguments::command(), directory).map_err(failed)
    }
}
