//! `cargo xtask build`: the daemon with the XDP program embedded.

use std::path::PathBuf;

use anyhow::Result;

use crate::setup::{self, Group};
use crate::{ebpf, progress, web, workspace};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The dev profile instead of release.
    #[arg(long)]
    debug: bool,
    /// Without the XDP program: the daemon then has the socket backend only.
    #[arg(long)]
    no_ebpf: bool,
    /// The XDP program's object alone; prints its path.
    #[arg(long, conflicts_with_all = ["no_ebpf", "debug"])]
    only_ebpf: bool,
    /// Without the console: needs no Node.js.
    #[arg(long)]
    no_web: bool,
    /// With the tracing variant of the XDP program.
    #[arg(long, conflicts_with = "no_ebpf")]
    trace: bool,
}

pub(crate) fn command(arguments: &Arguments) -> Result<()> {
    let object = if arguments.no_ebpf {
        None
    } else {
        setup::ensure(Group::Build)?;
        Some(ebpf::build(arguments.trace)?)
    };
    if let (true, Some(object)) = (arguments.only_ebpf, &object) {
        println!("{}", object.display());
        return Ok(());
    }
    let web = match arguments.no_web {
        true => None,
        false => Some(web::build()?),
    };
    let daemon = daemon(&Daemon {
        object,
        web,
        trace: arguments.trace,
        debug: arguments.debug,
    })?;
    println!("{}", daemon.display());
    Ok(())
}

/// What kind of daemon to build.
#[derive(Default)]
pub(crate) struct Daemon {
    /// The object to embed.
    pub(crate) object: Option<PathBuf>,
    /// The directory with the console to embed.
    pub(crate) web: Option<PathBuf>,
    /// Show what the tracing object logs.
    pub(crate) trace: bool,
    pub(crate) debug: bool,
}

/// Builds the daemon and gives its path.
pub(crate) fn daemon(daemon: &Daemon) -> Result<PathBuf> {
    binaries(
        daemon,
        &["-p", "sip-control", "--bin", "trunkline"],
        "daemon",
    )?;
    Ok(binary_path("trunkline", daemon.debug))
}

/// Builds the binaries that `selection` names, with the daemon as described.
pub(crate) fn binaries(daemon: &Daemon, selection: &[&str], what: &str) -> Result<()> {
    let mut command = workspace::cargo();
    command.arg("build").args(selection);
    if !daemon.debug {
        command.arg("--release");
    }
    if daemon.trace {
        command.args(["--features", "sip-control/trace"]);
    }
    match &daemon.object {
        Some(object) => command.env(ebpf::OBJECT_VARIABLE, object),
        None => command.env_remove(ebpf::OBJECT_VARIABLE),
    };
    match &daemon.web {
        Some(directory) => command.env(web::DIRECTORY_VARIABLE, directory),
        None => command.env_remove(web::DIRECTORY_VARIABLE),
    };
    progress::shown(what, &mut command)
}

/// Where cargo leaves the binary of that name.
pub(crate) fn binary_path(name: &str, debug: bool) -> PathBuf {
    let profile = if debug { "debug" } else { "release" };
    workspace::target_dir().join(profile).join(name)
}
