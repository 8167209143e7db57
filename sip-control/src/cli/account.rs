//! `trunkline account`: phones that register with us.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::assign::Assignment;
use super::complete;
use super::context::{Common, Watch};
use super::failure::Failure;
use super::fields;
use super::object::{self, Contents, Expected, Kind};
use super::table::{Column, words};

const ACCOUNTS: Kind = Kind {
    noun: "account",
    collection: "accounts",
    key: Some("aor"),
    fields: fields::ACCOUNT,
};

#[derive(Args)]
pub(super) struct AccountArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: AccountVerb,
}

#[derive(Subcommand)]
enum AccountVerb {
    /// List accounts, and at how many places each is registered.
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show an account; its secret is not shown.
    Show {
        /// Such as sip:alice@pbx.example.com.
        #[arg(add = complete::accounts())]
        aor: String,
    },
    /// Create an account.
    #[command(after_help = fields::help(fields::ACCOUNT))]
    Create {
        /// Such as sip:alice@pbx.example.com.
        aor: String,
        #[command(flatten)]
        contents: Contents,
    },
    /// Change an account.
    #[command(after_help = fields::help(fields::ACCOUNT))]
    Set {
        #[arg(add = complete::accounts())]
        aor: String,
        #[arg(required = true, value_name = "KEY=VALUE", add = complete::fields(fields::ACCOUNT))]
        assignments: Vec<Assignment>,
        #[command(flatten)]
        expected: Expected,
    },
    /// Give an account all its settings anew: in $VISUAL or $EDITOR, or from a file.
    Edit {
        #[arg(add = complete::accounts())]
        aor: String,
        /// An account in TOML or JSON; `-` for standard input.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        expected: Expected,
    },
    /// Delete an account.
    Delete {
        #[arg(add = complete::accounts())]
        aor: String,
        #[command(flatten)]
        expected: Expected,
    },
}

impl AccountArguments {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        match self.verb {
            AccountVerb::List { watch } => {
                let none =
                    "no accounts yet: trunkline account create AOR trunk=TRUNK password=@FILE";
                let show = |answer: &Value| context.output.list(answer, &COLUMNS, none);
                let look = || ACCOUNTS.list(&context);
                context.output.watch(watch.watch, look, show).await
            }
            AccountVerb::Show { aor } => ACCOUNTS.show(&context, &aor, false).await,
            AccountVerb::Create { aor, contents } => {
                ACCOUNTS.create(&context, Some(&aor), &contents).await
            }
            AccountVerb::Set {
                aor,
                assignments,
                expected,
            } => ACCOUNTS.set(&context, &aor, &assignments, &expected).await,
            AccountVerb::Edit {
                aor,
                file,
                expected,
            } => ACCOUNTS.edit(&context, &aor, &file, &expected).await,
            AccountVerb::Delete { aor, expected } => {
                ACCOUNTS.delete(&context, &aor, &expected).await
            }
        }
    }
}

const COLUMNS: [Column; 5] = [
    Column::left("AOR", |account| words(&account["aor"]).into()),
    Column::left("TRUNK", |account| words(&account["trunk"]).into()),
    Column::left("USER", |account| words(&account["user"]).into()),
    Column::right("PLACES", |account| words(&account["bindings"]).into()),
    Column::left("FROM", object::origin),
];
