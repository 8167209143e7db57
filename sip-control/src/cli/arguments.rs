//! The command line as a whole.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::account::AccountArguments;
use super::call::CallArguments;
use super::complete::CompletionsArguments;
use super::event::EventArguments;
use super::exchange::{ExportArguments, ImportArguments};
use super::failure::EXIT_CODES;
use super::flow::{FlowArguments, FlowsArguments};
use super::lists::{AuditArguments, CertArguments, RegistrationArguments};
use super::manual::ManArguments;
use super::operate::{BackupArguments, DrainArguments, HealthArguments, StatusArguments};
use super::raw::ApiArguments;
use super::route::RouteArguments;
use super::token::TokenArguments;
use super::trunk::TrunkArguments;
use super::webhook::WebhookArguments;
use crate::config;

/// A secure SIP trunk edge: SIP/TLS and SRTP on one side, your PBX on the other.
#[derive(Parser)]
#[command(name = "trunkline", version, after_help = exit_codes())]
pub struct Arguments {
    #[command(subcommand)]
    pub verb: Verb,
}

/// `Exit codes:` and a line for each.
fn exit_codes() -> String {
    let lines = EXIT_CODES
        .iter()
        .map(|(code, when)| format!("\n  {code}  {when}"));
    format!("Exit codes:{}", lines.collect::<String>())
}

#[derive(Subcommand)]
pub enum Verb {
    /// Run in the foreground until SIGTERM; SIGHUP reloads trunks, routes and certificates.
    Run(RunArguments),
    /// Check a configuration and every file that it names.
    Check {
        #[arg(long, default_value = config::DEFAULT_PATH)]
        config: PathBuf,
    },
    #[command(flatten)]
    Ask(Box<Ask>),
}

#[derive(Args)]
pub struct RunArguments {
    #[arg(long, default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,
    /// How the log on standard error looks; `TRUNKLINE_LOG` says what is in it.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// What is asked of a running daemon, or of nobody.
#[derive(Subcommand)]
#[expect(private_interfaces, reason = "the binary hands it back to the library")]
pub enum Ask {
    /// Ask a running daemon how it is.
    Status(StatusArguments),
    /// Ask whether a daemon is well, and what is wrong with it; exits with 7 if something is.
    Health(HealthArguments),
    /// Trunks: how they are secured, who may send to us, where we send.
    Trunk(TrunkArguments),
    /// Routes: which call goes where.
    Route(RouteArguments),
    /// Accounts: phones that register with us.
    Account(AccountArguments),
    /// Who is registered.
    Registration(RegistrationArguments),
    /// Calls: live ones, ended ones, and what can be done with them.
    Call(CallArguments),
    /// What happened, and what happens.
    Event(EventArguments),
    /// Show every flow of a running daemon: whose packets, by which way, and how good.
    Flows(FlowsArguments),
    /// Show one flow, with all that the kernel and the relays have counted of it.
    Flow(FlowArguments),
    /// Certificates that the daemon shows.
    Cert(CertArguments),
    /// Tokens: who may ask the daemon over HTTPS.
    Token(TokenArguments),
    /// Webhooks: whom the daemon tells of events.
    Webhook(WebhookArguments),
    /// Who has changed what.
    Audit(AuditArguments),
    /// Take no new calls, or take them again.
    Drain(DrainArguments),
    /// Copy the store into a file, while the daemon runs.
    Backup(BackupArguments),
    /// Print the configuration of the store as TOML.
    Export(ExportArguments),
    /// Put the trunks, routes and accounts of a TOML file into the store.
    Import(ImportArguments),
    /// Send any request to the API.
    Api(ApiArguments),
    /// Print what makes a shell complete verbs, flags and names.
    Completions(CompletionsArguments),
    /// Write the manual pages into a directory.
    Man(ManArguments),
}
