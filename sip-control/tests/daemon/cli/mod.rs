//! The command line as whoever types it sees it: what it prints, and what it exits with.

mod alone;
mod calls;
mod configuration;
mod scripted;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run of the program came to.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ran {
    /// Its output, if it was done.
    #[track_caller]
    pub(super) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Its output as JSON in one line, if it was done.
    #[track_caller]
    pub(super) fn json(self) -> Value {
        let out = self.done();
        assert_eq!(out.matches('\n').count(), 1, "{out}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// What it says in place of doing it.
    #[track_caller]
    pub(super) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.err
    }
}

/// Runs `trunkline` with words that have blanks between them, as a shell would without quotes.
pub(super) fn run(words: &str) -> Ran {
    run_with(words, &[], "")
}

/// The same with something in the environment and on standard input.
pub(super) fn run_with(words: &str, environment: &[(&str, &str)], input: &str) -> Ran {
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    run_words(&words, environment, input)
}

pub(super) fn run_words(words: &[&str], environment: &[(&str, &str)], input: &str) -> Ran {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(words)
        .env_remove("TRUNKLINE_URL")
        .env_remove("TRUNKLINE_TOKEN_FILE")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It need not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// The same of a daemon at a socket.
pub(super) fn ask(socket: &Path, words: &str) -> Ran {
    run(&format!("{words} --socket {}", socket.display()))
}
