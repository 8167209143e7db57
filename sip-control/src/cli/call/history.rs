//! `trunkline call history`.

use clap::{Args, ValueEnum};

use super::columns;
use crate::cli::client::{Path, Request};
use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::moment::Moment;

#[derive(Args)]
pub(super) struct HistoryArguments {
    /// Calls whose numbers or Call-ID have this in them.
    #[arg(long)]
    search: Option<String>,
    /// Calls of this trunk alone, on either side.
    #[arg(long, add = complete::trunks())]
    trunk: Option<String>,
    /// What became of them.
    #[arg(long, value_enum)]
    outcome: Option<Outcome>,
    /// Calls that began then or later: 2026-11-30T05:36:33Z, 2026-11-30, or 2h ago, 30m, 7d.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Calls that began before then.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// At most so many, the newest first; 0: all.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// As CSV, for a spreadsheet: all of them.
    #[arg(long, conflicts_with_all = ["json", "limit"])]
    csv: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Outcome {
    /// Somebody answered.
    Answered,
    /// We refused it.
    Refused,
    /// The far side did, or did not answer.
    Failed,
}

pub(super) async fn execute(context: &Context, arguments: HistoryArguments) -> Result<(), Failure> {
    let outcome = arguments.outcome.map(|outcome| match outcome {
        Outcome::Answered => "answered",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
    });
    let collection = if arguments.csv {
        "history.csv"
    } else {
        "history"
    };
    let time = |moment: &Option<Moment>| moment.as_ref().map(ToString::to_string);
    let path = Path::of(&[collection])
        .with("search", arguments.search.as_deref())
        .with("trunk", arguments.trunk.as_deref())
        .with("outcome", outcome)
        .with("from", time(&arguments.since).as_deref())
        .with("to", time(&arguments.until).as_deref());
    if arguments.csv {
        let request = Request::get(path).accept("text/csv");
        return context
            .client
            .stream(request, |bytes| context.output.write(bytes))
            .await;
    }
    let limit = Some(arguments.limit).filter(|limit| *limit > 0);
    let page = limit.map_or(1000, |limit| limit.min(1000)).to_string();
    let path = path.with("limit", Some(&page));
    let answer = context.client.pages(path, limit).await?;
    context
        .output
        .list(&answer, &columns::ENDED, "no calls that fit")
}
