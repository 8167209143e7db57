//! `trunkline`: the daemon, and the command line that asks it.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sip_control::cli::{self, Arguments, LogFormat, RunArguments, Verb};
use sip_control::gathering::Gathering;
use sip_control::{config, daemon};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// What a bad configuration ends with, as bad usage does.
const BAD_CONFIGURATION: u8 = 2;
/// Lines of log that may wait for whoever reads standard error.
const LOG_LINES: usize = 16_384;
/// After each write of the log: lines come late by no more, and do not each wake its thread.
const LOG_REST: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    cli::complete();
    match Arguments::parse().verb {
        Verb::Run(arguments) => run(&arguments),
        Verb::Check { config } => match daemon::check(&config) {
            Ok(_) => {
                println!("{}: ok", config.display());
                ExitCode::SUCCESS
            }
            Err(error) => bad_configuration(&error),
        },
        Verb::Ask(ask) => cli::execute(*ask),
    }
}

fn run(arguments: &RunArguments) -> ExitCode {
    daemon::bound_memory();
    let config = match config::Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => return bad_configuration(&error),
    };
    // Kept to the end: what waits is written when it is dropped.
    let _log = start_log(arguments.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error.into()),
    };
    let running = runtime.block_on(daemon::run(config));
    // Whatever still blocks, such as a name that is being resolved, is not waited for.
    runtime.shutdown_background();
    match running {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}

/// The log is written by a thread of its own: whoever reads it slowly, or not at all, loses lines
/// and holds up no call.
fn start_log(format: LogFormat) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LOG_LINES)
        .thread_name("log")
        // Flushed whenever no line waits.
        .finish(Gathering::new(io::stderr(), LOG_REST));
    let filter = EnvFilter::builder()
        .with_env_var("TRUNKLINE_LOG")
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(writer);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    guard
}

fn bad_configuration(error: &config::ConfigError) -> ExitCode {
    eprintln!("trunkline: {error}");
    ExitCode::from(BAD_CONFIGURATION)
}

fn failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("trunkline: {}", cli::in_a_line(error));
    ExitCode::FAILURE
}
