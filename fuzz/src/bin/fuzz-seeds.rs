//! Writes the seeds of every target, a file each, to `<directory>/<target>/`: what
//! `cargo xtask fuzz` starts libFuzzer's corpora from.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: fuzz-seeds <directory>");
        return ExitCode::FAILURE;
    };
    for target in trunkline_fuzz::TARGETS {
        if let Err(error) = write(&directory.join(target.name), &(target.seeds)()) {
            eprintln!("{}: {error}", directory.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write(directory: &std::path::Path, seeds: &[Vec<u8>]) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(directory.join(format!("seed-{number:03}")), seed)?;
    }
    Ok(())
}
