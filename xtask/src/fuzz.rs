//! `cargo xtask fuzz [target] [--seconds N]`: libFuzzer on the targets of `fuzz/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::setup::{self, Group};
use crate::{progress, workspace};

/// The binaries of libFuzzer, a workspace of their own.
const PACKAGE: &str = "fuzz/libfuzzer";
/// libFuzzer's own limit is 4096 bytes, less than the largest seed.
const MAX_INPUT_BYTES: usize = 16 * 1024;
/// An input that takes longer hangs, seconds.
const INPUT_TIMEOUT: u32 = 20;

/// Neither names of new functions nor weights of inputs: the whole stack has so many branches that
/// libFuzzer would take longer over them than the target runs.
const QUICK: [&str; 2] = ["-print_funcs=0", "-entropic=0"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A target of fuzz/src/lib.rs; without it every one in its turn.
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
    /// `address` finds reads and writes out of bounds in unsafe code; `none` is about twice as fast.
    #[arg(long, value_enum, default_value_t = Sanitizer::Address)]
    sanitizer: Sanitizer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Sanitizer {
    Address,
    None,
}

impl Sanitizer {
    fn name(self) -> &'static str {
        match self {
            Sanitizer::Address => "address",
            Sanitizer::None => "none",
        }
    }
}

pub(crate) fn command(arguments: &Arguments) -> Result<()> {
    require_nightly()?;
    setup::ensure(Group::Fuzz)?;
    let all = targets()?;
    let chosen = match &arguments.target {
        None => all,
        Some(name) if all.contains(name) => vec![name.clone()],
        Some(name) => bail!("{name:?} is not a target; there are {}", all.join(", ")),
    };
    let seeds = directory().join("seeds");
    let mut write = workspace::cargo();
    write.args([
        "run",
        "--quiet",
        "-p",
        "trunkline-fuzz",
        "--bin",
        "fuzz-seeds",
    ]);
    write.arg("--").arg(&seeds);
    progress::logged("seeds", "fuzz-seeds", &mut write)?;
    for target in &chosen {
        progress::shown(
            &format!("building {target}"),
            &mut cargo_fuzz("build", target, arguments),
        )?;
    }
    for target in &chosen {
        run(target, &seeds.join(target), arguments)?;
    }
    Ok(())
}

fn run(target: &str, seeds: &Path, arguments: &Arguments) -> Result<()> {
    let corpus = directory().join("corpus").join(target);
    let found = directory().join("found").join(target);
    for needed in [&corpus, &found] {
        std::fs::create_dir_all(needed)
            .with_context(|| format!("cannot create {}", needed.display()))?;
    }
    let mut command = cargo_fuzz("run", target, arguments);
    command.arg(&corpus).arg(seeds).arg("--");
    command.arg(format!("-artifact_prefix={}/", found.display()));
    command.arg(format!("-max_total_time={}", arguments.seconds));
    command.arg(format!("-max_len={MAX_INPUT_BYTES}"));
    command.arg(format!("-timeout={INPUT_TIMEOUT}"));
    command.arg(format!(
        "-dict={}",
        seeds.with_file_name("dictionary").display()
    ));
    command.args(QUICK);
    command.arg("-print_final_stats=1");
    progress::shown(&format!("{target} for {} s", arguments.seconds), &mut command).with_context(|| {
        format!(
            "what made it fail is in {}; a shortened copy in fuzz/regressions/{target}/ makes it a test",
            found.display()
        )
    })
}

/// `cargo fuzz <verb>` on a target, by nightly: the coverage that libFuzzer follows is unstable.
fn cargo_fuzz(verb: &str, target: &str, arguments: &Arguments) -> Command {
    let mut command = Command::new("rustup");
    command
        .current_dir(workspace::root())
        .env("PATH", workspace::path_with_cargo_bin())
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("RUSTUP_TOOLCHAIN")
        .args(["run", "nightly", "cargo", "fuzz", verb])
        .args(["--fuzz-dir", PACKAGE])
        .args(["--sanitizer", arguments.sanitizer.name()])
        .arg("--target-dir")
        .arg(directory().join("build"))
        .arg(target);
    command
}

/// Everything that fuzzing leaves: builds, corpora, what it found.
fn directory() -> PathBuf {
    workspace::target_dir().join("fuzz")
}

/// The names of the binaries: each is a file.
fn targets() -> Result<Vec<String>> {
    let sources = workspace::root().join(PACKAGE).join("src");
    let files = std::fs::read_dir(&sources)
        .with_context(|| format!("cannot read {}", sources.display()))?;
    let mut names = Vec::new();
    for file in files {
        let path = file?.path();
        names.extend(
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

fn require_nightly() -> Result<()> {
    let mut rustc = Command::new("rustup");
    rustc
        .args(["run", "nightly", "rustc", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if !rustc.status().is_ok_and(|status| status.success()) {
        bail!("fuzzing needs nightly: rustup toolchain install nightly --profile minimal");
    }
    Ok(())
}
