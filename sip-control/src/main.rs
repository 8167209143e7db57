//! The command line of `trunkline`.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::Value;
use sip_control::gathering::Gathering;
use sip_control::{config, control, daemon, flows, status};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// What a bad configuration ends with, as bad usage does.
const BAD_CONFIGURATION: u8 = 2;
/// Between two looks of `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Lines of log that may wait for whoever reads standard error.
const LOG_LINES: usize = 16_384;
/// After each write of the log: lines come late by no more, and do not each wake its thread.
const LOG_REST: Duration = Duration::from_millis(10);

/// A secure SIP trunk edge: SIP/TLS and SRTP on one side, your PBX on the other.
#[derive(Parser)]
#[command(name = "trunkline", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run in the foreground until SIGTERM; SIGHUP reloads trunks, routes and certificates.
    Run {
        #[arg(long, default_value = config::DEFAULT_PATH)]
        config: PathBuf,
        /// How the log on standard error looks; `TRUNKLINE_LOG` says what is in it.
        #[arg(long, value_enum, default_value_t = LogFormat::Text)]
        log_format: LogFormat,
    },
    /// Check a configuration and every file that it names.
    Check {
        #[arg(long, default_value = config::DEFAULT_PATH)]
        config: PathBuf,
    },
    /// Ask a running daemon how it is.
    Status {
        /// `control.socket` of its configuration.
        #[arg(long, default_value = control::DEFAULT_SOCKET)]
        socket: PathBuf,
        /// Everything, as one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show every flow of a running daemon: whose packets, by which way, and how good.
    Flows {
        /// `control.socket` of its configuration.
        #[arg(long, default_value = control::DEFAULT_SOCKET)]
        socket: PathBuf,
        /// One JSON object.
        #[arg(long)]
        json: bool,
        /// Again each second, until interrupted.
        #[arg(long)]
        watch: bool,
    },
    /// Show one flow, with all that the kernel and the relays have counted of it.
    Flow {
        /// Its number in `trunkline flows`: its key in the map FLOWS.
        flow: u32,
        /// `control.socket` of its configuration.
        #[arg(long, default_value = control::DEFAULT_SOCKET)]
        socket: PathBuf,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Run { config, log_format } => run(&config, log_format),
        Verb::Check { config } => match daemon::check(&config) {
            Ok(_) => {
                println!("{}: ok", config.display());
                ExitCode::SUCCESS
            }
            Err(error) => bad_configuration(&error),
        },
        Verb::Status { socket, json } => {
            let asked = control::ask_status(&socket);
            done(asked.and_then(|status| print(&status, json, status::table)))
        }
        Verb::Flows {
            socket,
            json,
            watch,
        } => done(print_flows(&socket, json, watch)),
        Verb::Flow { flow, socket, json } => {
            let asked = control::ask_flow(&socket, flow);
            done(asked.and_then(|flow| print(&flow, json, flows::details)))
        }
    }
}

fn run(path: &std::path::Path, log_format: LogFormat) -> ExitCode {
    let config = match config::Config::load(path) {
        Ok(config) => config,
        Err(error) => return bad_configuration(&error),
    };
    // Kept to the end: what waits is written when it is dropped.
    let _log = start_log(log_format);
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

fn print(answer: &Value, json: bool, text: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
    let text = if json {
        format!("{answer}\n")
    } else {
        text(answer)
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn print_flows(socket: &std::path::Path, json: bool, watch: bool) -> anyhow::Result<()> {
    loop {
        let answer = control::ask_flows(socket)?;
        // From the top of an empty screen; where that goes to a file, one after the other.
        if watch && !json && io::stdout().is_terminal() {
            io::stdout().write_all(b"\x1b[H\x1b[2J")?;
        }
        print(&answer, json, flows::table)?;
        if !watch {
            return Ok(());
        }
        std::thread::sleep(WATCH_EVERY);
    }
}

fn done(printed: anyhow::Result<()>) -> ExitCode {
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read it, such as `head`, has had enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
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

/// One line, with every cause that the line does not tell already.
fn failure(error: &anyhow::Error) -> ExitCode {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    eprintln!("trunkline: {line}");
    ExitCode::FAILURE
}
