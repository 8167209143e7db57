//! `trunkline trunk credential`: whom calls of a trunk must authenticate as. Passwords go in, and never
//! come out again.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::Path;
use super::complete;
use super::context::Context;
use super::document;
use super::failure::{Failure, Problem};
use super::object::{self, Expected};
use super::table::{Column, words};

#[derive(Subcommand)]
pub(super) enum CredentialVerb {
    /// List the users; their secrets are not shown.
    List {
        #[arg(add = complete::trunks())]
        trunk: String,
    },
    /// Add a user, or give one another secret.
    Add {
        #[arg(add = complete::trunks())]
        trunk: String,
        user: String,
        #[command(flatten)]
        secret: SecretArguments,
        /// Realm that callers are challenged with (RFC 7616 section 3.3) from now on. A trunk that never
        /// got one uses its first domain.
        #[arg(long)]
        realm: Option<String>,
        #[command(flatten)]
        expected: Expected,
    },
    /// Remove a user.
    Remove {
        #[arg(add = complete::trunks())]
        trunk: String,
        user: String,
        #[command(flatten)]
        expected: Expected,
    },
}

/// Where a secret comes from; never the command line, which every user of the host can read.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(super) struct SecretArguments {
    /// The first line of it is the password; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The first line of it is the HA1 of SHA-256, in hexadecimal.
    #[arg(long, value_name = "FILE", conflicts_with = "password_file")]
    ha1_sha256_file: Option<PathBuf>,
    /// The first line of it is the HA1 of MD5, in hexadecimal.
    #[arg(long, value_name = "FILE", conflicts_with = "password_file")]
    ha1_md5_file: Option<PathBuf>,
}

impl SecretArguments {
    /// Into an object of the API.
    fn put(&self, into: &mut Value) -> Result<(), Failure> {
        let files = [
            ("password", &self.password_file),
            ("ha1_sha256", &self.ha1_sha256_file),
            ("ha1_md5", &self.ha1_md5_file),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                into[name] = document::first_line(file)?.into();
            }
        }
        Ok(())
    }
}

pub(super) async fn execute(context: &Context, verb: CredentialVerb) -> Result<(), Failure> {
    match verb {
        CredentialVerb::List { trunk } => list(context, &trunk).await,
        CredentialVerb::Add {
            trunk,
            user,
            secret,
            realm,
            expected,
        } => {
            let mut credential = json!({ "user": user });
            secret.put(&mut credential)?;
            let make = |termination: &Value| {
                let mut users = users_of(termination);
                match users.iter_mut().find(|known| known["user"] == *user) {
                    Some(known) => *known = credential,
                    None => users.push(credential),
                }
                let mut change = json!({ "credentials": users });
                if let Some(realm) = realm {
                    change["auth_realm"] = realm.into();
                }
                Ok(change)
            };
            let changed = object::change_with(context, path(&trunk), make, &expected).await?;
            context
                .output
                .done(&changed, &format!("trunk {trunk}: user {user} set"))
        }
        CredentialVerb::Remove {
            trunk,
            user,
            expected,
        } => {
            let has_accounts = has_accounts(context, &trunk).await?;
            let make = |termination: &Value| {
                let mut users = users_of(termination);
                let before = users.len();
                users.retain(|known| known["user"] != *user);
                if users.len() == before {
                    return Err(missing(&trunk, &user));
                }
                let mut change = json!({ "credentials": users });
                if users.is_empty() && !has_accounts {
                    // They are settings of users, and refused without any.
                    for setting in ["auth_realm", "auth_algorithms"] {
                        change[setting] = Value::Null;
                    }
                }
                Ok(change)
            };
            let changed = object::change_with(context, path(&trunk), make, &expected).await?;
            context
                .output
                .done(&changed, &format!("trunk {trunk}: user {user} removed"))
        }
    }
}

async fn list(context: &Context, trunk: &str) -> Result<(), Failure> {
    let termination = context.client.get(path(trunk)).await?;
    let items = termination["credentials"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let none =
        format!("no users: trunkline trunk credential add {trunk} USER --password-file FILE");
    let columns = [
        Column::left("USER", |user| words(&user["user"]).into()),
        Column::left("SECRETS", secrets),
    ];
    context
        .output
        .list(&json!({ "items": items }), &columns, &none)
}

/// `password`, or those of the two HA1 that are there.
fn secrets(user: &Value) -> super::table::Cell {
    let flags = user.as_object().into_iter().flatten();
    let names: Vec<&str> = flags
        .filter(|(_, is_set)| **is_set == true)
        .filter_map(|(name, _)| name.strip_prefix("has_"))
        .collect();
    names.join(", ").into()
}

fn path(trunk: &str) -> Path {
    Path::of(&["trunks", trunk, "termination"])
}

/// Whether some of a trunk's users are accounts.
async fn has_accounts(context: &Context, trunk: &str) -> Result<bool, Failure> {
    let accounts = context.client.pages(Path::of(&["accounts"]), None).await?;
    let mut accounts = accounts["items"].as_array().into_iter().flatten();
    Ok(accounts.any(|account| account["trunk"] == *trunk))
}

/// The users as they may be sent back: the daemon keeps the secrets of those that come without.
fn users_of(termination: &Value) -> Vec<Value> {
    let users = termination["credentials"].as_array().into_iter().flatten();
    users.map(|user| json!({ "user": user["user"] })).collect()
}

fn missing(trunk: &str, user: &str) -> Failure {
    Failure::Refused(Problem {
        status: 404,
        body: json!({
            "title": "Not found", "status": 404,
            "detail": format!("trunk {trunk} has no user {user}"),
        }),
    })
}
