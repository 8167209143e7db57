//! `trunkline event`: what happened, and what happens.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Event, Events, Path};
use super::complete;
use super::context::{Common, Context};
use super::failure::Failure;
use super::table::{Column, Look, Tone, words};

/// How much further back events are looked for each time.
const FURTHER: u64 = 16;

#[derive(Args)]
pub(super) struct EventArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: EventVerb,
}

#[derive(Subcommand)]
enum EventVerb {
    /// List the latest events, or those after a number; the oldest first.
    List {
        #[command(flatten)]
        filter: Filter,
        /// The first ones after that number, instead of the latest.
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,
        /// At most so many; 0: all.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Follow events as they happen, over lost connections and restarts of the daemon.
    Follow {
        #[command(flatten)]
        filter: Filter,
        /// Of this trunk alone.
        #[arg(long, add = complete::trunks())]
        trunk: Option<String>,
        /// First those after that number; numbers that are gone are told as a gap.
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,
        /// End after so many.
        #[arg(long)]
        count: Option<u64>,
    },
}

#[derive(Args)]
struct Filter {
    /// Of these kinds alone, such as call_ended,call_refused.
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<String>,
    /// Of this call alone.
    #[arg(long, add = complete::calls())]
    call: Option<u64>,
}

impl Filter {
    fn apply(&self, path: Path) -> Path {
        let kinds = Some(self.kinds.join(",")).filter(|kinds| !kinds.is_empty());
        let call = self.call.map(|call| call.to_string());
        path.with("kinds", kinds.as_deref())
            .with("call", call.as_deref())
    }
}

impl EventArguments {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        match self.verb {
            EventVerb::List {
                filter,
                after,
                limit,
            } => list(&context, &filter, after, limit).await,
            EventVerb::Follow {
                filter,
                trunk,
                after,
                count,
            } => {
                let path = filter.apply(Path::of(&["events", "stream"]));
                let path = path.with("trunk", trunk.as_deref());
                follow(&context, path, after, count).await
            }
        }
    }
}

async fn list(
    context: &Context,
    filter: &Filter,
    after: Option<u64>,
    limit: usize,
) -> Result<(), Failure> {
    let limit = Some(limit).filter(|limit| *limit > 0);
    let answer = match (after, limit) {
        (None, Some(limit)) => latest(context, filter, limit).await?,
        (after, limit) => page(context, filter, after.unwrap_or(0), limit).await?,
    };
    context.output.list(&answer, &COLUMNS, "no events that fit")
}

async fn page(
    context: &Context,
    filter: &Filter,
    after: u64,
    limit: Option<usize>,
) -> Result<Value, Failure> {
    let page = limit.map_or(1000, |limit| limit.min(1000)).to_string();
    let path = filter
        .apply(Path::of(&["events"]))
        .with("limit", Some(&page));
    // `after` is the cursor of the pages, too.
    let first = path.clone().with("after", Some(&after.to_string()));
    context.client.pages_from(first, path, limit).await
}

/// The last ones that fit: looked for further and further back.
async fn latest(context: &Context, filter: &Filter, limit: usize) -> Result<Value, Failure> {
    let health = context.client.get(Path::of(&["health"])).await?;
    let latest = health["events"]["latest"].as_u64().unwrap_or(0);
    let mut back = u64::try_from(limit).unwrap_or(u64::MAX);
    loop {
        let after = latest.saturating_sub(back);
        let mut answer = page(context, filter, after, None).await?;
        let Some(items) = answer["items"].as_array_mut() else {
            return Ok(answer);
        };
        // Before a gap there is nothing.
        let is_all = items.first().is_some_and(|first| !first["gap"].is_null());
        if items.len() >= limit || is_all || after == 0 {
            items.drain(..items.len().saturating_sub(limit));
            return Ok(answer);
        }
        back = back.saturating_mul(FURTHER);
    }
}

async fn follow(
    context: &Context,
    path: Path,
    after: Option<u64>,
    count: Option<u64>,
) -> Result<(), Failure> {
    let mut events = Events::open(&context.client, path, after).await?;
    let mut seen = 0;
    while count.is_none_or(|count| seen < count) {
        let lost = |problem: &str| {
            if !context.output.json {
                eprintln!("trunkline: {problem}: coming back");
            }
        };
        let event = events.next(lost).await?;
        let is_gap = event.kind == "gap";
        let event = whole(event);
        context.output.show(&event, line)?;
        seen += u64::from(!is_gap);
    }
    Ok(())
}

/// The data with its kind, which a gap has not in itself.
fn whole(event: Event) -> Value {
    match (event.kind.as_str(), event.data) {
        ("gap", gap) => json!({ "gap": gap }),
        (kind, mut data) => {
            if let Some(fields) = data.as_object_mut() {
                fields.entry("kind").or_insert(kind.into());
                fields.entry("seq").or_insert(event.number.into());
            }
            data
        }
    }
}

/// An event in a line.
pub(super) fn line(event: &Value, look: Look) -> String {
    let gap = &event["gap"];
    if !gap.is_null() {
        let text = format!("events {} to {} are gone\n", gap["from"], gap["to"]);
        return Tone::Warning.paint(&text, look.colour);
    }
    let kind = words(&event["kind"]);
    let about: String = [
        ("call", &event["call"]),
        ("trunk", &event["trunk"]),
        ("code", &event["code"]),
    ]
    .iter()
    .filter(|(_, value)| !value.is_null())
    .map(|(name, value)| format!(" {name} {}", words(value)))
    .collect();
    format!(
        "{:>8}  {}  {}{about}  {}\n",
        words(&event["seq"]),
        Tone::Faint.paint(&words(&event["time"]), look.colour),
        tone(&kind).paint(&kind, look.colour),
        words(&event["text"]),
    )
}

fn tone(kind: &str) -> Tone {
    let has = |parts: &[&str]| parts.iter().any(|part| kind.contains(part));
    match kind {
        "call_answered" | "target_in_service" | "registered" => Tone::Good,
        _ if has(&[
            "refused",
            "fail",
            "out_of_service",
            "timeout",
            "malformed",
            "degraded",
        ]) =>
        {
            Tone::Bad
        }
        _ if has(&[
            "low",
            "limit",
            "expiring",
            "overloaded",
            "unreachable",
            "mismatch",
        ]) =>
        {
            Tone::Warning
        }
        _ => Tone::Plain,
    }
}

const COLUMNS: [Column; 7] = [
    Column::right("NUMBER", |event| match event["gap"].is_null() {
        true => words(&event["seq"]).into(),
        false => words(&event["gap"]["from"]).into(),
    }),
    Column::left("TIME", |event| words(&event["time"]).into()),
    Column::left("KIND", |event| match event["gap"].is_null() {
        true => {
            let kind = words(&event["kind"]);
            let tone = tone(&kind);
            super::table::Cell::toned(kind, tone)
        }
        false => super::table::Cell::toned("gap", Tone::Warning),
    }),
    Column::right("CALL", |event| words(&event["call"]).into()),
    Column::left("TRUNK", |event| words(&event["trunk"]).into()),
    Column::right("CODE", |event| words(&event["code"]).into()),
    Column::left("TEXT", |event| match event["gap"].is_null() {
        true => words(&event["text"]).into(),
        false => format!("up to {} are gone", event["gap"]["to"]).into(),
    }),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_and_a_gap_is_said() {
        let event = json!({"seq": 7, "time": "2026-11-30T05:36:33.123Z", "kind": "call_refused",
            "call": 3, "trunk": "carrier", "code": 32012, "text": "no route\x1b[0m"});
        assert_eq!(
            line(&event, Look::default()),
            "       7  2026-11-30T05:36:33.123Z  call_refused call 3 trunk carrier code 32012  no route\u{fffd}[0m\n"
        );
        let gap = Event {
            number: None,
            kind: "gap".to_owned(),
            data: json!({"from": 1, "to": 9}),
        };
        assert_eq!(
            line(&whole(gap), Look::default()),
            "events 1 to 9 are gone\n"
        );
    }
}
