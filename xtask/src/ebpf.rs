//! The XDP program's object file, and the two ways to compile it.
//!
//! `core` has to be compiled for `bpfel-unknown-none`, so a compiler is needed that
//! has its library's sources beside it. Two have: rustup's nightly with the
//! component `rust-src`, and Debian's `rustc-web` with `rust-web-src`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{progress, workspace};

/// Tells `sip-control/build.rs` which object to embed and the tests which to load.
pub(crate) const OBJECT_VARIABLE: &str = "TRUNKLINE_EBPF_OBJECT";

const TARGET: &str = "bpfel-unknown-none";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LIBRARY: &str = "/usr/lib/rustlib/src/rust/library/core";

/// A compiler with its library's sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// rustup's nightly with `rust-src`.
    Nightly,
    /// Debian's `rustc-web` with `rust-web-src`, driven by the cargo that runs us.
    Debian,
}

impl Toolchain {
    /// The one that is installed; nightly is preferred because it is the usual way.
    pub(crate) fn find() -> Option<Toolchain> {
        if nightly_has_sources() {
            Some(Toolchain::Nightly)
        } else if Path::new(DEBIAN_RUSTC).is_file() && Path::new(DEBIAN_LIBRARY).is_dir() {
            Some(Toolchain::Debian)
        } else {
            None
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Toolchain::Nightly => "nightly with rust-src",
            Toolchain::Debian => "Debian's rustc-web",
        }
    }

    fn cargo(self) -> Command {
        match self {
            Toolchain::Nightly => {
                let mut command = Command::new("rustup");
                command
                    .args(["run", "nightly", "cargo"])
                    .current_dir(workspace::root());
                command
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .env_remove("CARGO")
                    .env_remove("RUSTC");
                command.env("PATH", workspace::path_with_cargo_bin());
                command
            }
            Toolchain::Debian => {
                let mut command = workspace::cargo();
                command
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1");
                command
            }
        }
    }
}

/// Where the object is, whether it has been built or not.
pub(crate) fn object_path(trace: bool) -> PathBuf {
    let name = if trace {
        "trunkline-media-trace.o"
    } else {
        "trunkline-media.o"
    };
    workspace::target_dir().join("ebpf").join(name)
}

/// Compiles the object and gives its absolute path.
///
/// `trace` compiles the variant that says in words what happened to each packet.
pub(crate) fn build(trace: bool) -> Result<PathBuf> {
    let object = object_path(trace);
    let unit = Unit {
        what: "XDP program",
        package: "media-ebpf",
        binary: "trunkline-media",
        feature: trace.then_some("trace"),
        log: if trace { "ebpf-trace" } else { "ebpf" },
    };
    build_unit(&unit, &object)?;
    Ok(object)
}

/// Compiles the benches' own programs and gives their object's absolute path.
pub(crate) fn build_bench() -> Result<PathBuf> {
    let object = workspace::target_dir().join("ebpf/trunkline-bench.o");
    let unit = Unit {
        what: "the benches' programs",
        package: "bench-ebpf",
        binary: "trunkline-bench",
        feature: None,
        log: "ebpf-bench",
    };
    build_unit(&unit, &object)?;
    Ok(object)
}

/// One object.
struct Unit {
    what: &'static str,
    package: &'static str,
    binary: &'static str,
    feature: Option<&'static str>,
    log: &'static str,
}

fn build_unit(unit: &Unit, object: &Path) -> Result<()> {
    let Some(toolchain) = Toolchain::find() else {
        bail!(
            "the XDP program needs a compiler with library sources: `rustup toolchain install nightly \
             --component rust-src`, or Debian's rustc-web and rust-web-src (cargo xtask setup)"
        );
    };
    if workspace::find_program("bpf-linker").is_none() {
        bail!("the XDP program needs bpf-linker: cargo xtask setup");
    }
    let build_dir = workspace::target_dir().join("ebpf-build");
    let what = format!("{} with {}", unit.what, toolchain.name());
    progress::logged(&what, unit.log, &mut compile(toolchain, &build_dir, unit))?;
    install(
        &build_dir.join(TARGET).join("release").join(unit.binary),
        object,
    )
}

fn compile(toolchain: Toolchain, build_dir: &Path, unit: &Unit) -> Command {
    let mut command = toolchain.cargo();
    command.args(["build", "--release", "--package", unit.package]);
    command.args(["--bin", unit.binary]);
    command.args(["--target", TARGET, "-Z", "build-std=core"]);
    // A directory of its own: its flags would otherwise rebuild everything else,
    // and its lock would wait for a build that runs us.
    command.arg("--target-dir").arg(build_dir);
    if let Some(feature) = unit.feature {
        command.args(["--features", feature]);
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", rustflags());
    // One codegen unit and full debug information: what bpf-linker needs to inline
    // everything and to write BTF.
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3");
    command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    command.env("CARGO_PROFILE_RELEASE_PANIC", "abort");
    command.env("CARGO_PROFILE_RELEASE_DEBUG", "2");
    command
}

fn rustflags() -> String {
    let arch = format!("bpf_target_arch=\"{}\"", env::consts::ARCH);
    // Packet headers lie at any address. Without this LLVM reads them byte by byte, which is as
    // right and a quarter slower; x86-64 and arm64 kernels take a word at any address.
    let unaligned = "-Clink-arg=--cpu-features=+allows-misaligned-mem-access";
    [
        "--cfg",
        &arch,
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
        unaligned,
    ]
    .join("\u{1f}")
}

/// Copies the object only when it changed: what embeds it is rebuilt when its time changes.
fn install(built: &Path, object: &Path) -> Result<()> {
    let new = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    if fs::read(object).is_ok_and(|old| old == new) {
        return Ok(());
    }
    if let Some(dir) = object.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(object, new).with_context(|| format!("cannot write {}", object.display()))
}

fn nightly_has_sources() -> bool {
    let home = env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".rustup")));
    let Some(entries) = home.and_then(|home| fs::read_dir(home.join("toolchains")).ok()) else {
        return false;
    };
    entries.flatten().any(|entry| {
        // `nightly-x86_64-unknown-linux-gnu`, but not a dated `nightly-2026-01-01-...`.
        let name = entry.file_name();
        let plain = name
            .to_string_lossy()
            .strip_prefix("nightly-")
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
        plain
            && entry
                .path()
                .join("lib/rustlib/src/rust/library/core")
                .is_dir()
    })
}
