//! `trunkline trunk`: how trunks are secured, who may send to us, and where we send.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::assign::Assignment;
use super::client::{Path, Request};
use super::complete;
use super::context::{Common, Context, Watch};
use super::credential::{self, CredentialVerb};
use super::failure::Failure;
use super::fields;
use super::object::{self, Contents, Expected, Kind};
use super::origination::{self, OriginationVerb};
use super::table::{self, Cell, Column, Tone, words};

const TRUNKS: Kind = Kind {
    noun: "trunk",
    collection: "trunks",
    key: Some("name"),
    fields: fields::TRUNK,
};

#[derive(Args)]
pub(super) struct TrunkArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: TrunkVerb,
}

#[derive(Subcommand)]
enum TrunkVerb {
    /// List trunks: how they are secured, how their targets stand, how many calls they have.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show a trunk with all its settings and its state.
    Show {
        #[arg(add = complete::trunks())]
        name: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Create a trunk.
    #[command(after_help = fields::help(fields::TRUNK))]
    Create {
        name: String,
        #[command(flatten)]
        contents: Contents,
    },
    /// Change settings of a trunk; the next call follows them.
    #[command(after_help = fields::help(fields::TRUNK))]
    Set {
        #[arg(add = complete::trunks())]
        name: String,
        #[arg(required = true, value_name = "KEY=VALUE", add = complete::fields(fields::TRUNK))]
        assignments: Vec<Assignment>,
        #[command(flatten)]
        expected: Expected,
    },
    /// Give a trunk all its settings anew: in $VISUAL or $EDITOR, or from a file.
    Edit {
        #[arg(add = complete::trunks())]
        name: String,
        /// A trunk in TOML or JSON; `-` for standard input.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        expected: Expected,
    },
    /// Delete a trunk that no route or account names.
    Delete {
        #[arg(add = complete::trunks())]
        name: String,
        #[command(flatten)]
        expected: Expected,
    },
    /// Secure Trunking: switch it off, or on for SIP, or for SIP and media.
    Secure {
        #[arg(add = complete::trunks())]
        name: String,
        mode: SecureMode,
        #[command(flatten)]
        expected: Expected,
    },
    /// The settings of a trunk but for who may send to us and where we send.
    General {
        #[command(subcommand)]
        verb: PartVerb,
    },
    /// Who may send calls to us: networks, domains, credentials, certificates.
    Termination {
        #[command(subcommand)]
        verb: PartVerb,
    },
    /// Whom calls of a trunk must authenticate as.
    Credential {
        #[command(subcommand)]
        verb: CredentialVerb,
    },
    /// Where calls to a trunk go: up to ten targets, by priority and weight.
    Origination {
        #[command(subcommand)]
        verb: OriginationVerb,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum SecureMode {
    /// SIP over UDP and TCP, RTP.
    Disabled,
    /// SIP over TLS, RTP.
    Tls,
    /// SIP over TLS, SRTP.
    Srtp,
}

/// Of a part of a trunk.
#[derive(Subcommand)]
enum PartVerb {
    /// Show these settings.
    Show {
        #[arg(add = complete::trunks())]
        name: String,
    },
    /// Change some of them.
    #[command(after_help = fields::help(fields::TRUNK))]
    Set {
        #[arg(add = complete::trunks())]
        name: String,
        #[arg(required = true, value_name = "KEY=VALUE", add = complete::fields(fields::TRUNK))]
        assignments: Vec<Assignment>,
        #[command(flatten)]
        expected: Expected,
    },
}

impl TrunkArguments {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        match self.verb {
            TrunkVerb::List { watch } => list(&context, watch.watch).await,
            TrunkVerb::Show { name, watch } => TRUNKS.show(&context, &name, watch.watch).await,
            TrunkVerb::Create { name, contents } => {
                TRUNKS.create(&context, Some(&name), &contents).await
            }
            TrunkVerb::Set {
                name,
                assignments,
                expected,
            } => TRUNKS.set(&context, &name, &assignments, &expected).await,
            TrunkVerb::Edit {
                name,
                file,
                expected,
            } => TRUNKS.edit(&context, &name, &file, &expected).await,
            TrunkVerb::Delete { name, expected } => TRUNKS.delete(&context, &name, &expected).await,
            TrunkVerb::Secure {
                name,
                mode,
                expected,
            } => secure(&context, &name, mode, &expected).await,
            TrunkVerb::General { verb } => part(&context, "general", verb).await,
            TrunkVerb::Termination { verb } => part(&context, "termination", verb).await,
            TrunkVerb::Credential { verb } => credential::execute(&context, verb).await,
            TrunkVerb::Origination { verb } => origination::execute(&context, verb).await,
        }
    }
}

async fn list(context: &Context, watch: bool) -> Result<(), Failure> {
    let none = "no trunks yet: trunkline trunk create NAME KEY=VALUE ...";
    let show = |answer: &Value| context.output.list(answer, &COLUMNS, none);
    context
        .output
        .watch(watch, || TRUNKS.list(context), show)
        .await
}

/// As the console's switch does.
async fn secure(
    context: &Context,
    name: &str,
    mode: SecureMode,
    expected: &Expected,
) -> Result<(), Failure> {
    let mode = match mode {
        SecureMode::Disabled => "disabled",
        SecureMode::Tls => "tls",
        SecureMode::Srtp => "srtp",
    };
    let path = Path::of(&["trunks", name, "general"]);
    let make = |_: &Value| Ok(json!({ "secure": mode }));
    let changed = object::change_with(context, path, make, expected).await?;
    let said = format!("trunk {name}: secure is {mode}; the next call follows it");
    context.output.done(&changed, &said)
}

async fn part(context: &Context, part: &str, verb: PartVerb) -> Result<(), Failure> {
    match verb {
        PartVerb::Show { name } => {
            let path = Path::of(&["trunks", &name, part]);
            let settings = context.client.ask(Request::get(path)).await?.json()?;
            context.output.show(&settings, table::details)
        }
        PartVerb::Set {
            name,
            assignments,
            expected,
        } => {
            let path = Path::of(&["trunks", &name, part]);
            let changed =
                object::change(context, path, fields::TRUNK, &assignments, &expected).await?;
            context
                .output
                .done(&changed, &format!("trunk {name}: {part} changed"))
        }
    }
}

const COLUMNS: [Column; 8] = [
    Column::left("NAME", |trunk| words(&trunk["name"]).into()),
    Column::left("SECURE", secure_cell),
    Column::left("DOMAINS", |trunk| words(&trunk["domains"]).into()),
    Column::left("TARGETS", targets),
    Column::left("REGISTERED", registration),
    Column::right("CALLS", |trunk| words(&trunk["state"]["calls"]).into()),
    Column::right("PER SECOND", |trunk| {
        words(&trunk["state"]["calls_per_second"]).into()
    }),
    Column::left("FROM", object::origin),
];

fn secure_cell(trunk: &Value) -> Cell {
    match trunk["secure"].as_str() {
        None | Some("disabled") => Cell::toned("disabled", Tone::Warning),
        Some(mode) => Cell::toned(mode, Tone::Good),
    }
}

/// `2 of 3 in service`.
fn targets(trunk: &Value) -> Cell {
    let targets = trunk["state"]["targets"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let up = targets
        .iter()
        .filter(|target| target["enabled"] != false && target["state"] != "out_of_service")
        .count();
    match (up, targets.len()) {
        (_, 0) => "-".into(),
        (up, all) if up == all => Cell::toned(format!("{up} of {all}"), Tone::Good),
        (0, all) => Cell::toned(format!("0 of {all}"), Tone::Bad),
        (up, all) => Cell::toned(format!("{up} of {all}"), Tone::Warning),
    }
}

fn registration(trunk: &Value) -> Cell {
    let registration = &trunk["state"]["registration"];
    match (registration.is_null(), registration["registered"].as_bool()) {
        (true, _) => "-".into(),
        (_, Some(true)) => Cell::toned("yes", Tone::Good),
        _ => Cell::toned("no", Tone::Bad),
    }
}
