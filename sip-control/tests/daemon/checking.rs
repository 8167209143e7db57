//! `trunkline check`, the sample configuration, and what a reload may change.

use sip_control::config::Config;
use sip_core::trunk::{RouteTo, TrunkId};

use crate::config::{GOOD, files};
use crate::support::{Authority, Directory, trunkline};

#[test]
fn reloading_keeps_the_places_of_trunks_and_refuses_what_needs_a_restart() {
    let directory = files();
    let good = GOOD.replace(
        "DIR",
        directory.path("").to_str().unwrap().trim_end_matches('/'),
    );
    let path = directory.write("trunkline.toml", &good);
    let config = Config::load(&path).unwrap();

    // The carrier goes, the PBX moves to the front, a new trunk comes.
    let (head, _) = good.split_once("[[trunks]]").unwrap();
    let trunks = "[[trunks]]\nname = \"pbx\"\ndestination = \"sip:127.0.0.4\"\n\
                  [[trunks]]\nname = \"second\"\ndestination = \"sip:127.0.0.5\"\nacl = [\"127.0.0.5\"]\n\
                  [[routes]]\nfrom = \"second\"\nto = \"pbx\"\n";
    directory.write("trunkline.toml", &format!("{head}{trunks}"));
    let reloaded = config.reload().unwrap();
    let names: Vec<&str> = reloaded
        .trunks
        .iter()
        .map(|trunk| trunk.trunk.name.as_str())
        .collect();
    assert_eq!(names, ["carrier", "pbx", "second"]);
    let gone = &reloaded.trunks[0].trunk;
    assert!(gone.acl.is_empty() && gone.domains.is_empty() && !gone.origination.has_targets());
    assert_eq!(reloaded.routes[0].from.unwrap().0, 2);
    assert_eq!(reloaded.routes[0].to, RouteTo::Trunk(TrunkId(1)));

    // What a listener proves itself with may change while it runs.
    let other = good.replace("/edge.", "/other.");
    directory.write("trunkline.toml", &other);
    assert!(config.reload().is_ok());

    directory.write("trunkline.toml", &good.replace("5060", "5065"));
    let message = config.reload().unwrap_err().to_string();
    assert!(
        message.ends_with("listeners: has changed, which needs a restart; nothing was reloaded"),
        "{message}"
    );
}

#[test]
fn check_ends_with_2_and_one_line_for_a_bad_file_and_with_0_for_a_good_one() {
    let directory = files();
    let good = GOOD.replace(
        "DIR",
        directory.path("").to_str().unwrap().trim_end_matches('/'),
    );
    let path = directory.write("trunkline.toml", &good);
    let (success, output, _) = trunkline(&["check", "--config"], &path);
    assert!(success);
    assert_eq!(output, format!("{}: ok\n", path.display()));

    for (verb, name, text) in [
        ("check", "a.toml", "realms = 3"),
        ("run", "b.toml", "[[realms]"),
    ] {
        let path = directory.write(name, text);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_trunkline"))
            .args([verb, "--config"])
            .arg(&path)
            .output()
            .unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(
            message.starts_with(&format!("trunkline: {}:1:", path.display())),
            "{message}"
        );
    }
    let (success, _, message) = trunkline(&["check", "--config"], &directory.path("none.toml"));
    assert!(!success);
    assert!(
        message.ends_with("none.toml: cannot be read: No such file or directory (os error 2)\n"),
        "{message}"
    );
}

#[test]
fn what_the_host_does_not_have_is_told_with_its_key_before_anything_starts() {
    let directory = files();
    let cases = [
        (
            "backend = \"auto\"",
            "backend = \"xdp\"\ninterfaces = [\"lo\", \"no-such-if0\"]",
            ":23:21: media.interfaces[1]: there is no interface \"no-such-if0\" here",
        ),
        (
            "[limits]",
            "[cdr]\npath = \"DIR/none/calls.jsonl\"\n[limits]",
            ":25:8: cdr.path: DIR/none/calls.jsonl cannot be created in DIR/none: No such file or directory (os error 2)",
        ),
        (
            "[limits]",
            "[cdr]\npath = \"DIR\"\n[limits]",
            ":25:8: cdr.path: DIR is a directory; expected a file",
        ),
        (
            "[limits]",
            "[store]\npath = \"DIR/none/trunkline.db\"\n[limits]",
            ":25:8: store.path: DIR/none/trunkline.db cannot be created in DIR/none: No such file or directory (os error 2)",
        ),
        (
            "[limits]",
            "[store]\npath = \"DIR\"\n[limits]",
            ":25:8: store.path: DIR is a directory; expected a file",
        ),
    ];
    let in_directory = |text: &str| {
        let path = directory.path("");
        text.replace("DIR", path.to_str().unwrap().trim_end_matches('/'))
    };
    for (good, bad, expected) in cases {
        let text = in_directory(&GOOD.replacen(good, bad, 1));
        let path = directory.write("host.toml", &text);
        for verb in ["check", "run"] {
            let (success, _, message) = trunkline(&[verb, "--config"], &path);
            let expected = format!("trunkline: {}{}\n", path.display(), in_directory(expected));
            assert!(!success);
            assert_eq!(message, expected);
        }
    }
    let fallback = "backend = \"auto\"\ninterfaces = [\"no-such-if0\"]";
    let text = in_directory(&GOOD.replacen("backend = \"auto\"", fallback, 1));
    let (success, _, message) =
        trunkline(&["check", "--config"], &directory.write("auto.toml", &text));
    assert!(success, "{message}");
    assert!(
        message.ends_with(
            "warning: media.interfaces[0]: there is no interface \"no-such-if0\" here\n"
        ),
        "{message}"
    );
}

#[test]
fn the_sample_configuration_is_right() {
    let directory = Directory::new();
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["edge.example.com"]);
    directory.write("fullchain.pem", &(certificate + &authority.pem()));
    directory.write("privkey.pem", &key);
    let (certificate, key) = authority.issue(&["edge.example.com"]);
    directory.write("rsa.pem", &certificate);
    directory.write("rsa-key.pem", &key);
    let (certificate, key) = authority.issue(&["edge.example.com"]);
    directory.write("api.crt", &certificate);
    directory.write("api.key", &key);
    directory.write("ca.pem", &authority.pem());
    let sample = include_str!("../../../packaging/trunkline.toml");
    // Everything that is commented out is right as well.
    let everything: String = sample
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting)
                if (setting.starts_with("[[") && setting.ends_with("]]"))
                    || setting
                        .split_once(" = ")
                        .is_some_and(|(key, _)| !key.contains(' ')) =>
            {
                setting
            }
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    for (name, text) in [("sample.toml", sample), ("everything.toml", &everything)] {
        let path = directory.path("").display().to_string();
        let text = text
            .replace("peers-ca.pem", "ca.pem")
            .replace("carrier-ca.pem", "ca.pem")
            .replace("/etc/trunkline/", &path)
            .replace("/var/log/trunkline/", &path)
            .replace("/var/lib/trunkline/", &path)
            .replace(
                "[tls]\n",
                &format!(
                    "[tls]\n{}",
                    if name == "sample.toml" {
                        format!("ca = \"{path}ca.pem\"\n")
                    } else {
                        String::new()
                    }
                ),
            );
        let path = directory.write(name, &text);
        let (success, _, message) = trunkline(&["check", "--config"], &path);
        assert!(success, "{message}");
    }
}
