//! `cargo xtask test`: every test of the workspace.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::setup::{self, Group};
use crate::{build, ebpf, progress, web, workspace};

/// Privileged tests fail instead of being skipped.
const REQUIRE_PRIVILEGED: &str = "TRUNKLINE_REQUIRE_PRIVILEGED";
/// The file in which a test that cannot run leaves a line that says why.
const SKIP_LOG: &str = "TRUNKLINE_SKIP_LOG";
/// The daemon that the end-to-end tests start.
const DAEMON: &str = "TRUNKLINE_DAEMON";
/// Long-running tests take their long form.
const SOAK: &str = "TRUNKLINE_SOAK";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A nextest filter, e.g. `package(media-core)` or `test(replay)`.
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
    /// The long forms of the tests that have one.
    #[arg(long)]
    soak: bool,
}

pub(crate) fn command(arguments: &Arguments) -> Result<()> {
    setup::ensure(Group::Test)?;
    let object = ebpf::build(false)?;
    // Beside the shipped object, where the test of the tracing build looks for it.
    ebpf::build(true)?;
    let console = web::build()?;
    web::test()?;
    web::install_browser_driver()?;
    // The daemon's own tests need its binary, so it is among what this builds; alone it would
    // have other features of the crates that it shares with the tests, and all be compiled twice.
    let mut compile = workspace::cargo();
    compile
        .args(["test", "--workspace", "--no-run"])
        .env(ebpf::OBJECT_VARIABLE, &object)
        .env(web::DIRECTORY_VARIABLE, &console);
    progress::shown("daemon and tests", &mut compile)?;
    let daemon = build::binary_path("trunkline", true);

    if arguments.filter.is_none() {
        let mut doc = workspace::cargo();
        doc.args(["test", "--workspace", "--doc", "--quiet"]);
        doc.env(ebpf::OBJECT_VARIABLE, &object)
            .env(web::DIRECTORY_VARIABLE, &console);
        progress::shown("documentation tests", &mut doc)?;
    }

    let skip_log = workspace::target_dir().join("xtask/skipped.log");
    let _ = std::fs::remove_file(&skip_log);
    let mut runner = nextest(arguments);
    runner
        .env(ebpf::OBJECT_VARIABLE, &object)
        .env(web::DIRECTORY_VARIABLE, &console)
        .env(DAEMON, daemon)
        .env(SKIP_LOG, &skip_log);
    // Not through `progress`: the runner's closing lines come last.
    progress::say("tests ...");
    let status = runner.stdin(Stdio::null()).status()?;
    let skipped = std::fs::read_to_string(&skip_log).unwrap_or_default();
    for line in skipped.lines() {
        progress::say(&format!("skipped: {line}"));
    }
    if !status.success() {
        bail!("tests failed ({status})");
    }
    if workspace::is_root() && !skipped.is_empty() {
        bail!("tests were skipped although this is root");
    }
    Ok(())
}

fn nextest(arguments: &Arguments) -> Command {
    let mut command = workspace::cargo();
    command.args(["nextest", "run", "--workspace"]);
    if let Some(filter) = &arguments.filter {
        command.args(["-E", filter]);
    }
    if arguments.soak {
        command.args(["--profile", "soak"]).env(SOAK, "1");
    }
    if workspace::is_root() {
        command.env(REQUIRE_PRIVILEGED, "1");
    }
    command
}
