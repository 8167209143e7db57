//! Writes the seeds of every target, a file each, to `<directory>/<target>/`, and the words of SIP and
//! SDP to `<directory>/dictionary`: what `cargo xtask fuzz` starts libFuzzer from.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use trunkline_fuzz::TARGETS;
use trunkline_fuzz::dictionary::DICTIONARY;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: fuzz-seeds <directory>");
        return ExitCode::FAILURE;
    };
    match write_all(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn write_all(directory: &Path) -> std::io::Result<()> {
    for target in TARGETS {
        let own = directory.join(target.name);
        std::fs::create_dir_all(&own)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(own.join(format!("seed-{number:03}")), seed)?;
        }
    }
    std::fs::write(directory.join("dictionary"), dictionary())
}

/// A quoted word on each line, every byte by its number.
fn dictionary() -> String {
    let quoted = |word: &[u8]| {
        let bytes: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        format!("\"{bytes}\"\n")
    };
    DICTIONARY.iter().map(|word| quoted(word)).collect()
}
