//! What signalling hears of a call's media; start and stop of the XDP backend.

use std::net::SocketAddr;
use std::time::Duration;

use media_core::report::MediaEvent;
use sip_control::media::{ActiveBackend, MediaError};
use trunkline_tests::lab::{EDGE, Host, Lab, LabOptions};
use trunkline_tests::privilege::require_root;

use crate::edge::{Edge, Party, config, start_plane};
use crate::support::{secure, talk};

#[test]
fn a_silent_call_times_out_each_time_unless_it_is_on_hold() {
    if !require_root("the namespace lab") {
        return;
    }
    let timeout = Duration::from_secs(2);
    let mut edge = Edge::start_with(LabOptions::default(), |config| {
        config.timeout = Some(timeout);
    });
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, None),
    );
    let [caller, callee] = &call.specs;
    let mut on_hold = crate::support::session(call.id.0, caller, callee);
    on_hold.streams[0].on_hold = true;
    edge.plane().apply(on_hold);
    assert_eq!(
        edge.event(timeout * 2),
        None,
        "a call on hold does not time out"
    );
    edge.apply(&call);
    for _ in 0..3 {
        assert_eq!(talk(&mut call, 1), [1, 1]);
        assert_eq!(
            edge.event(timeout / 2),
            None,
            "a call with RTP does not time out"
        );
    }
    // Signalling may let a call go on that is silent: it hears of it each time.
    for silent in [timeout, 2 * timeout] {
        match edge.event(timeout * 2) {
            Some(MediaEvent::Timeout {
                call: id,
                silent_for,
            }) => {
                assert_eq!(id, call.id);
                assert!(silent_for >= silent, "{silent_for:?}");
            }
            other => panic!("expected a timeout, not {other:?}"),
        }
    }
    edge.remove(&call);
}

#[test]
fn a_peer_on_this_host_is_refused_with_the_way_out() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut caller = Party::new(Host::Carrier, false, None);
    caller.claims = Some(SocketAddr::new(
        crate::edge::address(Host::Carrier, EDGE, false),
        4000,
    ));
    let call = edge.call(caller, Party::new(Host::Pbx, false, None));
    match edge.event(Duration::from_secs(1)) {
        Some(MediaEvent::Failed { call: id, reason }) => {
            assert_eq!(id, call.id);
            assert!(reason.contains("socket"), "{reason}");
        }
        other => panic!("expected a failure, not {other:?}"),
    }
    edge.remove(&call);
}

#[test]
fn a_change_that_cannot_be_made_closes_what_ran_before() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut call = edge.call(
        Party::new(Host::Carrier, false, None),
        Party::new(Host::Pbx, false, None),
    );
    assert_eq!(talk(&mut call, 3), [3, 3]);
    let own = crate::edge::address(Host::Pbx, EDGE, false);
    call.specs[1].remote.rtp.set_ip(own);
    edge.apply(&call);
    assert!(matches!(
        edge.event(Duration::from_secs(1)),
        Some(MediaEvent::Failed { .. })
    ));
    call.caller.send();
    assert!(call.callee.hears_nothing(), "the old peer hears no more");
    edge.remove(&call);
}

#[test]
fn stopping_leaves_no_pin_and_no_program_behind() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let attached = |lab: &Lab| {
        let output = lab
            .namespace(Host::Edge)
            .command("ip")
            .args(["-d", "link"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .matches("prog/xdp")
            .count()
    };
    let pin_dir = edge.lab.bpffs().join("trunkline");
    assert_eq!(attached(&edge.lab), 2);
    assert!(
        pin_dir
            .join(format!("v{}", media_common::ABI_VERSION))
            .join("FLOWS")
            .exists()
    );
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, None),
    );
    assert_eq!(talk(&mut call, 3), [3, 3]);
    let verdicts = edge.plane.take().unwrap().stop();
    assert_eq!(verdicts.relayed, 6);
    assert_eq!(attached(&edge.lab), 0);
    assert!(!pin_dir.exists());
    // And it may start again at once.
    let (plane, _events) = start_plane(&edge.lab, config(&edge.lab)).unwrap();
    assert_eq!(attached(&edge.lab), 2);
    drop(plane);
    assert!(!pin_dir.exists());
}

#[test]
fn without_a_bpffs_nothing_is_pinned_and_calls_go_on() {
    if !require_root("the namespace lab") {
        return;
    }
    let elsewhere = std::env::temp_dir().join("not-a-bpffs");
    let mut edge = Edge::start_with(LabOptions::default(), |config| {
        config.pin_dir = elsewhere.clone();
    });
    let ActiveBackend::Xdp { pins, .. } = &edge.plane().description().backend else {
        panic!("XDP was demanded");
    };
    assert_eq!(*pins, None);
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, None),
    );
    assert_eq!(talk(&mut call, 3), [3, 3]);
    edge.plane.take().unwrap().stop();
    assert!(!elsewhere.exists());
}

#[test]
fn an_interface_that_does_not_exist_is_named_and_nothing_is_left() {
    if !require_root("the namespace lab") {
        return;
    }
    let lab = Lab::new(LabOptions::default()).unwrap();
    let mut wrong = config(&lab);
    wrong.interfaces[1] = "no-such-if".to_owned();
    match start_plane(&lab, wrong) {
        Err(error @ MediaError::NoInterface(_)) => {
            assert!(error.to_string().contains("no-such-if"));
        }
        Err(other) => panic!("the wrong error: {other}"),
        Ok(_) => panic!("attached to nothing"),
    }
    assert!(!lab.bpffs().join("trunkline").exists());
}

#[test]
fn a_live_daemons_pins_are_respected_and_a_dead_ones_removed() {
    if !require_root("the namespace lab") {
        return;
    }
    let edge = Edge::start(LabOptions::default());
    match start_plane(&edge.lab, config(&edge.lab)) {
        Err(MediaError::AlreadyRunning(path)) => assert!(path.starts_with(edge.lab.bpffs())),
        Err(other) => panic!("the wrong error: {other}"),
        Ok(_) => panic!("two planes on the same pins"),
    }
    drop(edge);

    let lab = Lab::new(LabOptions::default()).unwrap();
    let directory = lab
        .bpffs()
        .join("trunkline")
        .join(format!("v{}", media_common::ABI_VERSION));
    std::fs::create_dir_all(&directory).unwrap();
    let left_behind = aya::maps::HashMap::<_, u32, u32>::create(4, 0).unwrap();
    left_behind.pin(directory.join("FLOWS")).unwrap();
    let (plane, _events) = start_plane(&lab, config(&lab)).unwrap();
    plane.stop();
    assert!(!directory.exists());
}
