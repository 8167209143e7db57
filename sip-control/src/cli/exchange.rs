//! `trunkline export` and `trunkline import`: the configuration of the store as TOML.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::client::{Path, Request};
use super::context::{Common, Context};
use super::document;
use super::failure::Failure;
use super::output::confirm;
use super::table::{Look, Tone, words};

#[derive(Args)]
pub(super) struct ExportArguments {
    #[command(flatten)]
    pub(super) common: Common,
    /// Passwords and their hashes, too; only for admin.
    #[arg(long)]
    secrets: bool,
    /// A new file, which only its owner may read [default: standard output].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl ExportArguments {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        let path = Path::of(&["export"])
            .with("format", Some("toml"))
            .with("secrets", self.secrets.then_some("true"));
        let request = Request::get(path).accept("application/toml").takes_long();
        let answer = context.client.ask(request).await?;
        let Some(file) = &self.output else {
            return match context.output.json {
                true => {
                    let text = String::from_utf8_lossy(&answer.bytes);
                    context
                        .output
                        .show(&json!({ "toml": text }), |_, _| String::new())
                }
                false => context.output.write(&answer.bytes),
            };
        };
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(file);
        opened
            .and_then(|mut opened| opened.write_all(&answer.bytes))
            .map_err(|error| Failure::file(file, &error))?;
        let said = format!("written to {}", file.display());
        let bytes = answer.bytes.len();
        context
            .output
            .done(&json!({ "file": file, "bytes": bytes }), &said)
    }
}

#[derive(Args)]
pub(super) struct ImportArguments {
    #[command(flatten)]
    common: Common,
    /// TOML with `[[trunks]]`, `[[routes]]`, `[[accounts]]`; `-` for standard input.
    file: PathBuf,
    /// What the file does not have is deleted from the store.
    #[arg(long)]
    replace: bool,
    /// Without asking.
    #[arg(long)]
    yes: bool,
    /// Show what would change, and change nothing.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

impl ImportArguments {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        let toml = document::text(&Some(self.file.clone()))?;
        let planned = self.ask(&context, &toml, false).await?;
        let is_empty = planned["changes"].as_array().is_none_or(Vec::is_empty);
        if self.dry_run || is_empty {
            return context.output.show(&planned, diff);
        }
        if !self.yes {
            if context.output.json {
                return Err(Failure::usage(
                    "--json asks nobody; expected --yes or --dry-run",
                ));
            }
            context.output.show(&planned, diff)?;
            if !confirm("Apply these changes?")? {
                return Err(anyhow::anyhow!("nothing was changed").into());
            }
        }
        let applied = self.ask(&context, &toml, true).await?;
        match self.yes {
            true => context.output.show(&applied, diff),
            false => context.output.done(&applied, "applied"),
        }
    }

    async fn ask(&self, context: &Context, toml: &str, apply: bool) -> Result<Value, Failure> {
        let mode = if self.replace { "replace" } else { "merge" };
        let body = json!({ "toml": toml, "mode": mode, "apply": apply });
        let request = Request::post(Path::of(&["import"]), body).takes_long();
        context.client.ask(request).await?.json()
    }
}

/// What changes, an object to a line and its fields below.
fn diff(answer: &Value, look: Look) -> String {
    let mut text = String::new();
    let mut counts = [0; 3];
    for change in answer["changes"].as_array().into_iter().flatten() {
        let (place, mark, tone) = match change["change"].as_str() {
            Some("add") => (0, "+", Tone::Good),
            Some("remove") => (2, "-", Tone::Bad),
            Some("move") => (1, "~ another place for", Tone::Warning),
            _ => (1, "~", Tone::Warning),
        };
        counts[place] += 1;
        let object = format!(
            "{mark} {} {}",
            words(&change["kind"]),
            words(&change["name"])
        );
        text += &format!("{}\n", tone.paint(&object, look.colour));
        for field in change["fields"].as_array().into_iter().flatten() {
            let name = words(&field["field"]);
            let (old, new) = (value(&field["old"]), value(&field["new"]));
            text += &match (field["old"].is_null(), field["new"].is_null()) {
                (true, _) => format!("    {name} = {new}\n"),
                (_, true) => format!("    {name} = {old} goes\n"),
                _ => format!("    {name} = {old} becomes {new}\n"),
            };
        }
    }
    if text.is_empty() {
        return "nothing to change\n".to_owned();
    }
    let [added, updated, removed] = counts;
    let when = if answer["applied"] == true {
        "applied"
    } else {
        "not applied yet"
    };
    text + &format!("{added} to add, {updated} to change, {removed} to delete: {when}\n")
}

/// As in TOML, where it is simple.
fn value(value: &Value) -> String {
    super::table::printable(&value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_says_what_comes_goes_and_changes() {
        let answer = json!({"applied": false, "changes": [
            {"kind": "trunk", "name": "pbx", "change": "update", "fields": [
                {"field": "secure", "old": "tls", "new": "srtp"},
                {"field": "fallback", "old": "sip:x", "new": null},
                {"field": "nat", "old": null, "new": true}]},
            {"kind": "trunk", "name": "new", "change": "add", "fields": []},
            {"kind": "route", "name": "r7", "change": "remove", "fields": []},
        ]});
        assert_eq!(
            diff(&answer, Look::default()),
            "~ trunk pbx\n    secure = \"tls\" becomes \"srtp\"\n    fallback = \"sip:x\" goes\n    nat = true\n\
             + trunk new\n- route r7\n1 to add, 1 to change, 1 to delete: not applied yet\n"
        );
        assert_eq!(
            diff(&json!({"changes": []}), Look::default()),
            "nothing to change\n"
        );
    }
}
