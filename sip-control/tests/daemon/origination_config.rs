//! `origination` of a trunk: up to ten targets.

use std::time::Duration;

use sip_core::trunk::EarlyDialogs;

use crate::config::{GOOD, files, parse};

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
