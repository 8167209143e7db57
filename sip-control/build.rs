//! Embeds what other builds have made:
//!
//! - the XDP program's object: `TRUNKLINE_EBPF_OBJECT` names it, and it becomes
//!   `$OUT_DIR/trunkline-ebpf.o`. Without the variable that file is empty, and the daemon has the
//!   socket backend only.
//! - the console: `TRUNKLINE_WEB_DIR` names the directory of its built files, and
//!   `$OUT_DIR/console.rs` lists them with their contents, and with what the build has compressed
//!   beside them (`*.br`, `*.gz`). Without the variable the list is empty, and the daemon says that
//!   it has no console.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

const EBPF_OBJECT: &str = "TRUNKLINE_EBPF_OBJECT";
const WEB_DIR: &str = "TRUNKLINE_WEB_DIR";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={EBPF_OBJECT}");
    println!("cargo::rerun-if-env-changed={WEB_DIR}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for embedded in [
        ebpf(&out.join("trunkline-ebpf.o")),
        console(&out.join("console.rs")),
    ] {
        if let Err(reason) = embedded {
            println!("cargo::error={reason}");
            process::exit(1);
        }
    }
}

/// The file or directory that a variable names, if it is set.
fn named(variable: &str) -> Result<Option<PathBuf>, String> {
    let Some(value) = env::var_os(variable).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let path = PathBuf::from(value);
    if !path.is_absolute() {
        return Err(format!(
            "{variable} must be an absolute path, not {}",
            path.display()
        ));
    }
    println!("cargo::rerun-if-changed={}", path.display());
    Ok(Some(path))
}

fn ebpf(destination: &Path) -> Result<(), String> {
    let bytes = match named(EBPF_OBJECT)? {
        None => Vec::new(),
        Some(object) => fs::read(&object)
            .map_err(|error| format!("{EBPF_OBJECT}: {}: {error}", object.display()))?,
    };
    write(destination, &bytes)
}

fn console(destination: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    let directory = named(WEB_DIR)?;
    if let Some(directory) = &directory {
        list(directory, &mut files).map_err(|error| format!("{WEB_DIR}: {error}"))?;
        if !files.contains(&directory.join("index.html")) {
            return Err(format!(
                "{WEB_DIR}: {} has no index.html; expected a built console",
                directory.display()
            ));
        }
    }
    files.sort();
    let mut code = "&[\n".to_owned();
    let compressed = |file: &Path| {
        let extension = file.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("br" | "gz"))
    };
    for file in files.iter().filter(|file| !compressed(file)) {
        let Some(path) = directory
            .as_deref()
            .and_then(|top| file.strip_prefix(top).ok())
        else {
            continue;
        };
        println!("cargo::rerun-if-changed={}", file.display());
        let beside = |suffix: &str| {
            let mut name = file.clone().into_os_string();
            name.push(suffix);
            let beside = PathBuf::from(name);
            match files.contains(&beside) {
                true => format!("Some(include_bytes!({:?}))", beside.display().to_string()),
                false => "None".to_owned(),
            }
        };
        let _ = writeln!(
            code,
            "Asset {{ path: {:?}, plain: include_bytes!({:?}), br: {}, gzip: {} }},",
            format!("/{}", path.display()),
            file.display().to_string(),
            beside(".br"),
            beside(".gz"),
        );
    }
    code.push_str("]\n");
    write(destination, code.as_bytes())
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        match path.is_dir() {
            true => list(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

fn write(destination: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(destination, bytes).map_err(|error| format!("{}: {error}", destination.display()))
}
