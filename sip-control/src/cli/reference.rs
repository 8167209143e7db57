//! `docs/cli.md` is written from the tree of verbs, and a test compares them.

use clap::{Arg, Command, CommandFactory};

use super::arguments::Arguments;
use super::failure::EXIT_CODES;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");

const INTRODUCTION: &str = "\
# Command line

One program is the daemon and asks it. `trunkline run` and `trunkline check` are told of in
[the sample configuration](../packaging/trunkline.toml); every other verb asks a running daemon by its
[API](api.md). [Operating](operating.md) shows them at work.

- Without more, the daemon at `/run/trunkline/control.sock` is asked, where root and the daemon's own user
  may do everything. `--socket` names another one; `--url https://edge.example.com:8443 --token-file FILE`
  asks a daemon elsewhere.
- Tables are for people: as wide as the terminal, with colours where that is one and `NO_COLOR` is not set.
  `--json` gives scripts what the API answers, in one line; errors on standard error then are one, too.
- Changes are made only if nobody else has changed the same thing meanwhile; `--if-version` says since when.
- `source <(trunkline completions bash)` completes verbs, flags and the names of trunks, routes, accounts and
  calls, and so do zsh and fish; `trunkline man /usr/local/share/man/man1` writes the manual pages.

This page is written from the program, and a test compares them:
`TRUNKLINE_WRITE_DOCS=1 cargo test -p sip-control --lib cli::reference` writes it anew.
";

#[test]
fn the_document_is_the_tree_of_verbs() {
    if std::env::var_os("TRUNKLINE_WRITE_DOCS").is_some() {
        std::fs::write(DOCUMENT, document()).unwrap();
    }
    let written = std::fs::read_to_string(DOCUMENT).unwrap();
    assert!(
        written == document(),
        "docs/cli.md differs from the program; \
         TRUNKLINE_WRITE_DOCS=1 cargo test -p sip-control --lib cli::reference writes it anew"
    );
}

/// Whoever runs `--help` finds a word of explanation at everything.
#[test]
fn every_verb_and_every_flag_says_what_it_is() {
    fn check(command: &Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        assert!(command.get_about().is_some(), "{path}");
        for flag in command
            .get_arguments()
            .filter(|arg| arg.get_long().is_some())
        {
            let is_plain = ["config", "role", "help", "version"].contains(&flag.get_id().as_str());
            assert!(is_plain || flag.get_help().is_some(), "{path} {flag}");
        }
        command
            .get_subcommands()
            .for_each(|verb| check(verb, &path));
    }
    let command = Arguments::command();
    command.clone().debug_assert();
    check(&command, "");
}

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    text += "\n## Exit codes\n\n| code | when |\n|---|---|\n";
    for (code, when) in EXIT_CODES {
        text += &format!("| {code} | {when} |\n");
    }
    let mut command = Arguments::command();
    command.build();
    text += "\n## Where the daemon is\n\nThese flags go with every verb but `run`, `check`, `completions` and `man`.\n\n";
    let status = command.find_subcommand("status").unwrap();
    for flag in status.get_arguments().filter(|flag| is_common(flag)) {
        text += &argument(flag);
    }
    for verb in command.get_subcommands() {
        section(verb, "trunkline", 2, &mut text);
    }
    text
}

/// A verb, and those below it.
fn section(command: &Command, path: &str, level: usize, text: &mut String) {
    if command.get_name() == "help" {
        return;
    }
    let path = format!("{path} {}", command.get_name());
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    *text += &format!("\n{} `{path}`\n\n{about}.\n", "#".repeat(level));
    let verbs: Vec<&Command> = command.get_subcommands().collect();
    if verbs.is_empty() {
        *text += &format!("\n```\n{}\n```\n", usage(command, &path));
        let arguments: String = command
            .get_arguments()
            .filter(|arg| !is_common(arg) && !["help", "version"].contains(&arg.get_id().as_str()))
            .map(argument)
            .collect();
        if !arguments.is_empty() {
            *text += &format!("\n{arguments}");
        }
    }
    for verb in verbs {
        section(verb, &path, (level + 1).min(4), text);
    }
}

fn is_common(arg: &Arg) -> bool {
    ["json", "socket", "url", "token_file", "ca"].contains(&arg.get_id().as_str())
}

fn usage(command: &Command, path: &str) -> String {
    let mut usage = path.to_owned();
    for arg in command.get_arguments() {
        if is_common(arg) || ["help", "version"].contains(&arg.get_id().as_str()) {
            continue;
        }
        let shown = arg.to_string();
        usage += &match arg.is_required_set() {
            true => format!(" {shown}"),
            false if arg.is_positional() => format!(" {shown}"),
            false => format!(" [{shown}]"),
        };
    }
    usage
}

/// One line of a list: the argument, what it is, and the words that it may be.
fn argument(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut line = format!("- `{arg}`");
    if !help.is_empty() {
        line += &format!(": {help}");
    }
    let words: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|word| match word.get_help() {
            Some(help) => format!(
                "`{}` ({})",
                word.get_name(),
                help.to_string().trim_end_matches('.')
            ),
            None => format!("`{}`", word.get_name()),
        })
        .collect();
    if !words.is_empty() {
        line += &format!("; {}", words.join(", "));
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if !defaults.is_empty() {
        line += &format!("; default {}", defaults.join(", "));
    }
    line + "\n"
}
