//! `trunkline token`: who may ask the daemon, and what for.

use std::time::{Duration, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::{Path, Request};
use super::complete;
use super::context::Common;
use super::failure::Failure;
use super::table::{Cell, Column, words};
use crate::clock::rfc3339;

#[derive(Args)]
pub(super) struct TokenArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: TokenVerb,
}

#[derive(Subcommand)]
enum TokenVerb {
    /// List tokens; none is shown.
    List,
    /// Create a token and print it: this once, the daemon keeps only its hash.
    Create {
        /// Who or what it is for; it stands in the audit.
        #[arg(long, default_value = "cli")]
        label: String,
        #[arg(long, value_enum, default_value_t = Role::Read)]
        role: Role,
    },
    /// Revoke a token: from now on it is refused.
    Revoke {
        #[arg(add = complete::tokens())]
        id: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    /// Sees everything but secrets.
    Read,
    /// Acts on calls, too, and drains.
    Operate,
    /// Changes the configuration, too.
    Admin,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Operate => "operate",
            Role::Admin => "admin",
        }
    }
}

impl TokenArguments {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        match self.verb {
            TokenVerb::List => {
                let answer = context.client.pages(Path::of(&["tokens"]), None).await?;
                let none = "no tokens yet: trunkline token create --label TEXT --role read";
                context.output.list(&answer, &COLUMNS, none)
            }
            TokenVerb::Create { label, role } => {
                let body = json!({ "label": label, "role": role.name() });
                let request = Request::post(Path::of(&["tokens"]), body);
                let created = context.client.ask(request).await?.json()?;
                // Alone on its line: `trunkline token create > file`.
                context
                    .output
                    .done(&created, created["token"].as_str().unwrap_or_default())
            }
            TokenVerb::Revoke { id } => {
                context
                    .client
                    .ask(Request::delete(Path::of(&["tokens", &id])))
                    .await?;
                let said = format!("token {id} revoked");
                context.output.done(&json!({ "deleted": id }), &said)
            }
        }
    }
}

/// Of milliseconds since 1970.
fn when(time: &Value) -> Cell {
    let since_epoch = time.as_u64().map(Duration::from_millis);
    match since_epoch.and_then(|since| UNIX_EPOCH.checked_add(since)) {
        None => "-".into(),
        Some(time) => rfc3339(time).into(),
    }
}

const COLUMNS: [Column; 5] = [
    Column::left("ID", |token| words(&token["id"]).into()),
    Column::left("LABEL", |token| words(&token["label"]).into()),
    Column::left("ROLE", |token| words(&token["role"]).into()),
    Column::left("CREATED", |token| when(&token["created_ms"])),
    Column::left("LAST USED", |token| when(&token["last_used_ms"])),
];
