//! What an operator reads when the configuration is wrong, and that the sample is right.

use std::path::Path;

use sip_control::config::Config;

use crate::support::{Authority, Directory};

pub(crate) const GOOD: &str = r#"
[[realms]]
name = "office"
media_addresses = ["127.0.0.1"]
ports = "30000-30099"

[[listeners]]
name = "udp"
transport = "udp"
address = "127.0.0.1:5060"
realm = "office"

[[listeners]]
name = "tls"
transport = "tls"
address = "127.0.0.1:5061"
realm = "office"
certificate = "DIR/edge.crt"
key = "DIR/edge.key"

[media]
backend = "auto"

[limits]
max_calls = 10

[tls]
ca = "DIR/ca.crt"

[[trunks]]
name = "carrier"
secure = "srtp"
acl = ["127.0.0.2"]
destination = "sip:carrier.example"

[[trunks]]
name = "pbx"
acl = ["127.0.0.3"]
destination = "sip:127.0.0.3:5070"
dscp = 46

[[routes]]
from = "carrier"
to = "pbx"
"#;

pub(crate) fn files() -> Directory {
    let directory = Directory::new();
    let authority = Authority::new();
    for name in ["edge", "other"] {
        let (certificate, key) = authority.issue(&["edge.example.com"]);
        directory.write(&format!("{name}.crt"), &certificate);
        directory.write(&format!("{name}.key"), &key);
    }
    directory.write("ca.crt", &authority.pem());
    directory.write("not.pem", "hello\n");
    directory
}

pub(crate) fn parse(directory: &Directory, text: &str) -> Result<Config, String> {
    let text = text.replace(
        "DIR",
        directory.path("").to_str().unwrap().trim_end_matches('/'),
    );
    Config::parse(Path::new("t.toml"), &text).map_err(|error| error.to_string())
}

#[test]
fn every_mistake_is_one_line_with_file_key_and_what_is_expected() {
    let cases: [Mistake; 34] = [
        (
            "name = \"office\"\n",
            "name = \"office\"\ncolour = 1\n",
            ":4:1: realms[0].colour (office): unknown field `colour`, expected one of `name`, `media_addresses`, `advertised_media_addresses`, `ports`, `interfaces`",
        ),
        (
            "max_calls = 10",
            "max_calls = \"ten\"",
            ":25:13: limits.max_calls: invalid type: string \"ten\", expected usize",
        ),
        (
            "max_calls = 10",
            "max_calls = -1",
            ":25:13: limits.max_calls: invalid value: integer `-1`, expected usize",
        ),
        (
            "max_calls = 10",
            "max_calls = 0",
            ":25:13: limits.max_calls: is 0; expected 1 to 10000000",
        ),
        (
            "max_calls = 10",
            "max_message_bytes = 65537",
            ":25:21: limits.max_message_bytes: is 65537; expected 4096 to 65536",
        ),
        (
            "max_calls = 10",
            "max_headers = 31",
            ":25:15: limits.max_headers: is 31; expected 32 to 4096",
        ),
        (
            "max_calls = 10",
            "max_header_bytes = 0",
            ":25:20: limits.max_header_bytes: is 0; expected 512 to 65536",
        ),
        (
            "max_calls = 10",
            "max_vias = 256",
            ":25:12: limits.max_vias: is 256; expected 8 to 255",
        ),
        (
            "max_calls = 10",
            "max_calls = ",
            ":25:13: string values must be quoted",
        ),
        (
            "transport = \"udp\"\n",
            "",
            ":7:1: listeners[0].transport (udp): missing",
        ),
        (
            "transport = \"udp\"",
            "transport = \"sctp\"",
            ":9:13: listeners[0].transport (udp): unknown transport \"sctp\"; expected udp, tcp or tls",
        ),
        (
            "address = \"127.0.0.1:5060\"",
            "address = \"edge.example:5060\"",
            ":10:11: listeners[0].address (udp): \"edge.example:5060\" is not an address of this host; expected ADDRESS[:PORT]",
        ),
        (
            "address = \"127.0.0.1:5060\"",
            "address = \"0.0.0.0:5060\"",
            ":7:1: listeners[0].advertised (udp): missing; a listener on every address needs the host that peers reach it by",
        ),
        (
            "address = \"127.0.0.1:5060\"",
            "address = \"127.0.0.1:30050\"",
            ":10:11: listeners[0].address (udp): port 30050 is a media port of realm \"office\"; expected one outside 30000..=30099",
        ),
        (
            "realm = \"office\"\n\n[[listeners]]",
            "realm = \"attic\"\n\n[[listeners]]",
            ":11:9: listeners[0].realm (udp): unknown realm \"attic\"; expected one of: office",
        ),
        (
            "name = \"tls\"\ntransport = \"tls\"",
            "name = \"UDP\"\ntransport = \"tls\"",
            ":14:8: listeners[1].name (UDP): \"UDP\" is used twice; expected a name of its own",
        ),
        (
            "address = \"127.0.0.1:5061\"",
            "address = \"127.0.0.1:5061\"\nclient_ca = \"DIR/not.pem\"",
            ":17:13: listeners[1].client_ca (tls): DIR/not.pem holds no certificate; expected PEM",
        ),
        (
            "certificate = \"DIR/edge.crt\"",
            "certificate = \"DIR/none.crt\"",
            ":18:15: listeners[1].certificate (tls): DIR/none.crt cannot be read: No such file or directory (os error 2)",
        ),
        (
            "certificate = \"DIR/edge.crt\"",
            "certificate = \"DIR/not.pem\"",
            ":18:15: listeners[1].certificate (tls): DIR/not.pem holds no certificate; expected PEM",
        ),
        (
            "key = \"DIR/edge.key\"",
            "key = \"DIR/other.key\"",
            ":19:7: listeners[1].key (tls): DIR/other.key is not the key of DIR/edge.crt; expected the private key of that certificate",
        ),
        (
            "key = \"DIR/edge.key\"\n",
            "",
            ":13:1: listeners[1].key (tls): missing; a TLS listener needs a PEM file",
        ),
        (
            "ports = \"30000-30099\"",
            "ports = \"30000\"",
            ":5:9: realms[0].ports (office): \"30000\" is not a range of ports; expected \"LOW-HIGH\", like \"30000-39999\"",
        ),
        (
            "[\"127.0.0.1\"]",
            "[\"127.0.0.1\", \"127.0.0.9\"]",
            ":4:33: realms[0].media_addresses[1] (office): a second address of that family; expected one IPv4 and one IPv6 at most",
        ),
        (
            "[[listeners]]\nname = \"udp\"",
            "[[realms]]\nname = \"attic\"\nmedia_addresses = [\"127.0.0.1\"]\nports = \"30098-30200\"\n[[listeners]]\nname = \"udp\"",
            ":10:9: realms[1].ports (attic): overlaps the ports of realm \"office\" at 127.0.0.1; expected ranges of their own",
        ),
        (
            "backend = \"auto\"",
            "backend = \"fast\"",
            ":22:11: media.backend: \"fast\" is unknown; expected auto, xdp or socket",
        ),
        (
            "backend = \"auto\"",
            "backend = \"xdp\"",
            ":21:1: media.interfaces: missing; backend \"xdp\" needs the interfaces that media arrives at",
        ),
        (
            "backend = \"auto\"",
            "timeout = \"60\"",
            ":22:11: media.timeout: \"60\" is not a time; expected a number and ms, s, m or h, like \"60s\"",
        ),
        (
            "ca = \"DIR/ca.crt\"",
            "ca = \"DIR/not.pem\"",
            ":28:6: tls.ca: DIR/not.pem holds no certificate; expected PEM",
        ),
        (
            "ca = \"DIR/ca.crt\"",
            "min_version = \"1.1\"",
            ":28:15: tls.min_version: \"1.1\" is unknown; expected 1.2 or 1.3",
        ),
        (
            "max_calls = 10",
            "max_handshakes_per_address = 0",
            ":25:30: limits.max_handshakes_per_address: is 0; expected 1 to 10000000",
        ),
        (
            "max_calls = 10",
            "keepalive = \"5\"",
            ":25:13: limits.keepalive: \"5\" is not a time; expected a number and ms, s, m or h, like \"60s\"",
        ),
        (
            "max_calls = 10",
            "message_timeout = \"0s\"",
            ":25:19: limits.message_timeout: is 0; expected a time",
        ),
        (
            "from = \"carrier\"",
            "from = \"nobody\"",
            ":43:8: routes[0].from: unknown trunk \"nobody\"; expected one of: carrier, pbx",
        ),
        (
            "destination = \"sip:127.0.0.3:5070\"\n",
            "",
            ":43:6: routes[0].to: trunk \"pbx\" has no destination and no accounts; expected one that calls can go to",
        ),
    ];
    assert_mistakes(&cases);
}

/// What to replace in the good configuration, by what, and the start of the message after the file.
pub(crate) type Mistake = (&'static str, &'static str, &'static str);

pub(crate) fn assert_mistakes(cases: &[Mistake]) {
    let directory = files();
    let good = parse(&directory, GOOD);
    assert!(good.is_ok(), "{good:?}");
    let mut wrong = Vec::new();
    for (good, bad, expected) in cases {
        assert!(GOOD.contains(good), "{good}");
        let message = parse(&directory, &GOOD.replacen(good, bad, 1)).expect_err(bad);
        let message = message.replace(directory.path("").to_str().unwrap(), "DIR/");
        assert!(!message.contains('\n'), "{message}");
        if !message.starts_with(&format!("t.toml{expected}")) {
            wrong.push(format!(
                "{bad}\n  expected t.toml{expected}\n  was      {message}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sections_that_must_be_there_are_asked_for() {
    let directory = files();
    for (text, expected) in [
        (
            "",
            "t.toml: realms: missing; expected at least one [[realms]] section",
        ),
        (
            "[[realms]]\nname = \"a\"\nmedia_addresses = [\"::1\"]\nports = \"30000-30001\"",
            "t.toml: listeners: missing; expected at least one [[listeners]] section",
        ),
    ] {
        assert_eq!(parse(&directory, text).unwrap_err(), expected);
    }
}
