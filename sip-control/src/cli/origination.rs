//! `trunkline trunk origination`: the targets of a trunk, one at a time.

use clap::Subcommand;
use serde_json::{Value, json};

use super::assign::Assignment;
use super::client::{Path, Request};
use super::complete;
use super::context::{Context, Watch};
use super::failure::Failure;
use super::fields;
use super::object::{self, Expected};
use super::table::{Cell, Column, Tone, words};

#[derive(Subcommand)]
pub(super) enum OriginationVerb {
    /// List the targets of a trunk, and how they stand.
    List {
        #[arg(add = complete::trunks())]
        trunk: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Add a target.
    Add {
        #[arg(add = complete::trunks())]
        trunk: String,
        /// Such as sip:sip.carrier.example;transport=tls.
        uri: String,
        /// The lowest goes first, 0-65535 [default: 0].
        #[arg(long)]
        priority: Option<u16>,
        /// Its share among those of equal priority, 1-65535 [default: 1].
        #[arg(long)]
        weight: Option<u16>,
        /// Not called yet.
        #[arg(long)]
        disabled: bool,
        #[command(flatten)]
        expected: Expected,
    },
    /// Change a target.
    #[command(after_help = fields::help(fields::ORIGINATION))]
    Set {
        #[arg(add = complete::trunks())]
        trunk: String,
        /// Its place in the list, from 0, or its URI.
        target: String,
        #[arg(required = true, value_name = "KEY=VALUE", add = complete::fields(fields::ORIGINATION))]
        assignments: Vec<Assignment>,
        #[command(flatten)]
        expected: Expected,
    },
    /// Remove a target.
    Remove {
        #[arg(add = complete::trunks())]
        trunk: String,
        /// Its place in the list, from 0, or its URI.
        target: String,
        #[command(flatten)]
        expected: Expected,
    },
}

pub(super) async fn execute(context: &Context, verb: OriginationVerb) -> Result<(), Failure> {
    match verb {
        OriginationVerb::List { trunk, watch } => list(context, &trunk, watch.watch).await,
        OriginationVerb::Add {
            trunk,
            uri,
            priority,
            weight,
            disabled,
            expected,
        } => {
            let mut target = json!({ "uri": uri });
            let numbers = [("priority", priority), ("weight", weight)];
            for (name, number) in numbers {
                if let Some(number) = number {
                    target[name] = number.into();
                }
            }
            if disabled {
                target["enabled"] = false.into();
            }
            add(context, &trunk, target, &expected).await
        }
        OriginationVerb::Set {
            trunk,
            target,
            assignments,
            expected,
        } => {
            let (path, index) = find(context, &trunk, &target).await?;
            let fields = fields::ORIGINATION;
            let changed = object::change(context, path, fields, &assignments, &expected).await?;
            let said = format!("trunk {trunk}: target {index} changed");
            context.output.done(&changed, &said)
        }
        OriginationVerb::Remove {
            trunk,
            target,
            expected,
        } => {
            let (path, index) = find(context, &trunk, &target).await?;
            object::delete(context, path, &expected).await?;
            let said = format!("trunk {trunk}: target {index} removed");
            context.output.done(&json!({ "deleted": index }), &said)
        }
    }
}

async fn add(
    context: &Context,
    trunk: &str,
    target: Value,
    expected: &Expected,
) -> Result<(), Failure> {
    let path = Path::of(&["trunks", trunk, "origination"]);
    let present = context.client.ask(Request::get(path.clone())).await?;
    let said = format!("trunk {trunk}: target {} added", words(&target["uri"]));
    let request = Request::post(path, target).if_match(expected.tag(&present)?);
    let added = context.client.ask(request).await?.json()?;
    context.output.done(&added, &said)
}

async fn list(context: &Context, trunk: &str, watch: bool) -> Result<(), Failure> {
    let none = format!("no targets yet: trunkline trunk origination add {trunk} URI");
    let show = |answer: &Value| context.output.list(answer, &COLUMNS, &none);
    context
        .output
        .watch(watch, || targets(context, trunk), show)
        .await
}

/// The targets with their places, and with what the trunk knows of their state.
async fn targets(context: &Context, trunk: &str) -> Result<Value, Failure> {
    let path = Path::of(&["trunks", trunk, "origination"]);
    let mut answer = context.client.pages(path, None).await?;
    let trunk = context.client.get(Path::of(&["trunks", trunk])).await?;
    let states = trunk["state"]["targets"].as_array();
    let items = answer["items"].as_array_mut();
    for (index, item) in items.into_iter().flatten().enumerate() {
        let state = states
            .into_iter()
            .flatten()
            .find(|state| state["uri"] == item["uri"]);
        let Some(fields) = item.as_object_mut() else {
            continue;
        };
        fields.entry("index").or_insert(index.into());
        for (name, value) in state.and_then(Value::as_object).into_iter().flatten() {
            fields.entry(name.clone()).or_insert(value.clone());
        }
    }
    Ok(answer)
}

/// A target by its place or its URI.
async fn find(context: &Context, trunk: &str, target: &str) -> Result<(Path, usize), Failure> {
    let index = match target.parse() {
        Ok(index) => index,
        Err(_) => {
            let path = Path::of(&["trunks", trunk, "origination"]);
            let answer = context.client.pages(path, None).await?;
            let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
            let place = items.iter().position(|item| item["uri"] == target);
            place.ok_or_else(|| missing(trunk, target))?
        }
    };
    let path = Path::of(&["trunks", trunk, "origination", &index.to_string()]);
    Ok((path, index))
}

fn missing(trunk: &str, target: &str) -> Failure {
    Failure::Refused(super::failure::Problem {
        status: 404,
        body: json!({
            "title": "Not found", "status": 404,
            "detail": format!("trunk {trunk} has no target {target}"),
        }),
    })
}

const COLUMNS: [Column; 6] = [
    Column::right("PLACE", |target| words(&target["index"]).into()),
    Column::left("URI", |target| words(&target["uri"]).into()),
    Column::right("PRIORITY", |target| number(&target["priority"], "0")),
    Column::right("WEIGHT", |target| number(&target["weight"], "1")),
    Column::left("STATE", state),
    Column::left("LATEST PROBE", |target| {
        words(&target["latest_probe"]).into()
    }),
];

fn number(value: &Value, default: &str) -> Cell {
    match value.is_null() {
        true => Cell::toned(default, Tone::Faint),
        false => words(value).into(),
    }
}

fn state(target: &Value) -> Cell {
    match target["state"].as_str() {
        _ if target["enabled"] == false => Cell::toned("disabled", Tone::Faint),
        Some("out_of_service") => Cell::toned("out_of_service", Tone::Bad),
        Some("in_service") => Cell::toned("in_service", Tone::Good),
        _ => words(&target["state"]).into(),
    }
}
