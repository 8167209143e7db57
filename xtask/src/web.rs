//! The console: built by its own tools into `<target>/web`, from where `sip-control/build.rs` embeds it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};

use crate::{progress, workspace};

/// Tells `sip-control/build.rs` which directory to embed.
pub(crate) const DIRECTORY_VARIABLE: &str = "TRUNKLINE_WEB_DIR";
/// Where `vite` and `scripts/compress.mjs` write to.
const OUT_VARIABLE: &str = "TRUNKLINE_WEB_OUT";

/// What a build is made of, in `web/`.
const SOURCES: &[&str] = &[
    "index.html",
    "package-lock.json",
    "package.json",
    "scripts",
    "src",
    "tsconfig.json",
    "vite.config.ts",
];
/// Nothing of it is built, but `npm run check` reads it.
const UNIT_TESTS: &str = "unit";
/// Vite 8 needs it.
const OLDEST_NODE: u32 = 20;

/// Builds the console, unless nothing has changed since, and gives the directory's absolute path.
pub(crate) fn build() -> Result<PathBuf> {
    let out = workspace::target_dir().join("web");
    let stamp = stamp("web");
    if is_newer(&stamp, &sources(SOURCES)) && out.join("index.html").is_file() {
        return Ok(out);
    }
    install(&directory(), "web")?;
    let mut command = npm(&directory());
    command.args(["run", "build"]).env(OUT_VARIABLE, &out);
    progress::logged("console", "web", &mut command)?;
    touch(&stamp)?;
    Ok(out)
}

/// The same where there is Node.js; else a daemon without the console does.
pub(crate) fn build_if_possible() -> Result<Option<PathBuf>> {
    match check_node() {
        Ok(()) => build().map(Some),
        Err(missing) => {
            progress::say(&format!("{missing:#}; the daemon is built without it"));
            Ok(None)
        }
    }
}

/// Runs the console's own unit tests, unless they have passed on the same sources.
pub(crate) fn test() -> Result<()> {
    let stamp = stamp("web-test");
    let mut sources = sources(SOURCES);
    sources.push(directory().join(UNIT_TESTS));
    if is_newer(&stamp, &sources) {
        return Ok(());
    }
    install(&directory(), "web")?;
    let mut command = npm(&directory());
    command.args(["test", "--silent"]);
    progress::logged("unit tests of the console", "web-test", &mut command)?;
    touch(&stamp)
}

/// Installs what the end-to-end tests of the console drive a browser with.
pub(crate) fn install_browser_driver() -> Result<()> {
    install(&directory().join("tests"), "web-tests")
}

/// What the lock file names, unless it is there already.
fn install(directory: &Path, log: &str) -> Result<()> {
    check_node()?;
    // npm leaves it behind when all is in place.
    let installed = directory.join("node_modules/.package-lock.json");
    if is_newer(&installed, &[directory.join("package-lock.json")]) {
        return Ok(());
    }
    let mut command = npm(directory);
    command.args(["ci", "--no-audit", "--no-fund"]);
    progress::logged("npm ci", &format!("{log}-npm"), &mut command)
}

fn check_node() -> Result<()> {
    let version = Command::new("node").arg("--version").output();
    let Ok(version) = version else {
        bail!(
            "the console is built with Node.js {OLDEST_NODE} or newer, and npm: neither is in PATH"
        );
    };
    let text = String::from_utf8_lossy(&version.stdout);
    let major = text.trim().trim_start_matches('v').split('.').next();
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major >= OLDEST_NODE => Ok(()),
        _ => bail!(
            "the console is built with Node.js {OLDEST_NODE} or newer, not {}",
            text.trim()
        ),
    }
}

fn npm(directory: &Path) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(directory);
    command
}

fn directory() -> PathBuf {
    workspace::root().join("web")
}

fn sources(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| directory().join(name)).collect()
}

fn stamp(name: &str) -> PathBuf {
    workspace::target_dir()
        .join("xtask")
        .join(format!("{name}.stamp"))
}

fn touch(stamp: &Path) -> Result<()> {
    if let Some(parent) = stamp.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(stamp, []).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Whether `file` was written after everything in `sources` was changed.
fn is_newer(file: &Path, sources: &[PathBuf]) -> bool {
    let Some(written) = modified(file) else {
        return false;
    };
    sources
        .iter()
        .all(|source| latest(source).is_some_and(|changed| changed <= written))
}

/// When a file, or anything in a directory, was changed last.
fn latest(path: &Path) -> Option<SystemTime> {
    let own = modified(path)?;
    let Ok(entries) = fs::read_dir(path) else {
        return Some(own);
    };
    let inside = entries.filter_map(|entry| latest(&entry.ok()?.path()));
    Some(inside.fold(own, SystemTime::max))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn set(path: &Path, seconds: u64) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        fs::File::open(path).unwrap().set_modified(at).unwrap();
    }

    #[test]
    fn a_build_is_old_when_anything_below_a_source_has_changed() {
        let top = std::env::temp_dir().join(format!("trunkline-web-{}", std::process::id()));
        let (source, stamp) = (top.join("src"), top.join("stamp"));
        fs::create_dir_all(source.join("deep")).unwrap();
        let file = source.join("deep/file.ts");
        fs::write(&file, "1").unwrap();
        fs::write(&stamp, "").unwrap();
        for path in [&file, &source.join("deep"), &source] {
            set(path, 100);
        }
        set(&stamp, 200);
        assert!(is_newer(&stamp, std::slice::from_ref(&source)));
        set(&file, 300);
        assert!(!is_newer(&stamp, std::slice::from_ref(&source)));
        assert!(!is_newer(&top.join("none"), std::slice::from_ref(&source)));
        assert!(!is_newer(&stamp, &[top.join("removed")]));
        fs::remove_dir_all(&top).unwrap();
    }
}
