//! The socket backend over loopback, without privileges.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use media_core::report::{MediaEvent, MediaPath};
use media_core::session::{CallId, LocalMedia, SourceRule};
use media_core::srtp::profile::Suite;
use sip_control::media::{
    Attach, Backend, Carried, FlowStatus, MediaConfig, MediaError, MediaPlane,
};
use tokio::sync::mpsc::Receiver;

use crate::edge::{CALLEE_SSRC, CALLER_SSRC, layout};
use crate::endpoint::Endpoint;
use crate::support::{Keys, LegSpec, local, session};

const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const CALLEE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// A media plane on its own loopback address, for tests side by side.
fn start(
    last: u8,
    backend: Backend,
) -> Result<(IpAddr, MediaPlane, Receiver<MediaEvent>), MediaError> {
    let address = IpAddr::from([127, 0, 77, last]);
    let (sender, events) = tokio::sync::mpsc::channel(1);
    let config = MediaConfig {
        backend,
        interfaces: Vec::new(),
        attach: Attach::Auto,
        attach_of: Vec::new(),
        layout: layout(&[address]),
        timeout: None,
        pin_dir: MediaConfig::DEFAULT_PIN_DIR.into(),
        cpus: Vec::new(),
    };
    let plane = MediaPlane::start(config, sender)?;
    Ok((address, plane, events))
}

struct Pair {
    specs: [LegSpec; 2],
    caller: Endpoint,
    callee: Endpoint,
}

fn pair(edge: IpAddr, port: u16, keys: [Option<Keys>; 2]) -> Pair {
    let [caller_keys, callee_keys] = keys;
    let leg = |address, port, keys: Option<Keys>, ssrc| {
        let local: LocalMedia = local(edge, port);
        let endpoint = Endpoint::open(address, local, keys.as_ref(), ssrc);
        let remote = endpoint.sdp();
        (
            LegSpec {
                local,
                remote,
                keys,
                source: SourceRule::Strict,
            },
            endpoint,
        )
    };
    let (caller_spec, caller) = leg(CALLER, port, caller_keys, CALLER_SSRC);
    let (callee_spec, callee) = leg(CALLEE, port + 2, callee_keys, CALLEE_SSRC);
    Pair {
        specs: [caller_spec, callee_spec],
        caller,
        callee,
    }
}

impl Pair {
    fn apply(&self, plane: &MediaPlane, call: u64) {
        let [caller, callee] = &self.specs;
        plane.apply(session(call, caller, callee));
        settle(plane);
    }

    fn talk(&mut self, count: u16) -> [u16; 2] {
        let mut arrived = [0; 2];
        for _ in 0..count {
            self.caller.send();
            self.callee.send();
            arrived[0] += u16::from(self.callee.receive(CALLER_SSRC).is_some());
            arrived[1] += u16::from(self.caller.receive(CALLEE_SSRC).is_some());
        }
        arrived
    }
}

/// Inputs are handled in order: after the answer the session is applied, and soon its sockets polled.
fn settle(plane: &MediaPlane) {
    plane.flows();
    std::thread::sleep(Duration::from_millis(50));
}

fn event(events: &mut Receiver<MediaEvent>) -> MediaEvent {
    let until = Instant::now() + Duration::from_secs(3);
    loop {
        match events.try_recv() {
            Ok(event) => return event,
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => panic!("no event: {error}"),
        }
    }
}

#[test]
fn every_pairing_arrives_whole_through_sockets() {
    let (edge, plane, mut events) = start(1, Backend::Socket).unwrap();
    let keys = || Some(Keys::generate(Suite::AesCm128HmacSha1_80));
    for (call, keys) in [
        [None, None],
        [keys(), None],
        [None, keys()],
        [keys(), keys()],
    ]
    .into_iter()
    .enumerate()
    {
        let mut pair = pair(edge, 30_000 + 4 * call as u16, keys);
        pair.apply(&plane, call as u64);
        assert_eq!(pair.talk(20), [20, 20], "call {call}");
        pair.caller.send_rtcp();
        assert!(pair.callee.receives_rtcp(CALLER_SSRC));
        let flows = plane.flows();
        assert!(
            flows
                .iter()
                .filter(|flow| flow.carries == Carried::Rtp)
                .all(|flow| {
                    let is_whole = flow.packets == 20 && flow.quality.lost == 0;
                    is_whole && flow.path == MediaPath::Socket
                }),
            "{flows:?}"
        );
        plane.remove(CallId(call as u64));
        match event(&mut events) {
            MediaEvent::Removed { report, .. } => {
                assert!(
                    report
                        .directions
                        .iter()
                        .all(|direction| direction.packets == 20),
                    "{report:?}"
                );
            }
            other => panic!("expected a removal, not {other:?}"),
        }
    }
    assert!(plane.flows().is_empty());
    assert_eq!(plane.stop().relayed, 4 * 41);
}

#[test]
fn flows_are_asked_for_by_call_by_index_and_page_by_page() {
    // An address that no other test here has.
    let (edge, plane, _events) = start(9, Backend::Socket).unwrap();
    for call in 1..=5 {
        pair(edge, 30_000 + 4 * call as u16, [None, None]).apply(&plane, call);
    }
    let all = plane.flows();
    let each = all.iter().filter(|flow| flow.call == CallId(1)).count();
    assert!(each >= 2 && all.len() == 5 * each, "{all:?}");
    let calls: Vec<u64> = all.iter().map(|flow| flow.call.0).collect();
    assert!(calls.is_sorted(), "{calls:?}");

    let two = plane.flows_of(vec![CallId(4), CallId(2), CallId(77)]);
    let is_of_4 = |flow: &&FlowStatus| flow.call == CallId(4);
    assert_eq!(two.iter().filter(is_of_4).count(), each);
    assert_eq!(two.len(), 2 * each);

    for flow in &all {
        let index = flow.place.index.unwrap();
        assert_eq!(plane.flow_at(index).unwrap().local, flow.local);
    }
    assert_eq!(plane.flow_at(u32::MAX), None);

    // Whole calls: as many as fit, and one in any case.
    let mut after = None;
    let mut pages = Vec::new();
    loop {
        let page = plane.flows_after(after, 2 * each + 1);
        let calls: Vec<u64> = page.flows.iter().map(|flow| flow.call.0).collect();
        pages.push(calls);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let whole = |calls: &[u64]| -> Vec<u64> {
        let calls = calls.iter();
        calls.flat_map(|call| vec![*call; each]).collect()
    };
    assert_eq!(pages, [whole(&[1, 2]), whole(&[3, 4]), whole(&[5])]);
    let one = plane.flows_after(Some(CallId(3)), 1);
    assert_eq!((one.flows.len(), one.next), (each, Some(CallId(4))));
}

#[test]
fn a_latch_holds_until_the_peer_has_a_new_sdp() {
    let (edge, plane, _events) = start(2, Backend::Socket).unwrap();
    let mut pair = pair(edge, 30_000, [None, None]);
    let real = pair.specs[0].remote;
    pair.specs[0].source = SourceRule::Latch {
        allowed: vec![(CALLER, 32)],
    };
    pair.specs[0].remote.rtp = SocketAddr::new(CALLER, 9);
    pair.apply(&plane, 1);
    pair.caller.send();
    assert_eq!(pair.callee.receive(CALLER_SSRC), Some(0));
    settle(&plane);
    pair.callee.send();
    assert_eq!(
        pair.caller.receive(CALLEE_SSRC),
        Some(0),
        "the other direction goes to the locked source"
    );

    let stranger = UdpSocket::bind((CALLER, 0)).unwrap();
    let packet = pair.caller.next_packet();
    stranger.send_to(&packet, pair.caller.edge_rtp()).unwrap();
    assert!(pair.callee.hears_nothing());
    assert_eq!(plane.verdicts().drop_wrong_source, 1);

    let outside = UdpSocket::bind((CALLEE, 0)).unwrap();
    pair.specs[0].remote = real;
    pair.apply(&plane, 1);
    outside.send_to(&packet, pair.caller.edge_rtp()).unwrap();
    assert!(
        pair.callee.hears_nothing(),
        "a source outside of the media ACL does not lock"
    );
    pair.caller.send();
    assert_eq!(pair.callee.receive(CALLER_SSRC), Some(2));
}

#[test]
fn a_media_address_that_is_not_ours_is_an_error_that_names_it() {
    let (sender, _events) = tokio::sync::mpsc::channel(1);
    let foreign: IpAddr = "192.0.2.123".parse().unwrap();
    let config = MediaConfig {
        backend: Backend::Socket,
        interfaces: Vec::new(),
        attach: Attach::Auto,
        attach_of: Vec::new(),
        layout: layout(&[foreign]),
        timeout: None,
        pin_dir: MediaConfig::DEFAULT_PIN_DIR.into(),
        cpus: Vec::new(),
    };
    match MediaPlane::start(config, sender) {
        Err(error @ MediaError::Bind { .. }) => {
            assert!(error.to_string().contains("192.0.2.123"), "{error}");
        }
        Err(other) => panic!("the wrong error: {other}"),
        Ok(_) => panic!("a foreign address was bound"),
    }
}

#[test]
fn without_media_interfaces_auto_means_sockets_and_says_why() {
    let (_, plane, _events) = start(5, Backend::Auto).unwrap();
    let description = plane.description();
    assert_eq!(description.backend_name(), "socket");
    let reason = description.fallback_reason.as_deref();
    assert!(
        reason.is_some_and(|reason| reason.contains("interfaces")),
        "{reason:?}"
    );
    drop(plane);
    match start(6, Backend::Xdp) {
        Err(MediaError::Config(_) | MediaError::MissingCapability { .. }) => {}
        Err(other) => panic!("the wrong error: {other}"),
        Ok(_) => panic!("XDP without interfaces"),
    }
}

#[test]
fn a_port_that_somebody_else_has_fails_the_call_and_not_the_plane() {
    let (edge, plane, mut events) = start(4, Backend::Socket).unwrap();
    let taken = UdpSocket::bind((edge, 30_000)).unwrap();
    let mut pair = pair(edge, 30_000, [None, None]);
    pair.apply(&plane, 1);
    match event(&mut events) {
        MediaEvent::Failed { call, reason } => {
            assert_eq!(call, CallId(1));
            assert!(reason.contains("30000"), "{reason}");
        }
        other => panic!("expected a failure, not {other:?}"),
    }
    plane.remove(CallId(1));
    assert!(matches!(event(&mut events), MediaEvent::Removed { .. }));
    drop(taken);
    pair.apply(&plane, 2);
    assert_eq!(pair.talk(3), [3, 3]);
}

/// Calls take turns between the threads, so that one may close what another is to open.
#[test]
fn a_port_can_be_used_again_as_soon_as_its_call_is_removed() {
    let (edge, plane, mut events) = start(7, Backend::Socket).unwrap();
    let pair = pair(edge, 30_000, [None, None]);
    for call in 1..=50 {
        pair.apply(&plane, call);
        plane.remove(CallId(call));
        match event(&mut events) {
            MediaEvent::Removed { call: removed, .. } => assert_eq!(removed, CallId(call)),
            other => panic!("call {call}: {other:?}"),
        }
    }
}
