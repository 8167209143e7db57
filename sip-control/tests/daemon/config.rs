//! What an operator reads when the configuration is wrong, and that the sample is right.

use std::path::Path;
use std::time::Duration;

use crate::support::{Authority, Directory, trunkline};
use sip_control::config::Config;
use sip_core::transport::{Host, Transport};
use sip_core::trunk::refer::ReferMode;
use sip_core::trunk::{EarlyDialogs, RouteTo, TrunkId};

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
    let directory = files();
    // What to replace in the good configuration, by what, and the start of the message after the file.
    let cases = [
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
            "secure = \"srtp\"",
            "secure = \"yes\"",
            ":32:10: trunks[0].secure (carrier): \"yes\" is unknown; expected disabled, tls or srtp",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nlistener = \"udp\"",
            ":33:12: trunks[0].listener (carrier): listener \"udp\" is not tls; expected one that fits the trunk",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nlistener = \"wire\"",
            ":33:12: trunks[0].listener (carrier): unknown listener \"wire\"; expected one of: udp, tls",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nsuites = [\"NULL\"]",
            ":33:11: trunks[0].suites[0] (carrier): unknown suite \"NULL\"; expected one of: AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32, \
             AES_256_CM_HMAC_SHA1_80, AES_256_CM_HMAC_SHA1_32, AEAD_AES_128_GCM, AEAD_AES_256_GCM",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nverify = \"none\"",
            ":33:10: trunks[0].verify (carrier): \"none\" is unknown; expected strict, wildcard, pin or off",
        ),
        (
            "acl = [\"127.0.0.2\"]",
            "acl = [\"127.0.0.2/24\"]",
            ":33:8: trunks[0].acl[0] (carrier): \"127.0.0.2/24\" has bits beyond its prefix; expected 127.0.0.0/24 or 127.0.0.2",
        ),
        (
            "sip:carrier.example",
            "carrier.example",
            ":34:15: trunks[0].destination (carrier): \"carrier.example\" is not a SIP URI; expected sip:HOST[:PORT][;transport=udp|tcp|tls]",
        ),
        (
            "sip:carrier.example",
            "sip:[::1]",
            ":32:10: trunks[0].secure (carrier): a secure trunk needs a TLS listener; expected one with transport = \"tls\"",
        ),
        (
            "sip:127.0.0.3:5070",
            "sips:127.0.0.3",
            ":39:15: trunks[1].destination (pbx): \"sips:127.0.0.3\" is TLS, but the trunk is not secure; expected secure = \"tls\" or \"srtp\"",
        ),
        (
            "sip:127.0.0.3:5070",
            "sip:127.0.0.3;transport=ws",
            ":39:15: trunks[1].destination (pbx): unknown transport \"ws\"; expected udp, tcp or tls",
        ),
        (
            "sip:127.0.0.3:5070",
            "sip:127.0.0.3;transport=tcp",
            ":39:15: trunks[1].destination (pbx): no listener fits; expected one with transport = \"tcp\"",
        ),
        (
            "dscp = 46",
            "dscp = 64",
            ":40:8: trunks[1].dscp (pbx): 64 is not a DSCP; expected 0-63",
        ),
        (
            "dscp = 46",
            "domains = [\"10.0.0.1\"]",
            ":40:12: trunks[1].domains[0] (pbx): \"10.0.0.1\" is not a host name",
        ),
        (
            "dscp = 46",
            "suites = [\"AES_CM_128_HMAC_SHA1_80\"]",
            ":40:10: trunks[1].suites (pbx): is only for secure = \"srtp\"",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nverify = \"pin\"",
            ":30:1: trunks[0].pins (carrier): missing; verify = \"pin\" needs the SHA-256 of the peer's public key",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nverify = \"pin\"\npins = [\"sha256/AAAA\"]",
            ":34:9: trunks[0].pins[0] (carrier): \"sha256/AAAA\" is not a pin; expected the SHA-256 of a public key",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\npins = [\"AAAA\"]",
            ":33:8: trunks[0].pins (carrier): is only for verify = \"pin\"",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nclient_certificate = \"DIR/edge.crt\"",
            ":30:1: trunks[0].client_key (carrier): missing; a certificate and its key go together",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nclient_certificate = \"DIR/edge.crt\"\nclient_key = \"DIR/other.key\"",
            ":34:14: trunks[0].client_key (carrier): DIR/other.key is not the key of DIR/edge.crt; expected the private key of that certificate",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nclient_names = [\"a.example\"]",
            ":33:16: trunks[0].client_names (carrier): no TLS listener of the trunk's realm asks for certificates; expected one with client_ca",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nserver_name_mismatch = \"ignore\"",
            ":33:24: trunks[0].server_name_mismatch (carrier): \"ignore\" is unknown; expected log or refuse",
        ),
        (
            "key = \"DIR/edge.key\"",
            "key = \"DIR/edge.key\"\ncertificates = [{ key = \"DIR/edge.key\", certificate = \"DIR/other.crt\" }]",
            ":20:25: listeners[1].certificates[0].key (tls): DIR/edge.key is not the key of DIR/other.crt; expected the private key of that certificate",
        ),
        (
            "key = \"DIR/edge.key\"",
            "key = \"DIR/edge.key\"\nclient_auth = \"optional\"",
            ":13:1: listeners[1].client_ca (tls): missing; client_auth needs the roots of the clients' certificates",
        ),
        (
            "ca = \"DIR/ca.crt\"",
            "ca = \"DIR/ca.crt\"\nkey_log = \"DIR/none/keys\"",
            ":29:11: tls.key_log: DIR/none/keys cannot be written: No such file or directory",
        ),
        (
            "dscp = 46",
            "verify = \"off\"",
            ":40:10: trunks[1].verify (pbx): is only for secure = \"tls\" or \"srtp\"",
        ),
        (
            "dscp = 46",
            "sips = \"pass\"",
            ":40:8: trunks[1].sips (pbx): \"pass\" is only for secure = \"tls\" or \"srtp\"",
        ),
        (
            "acl = [\"127.0.0.2\"]",
            "t38 = true",
            ":33:7: trunks[0].t38 (carrier): true is not for secure = \"srtp\": T.38 would be in the clear",
        ),
        (
            "dscp = 46",
            "refer = \"on\"",
            ":40:9: trunks[1].refer (pbx): \"on\" is unknown; expected off, pass or local",
        ),
        (
            "dscp = 46",
            "session_timer = \"off\"",
            ":40:17: trunks[1].session_timer (pbx): \"off\" is unknown; expected on or strip",
        ),
        (
            "dscp = 46",
            "session_expires = \"60s\"",
            ":40:19: trunks[1].session_expires (pbx): 60 s is out of range; expected 90-86400 s",
        ),
        (
            "dscp = 46",
            "session_expires = \"10m\"\nmin_se = \"20m\"",
            ":40:19: trunks[1].session_expires (pbx): 600 s is below min_se; expected 1200 s or more",
        ),
        (
            "dscp = 46",
            "min_se = \"90\"",
            ":40:10: trunks[1].min_se (pbx): \"90\" is not a time; expected a number and ms, s, m or h, like \"60s\"",
        ),
        (
            "dscp = 46",
            "session_timer = \"strip\"\nmin_se = \"90s\"",
            ":41:10: trunks[1].min_se (pbx): is only for session_timer = \"on\"",
        ),
        (
            "acl = [\"127.0.0.2\"]",
            "opportunistic = true",
            ":33:17: trunks[0].opportunistic (carrier): true is only for secure = \"tls\": \"disabled\" would send keys in the clear, \"srtp\" requires SRTP",
        ),
        (
            "dscp = 46",
            "opportunistic = true",
            ":40:17: trunks[1].opportunistic (pbx): true is only for secure = \"tls\"",
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
    assert!(
        parse(&directory, GOOD).is_ok(),
        "{:?}",
        parse(&directory, GOOD)
    );
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
fn sig_8_t38_is_off_unless_a_trunk_turns_it_on() {
    let directory = files();
    for (text, expected) in [
        (GOOD.to_owned(), [false, false]),
        (GOOD.replace("dscp = 46", "t38 = true"), [false, true]),
        (
            GOOD.replace("\"srtp\"", "\"tls\"\nt38 = true"),
            [true, false],
        ),
    ] {
        let config = parse(&directory, &text).expect("a configuration that is right");
        let allowed: Vec<bool> = config.trunks.iter().map(|each| each.trunk.t38).collect();
        assert_eq!(allowed, expected);
    }
}

#[test]
fn med_5_a_trunk_says_how_many_packets_a_media_port_takes_or_leaves_it_to_the_codec() {
    let directory = files();
    for (line, expected) in [
        ("", None),
        ("max_packet_rate = 0", Some(0)),
        ("max_packet_rate = 400", Some(400)),
    ] {
        let text = GOOD.replace("dscp = 46", line);
        let config = parse(&directory, &text).expect("a configuration that is right");
        let rates: Vec<_> = config
            .trunks
            .iter()
            .map(|each| each.trunk.max_packet_rate)
            .collect();
        assert_eq!(rates, [None, expected]);
    }
}

#[test]
fn med_3_digits_are_masked_unless_the_configuration_shows_them() {
    let directory = files();
    for (line, is_shown) in [
        ("backend = \"auto\"", false),
        ("log_digits = false", false),
        ("log_digits = true", true),
    ] {
        let text = GOOD.replace("backend = \"auto\"", line);
        let config = parse(&directory, &text).expect("a configuration that is right");
        assert_eq!(config.stack().show_digits, is_shown, "{line}");
    }
}

#[test]
fn sig_7_refer_is_off_unless_a_trunk_allows_it() {
    let directory = files();
    for (line, expected) in [
        ("", ReferMode::Off),
        ("refer = \"off\"", ReferMode::Off),
        ("refer = \"pass\"", ReferMode::Pass),
        ("refer = \"local\"", ReferMode::Local),
    ] {
        let text = GOOD.replace("dscp = 46", line);
        let config = parse(&directory, &text).expect("a configuration that is right");
        assert_eq!(config.trunks[1].trunk.refer, expected, "{line}");
    }
}

#[test]
fn sig_2_session_timers_are_on_unless_a_trunk_strips_them() {
    let directory = files();
    for (lines, expected) in [
        ("", (true, 1800, 90)),
        ("session_timer = \"strip\"", (false, 1800, 90)),
        (
            "session_expires = \"10m\"\nmin_se = \"2m\"",
            (true, 600, 120),
        ),
        ("min_se = \"1h\"", (true, 3600, 3600)),
    ] {
        let text = GOOD.replace("dscp = 46", lines);
        let config = parse(&directory, &text).expect("a configuration that is right");
        let session = config.trunks[1].trunk.session;
        let read = (session.timers, session.expires, session.min_se);
        assert_eq!(read, expected, "{lines}");
    }
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

#[test]
fn a_destination_settles_by_mode_and_scheme_and_never_becomes_weaker() {
    let directory = files();
    let cases = [
        // secure, destination, transport, port, overridden
        ("srtp", "sip:carrier.example", Transport::Tls, 5061, false),
        (
            "srtp",
            "sips:carrier.example:5099",
            Transport::Tls,
            5099,
            false,
        ),
        (
            "srtp",
            "SIP:carrier.example;Transport=TLS",
            Transport::Tls,
            5061,
            false,
        ),
        (
            "srtp",
            "sip:carrier.example;transport=udp",
            Transport::Tls,
            5061,
            true,
        ),
        (
            "tls",
            "sip:carrier.example;transport=tcp",
            Transport::Tls,
            5061,
            true,
        ),
        (
            "disabled",
            "sip:carrier.example",
            Transport::Udp,
            5060,
            false,
        ),
        (
            "DISABLED",
            "sip:carrier.example;transport=UDP",
            Transport::Udp,
            5060,
            false,
        ),
    ];
    for (secure, destination, transport, port, overridden) in cases {
        let text = GOOD
            .replacen("secure = \"srtp\"", &format!("secure = \"{secure}\""), 1)
            .replacen("sip:carrier.example", destination, 1);
        let config = parse(&directory, &text).unwrap();
        let settled = config.trunks[0].trunk.origination.first().unwrap();
        assert_eq!(settled.host, Host::Name("carrier.example".to_owned()));
        // Without a transport DNS says which; it is UDP where DNS does not say.
        let settled_transport = settled.transport.unwrap_or(Transport::Udp);
        assert_eq!(
            (settled_transport, settled.port_for(settled_transport)),
            (transport, port),
            "{secure} {destination}"
        );
        assert_eq!(
            config.warnings.len(),
            usize::from(overridden),
            "{:?}",
            config.warnings
        );
    }
}

#[test]
fn a_trunk_gets_the_first_listener_that_fits_and_its_realm() {
    let config = parse(&files(), GOOD).unwrap();
    let listeners: Vec<u16> = config
        .trunks
        .iter()
        .map(|trunk| trunk.trunk.listener.0)
        .collect();
    assert_eq!(listeners, [1, 0]);
    assert!(config.trunks.iter().all(|trunk| trunk.trunk.realm.0 == 0));
}

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

/// The good configuration, whose PBX has these lines instead of its destination.
fn with_pbx(lines: &str) -> String {
    GOOD.replacen(
        "destination = \"sip:127.0.0.3:5070\"\ndscp = 46\n",
        lines,
        1,
    )
}

#[test]
fn trk_1_a_trunk_has_up_to_ten_origination_uris_with_priority_and_weight() {
    let directory = files();
    let text = with_pbx(
        "fallback = \"sip:127.0.0.9\"\nno_response = \"2s\"\nbackoff = \"1m\"\nprobe = \"10s\"\n\
         probe_failures = 5\nearly_dialogs = \"pass\"\n\
         [[trunks.origination]]\nuri = \"sip:127.0.0.3:5070\"\npriority = 10\nweight = 65535\n\
         [[trunks.origination]]\nuri = \"sip:pbx.example;transport=UDP\"\nenabled = false\n",
    );
    let config = parse(&directory, &text).unwrap();
    let origination = &config.trunks[1].trunk.origination;
    let uris: Vec<(String, u16, u16, bool)> = origination
        .uris
        .iter()
        .map(|uri| {
            (
                uri.uri.to_string(),
                uri.priority,
                uri.weight.get(),
                uri.enabled,
            )
        })
        .collect();
    assert_eq!(
        uris,
        [
            ("sip:127.0.0.3:5070".to_owned(), 10, 65_535, true),
            ("sip:pbx.example;transport=udp".to_owned(), 0, 1, false),
        ]
    );
    assert_eq!(
        origination.fallback.as_ref().unwrap().to_string(),
        "sip:127.0.0.9"
    );
    assert_eq!(origination.no_response, Duration::from_secs(2));
    assert_eq!(origination.backoff, Duration::from_secs(60));
    let probing = origination.probing.unwrap();
    assert_eq!(
        (probing.interval, probing.failures),
        (Duration::from_secs(10), 5)
    );
    assert_eq!(origination.early_dialogs, EarlyDialogs::Pass);

    // The defaults, of the short form as well.
    let config = parse(&directory, GOOD).unwrap();
    let origination = &config.trunks[1].trunk.origination;
    assert_eq!(origination.uris.len(), 1);
    assert_eq!(origination.no_response, Duration::from_secs(4));
    assert_eq!(origination.backoff, Duration::from_secs(30));
    assert_eq!(
        origination.probing.unwrap().interval,
        Duration::from_secs(30)
    );
    let off = parse(
        &directory,
        &with_pbx("probe = \"off\"\ndestination = \"sip:127.0.0.3\"\n"),
    );
    assert_eq!(off.unwrap().trunks[1].trunk.origination.probing, None);
}

#[test]
fn trk_1_what_is_wrong_with_targets_is_told_with_key_and_range() {
    let directory = files();
    let uri = |more: &str| format!("[[trunks.origination]]\nuri = \"sip:127.0.0.3\"\n{more}");
    let eleven: String = (1..=11)
        .map(|last| format!("[[trunks.origination]]\nuri = \"sip:127.0.1.{last}\"\n"))
        .collect();
    for (lines, expected) in [
        (
            uri("priority = 65536\n"),
            "trunks[1].origination[0].priority (pbx): 65536 is out of range; expected 0-65535",
        ),
        (
            uri("weight = 0\n"),
            "trunks[1].origination[0].weight (pbx): 0 is out of range; expected 1-65535",
        ),
        (
            uri("weight = -1\n"),
            "trunks[1].origination[0].weight (pbx): -1 is out of range; expected 1-65535",
        ),
        (
            uri("") + &uri(""),
            "trunks[1].origination[1].uri (pbx): \"sip:127.0.0.3\" is given twice",
        ),
        (
            eleven,
            "trunks[1].origination (pbx): has 11 entries; expected at most 10",
        ),
        (
            "destination = \"sip:127.0.0.3\"\n".to_owned() + &uri(""),
            "trunks[1].destination (pbx): is given as well as origination; expected one of them",
        ),
        (
            uri("") + "[[trunks.origination]]\nuri = \"sip:127.0.0.4;transport=ws\"\n",
            "trunks[1].origination[1].uri (pbx): unknown transport \"ws\"; expected udp, tcp or tls",
        ),
        (
            uri("") + "[[trunks.origination]]\nuri = \"sips:127.0.0.4\"\n",
            "trunks[1].origination[1].uri (pbx): \"sips:127.0.0.4\" is TLS, but the trunk is not secure; expected secure = \"tls\" or \"srtp\"",
        ),
        (
            uri("") + "[[trunks.origination]]\nuri = \"sip:[::1]\"\n",
            "trunks[1].origination[1].uri (pbx): no listener of the trunk's realm fits; expected one with transport = \"udp\"",
        ),
        (
            "fallback = \"sip:127.0.0.9;transport=tcp\"\n".to_owned() + &uri(""),
            "trunks[1].fallback (pbx): no listener of the trunk's realm fits; expected one with transport = \"tcp\"",
        ),
        (
            "probe = \"5s\"\n".to_owned() + &uri(""),
            "trunks[1].probe (pbx): \"5s\" is out of range; expected 10s to 3600s, or \"off\"",
        ),
        (
            "probe_failures = 0\n".to_owned() + &uri(""),
            "trunks[1].probe_failures (pbx): 0 is out of range; expected 1-100",
        ),
        (
            "no_response = \"33s\"\n".to_owned() + &uri(""),
            "trunks[1].no_response (pbx): \"33s\" is out of range; expected 500ms to 32s",
        ),
        (
            "backoff = \"2h\"\n".to_owned() + &uri(""),
            "trunks[1].backoff (pbx): \"2h\" is out of range; expected 0s to 3600s",
        ),
        (
            "early_dialogs = \"all\"\n".to_owned() + &uri(""),
            "trunks[1].early_dialogs (pbx): \"all\" is unknown; expected collapse or pass",
        ),
    ] {
        let message = parse(&directory, &with_pbx(&lines)).unwrap_err();
        assert!(message.ends_with(expected), "{message}\n{expected}");
    }
    let text = GOOD.replacen(
        "[limits]",
        "[dns]\nservers = [\"127.0.0.1\", \"dns.example\"]\n[limits]",
        1,
    );
    assert_eq!(
        parse(&directory, &text)
            .unwrap_err()
            .split_once(": ")
            .unwrap()
            .1,
        "dns.servers[1]: \"dns.example\" is not a name server; expected an address or address:port, like \"192.0.2.53\""
    );
}
