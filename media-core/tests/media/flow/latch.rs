//! Latching: what locks a source, and for how long.

use super::*;

#[test]
fn the_first_source_that_passes_is_the_only_one() {
    let mut flow = Flow::new(latching(Transform::Copy, &[("192.0.2.0", 24)]));
    assert_eq!(
        relay(&mut flow, "203.0.113.1:4000", &rtp(0, 1)),
        Err(DropReason::WrongSource)
    );
    assert_eq!(
        relay(&mut flow, "192.0.2.66:4000", &rtp(18, 1)),
        Err(DropReason::PayloadType)
    );
    assert_eq!(
        relay(&mut flow, "192.0.2.66:4000", &[0x40; 20]),
        Err(DropReason::Malformed)
    );
    assert_eq!(flow.latched(), None);
    assert_eq!(
        relay(&mut flow, "192.0.2.77:4000", &rtp(0, 1)),
        Ok((rtp(0, 1), Some(at("192.0.2.77:4000"))))
    );
    assert_eq!(
        relay(&mut flow, "192.0.2.77:4000", &rtp(0, 2)),
        Ok((rtp(0, 2), None)),
        "told once"
    );
    assert_eq!(
        relay(&mut flow, "192.0.2.66:4000", &rtp(0, 3)),
        Err(DropReason::WrongSource)
    );
    assert_eq!(
        relay(&mut flow, "192.0.2.77:4001", &rtp(0, 3)),
        Err(DropReason::WrongSource)
    );
}

#[test]
fn only_a_right_tag_latches_a_secure_leg() {
    let packets = protected(&key(1), &[rtp(0, 1), rtp(0, 2)]);
    let mut flow = Flow::new(latching(Transform::Decrypt { receive: key(1) }, &[]));
    let forged = protected(&key(9), &[rtp(0, 1)]);
    assert_eq!(
        relay(&mut flow, "192.0.2.66:4000", &forged[0]),
        Err(DropReason::Authentication)
    );
    assert_eq!(
        relay(&mut flow, "192.0.2.66:4000", &rtp(0, 1)),
        Err(DropReason::Authentication)
    );
    assert_eq!(flow.latched(), None);
    let (_, latched) = relay(&mut flow, PEER, &packets[0]).unwrap();
    assert_eq!(latched, Some(at(PEER)));
    assert_eq!(
        relay(&mut flow, "192.0.2.66:4000", &packets[1]),
        Err(DropReason::WrongSource)
    );
}

#[test]
fn a_replay_does_not_latch_after_a_new_description() {
    let packets = protected(&key(1), &[rtp(0, 1), rtp(0, 2)]);
    let config = latching(Transform::Decrypt { receive: key(1) }, &[]);
    let mut flow = Flow::new(config.clone());
    relay(&mut flow, PEER, &packets[0]).unwrap();
    flow.update(FlowConfig {
        generation: 1,
        ..config
    });
    assert_eq!(
        relay(&mut flow, "192.0.2.66:4000", &packets[0]),
        Err(DropReason::Replay)
    );
    assert_eq!(flow.latched(), None);
    assert_eq!(
        relay(&mut flow, "192.0.2.20:4000", &packets[1]).unwrap().1,
        Some(at("192.0.2.20:4000"))
    );
}

#[test]
fn a_latch_lives_as_long_as_its_generation() {
    let config = latching(Transform::Copy, &[]);
    let mut flow = Flow::new(config.clone());
    relay(&mut flow, PEER, &rtp(0, 1)).unwrap();
    flow.update(FlowConfig {
        dscp: None,
        ..config.clone()
    });
    assert_eq!(flow.latched(), Some(at(PEER)));
    // RTP has latched meanwhile: RTCP from elsewhere was not the peer's.
    flow.update(latching(Transform::Copy, &[("192.0.2.99", 32)]));
    assert_eq!(flow.latched(), None);
    flow.update(FlowConfig {
        source: Source::Latch {
            allowed: vec![],
            latched: Some(at("192.0.2.99:1")),
        },
        ..config.clone()
    });
    assert_eq!(flow.latched(), Some(at("192.0.2.99:1")), "as the plan says");
    flow.update(FlowConfig {
        generation: 1,
        ..config
    });
    assert_eq!(flow.latched(), None);
}

#[test]
fn a_packet_without_destination_does_not_latch_but_is_counted_in_the_replay_window() {
    let packets = protected(&key(1), &[rtp(0, 1), rtp(0, 2)]);
    let known = latching(Transform::Decrypt { receive: key(1) }, &[]);
    let on_hold = FlowConfig {
        carries: Carries::Rtp(Route {
            to: None,
            ..route()
        }),
        ..known.clone()
    };
    let mut flow = Flow::new(on_hold);
    assert_eq!(relay(&mut flow, PEER, &packets[0]), Err(DropReason::NoPeer));
    assert_eq!(flow.latched(), None);
    flow.update(known);
    assert_eq!(relay(&mut flow, PEER, &packets[0]), Err(DropReason::Replay));
    assert_eq!(
        relay(&mut flow, PEER, &packets[1]).unwrap().1,
        Some(at(PEER))
    );
}
