//! `cargo xtask demo`: five calls through the daemon, one after another, then a failover and a transfer,
//! all checked by their endpoints. With `--console`: calls that go on, for whoever watches.

mod acts;
mod console;
mod report;
mod scenario;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use trunkline_tests::lab::LabOptions;
use trunkline_tests::stage::Stage;

#[derive(Parser)]
struct Arguments {
    /// The daemon to show.
    #[arg(long)]
    daemon: PathBuf,
    /// `xdp`: three network namespaces, as root. `socket`: over loopback, as anybody.
    #[arg(long, value_enum, default_value_t = Backend::Xdp)]
    backend: Backend,
    /// One JSON object on standard output and nothing else there.
    #[arg(long)]
    json: bool,
    /// No checks: calls go on until Ctrl-C, with the console beside them.
    #[arg(long)]
    console: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    Xdp,
    Socket,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            if arguments.json {
                println!(
                    "{}",
                    serde_json::json!({"ok": false, "error": format!("{error:#}")})
                );
            }
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was as it must be.
fn run(arguments: &Arguments) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let report = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stage = match arguments.backend {
            Backend::Xdp => Stage::lab(LabOptions::default()).context("building the namespaces")?,
            Backend::Socket => Stage::loopback(),
        }
        .with_v6_carrier();
        if arguments.console {
            // An end that was asked for is a good one.
            tokio::select! {
                shown = console::show(&arguments.daemon, stage, arguments.json) => shown?,
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            return Ok(None);
        }
        // Dropping the scenario, in whatever state, stops the daemon and removes everything.
        tokio::select! {
            report = scenario::play(&arguments.daemon, &stage, !arguments.json) => report.map(Some),
            _ = terminate.recv() => Err(anyhow::anyhow!("terminated; everything is cleaned up")),
            _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted; everything is cleaned up")),
        }
    })?;
    let Some(report) = report else {
        return Ok(true);
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&report.to_json())?);
    } else {
        report.print();
    }
    Ok(report.is_ok())
}
