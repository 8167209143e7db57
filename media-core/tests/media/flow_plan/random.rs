//! Fail closed, whatever the sessions.

use super::*;

fn security() -> impl Strategy<Value = Security> {
    prop_oneof![
        3 => Just(Security::Plain),
        2 => (0_u8..4, 0_u8..4).prop_map(|(receive, send)| srtp(receive, send)),
        1 => Just(Security::Pending),
        1 => prop::sample::select(Suite::ALL).prop_map(|suite| Security::Passthrough { suite }),
    ]
}

fn any_leg(port: u16) -> impl Strategy<Value = StreamLeg> {
    let remote = prop_oneof![
        Just(None),
        Just(Some(CALLER)),
        Just(Some(CALLEE)),
        Just(Some("[2001:db8::7]:5004"))
    ];
    (
        security(),
        remote,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<u128>(),
        prop::option::of(0_u8..64),
    )
        .prop_map(
            move |(security, remote, mux, latches, ipv6, payload_types, dscp)| {
                let local = if ipv6 { "2001:db8::1" } else { "10.0.0.1" };
                let mut leg = leg(local, port, remote.unwrap_or(CALLER));
                if remote.is_none() {
                    leg.remote = None;
                }
                let source = if latches { latch() } else { SourceRule::Strict };
                StreamLeg {
                    security,
                    rtcp_mux: mux,
                    source,
                    payload_types,
                    dscp,
                    ..leg
                }
            },
        )
}

fn any_session() -> impl Strategy<Value = Session> {
    let stream = |port| {
        (any_leg(port), any_leg(port + 10), any::<bool>()).prop_map(|(a, b, is_raw)| Stream {
            legs: [a, b],
            on_hold: false,
            is_raw,
        })
    };
    (stream(30_000), prop::option::of(stream(30_100))).prop_map(|(first, second)| Session {
        call: CallId(1),
        streams: std::iter::once(first).chain(second).collect(),
    })
}

fn is_secure(leg: &StreamLeg) -> bool {
    matches!(leg.security, Security::Srtp { .. } | Security::Pending)
}

proptest! {
    /// Fail closed: over any life of a call, no entry forwards past a leg whose keys are ours
    /// or not settled, and no flow of any kind sends such a leg's packets on, or packets to
    /// it, without the leg's own keys.
    #[test]
    fn no_entry_forwards_for_a_secure_leg(
        sessions in prop::collection::vec(any_session(), 1..5),
        latches in prop::collection::vec((prop::sample::select(vec!["10.0.0.1", "2001:db8::1"]), 30_000_u16..30_120, any::<bool>()), 0..20),
    ) {
        let mut media = CallMedia::new(sessions[0].clone());
        for session in sessions {
            media.update(session.clone());
            for (local, port, other) in &latches {
                let source = if *other { CALLER } else { "203.0.113.5:62000" };
                media.latched(SocketAddr::new(local.parse().unwrap(), *port), at(source));
            }
            let flows = media.flows();
            let expected: usize = session.streams.iter().flat_map(|stream| stream.legs.iter().map(|leg| if stream.is_raw || leg.rtcp_mux { 1 } else { 2 })).sum();
            prop_assert_eq!(flows.len(), expected);
            for flow in flows {
                let legs = &session.streams[flow.stream].legs;
                let (from, to) = (&legs[flow.side.index()], &legs[flow.side.other().index()]);
                let entry = flow.entry(0, 0);
                if is_secure(from) || is_secure(to) {
                    prop_assert_eq!(entry.action, ACTION_WORKER);
                    prop_assert_eq!(entry.remote_address, [0; 16]);
                    prop_assert_ne!(&flow.config.transform, &Transform::Copy);
                    if session.streams[flow.stream].is_raw {
                        prop_assert_eq!(&flow.config.transform, &Transform::Blocked);
                    }
                }
                if entry.action == ACTION_FORWARD {
                    prop_assert!(entry.flags & FLAG_CHECK_SOURCE != 0);
                    prop_assert_ne!(entry.expected_address, [0; 16]);
                    prop_assert_ne!(entry.remote_address, [0; 16]);
                }
                if let Some(sent) = flow.config.transform.send() {
                    let is_its_key = matches!(&to.security, Security::Srtp { send, .. } if send == sent);
                    prop_assert!(is_its_key);
                } else if flow.config.transform != Transform::Blocked {
                    prop_assert!(!is_secure(to));
                }
                if let Some(received) = flow.config.transform.receive() {
                    let is_its_key = matches!(&from.security, Security::Srtp { receive, .. } if receive == received);
                    prop_assert!(is_its_key);
                }
            }
        }
    }
}
