//! `trunkline webhook`: whom the daemon tells of events by HTTP.

use clap::{Args, Subcommand};

use super::assign::Assignment;
use super::complete;
use super::context::Common;
use super::failure::Failure;
use super::fields;
use super::object::{Contents, Expected, Kind};
use super::table::{Cell, Column, Tone, words};

const WEBHOOKS: Kind = Kind {
    noun: "webhook",
    collection: "webhooks",
    key: Some("name"),
    fields: fields::WEBHOOK,
};

#[derive(Args)]
pub(super) struct WebhookArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: WebhookVerb,
}

#[derive(Subcommand)]
enum WebhookVerb {
    /// List webhooks.
    List,
    /// Show a webhook; its secret is not shown.
    Show {
        #[arg(add = complete::webhooks())]
        name: String,
    },
    /// Create a webhook.
    #[command(after_help = fields::help(fields::WEBHOOK))]
    Create {
        name: String,
        #[command(flatten)]
        contents: Contents,
    },
    /// Change a webhook.
    #[command(after_help = fields::help(fields::WEBHOOK))]
    Set {
        #[arg(add = complete::webhooks())]
        name: String,
        #[arg(required = true, value_name = "KEY=VALUE", add = complete::fields(fields::WEBHOOK))]
        assignments: Vec<Assignment>,
        #[command(flatten)]
        expected: Expected,
    },
    /// Delete a webhook.
    Delete {
        #[arg(add = complete::webhooks())]
        name: String,
        #[command(flatten)]
        expected: Expected,
    },
}

impl WebhookArguments {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        match self.verb {
            WebhookVerb::List => {
                let answer = WEBHOOKS.list(&context).await?;
                let none = "no webhooks yet: trunkline webhook create NAME url=URL kinds=KIND,KIND secret=@FILE";
                context.output.list(&answer, &COLUMNS, none)
            }
            WebhookVerb::Show { name } => WEBHOOKS.show(&context, &name, false).await,
            WebhookVerb::Create { name, contents } => {
                WEBHOOKS.create(&context, Some(&name), &contents).await
            }
            WebhookVerb::Set {
                name,
                assignments,
                expected,
            } => WEBHOOKS.set(&context, &name, &assignments, &expected).await,
            WebhookVerb::Delete { name, expected } => {
                WEBHOOKS.delete(&context, &name, &expected).await
            }
        }
    }
}

const COLUMNS: [Column; 5] = [
    Column::left("NAME", |hook| words(&hook["name"]).into()),
    Column::left("URL", |hook| words(&hook["url"]).into()),
    Column::left("KINDS", |hook| match hook["kinds"].as_array() {
        None => "all".into(),
        Some(kinds) if kinds.is_empty() => "all".into(),
        Some(_) => words(&hook["kinds"]).into(),
    }),
    Column::left("ENABLED", |hook| match hook["enabled"] == false {
        true => Cell::toned("no", Tone::Faint),
        false => "yes".into(),
    }),
    Column::left("FAILING SINCE", |hook| {
        match hook["failing_since"].as_str() {
            None => "-".into(),
            Some(since) => Cell::toned(since, Tone::Bad),
        }
    }),
];
