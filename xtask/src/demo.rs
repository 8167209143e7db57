//! `cargo xtask demo`: five calls through the daemon, checked by their endpoints; `--console`: calls
//! that go on, with the console beside them.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::setup::{self, Group};
use crate::{build, ebpf, web, workspace};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// `xdp`: three network namespaces, as root. `socket`: over loopback, as anybody.
    #[arg(long, value_enum, default_value_t = Backend::Xdp)]
    backend: Backend,
    /// One JSON object on standard output and nothing else there.
    #[arg(long)]
    json: bool,
    /// Calls that go on until Ctrl-C, and the address and token of the console that shows them. With
    /// `--json`: one line of both when all is up.
    #[arg(long)]
    console: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    Xdp,
    Socket,
}

pub(crate) fn command(arguments: &Arguments) -> Result<()> {
    let object = match arguments.backend {
        Backend::Xdp if !workspace::is_root() => bail!(
            "the demo's network namespaces need root; as an ordinary user: \
             cargo xtask demo --backend socket"
        ),
        Backend::Xdp => {
            setup::ensure(Group::Demo)?;
            Some(ebpf::build(false)?)
        }
        // The object is not needed; one that is there already is embedded all the
        // same, so that the two kinds of demo do not rebuild the daemon in turn.
        Backend::Socket => Some(ebpf::object_path(false)).filter(|object| object.is_file()),
    };
    let daemon = build::Daemon {
        object,
        web: match arguments.console {
            true => Some(web::build()?),
            false => web::build_if_possible()?,
        },
        ..build::Daemon::default()
    };
    let selection = [
        "-p",
        "sip-control",
        "--bin",
        "trunkline",
        "-p",
        "trunkline-tests",
        "--bin",
        "demo",
    ];
    build::binaries(&daemon, &selection, "daemon and demo")?;

    let mut demo = Command::new(build::binary_path("demo", false));
    demo.arg("--daemon")
        .arg(build::binary_path("trunkline", false));
    demo.arg("--backend").arg(match arguments.backend {
        Backend::Xdp => "xdp",
        Backend::Socket => "socket",
    });
    for (is_wanted, flag) in [(arguments.json, "--json"), (arguments.console, "--console")] {
        if is_wanted {
            demo.arg(flag);
        }
    }
    // The demo takes this process's place: Ctrl-C reaches it, nothing ends before
    // its clean-up, and the exit status is its own.
    let error = demo.exec();
    Err(error).context("cannot run the demo")
}
