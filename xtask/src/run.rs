//! `cargo xtask run -- <arguments of trunkline>`.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::setup::{self, Group};
use crate::{build, ebpf, web};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// With the XDP program that says in words what happened to each packet.
    #[arg(long, conflicts_with = "no_ebpf")]
    trace: bool,
    /// The dev profile instead of release.
    #[arg(long)]
    debug: bool,
    /// Without the XDP program: the socket backend only.
    #[arg(long)]
    no_ebpf: bool,
    /// Arguments of trunkline, after `--`.
    #[arg(last = true)]
    arguments: Vec<std::ffi::OsString>,
}

pub(crate) fn command(arguments: &Arguments) -> Result<()> {
    let object = if arguments.no_ebpf {
        None
    } else {
        setup::ensure(Group::Build)?;
        Some(ebpf::build(arguments.trace)?)
    };
    let daemon = build::daemon(&build::Daemon {
        object,
        web: web::build_if_possible()?,
        trace: arguments.trace,
        debug: arguments.debug,
    })?;
    // The daemon takes this process's place: signals and the exit status are its own.
    let error = Command::new(&daemon).args(&arguments.arguments).exec();
    Err(error).with_context(|| format!("cannot run {}", daemon.display()))
}
