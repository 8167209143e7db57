//! What needs no daemon, or finds none.

use super::{run, run_with};
use crate::support::Directory;

#[test]
fn wrong_usage_exits_with_2_and_no_daemon_with_3() {
    let directory = Directory::new();
    let nowhere = directory.path("control.sock");
    let said = |words: &str| run(&format!("{words} --socket {}", nowhere.display())).failed(3);
    for words in [
        "status",
        "health",
        "trunk list",
        "call list --watch",
        "event follow",
        "flow 3",
        "drain on",
    ] {
        let error = said(words);
        assert!(
            error.starts_with("trunkline: no daemon answers at "),
            "{error}"
        );
        assert!(error.contains("control.socket"), "{error}");
    }
    let error = said("trunk list --json");
    let error: serde_json::Value = serde_json::from_str(&error).unwrap();
    assert_eq!(error["exit"], 3, "{error}");

    for (words, expected) in [
        ("", "Usage: trunkline"),
        ("trunk", "Usage: trunkline trunk"),
        ("trunk secure pbx plain", "disabled, tls, srtp"),
        ("trunk set pbx", "KEY=VALUE"),
        ("trunk set pbx secure", "has no \"=\""),
        ("call transfer 1 100", "--who"),
        ("route move r1", "--first"),
        ("status --url ftp://x", "unknown scheme"),
        ("status --url http://192.0.2.1", "in the clear"),
        (
            "status --url http://127.0.0.1:1 --token-file /nowhere",
            "/nowhere",
        ),
        ("status --url https://127.0.0.1:1 --ca /nowhere", "/nowhere"),
        ("call history --since yesterday", "no time"),
        ("drain on --timeout 3s", "--wait"),
        ("import /nowhere.toml", "/nowhere.toml"),
    ] {
        let error = run(words).failed(2);
        assert!(error.contains(expected), "{words}: {error}");
    }
    let error = run("health --url http://127.0.0.1:1").failed(3);
    assert!(error.contains("127.0.0.1:1"), "{error}");
}

#[test]
fn help_lists_every_noun_the_fields_and_the_exit_codes() {
    let help = run("--help").done();
    for noun in [
        "run",
        "check",
        "status",
        "health",
        "trunk",
        "route",
        "account",
        "registration",
        "call",
        "event",
        "flow",
        "cert",
        "token",
        "webhook",
        "audit",
        "drain",
        "backup",
        "export",
        "import",
        "api",
        "completions",
        "man",
    ] {
        assert!(help.contains(&format!("\n  {noun} ")), "{noun}: {help}");
    }
    assert!(help.contains("\n  6  refused: "), "{help}");
    let help = run("trunk set --help").done();
    assert!(help.contains("secure=disabled|tls|srtp"), "{help}");
    assert!(help.contains("key+=value"), "{help}");
}

#[test]
fn a_shell_gets_its_completion_and_asks_for_verbs() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&format!("completions {shell}")).done();
        assert!(script.contains("COMPLETE"), "{shell}: {script}");
    }
    let ask = |words: &str| {
        let environment = [("COMPLETE", "fish")];
        run_with(&format!("-- trunkline {words}"), &environment, "").done()
    };
    let verbs = ask("tr");
    assert!(verbs.starts_with("trunk\t"), "{verbs}");
    let words = ask("trunk set pbx secure=");
    assert_eq!(
        words.lines().collect::<Vec<_>>(),
        ["secure=disabled", "secure=tls", "secure=srtp"]
    );
}

#[test]
fn manual_pages_are_written_for_every_verb() {
    let directory = Directory::new();
    let into = directory.path("man/man1");
    run(&format!("man {}", into.display())).done();
    for page in [
        "trunkline.1",
        "trunkline-trunk-origination-add.1",
        "trunkline-call-ladder.1",
    ] {
        let text = std::fs::read_to_string(into.join(page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{text}");
    }
    let top = std::fs::read_to_string(into.join("trunkline.1")).unwrap();
    assert!(top.contains("Exit codes"), "{top}");
    let error = run("man /dev/null/x").failed(2);
    assert!(error.contains("/dev/null/x"), "{error}");
}
