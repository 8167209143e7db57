//! Completion in shells: verbs and flags, and the names that the daemon knows.
//!
//! The shell asks this program itself, with `COMPLETE` in the environment; the daemon has a moment
//! to answer, after which there are no names.

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use clap::Args;
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use serde_json::Value;

use super::client::Path;
use super::context::Common;
use super::failure::Failure;
use super::fields::{Field, Shape};

/// Nobody waits longer for a TAB.
const PATIENCE: Duration = Duration::from_millis(300);
/// Of names that are offered.
const MOST: &str = "200";

#[derive(Args)]
pub(super) struct CompletionsArguments {
    shell: Shell,
}

impl CompletionsArguments {
    /// What the shell is to source.
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let shells = Shells::builtins();
        let name = self.shell.to_string();
        let completer = shells
            .completer(&name)
            .ok_or_else(|| Failure::usage(format!("{name}: no completion for this shell")))?;
        let mut script = Vec::new();
        completer.write_registration(
            "COMPLETE",
            "trunkline",
            "trunkline",
            "trunkline",
            &mut script,
        )?;
        io::Write::write_all(&mut io::stdout().lock(), &script)?;
        Ok(())
    }
}

/// Names of trunks.
pub(super) fn trunks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names("trunks", "name"))
}

pub(super) fn routes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names("routes", "id"))
}

pub(super) fn accounts() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names("accounts", "aor"))
}

pub(super) fn webhooks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names("webhooks", "name"))
}

pub(super) fn tokens() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names("tokens", "id"))
}

/// Numbers of live calls.
pub(super) fn calls() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names("calls", "call"))
}

/// `key=`, and the words that may follow.
pub(super) fn fields(fields: &'static [Field]) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_str().unwrap_or_default();
        let texts = match typed.split_once('=') {
            None => fields.iter().map(|(name, _)| format!("{name}=")).collect(),
            Some((key, _)) => values(fields, key),
        };
        let fitting = texts.into_iter().filter(|text| text.starts_with(typed));
        fitting.map(CompletionCandidate::new).collect()
    })
}

fn values(fields: &[Field], key: &str) -> Vec<String> {
    let shape = fields.iter().find(|(name, _)| *name == key);
    let words: &[&str] = match shape {
        Some((_, Shape::Word(words))) => words,
        Some((_, Shape::Flag)) => &["true", "false"],
        _ => &[],
    };
    words.iter().map(|word| format!("{key}={word}")).collect()
}

/// What stands in a field of each item of a list.
fn names(collection: &str, field: &str) -> Vec<CompletionCandidate> {
    let asked = ask(collection).unwrap_or(Value::Null);
    let items = asked["items"].as_array().into_iter().flatten();
    items
        .filter_map(|item| match &item[field] {
            Value::String(name) => Some(name.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .map(CompletionCandidate::new)
        .collect()
}

fn ask(collection: &str) -> Option<Value> {
    let client = Common::from_environment().hasty(PATIENCE)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let path = Path::of(&[collection]).with("limit", Some(MOST));
    let answer = runtime.block_on(client.get(path)).ok();
    runtime.shutdown_background();
    answer
}

#[cfg(test)]
mod tests {
    use super::super::fields::TRUNK;
    use super::*;

    #[test]
    fn words_follow_their_key() {
        assert_eq!(
            values(TRUNK, "secure"),
            ["secure=disabled", "secure=tls", "secure=srtp"]
        );
        assert_eq!(values(TRUNK, "nat"), ["nat=true", "nat=false"]);
        assert!(values(TRUNK, "acl").is_empty());
    }
}
