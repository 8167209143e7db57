//! Embeds the XDP program's object: `TRUNKLINE_EBPF_OBJECT` names it, and it becomes
//! `$OUT_DIR/trunkline-ebpf.o`. Without the variable that file is empty, and the daemon has the
//! socket backend only.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

const VARIABLE: &str = "TRUNKLINE_EBPF_OBJECT";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let destination =
        PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("trunkline-ebpf.o");
    let embedded = match env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        Some(object) => embed(Path::new(&object), &destination),
        None => fs::write(&destination, [])
            .map_err(|error| format!("{}: {error}", destination.display())),
    };
    if let Err(reason) = embedded {
        println!("cargo::error={reason}");
        process::exit(1);
    }
}

fn embed(object: &Path, destination: &Path) -> Result<(), String> {
    if !object.is_absolute() {
        return Err(format!(
            "{VARIABLE} must be an absolute path, not {}",
            object.display()
        ));
    }
    println!("cargo::rerun-if-changed={}", object.display());
    let bytes =
        fs::read(object).map_err(|error| format!("{VARIABLE}: {}: {error}", object.display()))?;
    fs::write(destination, bytes).map_err(|error| format!("{}: {error}", destination.display()))
}
