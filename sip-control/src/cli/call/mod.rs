//! `trunkline call`: live calls, what has become of others, and what can be done with them.

mod columns;
mod control;
mod history;

use clap::{Args, Subcommand};
use serde_json::Value;

use self::control::{ActVerb, TransferArguments};
use self::history::HistoryArguments;
use super::client::Path;
use super::complete;
use super::context::{Common, Context, Watch};
use super::failure::Failure;
use super::{ladder, quality, table};

#[derive(Args)]
pub(super) struct CallArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: CallVerb,
}

#[derive(Subcommand)]
enum CallVerb {
    /// List live calls.
    List {
        /// Calls of this trunk alone, on either side.
        #[arg(long, add = complete::trunks())]
        trunk: Option<String>,
        /// Calls whose numbers or Call-ID have this in them.
        #[arg(long)]
        search: Option<String>,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show a call, live or ended, with its legs, media and events.
    Show {
        #[arg(add = complete::calls())]
        call: u64,
        #[command(flatten)]
        watch: Watch,
    },
    /// Draw the SIP messages of a call.
    Ladder {
        #[arg(add = complete::calls())]
        call: u64,
        /// The messages themselves, too.
        #[arg(long)]
        messages: bool,
        /// Drawn with characters of ASCII alone.
        #[arg(long)]
        ascii: bool,
    },
    /// Show how good each direction of a call is and was.
    Quality {
        #[arg(add = complete::calls())]
        call: u64,
        #[command(flatten)]
        watch: Watch,
    },
    /// End a call: BYE to both sides, or CANCEL.
    HangUp(ActVerb),
    /// Send one side of a call elsewhere.
    Transfer(TransferArguments),
    /// Put both sides of a call on hold.
    Hold(ActVerb),
    /// Let the sides of a held call hear each other again.
    Unhold(ActVerb),
    /// Ring one number, and connect it with another once it has answered (RFC 3725).
    Place(control::PlaceArguments),
    /// Search the calls that have ended.
    History(HistoryArguments),
}

impl CallArguments {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        match self.verb {
            CallVerb::List {
                trunk,
                search,
                watch,
            } => {
                let path = Path::of(&["calls"])
                    .with("trunk", trunk.as_deref())
                    .with("search", search.as_deref());
                let look = || context.client.pages(path.clone(), None);
                let none = "no calls";
                let show = |answer: &Value| context.output.list(answer, &columns::LIVE, none);
                context.output.watch(watch.watch, look, show).await
            }
            CallVerb::Show { call, watch } => {
                let look = || context.client.get(path(call, None));
                let show = |call: &Value| context.output.show(call, details);
                context.output.watch(watch.watch, look, show).await
            }
            CallVerb::Ladder {
                call,
                messages,
                ascii,
            } => ladder_of(&context, call, messages, ascii).await,
            CallVerb::Quality { call, watch } => {
                let look = || context.client.get(path(call, Some("quality")));
                let show = |samples: &Value| context.output.show(samples, quality::show);
                context.output.watch(watch.watch, look, show).await
            }
            CallVerb::HangUp(act) => control::hang_up(&context, act).await,
            CallVerb::Transfer(transfer) => control::transfer(&context, transfer).await,
            CallVerb::Hold(act) => control::hold(&context, act, true).await,
            CallVerb::Unhold(act) => control::hold(&context, act, false).await,
            CallVerb::Place(place) => control::place(&context, place).await,
            CallVerb::History(history) => history::execute(&context, history).await,
        }
    }
}

fn path(call: u64, part: Option<&str>) -> Path {
    let call = call.to_string();
    match part {
        Some(part) => Path::of(&["calls", &call, part]),
        None => Path::of(&["calls", &call]),
    }
}

async fn ladder_of(
    context: &Context,
    call: u64,
    messages: bool,
    ascii: bool,
) -> Result<(), Failure> {
    let answer = context.client.get(path(call, Some("ladder"))).await?;
    context.output.show(&answer, |answer, look| {
        let mut text = ladder::draw(answer, ascii, look);
        if messages {
            text += &ladder::texts(answer, look);
        }
        text
    })
}

/// What of a call has a verb or lines of its own.
const ELSEWHERE: [&str; 4] = ["ladder", "quality", "mos", "timeline"];

/// A call without its ladder and its samples, which have verbs of their own, and its events as lines.
fn details(call: &Value, look: table::Look) -> String {
    let mut shown = call.clone();
    let mut events = String::new();
    if let Some(fields) = shown.as_object_mut() {
        for event in fields
            .get("timeline")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            events += &super::event::line(event, look);
        }
        fields.retain(|name, _| !ELSEWHERE.contains(&name.as_str()));
    }
    let mut text = table::details(&shown, look);
    if !events.is_empty() {
        text += &format!("events\n{events}");
    }
    text
}
