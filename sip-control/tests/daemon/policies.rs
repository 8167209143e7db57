//! The settings of a trunk's policies: what they become, and what a mistake in them is told as.

use std::time::Duration;

use sip_core::trunk::{
    CallLimits, HeaderKey, HeaderPolicy, HeaderRule, NumberMatch, Numbers, RouteTo, RuleAction,
    RuleDirection, RuleMessages,
};

use crate::config::{GOOD, files, parse};
use crate::support::{Authority, Daemon, Directory, Edge, invite, receive, trunkline, udp_peer};

/// The good configuration with these lines in the trunk `pbx`.
fn pbx(lines: &str) -> String {
    GOOD.replacen("dscp = 46\n", &format!("dscp = 46\n{lines}\n"), 1)
}

#[test]
fn trk_6_limits_have_defaults_and_zero_is_none() {
    let directory = files();
    let day = Some(Duration::from_secs(24 * 3600));
    for (lines, per_second, concurrent, length) in [
        ("", Some(30), None, day),
        (
            "max_calls_per_second = 5\nmax_concurrent_calls = 60\nmax_call_seconds = 7200",
            Some(5),
            Some(60),
            Some(Duration::from_secs(7200)),
        ),
        (
            "max_calls_per_second = 0\nmax_concurrent_calls = 0\nmax_call_seconds = 0",
            None,
            None,
            None,
        ),
    ] {
        let config = parse(&directory, &pbx(lines)).unwrap();
        let limits = CallLimits {
            per_second,
            concurrent,
            length,
        };
        assert_eq!(config.trunks[1].trunk.limits, limits, "{lines}");
    }
}

#[test]
fn overload_limits_of_the_process() {
    let directory = files();
    for (lines, rate, delay, transactions) in [
        ("", None, Some(Duration::from_millis(500)), 200_000),
        (
            "calls_per_second = 100\nmax_queue_delay = \"50ms\"\nmax_transactions = 5000\n",
            Some(100),
            Some(Duration::from_millis(50)),
            5000,
        ),
        (
            "calls_per_second = 0\nmax_queue_delay = \"0s\"\n",
            None,
            None,
            200_000,
        ),
    ] {
        let text = GOOD.replacen("max_calls = 10\n", &format!("max_calls = 10\n{lines}"), 1);
        let config = parse(&directory, &text).unwrap();
        let stack = config.stack();
        assert_eq!(
            (
                stack.calls_per_second,
                stack.max_queue_delay,
                stack.max_transactions
            ),
            (rate, delay, transactions)
        );
    }
    for (line, expected) in [
        (
            "max_queue_delay = \"half a second\"",
            "limits.max_queue_delay: \"half a second\" is not a time; expected a number and ms, s, m or h, like \"60s\"",
        ),
        (
            "max_transactions = 0",
            "limits.max_transactions: is 0; expected 1 to 10000000",
        ),
        (
            "calls_per_second = -1",
            "limits.calls_per_second: invalid value: integer `-1`, expected u32",
        ),
    ] {
        let text = GOOD.replacen("max_calls = 10\n", &format!("max_calls = 10\n{line}\n"), 1);
        let message = parse(&directory, &text).unwrap_err();
        assert!(message.ends_with(expected), "{message}");
    }
}

/// The good configuration with these lines in its route.
fn route(lines: &str) -> String {
    GOOD.replacen("to = \"pbx\"\n", &format!("{lines}\n"), 1)
}

#[test]
fn trk_7_a_route_has_patterns_digits_and_may_reject() {
    let text = route(
        "to = \"pbx\"\nprefix = \"+49\"\npattern = '^\\+49\\d{4,}$'\ncaller_prefix = \"+1\"\n\
         caller_pattern = \"0$\"\nstrip = 3\nprepend = \"0\"\ncaller_strip = 1\ncaller_prepend = \"00\"",
    );
    let config = parse(&files(), &text).unwrap();
    let route_of = &config.routes[0];
    let pattern = |of: &NumberMatch| of.pattern.as_ref().unwrap().as_str().to_owned();
    assert_eq!(
        (
            route_of.called.prefix.as_str(),
            pattern(&route_of.called).as_str()
        ),
        ("+49", r"^\+49\d{4,}$")
    );
    assert_eq!(
        (
            route_of.caller.prefix.as_str(),
            pattern(&route_of.caller).as_str()
        ),
        ("+1", "0$")
    );
    let numbers = route_of.rewrite(&Numbers {
        called: "+493012".to_owned(),
        caller: "+12".to_owned(),
    });
    assert_eq!(
        (numbers.called.as_str(), numbers.caller.as_str()),
        ("03012", "0012")
    );
    let rejecting = parse(&files(), &route("reject = 404")).unwrap();
    assert_eq!(rejecting.routes[0].to, RouteTo::Reject(404));
}

#[test]
fn trk_7_a_mistake_in_a_route_or_a_dial_plan_is_told_with_its_key() {
    let directory = files();
    for (text, expected) in [
        (
            route("to = \"pbx\"\npattern = \"^(49\""),
            ":45:11: routes[0].pattern: \"^(49\" is not a pattern: unclosed group; expected a regular expression, like \"^\\+49\"",
        ),
        (
            route("to = \"pbx\"\ncaller_pattern = \"[\""),
            ":45:18: routes[0].caller_pattern: \"[\" is not a pattern: unclosed character class; expected a regular expression, like \"^\\+49\"",
        ),
        (
            route("reject = 200"),
            ":44:10: routes[0].reject: 200 refuses no call; expected a SIP status from 400 to 699",
        ),
        (
            route("to = \"pbx\"\nreject = 404"),
            ":45:10: routes[0].reject: stands beside to; expected one of the two",
        ),
        (
            route(""),
            ":42:1: routes[0].to: missing; expected the name of a trunk, the aor of an account, or reject = STATUS",
        ),
        (
            route("to = \"attic\""),
            ":44:6: routes[0].to: unknown trunk \"attic\"; expected one of: carrier, pbx",
        ),
        (
            pbx("dial_plan = { country = \"049\" }"),
            ":41:25: trunks[1].dial_plan.country (pbx): \"049\" is not a country code; expected one like \"49\"",
        ),
        (
            pbx("dial_plan = { country = \"49\", international_prefix = \"++\" }"),
            ":41:54: trunks[1].dial_plan.international_prefix (pbx): \"++\" is not what a number begins with; expected digits, like \"00\"",
        ),
    ] {
        let message = parse(&directory, &text).unwrap_err();
        assert_eq!(message, format!("t.toml{expected}"));
    }
}

#[test]
fn sig_6_headers_have_defaults_and_rules() {
    let directory = files();
    let config = parse(&directory, &pbx("")).unwrap();
    let headers = &config.trunks[1].trunk.headers;
    assert_eq!(headers.pass, HeaderPolicy::default().pass);
    assert!(!headers.trusted && headers.rules.is_empty());
    let text = pbx("trusted = true\nheaders = [\"Diversion\", \"P-Example\"]\n\
         header_rules = [{ direction = \"out\", remove = \"X-Internal\" },\n\
         { direction = \"in\", messages = \"responses\", replace = \"Diversion\", pattern = \"a(b)\", with = \"$1\" }]");
    let config = parse(&directory, &text).unwrap();
    let headers = &config.trunks[1].trunk.headers;
    let names = ["Diversion", "P-Example"].map(|name| HeaderKey::parse(name).unwrap());
    assert_eq!(headers.pass, names);
    assert!(headers.trusted);
    assert!(matches!(
        &headers.rules[0],
        HeaderRule {
            direction: RuleDirection::Out,
            messages: RuleMessages::All,
            action: RuleAction::Remove,
            ..
        }
    ));
    assert!(matches!(
        &headers.rules[1],
        HeaderRule {
            direction: RuleDirection::In,
            messages: RuleMessages::Responses,
            action: RuleAction::Replace { with, .. },
            ..
        } if with == "$1"
    ));
}

#[test]
fn sig_6_structural_headers_and_rules_that_mean_nothing_are_refused_with_their_key() {
    let directory = files();
    let rule = |rule: &str| pbx(&format!("header_rules = [{{ {rule} }}]"));
    for (text, expected) in [
        (
            pbx("headers = [\"Diversion\", \"v\"]"),
            "trunks[1].headers[1] (pbx): Via is each leg's own and never crosses",
        ),
        (
            rule("direction = \"out\", replace = \"Contact\", pattern = \"a\", with = \"b\""),
            "trunks[1].header_rules[0].replace (pbx): Contact is each leg's own and never crosses",
        ),
        (
            rule("direction = \"out\", remove = \"Content-Length\""),
            "trunks[1].header_rules[0].remove (pbx): Content-Length is each leg's own and never crosses",
        ),
        (
            rule("direction = \"out\", add = \"X A\", value = \"1\""),
            "trunks[1].header_rules[0].add (pbx): \"X A\" is not the name of a header",
        ),
        (
            rule("direction = \"up\", remove = \"X-A\""),
            "trunks[1].header_rules[0].direction (pbx): \"up\" is unknown; expected in or out",
        ),
        (
            rule("direction = \"in\", messages = \"some\", remove = \"X-A\""),
            "trunks[1].header_rules[0].messages (pbx): \"some\" is unknown; expected all, requests or responses",
        ),
        (
            rule("direction = \"in\", remove = \"X-A\", add = \"X-B\", value = \"1\""),
            "trunks[1].header_rules[0] (pbx): expected one of add, remove and replace, with the name of a header",
        ),
        (
            rule("direction = \"in\", add = \"X-B\""),
            "trunks[1].header_rules[0].value (pbx): missing",
        ),
        (
            rule("direction = \"in\", remove = \"X-B\", value = \"1\""),
            "trunks[1].header_rules[0].value (pbx): means nothing to a rule that has remove",
        ),
        (
            rule("direction = \"in\", replace = \"X-B\", pattern = \"(\", with = \"\""),
            "trunks[1].header_rules[0].pattern (pbx): \"(\" is not a pattern: unclosed group; expected a regular expression, like \"^\\+49\"",
        ),
    ] {
        let message = parse(&directory, &text).unwrap_err();
        assert!(message.ends_with(expected), "{message}");
        assert!(message.starts_with("t.toml:4"), "{message}");
    }
}

#[test]
fn trk_8_a_realm_behind_nat_advertises_other_media_addresses() {
    let directory = files();
    let realm = |line: &str| {
        let good = "media_addresses = [\"127.0.0.1\"]\n";
        GOOD.replacen(good, &format!("{good}{line}\n"), 1)
    };
    let text = realm("advertised_media_addresses = [\"192.0.2.7\"]");
    let config = parse(&directory, &text).unwrap();
    for trunk in &config.trunks {
        let outer = trunk.trunk.advertised_media.name_of([127, 0, 0, 1].into());
        assert_eq!(outer.to_string(), "192.0.2.7");
    }
    for (line, expected) in [
        (
            "advertised_media_addresses = [\"2001:db8::1\"]",
            "t.toml:5:30: realms[0].advertised_media_addresses (office): has an address of a family that media_addresses has not",
        ),
        (
            "advertised_media_addresses = [\"edge.example.com\"]",
            "t.toml:5:31: realms[0].advertised_media_addresses[0] (office): \"edge.example.com\" is not an address; expected IPv4 or IPv6",
        ),
        (
            "advertised_media_addresses = [\"0.0.0.0\"]",
            "t.toml:5:31: realms[0].advertised_media_addresses[0] (office): \"0.0.0.0\" cannot be sent to; expected an address of this host",
        ),
    ] {
        assert_eq!(parse(&directory, &realm(line)).unwrap_err(), expected);
    }
}

#[test]
fn sig_8_video_is_relayed_only_by_trunks_that_say_so() {
    let directory = files();
    let config = parse(&directory, &pbx("video = true")).unwrap();
    let allowed: Vec<bool> = config.trunks.iter().map(|each| each.trunk.video).collect();
    assert_eq!(allowed, [false, true]);
}

#[test]
fn trk_6_the_daemon_refuses_calls_beyond_the_rate_of_a_trunk() {
    let (edge, directory) = (Edge::new(), Directory::new());
    let trunk =
        "[[trunks]]\nname = \"caller\"\nacl = [\"127.0.0.0/8\"]\nmax_calls_per_second = 1\n";
    edge.configure(&directory, &Authority::new(), trunk);
    let daemon = Daemon::start(directory);
    // The first finds no route; the second does not get that far.
    for (address, status, code) in [("127.0.0.2", 404, 32012), ("127.0.0.3", 503, 32001)] {
        let peer = udp_peer(address);
        let request = invite(&peer, "100", &format!("rate{code}"));
        peer.send_to(request.as_bytes(), ("127.0.0.1", edge.udp))
            .unwrap();
        let (answer, _) = receive(&peer, &format!("SIP/2.0 {status} "));
        assert!(answer.contains(&format!("cause={code};")), "{answer}");
    }
    let counters = &daemon.status()["counters"]["signalling"];
    assert_eq!(counters["calls_over_limit"], 1, "{counters}");
}

#[test]
fn trk_7_check_names_file_and_key_of_a_bad_pattern() {
    let directory = files();
    let text = route("to = \"pbx\"\npattern = \"+49\"").replace(
        "DIR",
        directory.path("").to_str().unwrap().trim_end_matches('/'),
    );
    let path = directory.write("pattern.toml", &text);
    let (success, _, message) = trunkline(&["check", "--config"], &path);
    assert!(!success);
    let place = format!("trunkline: {}:45:11: routes[0].pattern: ", path.display());
    assert!(message.starts_with(&place), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}
