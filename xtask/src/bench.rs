//! `cargo xtask bench [micro]`: the criterion microbenches; `cargo xtask bench media`: the media
//! plane beside its peers; `cargo xtask bench sip`: signalling beside its peers; `cargo xtask bench api`:
//! the HTTP API and the console with calls up.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::setup::{self, Group};
use crate::{build, ebpf, progress, web, workspace};

/// The command as it was given, for the report.
const COMMAND: &str = "TRUNKLINE_BENCH_COMMAND";

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    bench: Option<Bench>,
    /// Arguments of criterion, after `--`: a name to select benches by, `--quick`.
    #[arg(last = true)]
    arguments: Vec<std::ffi::OsString>,
}

#[derive(clap::Subcommand)]
enum Bench {
    /// What a packet and a message cost, by criterion. The default.
    Micro {
        /// Arguments of criterion, after `--`: a name to select benches by, `--quick`.
        #[arg(last = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// The media plane beside rtpengine, nftables and libsrtp2, in namespaces, as root.
    Media(BesidePeers),
    /// Signalling beside Kamailio with rtpengine, in namespaces, as root.
    Sip(BesidePeers),
    /// Reads of the HTTP API with 10,000 calls up, the console's size and first paint, as root.
    Api(BesidePeers),
}

#[derive(clap::Args)]
struct BesidePeers {
    /// One JSON object as the last thing on standard output.
    #[arg(long)]
    json: bool,
    /// Fewer and shorter turns.
    #[arg(long)]
    quick: bool,
    /// Only this section, e.g. `xdp_forward`; may be given more than once.
    #[arg(long)]
    only: Vec<String>,
}

pub(crate) fn command(arguments: &Arguments) -> Result<()> {
    match &arguments.bench {
        None => micro(&arguments.arguments),
        Some(Bench::Micro { arguments }) => micro(arguments),
        Some(Bench::Media(arguments)) => media(arguments),
        Some(Bench::Sip(arguments)) => sip(arguments),
        Some(Bench::Api(arguments)) => api(arguments),
    }
}

fn micro(arguments: &[std::ffi::OsString]) -> Result<()> {
    let mut command = workspace::cargo();
    command.args(["bench", "-p", "trunkline-benches", "--benches", "--"]);
    command.args(arguments);
    progress::shown("microbenches", &mut command)
}

fn media(arguments: &BesidePeers) -> Result<()> {
    if !workspace::is_root() {
        bail!("the media bench makes network namespaces and loads XDP programs: it needs root");
    }
    setup::ensure(Group::Bench)?;
    let media_object = ebpf::build(false)?;
    let bench_object = ebpf::build_bench()?;
    let daemon = build::Daemon {
        object: Some(media_object.clone()),
        ..build::Daemon::default()
    };
    let selection = ["-p", "trunkline-benches", "--bin", "media-bench"];
    build::binaries(&daemon, &selection, "media bench")?;

    let mut bench = Command::new(build::binary_path("media-bench", false));
    bench.arg("--media-object").arg(media_object);
    bench.arg("--bench-object").arg(bench_object);
    take_place("media", bench, arguments)
}

fn sip(arguments: &BesidePeers) -> Result<()> {
    signalling("sip", "sip-bench", None, arguments)
}

fn api(arguments: &BesidePeers) -> Result<()> {
    setup::ensure(Group::Test)?;
    web::install_browser_driver()?;
    signalling("api", "api-bench", Some(web::build()?), arguments)
}

/// A bench that puts calls through a daemon of the release profile, with the console in it or not.
fn signalling(
    name: &str,
    binary: &str,
    web: Option<PathBuf>,
    arguments: &BesidePeers,
) -> Result<()> {
    if !workspace::is_root() {
        bail!("the {name} bench makes network namespaces and loads the XDP program: it needs root");
    }
    setup::ensure(Group::Bench)?;
    let daemon = build::Daemon {
        object: Some(ebpf::build(false)?),
        web: web.clone(),
        ..build::Daemon::default()
    };
    let selection = ["-p", "sip-control", "--bin", "trunkline"]
        .into_iter()
        .chain(["-p", "trunkline-benches", "--bin", binary]);
    let selection: Vec<&str> = selection.collect();
    build::binaries(&daemon, &selection, &format!("daemon and {name} bench"))?;
    let mut bench = Command::new(build::binary_path(binary, false));
    bench
        .arg("--daemon")
        .arg(build::binary_path("trunkline", false));
    if let Some(web) = web {
        bench.env(web::DIRECTORY_VARIABLE, web);
    }
    take_place(name, bench, arguments)
}

/// Runs a bench in this process's place: Ctrl-C reaches it, nothing ends before its clean-up, and
/// the exit status is its own.
fn take_place(name: &str, mut bench: Command, arguments: &BesidePeers) -> Result<()> {
    let mut words = vec![format!("cargo xtask bench {name}")];
    for (flag, is_given) in [("--json", arguments.json), ("--quick", arguments.quick)] {
        if is_given {
            bench.arg(flag);
            words.push(flag.to_owned());
        }
    }
    for section in &arguments.only {
        bench.args(["--only", section]);
        words.push(format!("--only {section}"));
    }
    bench.env(COMMAND, words.join(" "));
    let error = bench.exec();
    Err(error).with_context(|| format!("cannot run the {name} bench"))
}
