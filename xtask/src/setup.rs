//! `cargo xtask setup`: what this machine lacks, installed or named.
//!
//! Nothing slow runs when nothing is missing: files are looked for and dpkg is
//! asked once. `demo`, `test`, `lint` and `build` call [`ensure`] for their group.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::ebpf::Toolchain;
use crate::{progress, workspace};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only what this needs.
    #[arg(long = "for", value_enum, default_value_t = Group::All, value_name = "COMMAND")]
    group: Group,
}

/// What the machine is to be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Group {
    /// Compile the XDP program and the daemon.
    Build,
    /// And run the demo in namespaces.
    Demo,
    /// And run the tests with the peers that they call.
    Test,
    /// And measure media and signalling beside their peers (with what the demo needs).
    Bench,
    /// Run libFuzzer on what strangers send.
    Fuzz,
    /// Check the sources.
    Lint,
    All,
}

/// A compiler with library sources, when rustup has none.
const COMPILER: &[&str] = &["rustc-web", "rust-web-src"];
/// What bpf-linker is built with.
const LINKER: &[&str] = &[
    "llvm-22-dev",
    "libpolly-22-dev",
    "zlib1g-dev",
    "libzstd-dev",
];
/// Cryptography for TLS has C and assembly parts.
const BUILD: &[&str] = &["gcc"];
/// Namespaces and a look into the maps.
const DEMO: &[&str] = &["bpftool", "iproute2"];
/// Peers and tools of the lab and of the interop tests.
const TEST: &[&str] = &[
    "baresip-core",
    // The console is tried out in it.
    "chromium",
    // Without a service of its own, which would listen on this machine's port 53.
    "dnsmasq-base",
    "ethtool",
    "ffmpeg",
    "kamailio",
    "kamailio-tls-modules",
    // A clock that is set for one process alone.
    "libfaketime",
    "libsrtp2-1",
    "linphone-cli",
    "openssl",
    "sip-tester",
    "tshark",
];
/// Peers of the benches.
const BENCH: &[&str] = &[
    "kamailio",
    "kamailio-tls-modules",
    "libsrtp2-1",
    "nftables",
    "rtpengine-daemon",
];

/// libFuzzer is in C++.
const FUZZ: &[&str] = &["g++"];

const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

pub(crate) fn command(arguments: &Arguments) -> Result<()> {
    ensure(arguments.group)?;
    match Toolchain::find() {
        Some(toolchain) => progress::say(&format!("XDP program: {}", toolchain.name())),
        None => progress::say("XDP program: no compiler with library sources"),
    }
    progress::say("nothing is missing");
    Ok(())
}

/// Installs what `group` lacks; without the right to, fails with the one command that does.
pub(crate) fn ensure(group: Group) -> Result<()> {
    let packages = missing_packages(&wanted_packages(group))?;
    let tools: Vec<&Tool> = wanted_tools(group)
        .into_iter()
        .filter(|tool| tool.is_missing())
        .collect();
    if !packages.is_empty() {
        install_packages(&packages)?;
    }
    for tool in tools {
        progress::logged(
            &format!("cargo install {}", tool.name),
            tool.name,
            &mut tool.install(),
        )?;
    }
    Ok(())
}

fn wanted_packages(group: Group) -> BTreeSet<&'static str> {
    let mut wanted = BTreeSet::new();
    if group == Group::Lint {
        return wanted;
    }
    wanted.extend(BUILD);
    if matches!(group, Group::Fuzz | Group::All) {
        wanted.extend(FUZZ);
    }
    if group == Group::Fuzz {
        return wanted;
    }
    if Toolchain::find() != Some(Toolchain::Nightly) {
        wanted.extend(COMPILER);
    }
    if BPF_LINKER.is_missing() {
        wanted.extend(LINKER);
    }
    if group != Group::Build {
        wanted.extend(DEMO);
    }
    if matches!(group, Group::Test | Group::All) {
        wanted.extend(TEST);
    }
    if matches!(group, Group::Bench | Group::All) {
        wanted.extend(BENCH);
    }
    wanted
}

/// Those that dpkg does not list as installed.
fn missing_packages(wanted: &BTreeSet<&'static str>) -> Result<Vec<&'static str>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let query = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\\n"])
        .args(wanted)
        .stderr(Stdio::null())
        .output();
    let Ok(query) = query else {
        bail!(
            "this is not a Debian system: install what these Debian packages hold, by hand: {}",
            list(wanted.iter().copied())
        );
    };
    Ok(not_installed(
        wanted,
        &String::from_utf8_lossy(&query.stdout),
    ))
}

/// `listing` has a line `<package> <status>` for each that dpkg knows.
fn not_installed(wanted: &BTreeSet<&'static str>, listing: &str) -> Vec<&'static str> {
    let installed: BTreeSet<&str> = listing
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    wanted
        .iter()
        .copied()
        .filter(|package| !installed.contains(package))
        .collect()
}

fn install_packages(packages: &[&str]) -> Result<()> {
    let names = list(packages.iter().copied());
    if !workspace::is_root() {
        bail!(
            "missing: {names}; install with: sudo apt-get update && sudo apt-get install -y \
             --no-install-recommends {names}"
        );
    }
    progress::logged("apt-get update", "apt-update", &mut apt_get(&["update"]))?;
    let mut install = apt_get(&["install", "-y", "--no-install-recommends"]);
    install.args(packages);
    progress::logged(
        &format!("apt-get install {names}"),
        "apt-install",
        &mut install,
    )
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(" ")
}

/// A program that `cargo install` provides.
struct Tool {
    name: &'static str,
    version: &'static str,
    arguments: &'static [&'static str],
}

const BPF_LINKER: Tool = Tool {
    name: "bpf-linker",
    version: "0.13.0",
    arguments: &["--no-default-features", "--features", "llvm-22"],
};
const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    version: "0.9.151",
    arguments: &["--locked"],
};
const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    arguments: &["--locked"],
};

const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
    arguments: &["--locked"],
};

impl Tool {
    fn is_missing(&self) -> bool {
        workspace::find_program(self.name).is_none()
    }

    fn install(&self) -> Command {
        let mut command = workspace::cargo();
        command
            .args(["install", self.name, "--version", self.version])
            .args(self.arguments);
        // bpf-linker finds LLVM by these two; without the path it fails with
        // "unable to find library -lLLVM".
        if Path::new(LLVM_PREFIX).is_dir() {
            let mut path = std::ffi::OsString::from(format!("{LLVM_PREFIX}/bin:"));
            path.push(workspace::path_with_cargo_bin());
            command.env("LLVM_PREFIX", LLVM_PREFIX).env("PATH", path);
        }
        command
    }
}

fn wanted_tools(group: Group) -> Vec<&'static Tool> {
    match group {
        Group::Build | Group::Demo | Group::Bench => vec![&BPF_LINKER],
        Group::Test => vec![&BPF_LINKER, &NEXTEST],
        Group::Fuzz => vec![&CARGO_FUZZ],
        Group::Lint => vec![&DENY],
        Group::All => vec![&BPF_LINKER, &NEXTEST, &CARGO_FUZZ, &DENY],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_is_removed_or_unknown_is_missing() {
        let wanted = BTreeSet::from(["bpftool", "ffmpeg", "gcc"]);
        let listing = "gcc installed\nbpftool config-files\n";
        assert_eq!(not_installed(&wanted, listing), ["bpftool", "ffmpeg"]);
    }

    #[test]
    fn each_group_has_all_that_the_one_before_needs() {
        let groups = [Group::Build, Group::Demo, Group::Test, Group::All];
        for pair in groups.windows(2) {
            assert!(wanted_packages(pair[0]).is_subset(&wanted_packages(pair[1])));
        }
        assert!(wanted_packages(Group::Demo).is_subset(&wanted_packages(Group::Bench)));
        assert!(wanted_packages(Group::Bench).is_subset(&wanted_packages(Group::All)));
        assert!(wanted_packages(Group::Fuzz).is_subset(&wanted_packages(Group::All)));
        assert!(wanted_packages(Group::Lint).is_empty());
    }
}
