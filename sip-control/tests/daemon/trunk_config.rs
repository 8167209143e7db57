//! `[[trunks]]` as an operator writes it: what is off unless it is turned on, where calls go, and what is wrong.

use sip_core::transport::{Host, Transport};
use sip_core::trunk::refer::ReferMode;

use crate::config::{GOOD, files, parse};

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
