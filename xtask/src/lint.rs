//! `cargo xtask lint`: formatting, clippy, documentation, dependencies.

use std::process::Command;

use anyhow::{Result, bail};

use crate::setup::{self, Group};
use crate::{progress, workspace};

pub(crate) fn command() -> Result<()> {
    setup::ensure(Group::Lint)?;
    let mut failed = Vec::new();
    for (name, mut command) in steps() {
        if let Err(error) = progress::shown(name, &mut command) {
            progress::say(&format!("{error:#}"));
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("lint: {}", failed.join(", "));
    }
    progress::say("lint: nothing to complain about");
    Ok(())
}

/// Every step runs even if one before it failed, so that one run tells everything.
fn steps() -> Vec<(&'static str, Command)> {
    let mut fmt = workspace::cargo();
    fmt.args(["fmt", "--all", "--check"]);

    let mut clippy = workspace::cargo();
    clippy.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]);

    let mut doc = workspace::cargo();
    doc.args(["doc", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings");

    // Crates that only an optional feature needs may not be there yet; a lock file that does
    // not fit the manifests is found here too.
    let mut fetch = workspace::cargo();
    fetch.args(["fetch", "--locked", "--target", "x86_64-unknown-linux-gnu"]);

    // Advisories are left out: their database has to be fetched, and this must work
    // without a network. Bans, licences and sources need only the crates themselves.
    let mut deny = workspace::cargo();
    deny.args(["deny", "--offline", "check", "bans", "licenses", "sources"]);

    vec![
        ("formatting", fmt),
        ("clippy", clippy),
        ("documentation", doc),
        ("lock file", fetch),
        ("dependencies", deny),
    ]
}
