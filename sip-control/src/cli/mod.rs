//! The command line of `trunkline`: verbs for every action of the API, over the Unix socket of a
//! daemon on this host or over HTTPS to another's.
//!
//! `arguments` is the tree of verbs; each noun has a module that says what it takes and does it with a
//! `client`. `table`, `ladder` and `quality` show answers to people, `--json` gives them to scripts as
//! they came.

mod account;
mod arguments;
mod assign;
mod call;
mod client;
mod complete;
mod context;
mod credential;
mod document;
mod event;
mod exchange;
mod failure;
mod fields;
mod flow;
mod ladder;
mod lists;
mod manual;
mod moment;
mod object;
mod operate;
mod origination;
mod output;
mod quality;
mod raw;
#[cfg(test)]
mod reference;
mod route;
mod table;
mod token;
mod trunk;
mod webhook;

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::CompleteEnv;

pub use self::arguments::{Arguments, Ask, LogFormat, RunArguments, Verb};
use self::failure::Failure;

/// Answers a shell that wants to complete a line, and ends the process, if that is why it runs.
pub fn complete() {
    CompleteEnv::with_factory(Arguments::command).complete();
}

/// Does what was asked.
pub fn execute(ask: Ask) -> ExitCode {
    let json = ask.json();
    // One thread is enough for one question.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(ask.execute());
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(Failure::Other(error.into())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

/// One line, with every cause that the line does not tell already.
pub fn in_a_line(error: &anyhow::Error) -> String {
    failure::chain(error)
}

impl Ask {
    /// Whether errors are for a script.
    fn json(&self) -> bool {
        let common = match self {
            Ask::Status(ask) => &ask.common,
            Ask::Health(ask) => &ask.common,
            Ask::Trunk(ask) => ask.common(),
            Ask::Route(ask) => ask.common(),
            Ask::Account(ask) => ask.common(),
            Ask::Registration(ask) => ask.common(),
            Ask::Call(ask) => ask.common(),
            Ask::Event(ask) => ask.common(),
            Ask::Flows(ask) => &ask.common,
            Ask::Flow(ask) => &ask.common,
            Ask::Cert(ask) => ask.common(),
            Ask::Token(ask) => ask.common(),
            Ask::Webhook(ask) => ask.common(),
            Ask::Audit(ask) => &ask.common,
            Ask::Drain(ask) => &ask.common,
            Ask::Backup(ask) => &ask.common,
            Ask::Export(ask) => &ask.common,
            Ask::Import(ask) => ask.common(),
            Ask::Api(ask) => &ask.common,
            Ask::Completions(_) | Ask::Man(_) => return false,
        };
        common.json
    }

    async fn execute(self) -> Result<(), Failure> {
        match self {
            Ask::Status(ask) => ask.execute().await,
            Ask::Health(ask) => ask.execute().await,
            Ask::Trunk(ask) => ask.execute().await,
            Ask::Route(ask) => ask.execute().await,
            Ask::Account(ask) => ask.execute().await,
            Ask::Registration(ask) => ask.execute().await,
            Ask::Call(ask) => ask.execute().await,
            Ask::Event(ask) => ask.execute().await,
            Ask::Flows(ask) => ask.execute().await,
            Ask::Flow(ask) => ask.execute().await,
            Ask::Cert(ask) => ask.execute().await,
            Ask::Token(ask) => ask.execute().await,
            Ask::Webhook(ask) => ask.execute().await,
            Ask::Audit(ask) => ask.execute().await,
            Ask::Drain(ask) => ask.execute().await,
            Ask::Backup(ask) => ask.execute().await,
            Ask::Export(ask) => ask.execute().await,
            Ask::Import(ask) => ask.execute().await,
            Ask::Api(ask) => ask.execute().await,
            Ask::Completions(ask) => ask.execute(),
            Ask::Man(ask) => ask.execute(),
        }
    }
}
