//! What latching does to the plan.

use super::*;

#[test]
fn a_latched_source_is_where_the_other_direction_goes() {
    let mut media = CallMedia::new(with(|[caller, _]| caller.source = latch()));
    assert_eq!(
        to(&flow(&media, "10.0.1.1:40000")),
        Some(at(CALLER)),
        "to its SDP meanwhile"
    );
    assert!(media.latched(at("10.0.0.1:30000"), at("203.0.113.5:62000")));
    let there = flow(&media, "10.0.0.1:30000");
    assert_eq!(there.action, Action::Forward);
    assert_eq!(
        there.entry(0, 0).expected_address,
        ip_to_mapped(at("203.0.113.5:0").ip())
    );
    assert_eq!(
        to(&flow(&media, "10.0.1.1:40000")),
        Some(at("203.0.113.5:62000"))
    );
    assert_eq!(
        to(&flow(&media, "10.0.1.1:40001")),
        Some(at(CALLER_RTCP)),
        "RTCP latches by itself"
    );

    // Now only from there.
    let rtcp = flow(&media, "10.0.0.1:30001").config.source;
    assert_eq!(
        rtcp,
        Source::Latch {
            allowed: vec![(at("203.0.113.5:0").ip(), 32)],
            latched: None
        }
    );
    assert!(!media.latched(at("10.0.0.1:30001"), at("203.0.113.6:62001")));
    assert!(media.latched(at("10.0.0.1:30001"), at("203.0.113.5:62001")));
    assert_eq!(
        to(&flow(&media, "10.0.1.1:40001")),
        Some(at("203.0.113.5:62001"))
    );
}

#[test]
fn rtcp_that_latched_from_elsewhere_before_rtp_is_forgotten() {
    let mut media = CallMedia::new(with(|[caller, _]| caller.source = latch()));
    assert!(media.latched(at("10.0.0.1:30001"), at("203.0.113.66:1")));
    let before = flow(&media, "10.0.0.1:30001").config.generation;
    assert!(media.latched(at("10.0.0.1:30000"), at("203.0.113.5:62000")));
    let rtcp = flow(&media, "10.0.0.1:30001").config;
    assert_eq!(rtcp.source.settled(), None);
    assert_ne!(rtcp.generation, before);
    assert_eq!(to(&flow(&media, "10.0.1.1:40001")), Some(at(CALLER_RTCP)));
}

#[test]
fn a_report_of_a_latch_that_cannot_be_is_ignored() {
    let allowed = vec![("203.0.113.0".parse::<IpAddr>().unwrap(), 24)];
    let mut media = CallMedia::new(with(|[caller, callee]| {
        caller.source = SourceRule::Latch { allowed };
        callee.source = latch();
        callee.remote = None;
    }));
    for (what, local, source) in [
        ("a port that is not ours", "10.0.0.1:30002", "203.0.113.5:1"),
        (
            "a network that is not allowed",
            "10.0.0.1:30000",
            "198.51.100.1:1",
        ),
        (
            "a peer that is not known",
            "10.0.1.1:40000",
            "203.0.113.5:1",
        ),
    ] {
        assert!(!media.latched(at(local), at(source)), "{what}");
    }
    assert!(media.latched(at("10.0.0.1:30000"), at("203.0.113.5:1")));
    assert!(
        !media.latched(at("10.0.0.1:30000"), at("203.0.113.9:1")),
        "one is locked already"
    );
    let mut strict = CallMedia::new(plain());
    assert!(
        !strict.latched(at("10.0.0.1:30000"), at(CALLER)),
        "the rule is strict"
    );
}

#[test]
fn a_latch_is_forgotten_with_the_sdp_that_it_was_made_under() {
    let session = || with(|[caller, _]| caller.source = latch());
    let moved = |change: &dyn Fn(&mut StreamLeg)| {
        let mut session = session();
        change(&mut session.streams[0].legs[0]);
        session
    };
    let held = with(|[caller, callee]| {
        caller.source = latch();
        callee.remote = None;
    });
    let mut on_hold = session();
    on_hold.streams[0].on_hold = true;
    let cases: [(&str, Session, bool); 7] = [
        ("the same session", session(), true),
        ("hold", on_hold, true),
        ("the other peer moves", held, true),
        (
            "this peer moves",
            moved(&|leg| {
                leg.remote = Some(RemoteMedia {
                    rtp: at("192.0.2.10:4002"),
                    rtcp: at("192.0.2.10:4003"),
                });
            }),
            false,
        ),
        (
            "this peer says the same in a new SDP",
            moved(&|leg| leg.sdp_version = 2),
            false,
        ),
        (
            "another network is allowed",
            moved(&|leg| {
                leg.source = SourceRule::Latch {
                    allowed: vec![(at(CALLER).ip(), 8)],
                }
            }),
            false,
        ),
        ("new keys", moved(&|leg| leg.security = srtp(1, 2)), false),
    ];
    for (what, update, kept) in cases {
        let mut media = CallMedia::new(session());
        media.latched(at("10.0.0.1:30000"), at("203.0.113.5:62000"));
        let before = flow(&media, "10.0.0.1:30000").config.generation;
        media.update(update);
        let config = flow(&media, "10.0.0.1:30000").config;
        assert_eq!(config.source.settled().is_some(), kept, "{what}");
        assert_eq!(config.generation == before, kept, "{what}");
    }
}
