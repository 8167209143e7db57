//! What was measured with what, on what.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// Versions of kernel and of the media plane's peers, the command line, the CPU, and what else it
/// had to do.
///
/// # Errors
/// A peer that is missing is named.
pub fn all() -> Result<Value> {
    with_machine(json!({
        "rtpengine": first_line("rtpengine", "rtpengine-daemon")?,
        "nftables": first_line("nft", "nftables")?,
        "libsrtp2": package("libsrtp2-1")?,
    }))
}

/// The same with the peers of signalling.
///
/// # Errors
/// A peer that is missing is named.
pub fn of_signalling() -> Result<Value> {
    with_machine(json!({
        "kamailio": package("kamailio")?,
        "rtpengine": first_line("rtpengine", "rtpengine-daemon")?,
    }))
}

fn with_machine(mut versions: Value) -> Result<Value> {
    let command: Vec<String> = std::env::args().collect();
    versions["kernel"] = read("/proc/sys/kernel/osrelease")?.into();
    versions["command"] = std::env::var("TRUNKLINE_BENCH_COMMAND")
        .unwrap_or_else(|_| command.join(" "))
        .into();
    versions["cpu"] = cpu()?.into();
    versions["load_average"] = read("/proc/loadavg")?.into();
    Ok(versions)
}

fn read(path: &str) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    Ok(text.trim().to_owned())
}

fn first_line(program: &str, package: &str) -> Result<String> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .with_context(|| {
            format!("{program} does not run (Debian: {package}; cargo xtask setup installs it)")
        })?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default().trim();
    Ok(line.strip_prefix("Version: ").unwrap_or(line).to_owned())
}

fn package(name: &str) -> Result<String> {
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Version}", name])
        .output()
        .context("asking dpkg")?;
    anyhow::ensure!(
        output.status.success() && !output.stdout.is_empty(),
        "{name} is missing: cargo xtask setup installs it"
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn cpu() -> Result<String> {
    let text = read("/proc/cpuinfo")?;
    let values = |key: &str| {
        text.lines()
            .filter(|line| line.starts_with(key))
            .filter_map(|line| {
                line.split_once(':')
                    .map(|(_, value)| value.trim().to_owned())
            })
            .collect::<Vec<_>>()
    };
    let models = values("model name");
    let mhz = values("cpu MHz").first().cloned().unwrap_or_default();
    Ok(format!(
        "{} x {} at {mhz} MHz",
        values("processor").len(),
        models.first().cloned().unwrap_or_default()
    ))
}
